// The references themselves, held to numbers from elsewhere: what everything else is measured by must be right.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { embeddedModelFolder } from '#inhouse/checkpoint/embedded.js';
import type { SamplingSettings } from '#inhouse/runtime/runner.js';
import { type RandomCheckpoint, writeRandomCheckpoint } from '../support/random-checkpoint.js';
import { erf, logSoftmax, ReferenceGpt2 } from '../support/reference-gpt2.js';
import { adjust, candidates, chooseToken, philox, uniform } from '../support/reference-sampling.js';
import { GREEDY } from '../support/runners.js';
import { largestDifference, SMALL_MODEL } from './contract/harness.js';

describe('the reference forward pass', () => {
  it('gives the logits and the greedy continuation that numpy gave for the embedded model', () => {
    const folder = embeddedModelFolder();
    const { prompts } = JSON.parse(readFileSync(join(folder, 'goldens.json'), 'utf8'));
    const { ids, top10, greedy40 } = prompts[0];
    const logits = ReferenceGpt2.open(folder).logits([...ids, ...greedy40.slice(0, -1)]);
    const continued = logits.slice(ids.length - 1);
    for (const { id, logit } of top10) expect(Math.abs(continued[0]![id]! - logit)).toBeLessThan(1e-6); // float32
    expect(continued.map((row) => row.indexOf(Math.max(...row)))).toEqual(greedy40);
  });

  it.each([
    [0, 0],
    [1e-10, 1.1283791670955126e-10],
    [0.5, 0.5204998778130465],
    [-1, -0.8427007929497149],
    [2, 0.9953222650189527],
    [3.5, 0.9999992569016276],
    [40, 1],
  ])('erf(%d) is %d', (x, expected) => {
    expect(Math.abs(erf(x) - expected)).toBeLessThan(1e-15);
  });

  describe('over random checkpoints', () => {
    let root: string;
    beforeAll(() => {
      root = mkdtempSync(join(tmpdir(), 'inhouse-reference-'));
    });
    afterAll(() => rmSync(root, { recursive: true }));

    const ids = [3, 141, 59, 26, 5, 35, 89, 79];
    const logitsOf = (name: string, options: Partial<RandomCheckpoint>) =>
      ReferenceGpt2.open(writeRandomCheckpoint(join(root, name), { ...SMALL_MODEL, ...options })).logits(ids);

    it('does not depend on the prefix of the names', () => {
      expect(logitsOf('bare', { prefix: false })).toEqual(logitsOf('prefixed', { prefix: true }));
    });

    it.each([
      ['half precision', { dtype: 'F16' }],
      ['bfloat16', { dtype: 'BF16' }],
      ['the other GELU', { activation: 'gelu' }],
      ['an inner width of its own', { innerWidth: 100 }],
      ['a larger epsilon', { layerNormEpsilon: 0.1 }],
      ['unscaled attention', { scaleAttentionWeights: false }],
      ['attention scaled by layer', { scaleAttentionByInverseLayerIndex: true }],
      ['a head of its own', { tied: false }],
    ] as const)('%s changes the logits', (name, options) => {
      expect(largestDifference(logitsOf('plain', {})[7]!, logitsOf(name, options)[7]!)).toBeGreaterThan(1e-4);
    });

    it('no position sees what comes after it', () => {
      const model = ReferenceGpt2.open(writeRandomCheckpoint(join(root, 'causal'), SMALL_MODEL));
      const whole = model.logits(ids);
      model.logits(ids.slice(0, 5)).forEach((row, i) => {
        expect(largestDifference(row, whole[i]!)).toBeLessThan(1e-12);
      });
      expect(largestDifference(whole[6]!, model.logits([...ids].reverse())[6]!)).toBeGreaterThan(0.1);
    });

    it('its logits are lively', () => {
      const spread = logSoftmax(logitsOf('lively', {})[7]!).toSorted();
      expect(spread.at(-1)! - spread[0]!).toBeGreaterThan(5);
      expect(spread.at(-1)!).toBeLessThan(-0.01);
    });

    it('log-probabilities are those of each id given the ids before it', () => {
      const model = ReferenceGpt2.open(writeRandomCheckpoint(join(root, 'logprobs'), SMALL_MODEL));
      const logprobs = model.logprobs(ids);
      expect(logprobs[0]).toBeNaN();
      const weights = Array.from(model.logits(ids)[2]!, Math.exp);
      const probability = weights[26]! / weights.reduce((a, b) => a + b);
      expect(logprobs[3]).toBeCloseTo(Math.log(probability), 12);
    });
  });
});

describe('Philox4x32-10', () => {
  // The known answers published with the authors' implementation (Random123, kat_vectors).
  const ONES = 0xffffffff;
  it.each([
    { counter: [0, 0, 0, 0], key: [0, 0], answer: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
    {
      counter: [ONES, ONES, ONES, ONES],
      key: [ONES, ONES],
      answer: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    },
    {
      counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      key: [0xa4093822, 0x299f31d0],
      answer: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    },
  ] as const)('gives the published answer for key $key', ({ counter, key, answer }) => {
    expect(philox(counter, key)).toEqual(answer);
  });

  it('draws the first 53 bits of a block', () => {
    expect(uniform(0, 0, 0)).toBe(
      (Math.floor(0x6627e8d5 / 32) * 2 ** 26 + Math.floor(0xe169c58d / 64)) / 2 ** 53,
    );
  });

  it('seed, index and stream each change the draw, in their high bits too', () => {
    const draws = [
      uniform(0, 0, 0),
      uniform(1, 0, 0),
      uniform(2 ** 32, 0, 0),
      uniform(0, 1, 0),
      uniform(0, 2 ** 32, 0),
      uniform(0, 0, 1),
    ];
    expect(new Set(draws).size).toBe(draws.length);
    for (const draw of draws) expect(draw >= 0 && draw < 1).toBe(true);
  });
});

describe('the reference sampler', () => {
  const nothing = { prompt: [], output: [] };
  const logits = [0.1, 0.4, 0.2, 0.3].map(Math.log);
  const allowed = (settings: Partial<SamplingSettings>) =>
    candidates(logits, { ...GREEDY, temperature: 1, ...settings }, nothing).map(({ token, probability }) => [
      token,
      Number(probability.toFixed(12)),
    ]);

  it('draws from the softmax, by ascending id', () => {
    expect(allowed({})).toEqual([
      [0, 0.1],
      [1, 0.4],
      [2, 0.2],
      [3, 0.3],
    ]);
  });

  it('sharpens with a temperature below 1', () => {
    expect(allowed({ temperature: 0.5 }).map(([, p]) => p)).toEqual(
      [0.01, 0.16, 0.04, 0.09].map((weight) => Number((weight / 0.3).toFixed(12))),
    );
  });

  it.each([
    [{ topK: 1 }, [1]],
    [{ topK: 2 }, [1, 3]],
    [{ topK: 9 }, [0, 1, 2, 3]],
    [{ topP: 0.39 }, [1]],
    [{ topP: 0.41 }, [1, 3]],
    [{ topP: 0.71 }, [1, 2, 3]],
    [{ topK: 2, topP: 0.55 }, [1]], // 0.4 of the 0.7 that top-k left
    [{ minP: 0.45 }, [1, 2, 3]],
    [{ minP: 0.6 }, [1, 3]],
    [{ minP: 1 }, [1]],
    [{ temperature: 0 }, [1]],
  ])('%j keeps %j', (settings, ids) => {
    expect(allowed(settings).map(([token]) => token)).toEqual(ids);
  });

  it('applies bias, then the repetition penalty, then presence and frequency, then minTokens', () => {
    const settings = {
      ...GREEDY,
      logitBias: { ids: [0, 1], values: [3, -1] },
      repetitionPenalty: 2,
      presencePenalty: 0.5,
      frequencyPenalty: 0.25,
      stopTokenIds: [3],
      minTokens: 3,
    };
    const adjusted = adjust([1, -1, 1, 1, 1], settings, { prompt: [0], output: [1, 1] });
    expect([...adjusted]).toEqual([(1 + 3) / 2, (-1 - 1) * 2 - 0.5 - 2 * 0.25, 1, -Infinity, 1]);
  });

  it('takes the token in whose share of [0, 1) the draw falls', () => {
    const settings = { ...GREEDY, temperature: 1 };
    const chosen = Array.from({ length: 50 }, (_, seed) =>
      chooseToken(logits, { ...settings, seed }, nothing),
    );
    const shares = Array.from({ length: 50 }, (_, seed) => {
      const draw = uniform(seed, 0, 0);
      return draw < 0.1 ? 0 : draw < 0.5 ? 1 : draw < 0.7 ? 2 : 3;
    });
    expect(chosen).toEqual(shares);
    expect(new Set(chosen).size).toBe(4);
  });
});
