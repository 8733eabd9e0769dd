// What the parts of the runner contract share: a model with its reference, rows begun from a prompt, and the
// comparison of a row's choices with the reference along the path that the row itself took.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import type { Runner, SamplingSettings, TokenChoice } from '#inhouse/runtime/runner.js';
import { Random } from '../../support/random.js';
import { type RandomCheckpoint, writeRandomCheckpoint } from '../../support/random-checkpoint.js';
import { logSoftmax, type ReferenceGpt2 } from '../../support/reference-gpt2.js';
import { chooseToken, isCloseCall } from '../../support/reference-sampling.js';
import { type Exactness, GREEDY, type OpenOptions, type OpenRunner } from '../../support/runners.js';

export const SMALL_MODEL: RandomCheckpoint = {
  seed: 1,
  layers: 2,
  heads: 2,
  headSize: 32,
  vocabularySize: 211,
  contextLength: 96,
  activation: 'gelu_new',
  dtype: 'F32',
  prefix: true,
};

/** How a row is begun: KV of prompt + output, and the history that the sampler is told. */
export interface RowPlan {
  readonly prompt: readonly number[];
  readonly output?: readonly number[];
  /** Default the model's context. */
  readonly capacity?: number;
  readonly sampling?: Partial<SamplingSettings>;
}

/** One runner over one random checkpoint, with the truth about it. */
export class ModelUnderTest {
  readonly runner: Runner;
  readonly reference: ReferenceGpt2;
  readonly exactness: Exactness;
  readonly #folder: string;

  private constructor(runner: Runner, reference: ReferenceGpt2, exactness: Exactness, folder: string) {
    this.runner = runner;
    this.reference = reference;
    this.exactness = exactness;
    this.#folder = folder;
  }

  static async open(open: OpenRunner, checkpoint: RandomCheckpoint, options: OpenOptions = {}) {
    const folder = mkdtempSync(join(tmpdir(), 'inhouse-contract-'));
    writeRandomCheckpoint(folder, checkpoint);
    const runner = await open(folder, options);
    return new ModelUnderTest(runner, await open.reference(folder), open.exactness, folder);
  }

  /** `count` token ids; the same seed gives the same ones. */
  tokens(count: number, seed: number): number[] {
    return new Random(seed).tokens(count, this.reference.vocabularySize);
  }

  async openRow(row: number, plan: RowPlan): Promise<void> {
    await this.runner.openRow(row, {
      capacity: plan.capacity ?? this.reference.contextLength,
      sampling: { ...GREEDY, ...plan.sampling },
      prompt: plan.prompt,
      output: plan.output ?? [],
    });
  }

  /** Opens a row, prefills prompt and output, and draws the next token. */
  async begin(row: number, plan: RowPlan): Promise<TokenChoice> {
    await this.openRow(row, plan);
    return this.runner.prefill(row, [...plan.prompt, ...(plan.output ?? [])], { sample: true });
  }

  /** The first `count` choices of a plan, alone in row 0. */
  async alone(plan: RowPlan, count: number): Promise<TokenChoice[]> {
    const choices = [await this.begin(0, plan)];
    while (choices.length < count) choices.push(...(await this.runner.decode(1, count - choices.length))[0]!);
    await this.runner.closeRow(0);
    return choices;
  }

  /**
   * Holds each choice to the reference, given the tokens before it: the token must be the one the settings demand,
   * or a close call, and reported log-probabilities must be right. Returns how many were close calls.
   */
  expectToFollow(plan: RowPlan, choices: readonly TokenChoice[]): number {
    const settings = { ...GREEDY, ...plan.sampling };
    const begun = [...plan.prompt, ...(plan.output ?? [])];
    const drawn = tokensOf(choices);
    const logits = this.reference.logits([...begun, ...drawn.slice(0, -1)]).slice(begun.length - 1);
    let closeCalls = 0;
    for (const [i, { token }] of choices.entries()) {
      const history = { prompt: plan.prompt, output: [...(plan.output ?? []), ...drawn.slice(0, i)] };
      const expected = chooseToken(logits[i]!, settings, history);
      if (token !== expected && isCloseCall(token, logits[i]!, settings, history, this.exactness.logprob))
        closeCalls++;
      else expect(token, `choice ${i} after ${begun.length} tokens`).toBe(expected);
      if (settings.logprobs !== undefined)
        expectLogprobs(choices[i]!, logSoftmax(logits[i]!), settings.logprobs, this.exactness.logprob);
    }
    return closeCalls;
  }

  /**
   * Holds choices of a plan to those it made before, in other company or other chunks: the same tokens, and
   * log-probabilities that differ by rounding only. Where rounding may change a token, holds them to the reference.
   */
  expectSame(plan: RowPlan, actual: readonly TokenChoice[], expected: readonly TokenChoice[]): void {
    expect(actual).toHaveLength(expected.length);
    if (!this.exactness.sameTokens) {
      this.expectToFollow(plan, actual);
      return;
    }
    expect(tokensOf(actual)).toEqual(tokensOf(expected));
    const logprobs = (choices: readonly TokenChoice[]) => choices.map(({ logprob }) => logprob ?? 0);
    expect(largestDifference(logprobs(actual), logprobs(expected))).toBeLessThan(this.exactness.rounding);
  }

  async closeAllRows(): Promise<void> {
    for (let row = 0; row < this.runner.info.maxRows; row++)
      await this.runner.closeRow(row).catch(() => undefined); // already free
  }

  async dispose(): Promise<void> {
    await this.runner.dispose();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A model for all tests of the enclosing `describe`, with all its rows free before each. */
export function sharedModel(
  open: OpenRunner,
  checkpoint: RandomCheckpoint = SMALL_MODEL,
  options: OpenOptions = { maxRows: 6 },
): () => ModelUnderTest {
  let model: ModelUnderTest | undefined;
  beforeAll(async () => {
    model = await ModelUnderTest.open(open, checkpoint, options);
  });
  afterEach(async () => model?.closeAllRows());
  afterAll(async () => model?.dispose());
  return () => {
    if (model === undefined) throw new Error('the model is opened in beforeAll');
    return model;
  };
}

export function tokensOf(choices: readonly TokenChoice[]): number[] {
  return choices.map(({ token }) => token);
}

export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return Array.from(a, (value, i) => Math.abs(value - b[i]!)).reduce((x, y) => Math.max(x, y), 0);
}

/** `logprobs` are the reference's, [V]. */
function expectLogprobs(
  choice: TokenChoice,
  logprobs: Float64Array,
  alternatives: number,
  tolerance: number,
): void {
  expect(Math.abs(choice.logprob! - logprobs[choice.token]!)).toBeLessThanOrEqual(tolerance);
  const reported = choice.topLogprobs!;
  const best = logprobs.toSorted((a, b) => b - a).slice(0, alternatives);
  expect(new Set(reported.map(({ token }) => token)).size).toBe(alternatives);
  // Two tokens closer than the tolerance may change places: rank by rank and token by token, the numbers must agree.
  expect(
    largestDifference(
      reported.map(({ logprob }) => logprob),
      best,
    ),
  ).toBeLessThanOrEqual(tolerance);
  for (const { token, logprob } of reported)
    expect(Math.abs(logprob - logprobs[token]!)).toBeLessThanOrEqual(tolerance);
}
