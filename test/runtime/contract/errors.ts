// Contract: a call that cannot be served rejects with the right error and changes nothing.
import { describe, expect, it } from 'vitest';
import { InvalidInputError, RunnerError } from '#inhouse/errors.js';
import type { Runner } from '#inhouse/runtime/runner.js';
import type { OpenRunner } from '../../support/runners.js';
import { type ModelUnderTest, sharedModel } from './harness.js';

/** Row 0 holds 10 tokens of 14 and a pending one; row 1 is open, empty, with room for 8; rows 2 to 5 are free. */
const BEGUN = 10;

type FailingCall = (runner: Runner, model: ModelUnderTest) => Promise<unknown>;

const rowInvalid: Readonly<Record<string, FailingCall>> = {
  'opening row -1': (_, model) => model.openRow(-1, { prompt: [] }),
  'opening a row beyond the last': (_, model) => model.openRow(6, { prompt: [] }),
  'opening half a row': (_, model) => model.openRow(2.5, { prompt: [] }),
  'opening an open row': (_, model) => model.openRow(0, { prompt: [] }),
  'opening a row with no capacity': (_, model) => model.openRow(2, { prompt: [], capacity: 0 }),
  'opening a row with more capacity than the context': (_, model) =>
    model.openRow(2, { prompt: [], capacity: 97 }),
  'prefilling a closed row': (runner) => runner.prefill(2, [1]),
  'prefilling a row beyond the last': (runner) => runner.prefill(6, [1]),
  'prefilling nothing': (runner) => runner.prefill(1, []),
  'decoding no rows': (runner) => runner.decode(0),
  'decoding more rows than there are': (runner) => runner.decode(7),
  'decoding a closed row': (runner) => runner.decode(3),
  'decoding a row that has nothing pending': (runner) => runner.decode(2),
  'decoding no steps': (runner) => runner.decode(1, 0),
  'moving a closed row': (runner) => runner.moveRow(2, 3),
  'moving to an open row': (runner) => runner.moveRow(0, 1),
  'moving to a row beyond the last': (runner) => runner.moveRow(0, 6),
  'copying from a closed row': (runner) => runner.copyPrefix(2, 1, 1),
  'copying to a closed row': (runner) => runner.copyPrefix(0, 2, 5),
  'copying more than the source holds': (runner) => runner.copyPrefix(0, 1, BEGUN + 1),
  'copying a negative length': (runner) => runner.copyPrefix(0, 1, -1),
  'copying to a row that holds tokens': (runner) => runner.copyPrefix(1, 0, 0),
  'truncating a closed row': (runner) => runner.truncateRow(2, 0),
  'truncating a row to more than it holds': (runner) => runner.truncateRow(0, BEGUN + 1),
  'truncating a row to a negative length': (runner) => runner.truncateRow(0, -1),
  'closing a free row': (runner) => runner.closeRow(2),
  'closing a row beyond the last': (runner) => runner.closeRow(6),
  'scoring one token': (runner) => runner.score([1]),
  'scoring more than the context': (runner, model) => runner.score(model.tokens(97, 1)),
  'scoring from position 0': (runner) => runner.score([1, 2, 3], { from: 0 }),
  'scoring from behind the end': (runner) => runner.score([1, 2, 3], { from: 3 }),
  'embedding nothing': (runner) => runner.embed([], 'mean'),
  'embedding more than the context': (runner, model) => runner.embed(model.tokens(97, 1), 'last'),
};

const rowFull: Readonly<Record<string, FailingCall>> = {
  'prefilling an empty row beyond its capacity': (runner, model) => runner.prefill(1, model.tokens(9, 1)),
  'prefilling a row that holds tokens beyond its capacity': (runner, model) =>
    runner.prefill(0, model.tokens(5, 1)),
  'copying more than the target can hold': (runner) => runner.copyPrefix(0, 1, 9),
};

const invalidToken: Readonly<Record<string, FailingCall>> = {
  'prefilling the first id behind the vocabulary': (runner) => runner.prefill(1, [1, 211]),
  'prefilling a negative id': (runner) => runner.prefill(1, [-1]),
  'prefilling half an id': (runner) => runner.prefill(1, [1.5]),
  'scoring an id outside the vocabulary': (runner) => runner.score([1, 211]),
  'embedding an id outside the vocabulary': (runner) => runner.embed([211], 'mean'),
  'opening a row with a prompt outside the vocabulary': (_, model) => model.openRow(2, { prompt: [211] }),
  'opening a row with an output outside the vocabulary': (_, model) =>
    model.openRow(2, { prompt: [], output: [211] }),
  'opening a row that stops at an id outside the vocabulary': (_, model) =>
    model.openRow(2, { prompt: [], sampling: { stopTokenIds: [211] } }),
  'opening a row with a bias outside the vocabulary': (_, model) =>
    model.openRow(2, { prompt: [], sampling: { logitBias: { ids: [211], values: [1] } } }),
};

export function describeErrors(open: OpenRunner): void {
  const model = sharedModel(open);

  const begin = async () => {
    const plan = {
      prompt: model().tokens(BEGUN, 1),
      capacity: 14,
      sampling: { temperature: 1, seed: 1, logprobs: 0 },
    };
    const expected = await model().alone(plan, 5);
    const first = await model().begin(0, plan);
    await model().openRow(1, { prompt: [], capacity: 8 });
    return { plan, first, expected };
  };

  const counts = async () => {
    const { rowsOpen, prefillTokens, decodeSteps, decodeTokens, kv } = await model().runner.statistics();
    return { rowsOpen, prefillTokens, decodeSteps, decodeTokens, tokensHeld: kv.tokensHeld };
  };

  const table = [
    { code: 'INHOUSE_ROW_INVALID', errorClass: RunnerError, calls: rowInvalid },
    { code: 'INHOUSE_ROW_FULL', errorClass: RunnerError, calls: rowFull },
    { code: 'INHOUSE_INVALID_TOKEN', errorClass: InvalidInputError, calls: invalidToken },
  ];
  describe.each(table)('with $code', ({ code, errorClass, calls }) => {
    it.each(Object.entries(calls))('%s rejects, and all rows are as they were', async (_name, call) => {
      const { plan, first, expected } = await begin();
      const before = await counts();
      const error: unknown = await call(model().runner, model()).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(errorClass);
      expect(error).toMatchObject({ code });
      expect(await counts()).toEqual(before);
      model().expectSame(plan, [first, ...(await model().runner.decode(1, 4))[0]!], expected);
    });
  });

  it('decoding a full row rejects with INHOUSE_ROW_FULL', async () => {
    await begin();
    await model().runner.decode(1, 4);
    const error: unknown = await model()
      .runner.decode(1)
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RunnerError);
    expect(error).toMatchObject({ code: 'INHOUSE_ROW_FULL' });
  });

  it('a decode names the row whose logits leave no token, and all rows are as they were', async () => {
    const plan = { prompt: model().tokens(BEGUN, 1), sampling: { temperature: 1, seed: 1, logprobs: 0 } };
    const expected = await model().alone(plan, 7);
    const first = await model().begin(0, plan);
    // The token of the bias has an infinite logit when it is in the output twice: in the second step.
    const sampling = { logitBias: { ids: [7], values: [1000] }, frequencyPenalty: -Number.MAX_VALUE };
    await model().begin(1, { prompt: [1], sampling });
    const before = await counts();
    const error: unknown = await model()
      .runner.decode(2, 6)
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RunnerError);
    expect(error).toMatchObject({ code: 'INHOUSE_RUNTIME_STEP', details: { row: 1 } });
    expect(await counts()).toEqual(before);
    model().expectSame(plan, [first, ...(await model().runner.decode(1, 6))[0]!], expected);
  });

  it('a row can be filled after a prefill that did not fit', async () => {
    const { runner } = model();
    const prompt = model().tokens(20, 2);
    const plan = { prompt };
    const expected = await model().alone(plan, 1);
    await model().openRow(0, { prompt, capacity: 20 });
    await runner.prefill(0, prompt.slice(0, 15));
    await expect(runner.prefill(0, model().tokens(6, 3))).rejects.toMatchObject({ code: 'INHOUSE_ROW_FULL' });
    model().expectSame(plan, [await runner.prefill(0, prompt.slice(15), { sample: true })], expected);
  });
}
