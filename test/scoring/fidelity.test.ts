import { describe, expect, it } from 'vitest';
import type { Runner, ScoreOptions, ScoreResult } from '#inhouse/runtime/runner.js';
import { klDivergence, measureFidelity } from '#inhouse/scoring/fidelity.js';
import { Random } from '../support/random.js';

const VOCABULARY = 50;
const CONTEXT = 16;

/** Softmax in double precision, as a textbook has it. */
function softmax(logits: Float32Array): number[] {
  const powers = Array.from(logits, (logit) => Math.exp(logit));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

function plainKl(p: readonly number[], q: readonly number[]): number {
  return p.reduce((sum, probability, i) => sum + probability * Math.log(probability / q[i]!), 0);
}

function randomLogits(random: Random, spread: number): Float32Array {
  return Float32Array.from({ length: VOCABULARY }, () => spread * random.normal());
}

/** A model whose logits depend on the position in the window and the tokens before it. */
class TableRunner {
  readonly info = { contextLength: CONTEXT, vocabularySize: VOCABULARY };
  mostLogits = 0;
  readonly #seed: number;
  readonly #noise: number;

  constructor(seed: number, noise = 0) {
    this.#seed = seed;
    this.#noise = noise;
  }

  predict(before: readonly number[]): Float32Array {
    const hash = before.reduce((sum, token) => (sum * 31 + token + 1) % 65_521, before.length);
    const logits = randomLogits(new Random(hash), 2);
    const noise = new Random(hash + this.#seed);
    return logits.map((logit) => logit + this.#noise * noise.normal());
  }

  async score(tokens: readonly number[], { from = 1 }: ScoreOptions = {}): Promise<ScoreResult> {
    const rows = tokens.slice(from).map((_, i) => this.predict(tokens.slice(0, from + i)));
    this.mostLogits = Math.max(this.mostLogits, rows.length * VOCABULARY);
    return {
      logprobs: Float64Array.from(rows, (row, i) => Math.log(softmax(row)[tokens[from + i]!]!)),
      argmax: Int32Array.from(rows, (row) => row.indexOf(Math.max(...row))),
      logits: Float32Array.from(rows.flatMap((row) => [...row])),
    };
  }
}

function asRunner(table: TableRunner): Runner {
  return table as unknown as Runner;
}

describe('klDivergence', () => {
  it('equals the textbook sum in double precision', () => {
    const random = new Random(1);
    for (const spread of [0.01, 1, 5]) {
      for (let i = 0; i < 20; i++) {
        const [a, b] = [randomLogits(random, spread), randomLogits(random, spread)];
        expect(klDivergence(a, b)).toBeCloseTo(plainKl(softmax(a), softmax(b)), 12);
      }
    }
  });

  it('is not symmetric: the reference weighs', () => {
    const [a, b] = [Float32Array.of(3, 0, 0), Float32Array.of(0, 1, 2)];
    expect(klDivergence(a, b)).not.toBeCloseTo(klDivergence(b, a), 2);
  });

  it('is 0 for equal rows and for rows that differ by a constant', () => {
    const logits = randomLogits(new Random(2), 4);
    expect(klDivergence(logits, logits)).toBe(0);
    expect(klDivergence(Float32Array.of(1, 2, 3), Float32Array.of(9, 10, 11))).toBeCloseTo(0, 14);
  });

  it('survives logits far beyond what exp can hold', () => {
    expect(klDivergence(Float32Array.of(2000, 0), Float32Array.of(2000, 0))).toBe(0);
    expect(klDivergence(Float32Array.of(-2000, 0), Float32Array.of(0, -2000))).toBeCloseTo(2000, 9);
  });
});

describe('measureFidelity', () => {
  const random = new Random(3);
  const ids = Array.from({ length: 45 }, () => random.integer(0, VOCABULARY - 1));

  it('of a model to itself is full agreement and no difference', async () => {
    const runner = asRunner(new TableRunner(1));
    for (const same of [runner, asRunner(new TableRunner(1))]) {
      expect(await measureFidelity(runner, same, ids)).toMatchObject({
        top1Agreement: 1,
        meanKl: 0,
        meanAbsLogprobDifference: 0,
        lossDifferenceError: 0,
      });
    }
  });

  it('equals means taken over all positions of all windows at once', async () => {
    const [reference, candidate] = [new TableRunner(1), new TableRunner(2, 0.7)];
    const measured = await measureFidelity(asRunner(reference), asRunner(candidate), ids, {
      window: 10,
      stride: 4,
    });

    // What a token is predicted from, by hand: the first window whole, then windows that begin every 4 tokens.
    const begins = ids.map((_, position) => (position < 10 ? 0 : Math.ceil((position - 9) / 4) * 4));
    const rows = ids.slice(1).map((token, i) => {
      const before = ids.slice(begins[i + 1], i + 1);
      const [a, b] = [reference.predict(before), candidate.predict(before)];
      return { token, a, b, p: softmax(a), q: softmax(b) };
    });
    const mean = (value: (row: (typeof rows)[number]) => number) =>
      rows.reduce((sum, row) => sum + value(row), 0) / rows.length;
    const first = (logits: Float32Array) => logits.indexOf(Math.max(...logits));
    expect(measured).toMatchObject({ tokens: 45, scoredTokens: 44, window: 10, stride: 4 });
    expect(measured.meanKl).toBeCloseTo(
      mean(({ p, q }) => plainKl(p, q)),
      12,
    );
    expect(measured.referenceLoss).toBeCloseTo(
      mean(({ p, token }) => -Math.log(p[token]!)),
      12,
    );
    expect(measured.candidateLoss).toBeCloseTo(
      mean(({ q, token }) => -Math.log(q[token]!)),
      12,
    );
    expect(measured.meanAbsLogprobDifference).toBeCloseTo(
      mean(({ p, q, token }) => Math.abs(Math.log(p[token]! / q[token]!))),
      12,
    );
    const difference = ({ p, q, token }: (typeof rows)[number]) => Math.log(p[token]! / q[token]!);
    const deviation = Math.sqrt(mean((row) => (difference(row) - mean(difference)) ** 2));
    expect(measured.lossDifferenceError).toBeCloseTo(deviation / Math.sqrt(44), 12);
    expect(measured.top1Agreement).toBe(mean(({ a, b }) => Number(first(a) === first(b))));
    expect(measured.top1Agreement).toBeLessThan(1);
  });

  it('asks for the logits of one window at a time', async () => {
    const runner = new TableRunner(1);
    await measureFidelity(asRunner(runner), asRunner(runner), ids, { window: 8, stride: 2 });
    expect(runner.mostLogits).toBe(7 * VOCABULARY);
  });

  it.each([
    { options: { window: CONTEXT + 1 }, option: 'window' },
    { options: { window: 8, stride: 8 }, option: 'stride' },
  ])('refuses $options', async ({ options, option }) => {
    const runner = asRunner(new TableRunner(1));
    await expect(measureFidelity(runner, runner, ids, options)).rejects.toMatchObject({
      code: 'INHOUSE_INVALID_OPTION',
      details: { option },
    });
  });

  it('refuses a text of a single token', async () => {
    const runner = asRunner(new TableRunner(1));
    await expect(measureFidelity(runner, runner, [1])).rejects.toMatchObject({
      code: 'INHOUSE_EMPTY_PROMPT',
    });
  });

  it('stops between windows when aborted', async () => {
    const runner = asRunner(new TableRunner(1));
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(measureFidelity(runner, runner, ids, { signal })).rejects.toThrow('enough');
  });
});
