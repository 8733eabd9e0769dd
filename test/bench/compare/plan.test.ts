import { describe, expect, it } from 'vitest';
import { type CompareOptions, labelOf, planCompare, windowFor } from '#bench/compare/plan.js';

const OPTIONS: CompareOptions = {
  precisions: ['fp32'],
  runners: ['native'],
  devices: ['cpu'],
  threads: [2],
  batchSize: [1, 8],
  nGen: 64,
  repetitions: 3,
};

describe('planCompare', () => {
  it('measures a prefill and a decode per batch size, one step per call as the engine does', () => {
    expect(planCompare(OPTIONS, 1024)).toEqual({
      candidates: [{ precision: 'fp32', runner: 'native', device: 'cpu', threads: 2 }],
      cases: [
        { phase: 'prefill', prompt: 512 },
        { phase: 'decode', batch: 1, depth: 64, newTokens: 64, stepsPerCall: 1 },
        { phase: 'decode', batch: 8, depth: 64, newTokens: 64, stepsPerCall: 1 },
      ],
      repetitions: 3,
    });
  });

  it('combines precisions, runners and threads, each once', () => {
    const { candidates } = planCompare(
      { ...OPTIONS, precisions: ['fp32', 'int4', 'fp32'], runners: ['native', 'portable'], threads: [1, 2] },
      1024,
    );
    expect(new Set(candidates.map((one) => JSON.stringify(one))).size).toBe(8);
    expect(candidates).toHaveLength(8);
    expect(candidates.map((one) => labelOf(one, candidates))).toContain('int4, portable, 1 thread');
  });

  it('fits a small context where nothing else is asked for', () => {
    const { cases } = planCompare({ ...OPTIONS, batchSize: [1] }, 100);
    expect(cases).toMatchObject([{ prompt: 50 }, { depth: 36, newTokens: 64 }]);
  });

  it.each([
    [{ nPrompt: 1025 }, 'nPrompt'],
    [{ nGen: 1024 }, 'nGen'],
  ])('refuses %j, which the context cannot hold', (changes, option) => {
    expect(() => planCompare({ ...OPTIONS, ...changes }, 1024)).toThrow(
      expect.objectContaining({
        code: 'INHOUSE_INVALID_OPTION',
        details: expect.objectContaining({ option }),
      }),
    );
  });
});

describe('labelOf', () => {
  it('says no more than what tells candidates apart', () => {
    const [a, b] = [
      { precision: 'fp32', runner: 'native', device: 'cpu', threads: 1 },
      { precision: 'fp32', runner: 'native', device: 'cpu', threads: 2 },
    ] as const;
    expect(labelOf(a, [a])).toBe('fp32');
    expect([a, b].map((one) => labelOf(one, [a, b]))).toEqual(['fp32, 1 thread', 'fp32, 2 threads']);
  });
});

describe('windowFor', () => {
  it('is the context, or the whole of a shorter text, unless a shorter one is asked for', () => {
    expect(windowFor(2000, 1024, undefined)).toBe(1024);
    expect(windowFor(621, 1024, undefined)).toBe(621);
    expect(windowFor(2000, 1024, 256)).toBe(256);
  });

  it.each([
    [100, 200, "at most the text's 100 tokens"],
    [2000, 1025, "at most the model's context, 1024"],
  ])('refuses for a text of %i tokens a window of %i', (tokens, window, message) => {
    expect(() => windowFor(tokens, 1024, window)).toThrow(message);
  });

  it.each([0, 1])('refuses a text of %i tokens', (tokens) => {
    expect(() => windowFor(tokens, 1024, undefined)).toThrow(
      expect.objectContaining({ code: 'INHOUSE_EMPTY_PROMPT' }),
    );
  });
});
