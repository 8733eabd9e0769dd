// Contract: disposal waits for the call in progress, happens once, and ends everything.
import { afterEach, expect, it } from 'vitest';
import { DisposedError } from '#inhouse/errors.js';
import type { OpenRunner } from '../../support/runners.js';
import { largestDifference, ModelUnderTest, SMALL_MODEL } from './harness.js';

export function describeLifetime(open: OpenRunner): void {
  const opened: ModelUnderTest[] = [];
  const openModel = async () => {
    const model = await ModelUnderTest.open(open, SMALL_MODEL, { maxRows: 2 });
    opened.push(model);
    return model;
  };
  afterEach(async () => {
    for (const model of opened.splice(0)) await model.dispose();
  });

  it('after dispose, every call rejects with a DisposedError', async () => {
    const model = await openModel();
    const { runner } = model;
    await model.begin(0, { prompt: [1, 2] });
    await runner.dispose();
    const calls: ReadonlyArray<() => Promise<unknown>> = [
      () => model.openRow(1, { prompt: [] }),
      () => runner.prefill(0, [1]),
      () => runner.decode(1),
      () => runner.moveRow(0, 1),
      () => runner.copyPrefix(0, 1, 1),
      () => runner.truncateRow(0, 0),
      () => runner.closeRow(0),
      () => runner.score([1, 2]),
      () => runner.embed([1], 'mean'),
      () => runner.statistics(),
    ];
    for (const call of calls) {
      const error: unknown = await call().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(DisposedError);
      expect(error).toMatchObject({ code: 'INHOUSE_DISPOSED' });
    }
  });

  it('dispose may be called again, during and after', async () => {
    const { runner } = await openModel();
    await Promise.all([runner.dispose(), runner.dispose()]);
    await expect(runner.dispose()).resolves.toBeUndefined();
  });

  it('dispose lets the call in progress finish, and leaves no queued call hanging', async () => {
    const model = await openModel();
    const ids = model.tokens(96, 1);
    const running = model.runner.score(ids);
    const queued = [1, 2, 3].map((seed) => model.runner.score(model.tokens(50, seed)));
    const settled = Promise.allSettled(queued);
    await model.runner.dispose();
    const { logprobs } = await running;
    const expected = model.reference.logprobs(ids).subarray(1);
    expect(largestDifference(logprobs, expected)).toBeLessThanOrEqual(model.exactness.logprob);
    for (const outcome of await settled) {
      if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(DisposedError);
      else expect(outcome.value.logprobs).toHaveLength(49);
    }
  });

  it('several runners of one process do not share anything', async () => {
    const models = await Promise.all([openModel(), openModel()]);
    const plan = { prompt: [3, 1, 4], sampling: { temperature: 1, seed: 2 } };
    const [first, second] = await Promise.all(models.map((model) => model.alone(plan, 10)));
    expect(first).toEqual(second);
    await models[0]!.runner.dispose();
    expect(await models[1]!.alone(plan, 10)).toEqual(second);
  });
}
