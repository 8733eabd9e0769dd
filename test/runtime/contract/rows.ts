// Contract: what is done to rows, in whatever order and company, never changes what a row goes on to say.
import { expect, it } from 'vitest';
import type { TokenChoice } from '#inhouse/runtime/runner.js';
import type { OpenRunner } from '../../support/runners.js';
import { type RowPlan, sharedModel, tokensOf } from './harness.js';

const sampling = { temperature: 1, seed: 11, logprobs: 3 };

export function describeRows(open: OpenRunner): void {
  const model = sharedModel(open);

  /** Plans with prompts of these lengths and a seed each. */
  const plansOf = (lengths: readonly number[]): RowPlan[] =>
    lengths.map((length, i) => ({
      prompt: model().tokens(length, 100 + i),
      sampling: { ...sampling, seed: 50 + i },
    }));

  it('a prompt in chunks is continued as the same prompt at once', async () => {
    const plan = { prompt: model().tokens(70, 1), sampling };
    const expected = await model().alone(plan, 8);
    await model().openRow(0, plan);
    const { runner } = model();
    let sent = 0;
    for (const chunk of [1, 7, 2, 31]) {
      expect(await runner.prefill(0, plan.prompt.slice(sent, sent + chunk))).toBeUndefined();
      sent += chunk;
    }
    const first = await runner.prefill(0, plan.prompt.slice(sent), { sample: true });
    model().expectSame(plan, [first, ...(await runner.decode(1, 7))[0]!], expected);
  });

  it('rows of different lengths in one batch say what each says alone', async () => {
    const plans = plansOf([3, 60, 1, 17, 42]);
    const alone: TokenChoice[][] = [];
    for (const plan of plans) alone.push(await model().alone(plan, 12));
    const firsts = await Promise.all(plans.map((plan, row) => model().begin(row, plan)));
    const rest = await model().runner.decode(plans.length, 11);
    plans.forEach((plan, row) => {
      const choices = [firsts[row]!, ...rest[row]!];
      model().expectSame(plan, choices, alone[row]!);
      model().expectToFollow(plan, choices);
    });
  });

  it('a batch of the first rows leaves the open rows behind it alone', async () => {
    const [a, b] = plansOf([5, 9]) as [RowPlan, RowPlan];
    const expected = await model().alone(b, 4);
    await model().begin(0, a);
    const first = await model().begin(1, b);
    await model().runner.decode(1, 6);
    const [, rest] = await model().runner.decode(2, 3);
    model().expectSame(b, [first, ...rest!], expected);
  });

  it('rows that open, close and move between steps do not disturb each other', async () => {
    const plans = plansOf([8, 30, 14, 22]);
    const said = await Promise.all(
      plans.slice(0, 3).map(async (plan, row) => [await model().begin(row, plan)]),
    );
    const { runner } = model();
    const decode = async (steps: number, ...sequences: number[]) => {
      const choices = await runner.decode(sequences.length, steps);
      sequences.forEach((sequence, row) => {
        said[sequence]!.push(...choices[row]!);
      });
    };
    await decode(3, 0, 1, 2);
    await runner.closeRow(1);
    await runner.moveRow(2, 1);
    await decode(2, 0, 2);
    said.push([await model().begin(2, plans[3]!)]);
    await decode(4, 0, 2, 3);
    await runner.closeRow(0);
    await runner.moveRow(2, 0);
    await decode(3, 3, 2);
    expect(said.map((choices) => choices.length)).toEqual([10, 4, 13, 8]);
    plans.forEach((plan, sequence) => {
      model().expectToFollow(plan, said[sequence]!);
    });
  });

  it.each([
    [0, 5],
    [5, 0],
    [2, 3],
  ])('a row moved from %i to %i keeps its pending token, sampler and output history', async (from, to) => {
    const plan = { prompt: model().tokens(20, 4), sampling: { ...sampling, frequencyPenalty: 1.5 } };
    const expected = await model().alone(plan, 10);
    const { runner } = model();
    const first = await model().begin(from, plan);
    await runner.moveRow(from, to);
    await expect(runner.closeRow(from)).rejects.toMatchObject({ code: 'INHOUSE_ROW_INVALID' });
    if (to !== 0) await runner.moveRow(to, 0);
    model().expectSame(plan, [first, ...(await runner.decode(1, 9))[0]!], expected);
  });

  it('a copied prefix and the rest are continued as the whole prompt', async () => {
    const plan = { prompt: model().tokens(64, 5), sampling };
    const { runner } = model();
    const expected = await model().alone(plan, 8);
    await model().openRow(4, { prompt: [] });
    await runner.prefill(4, [...plan.prompt.slice(0, 50), ...model().tokens(20, 6)]);
    await model().openRow(0, plan);
    await runner.copyPrefix(4, 0, 50);
    const first = await runner.prefill(0, plan.prompt.slice(50), { sample: true });
    model().expectSame(plan, [first, ...(await runner.decode(1, 7))[0]!], expected);
  });

  it('the source of a copied prefix goes on as if nothing had been copied', async () => {
    const plan = { prompt: model().tokens(24, 7), sampling };
    const expected = await model().alone(plan, 8);
    const first = await model().begin(0, plan);
    await model().openRow(1, { prompt: [] });
    await model().runner.copyPrefix(0, 1, 24);
    await model().runner.prefill(1, model().tokens(30, 8));
    model().expectSame(plan, [first, ...(await model().runner.decode(1, 7))[0]!], expected);
  });

  it.each([0, 1, 25])(
    'a row truncated to %i tokens and prefilled again says what a fresh one says',
    async (kept) => {
      const plan = { prompt: model().tokens(40, 9) };
      const expected = await model().alone(plan, 6);
      const { runner } = model();
      await model().begin(0, { ...plan, prompt: [...plan.prompt.slice(0, kept), ...model().tokens(30, 10)] });
      await runner.decode(1, 5);
      await runner.truncateRow(0, kept);
      await expect(runner.decode(1)).rejects.toMatchObject({ code: 'INHOUSE_ROW_INVALID' });
      const first = await runner.prefill(0, plan.prompt.slice(kept), { sample: true });
      model().expectSame(plan, [first, ...(await runner.decode(1, 5))[0]!], expected);
    },
  );

  it('k steps in one decode equal k decodes', async () => {
    const plans = plansOf([12, 33]);
    await Promise.all(plans.map((plan, row) => model().begin(row, plan)));
    const together = await model().runner.decode(2, 9);
    await model().closeAllRows();
    const firsts = await Promise.all(plans.map((plan, row) => model().begin(row, plan)));
    const oneByOne: TokenChoice[][] = [[], []];
    for (let step = 0; step < 9; step++) {
      const choices = await model().runner.decode(2, 1);
      for (const row of [0, 1]) oneByOne[row]!.push(...choices[row]!);
    }
    for (const [row, plan] of plans.entries()) {
      const first = firsts[row]!;
      model().expectSame(plan, [first, ...oneByOne[row]!], [first, ...together[row]!]);
    }
  });

  it('decode takes one step by default', async () => {
    await model().begin(0, { prompt: [1, 2, 3] });
    expect(await model().runner.decode(1)).toEqual([[{ token: expect.any(Number) }]]);
  });

  it.runIf(open.exactness.sameTokens)(
    'decode ends for all rows after the step in which one drew its stop token',
    async () => {
      const [a, b] = plansOf([12, 33]) as [RowPlan, RowPlan];
      const tokens = tokensOf(await model().alone(b, 8));
      const stop = tokens.findIndex((token, i) => i >= 3 && tokens.indexOf(token) === i);
      const stopping = { ...b, sampling: { ...b.sampling, stopTokenIds: [tokens[stop]!] } };
      await model().begin(0, a);
      await model().begin(1, stopping);
      const [first, second] = await model().runner.decode(2, 20);
      expect(tokensOf(second!)).toEqual(tokens.slice(1, stop + 1));
      expect(first).toHaveLength(stop);
    },
  );

  it('decode ends for all rows after the step in which one filled its capacity, and the row then is full', async () => {
    const [a, b] = plansOf([12, 33]) as [RowPlan, RowPlan];
    const expected = await model().alone(a, 9);
    const first = await model().begin(0, a);
    await model().begin(1, { ...b, capacity: 37 });
    const { runner } = model();
    const batch = await runner.decode(2, 20);
    expect(batch.map((choices) => choices.length)).toEqual([4, 4]);
    await expect(runner.decode(2)).rejects.toMatchObject({ code: 'INHOUSE_ROW_FULL' });
    await runner.closeRow(1);
    model().expectSame(a, [first, ...batch[0]!, ...(await runner.decode(1, 4))[0]!], expected);
  });

  it('a row decodes to exactly the full context', async () => {
    const plan = { prompt: model().tokens(90, 12), sampling };
    const first = await model().begin(0, plan);
    const [rest] = await model().runner.decode(1, 50);
    expect(rest).toHaveLength(6);
    expect((await model().runner.statistics()).kv.tokensHeld).toBe(96);
    model().expectToFollow(plan, [first, ...rest!]);
  });

  it('a prompt of exactly the full context is continued by one token', async () => {
    const plan = { prompt: model().tokens(96, 13), sampling };
    model().expectToFollow(plan, [await model().begin(0, plan)]);
  });

  it('calls that are not awaited are served in the order they were made', async () => {
    const plan = { prompt: model().tokens(20, 14), sampling };
    const expected = await model().alone(plan, 5);
    const { runner } = model();
    const [, first, [rest]] = await Promise.all([
      model().openRow(0, plan),
      runner.prefill(0, plan.prompt, { sample: true }),
      runner.decode(1, 4),
      runner.closeRow(0),
      model().openRow(0, plan),
    ]);
    model().expectSame(plan, [first, ...rest!], expected);
  });
}
