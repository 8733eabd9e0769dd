import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { logSumExp, topLogprobs } from '#inhouse/runtime/sampling/logprobs.js';
import { philox4x32, uniform } from '#inhouse/runtime/sampling/philox.js';
import { argmax, Sampler } from '#inhouse/runtime/sampling/sampler.js';
import { allIds, TopDown } from '#inhouse/runtime/sampling/top-down.js';
import { GREEDY } from '../support/runners.js';

describe('philox', () => {
  it('gives the known answers of Random123', () => {
    const hex = (words: readonly number[]) =>
      words.map((word) => word.toString(16).padStart(8, '0')).join(' ');
    const ones = 0xffffffff;
    expect(hex(philox4x32([0, 0, 0, 0], [0, 0]))).toBe('6627e8d5 e169c58d bc57ac4c 9b00dbd8');
    expect(hex(philox4x32([ones, ones, ones, ones], [ones, ones]))).toBe(
      '408f276d 41c83b0e a20bc7c6 6d5451fd',
    );
    expect(hex(philox4x32([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]))).toBe(
      'd16cfe09 94fdcceb 5001e420 24126ea1',
    );
  });

  it('is uniform on [0, 1) and differs by seed, position and stream', () => {
    const values = Array.from({ length: 20_000 }, (_, position) => uniform(42, position, 0));
    expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
    const deciles = new Array(10).fill(0);
    for (const value of values) deciles[Math.floor(value * 10)]++;
    for (const count of deciles) expect(Math.abs(count - 2000)).toBeLessThan(200); // 4.7 standard deviations
    const others = [
      uniform(42, 5, 0),
      uniform(43, 5, 0),
      uniform(42, 6, 0),
      uniform(42, 5, 1),
      uniform(42 + 2 ** 32, 5, 0),
    ];
    expect(new Set(others).size).toBe(5);
  });
});

describe('top down', () => {
  it('hands out ids by value, then by id', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 200 }), (values) => {
        const queue = new TopDown(Float32Array.from(values), allIds(values.length));
        const popped = values.map(() => queue.pop()!);
        const sorted = [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b);
        expect(popped).toEqual(sorted);
        expect(queue.pop()).toBeUndefined();
      }),
    );
  });
});

describe('log-probabilities', () => {
  it('sum to one and survive large logits', () => {
    const logits = Float32Array.from([1000, 999, -1000, 998.5]);
    const total = logSumExp(logits);
    expect(
      topLogprobs(logits, total, 10).reduce((sum, { logprob }) => sum + Math.exp(logprob), 0),
    ).toBeCloseTo(1, 12);
    expect(topLogprobs(logits, total, 2).map(({ token }) => token)).toEqual([0, 1]);
    expect(topLogprobs(logits, total, 0)).toEqual([]);
  });
});

describe('the sampler', () => {
  it('refuses logits that mean nothing', () => {
    const sampler = new Sampler(GREEDY, [1], [], 3);
    for (const logits of [
      [Number.NaN, 1, 2],
      [Number.POSITIVE_INFINITY, 0, 0],
      new Array(3).fill(Number.NEGATIVE_INFINITY),
    ]) {
      expect(() => sampler.choose(Float32Array.from(logits))).toThrow(
        expect.objectContaining({ code: 'INHOUSE_RUNTIME_STEP' }),
      );
    }
  });

  it('takes back accepted tokens as if they had never come', () => {
    const settings = { ...GREEDY, frequencyPenalty: 1 };
    const sampler = new Sampler(settings, [], [0], 3);
    const logits = Float32Array.from([2.5, 2, 0]);
    expect(sampler.choose(logits).token).toBe(1); // 0 has come once
    for (const token of [1, 1, 2]) sampler.accept(token);
    expect(sampler.choose(logits).token).toBe(0);
    sampler.rewind(1);
    expect([sampler.outputLength, sampler.choose(logits).token]).toEqual([1, 1]);
  });

  it('draws the only token that a tiny topP leaves, at any temperature', () => {
    const sampler = new Sampler({ ...GREEDY, temperature: 5, topP: 1e-9 }, [], [], 4);
    expect(sampler.choose(Float32Array.from([0, 3, 3, 1])).token).toBe(1);
  });

  it('argmax prefers the smaller id', () => {
    expect(argmax(Float32Array.from([1, 4, 4, 2]))).toBe(1);
  });
});
