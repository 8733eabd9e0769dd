// Contract: a long random schedule of rows that come, share prefixes, decode, are preempted and leave, as an engine
// would run it. Every sequence must say what the reference says, whatever happened around it.
import { describe, expect, it } from 'vitest';
import type { TokenChoice } from '#inhouse/runtime/runner.js';
import { Random } from '../../support/random.js';
import type { OpenRunner } from '../../support/runners.js';
import { type ModelUnderTest, type RowPlan, sharedModel, tokensOf } from './harness.js';

const ACTIONS = 60;

interface Sequence {
  readonly plan: RowPlan & { readonly capacity: number };
  readonly choices: TokenChoice[];
}

/** Rows 0..n-1 hold the running sequences, in order. */
class RandomSchedule {
  readonly #model: ModelUnderTest;
  readonly #random: Random;
  readonly #running: Sequence[] = [];
  checked = 0;

  constructor(model: ModelUnderTest, seed: number) {
    this.#model = model;
    this.#random = new Random(seed);
  }

  async act(): Promise<void> {
    const dice = this.#random.next();
    if (this.#running.length === 0 || (dice < 0.3 && this.#running.length < this.#model.runner.info.maxRows))
      await this.#admit();
    else if (dice < 0.8) await this.#decode();
    else if (dice < 0.9) await this.#preempt(this.#anyRow());
    else await this.#finish(this.#anyRow());
  }

  async finishAll(): Promise<void> {
    while (this.#running.length > 0) await this.#finish(this.#anyRow());
  }

  async #admit(): Promise<void> {
    const { reference } = this.#model;
    const length = this.#random.integer(1, reference.contextLength - 10);
    const shared = this.#running.length > 0 ? this.#shareable(length) : { row: 0, tokens: [] };
    const prompt = [
      ...shared.tokens,
      ...this.#random.tokens(length - shared.tokens.length, reference.vocabularySize),
    ];
    const capacity = this.#random.integer(length + 1, reference.contextLength);
    const sampling = { temperature: 0.8, seed: this.#random.integer(0, 2 ** 30), logprobs: 1 };
    const sequence: Sequence = { plan: { prompt, capacity, sampling }, choices: [] };
    const row = this.#running.length;
    await this.#model.openRow(row, sequence.plan);
    await this.#model.runner.copyPrefix(shared.row, row, shared.tokens.length);
    await this.#prefill(row, prompt.slice(shared.tokens.length), sequence);
    this.#running.push(sequence);
  }

  /** The beginning of some running row's KV, shorter than `length`. */
  #shareable(length: number): { readonly row: number; readonly tokens: readonly number[] } {
    const row = this.#anyRow();
    const held = heldBy(this.#running[row]!);
    return { row, tokens: held.slice(0, this.#random.integer(0, Math.min(held.length, length - 1))) };
  }

  async #prefill(row: number, tokens: readonly number[], sequence: Sequence): Promise<void> {
    const split = this.#random.integer(0, tokens.length - 1);
    if (split > 0) await this.#model.runner.prefill(row, tokens.slice(0, split));
    sequence.choices.push(await this.#model.runner.prefill(row, tokens.slice(split), { sample: true }));
  }

  async #decode(): Promise<void> {
    const batch = await this.#model.runner.decode(this.#running.length, this.#random.integer(1, 4));
    this.#running.forEach((sequence, row) => {
      sequence.choices.push(...batch[row]!);
    });
    for (let row = this.#running.length - 1; row >= 0; row--) {
      if (isFull(this.#running[row]!)) await this.#finish(row);
    }
  }

  /** Gives the row up and computes its sequence again at the end of the batch. */
  async #preempt(row: number): Promise<void> {
    const sequence = this.#running[row]!;
    await this.#leave(row);
    const output = tokensOf(sequence.choices);
    const last = this.#running.length;
    await this.#model.openRow(last, { ...sequence.plan, output });
    await this.#prefill(last, [...sequence.plan.prompt, ...output], sequence);
    this.#running.push(sequence);
    if (isFull(sequence)) await this.#finish(last);
  }

  async #finish(row: number): Promise<void> {
    const sequence = this.#running[row]!;
    await this.#leave(row);
    this.#model.expectToFollow(sequence.plan, sequence.choices);
    this.checked += sequence.choices.length;
  }

  async #leave(row: number): Promise<void> {
    const last = this.#running.length - 1;
    await this.#model.runner.closeRow(row);
    if (row !== last) await this.#model.runner.moveRow(last, row);
    const moved = this.#running.pop()!;
    if (row !== last) this.#running[row] = moved;
  }

  #anyRow(): number {
    return this.#random.integer(0, this.#running.length - 1);
  }
}

/** The tokens in a sequence's KV: all but the pending one. */
function heldBy({ plan, choices }: Sequence): number[] {
  return [...plan.prompt, ...tokensOf(choices).slice(0, -1)];
}

/** True where no decode is possible any more. */
function isFull(sequence: Sequence): boolean {
  return heldBy(sequence).length === sequence.plan.capacity;
}

export function describeSchedule(open: OpenRunner): void {
  describe('a random schedule', () => {
    const model = sharedModel(open);

    it.each([1, 2, 3])('leaves every sequence as the reference says (schedule %i)', async (seed) => {
      const schedule = new RandomSchedule(model(), seed);
      for (let action = 0; action < ACTIONS; action++) await schedule.act();
      await schedule.finishAll();
      expect(schedule.checked).toBeGreaterThan(ACTIONS);
      expect((await model().runner.statistics()).kv.tokensHeld).toBe(0);
    });
  });
}
