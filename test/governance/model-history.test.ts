import { describe, expect, it } from 'vitest';
import { InvalidInputError } from '#inhouse/errors.js';
import { ModelHistory, type ModelOperation } from '#inhouse/governance/model-history.js';
import { FakeClock } from '../support/fake-clock.js';

const DAY_MS = 86_400_000;

const USUAL: ModelOperation = { model: 'gpt2', latencyMs: 1000, outputTokens: 50, costUsd: 1e-6, ok: true };

function historyOf(...operations: Partial<ModelOperation>[]): ModelHistory {
  const history = new ModelHistory(new FakeClock());
  for (const operation of operations) history.record({ ...USUAL, ...operation });
  return history;
}

describe('model history', () => {
  it('C-108: knows the models it was told of before they run', () => {
    const history = new ModelHistory(new FakeClock());
    history.discover([{ id: 'gpt2' }, { id: 'gpt2-xl' }]);
    expect(history.models).toEqual(['gpt2', 'gpt2-xl']);
    expect(history.metrics('gpt2-xl')).toMatchObject({ operations: 0, successRate: 1, averageLatencyMs: 0 });
    expect(history.metrics('unheard-of')).toBeUndefined();
    expect(history.compare()).toMatchObject({ bestForCost: undefined, models: [] });
    expect(history.recommendations()).toEqual([]);
  });

  it('C-108: averages latency, speed, memory, cost and success per model', () => {
    const history = historyOf(
      { latencyMs: 1000, outputTokens: 10, costUsd: 0.5, memoryBytes: 100 },
      { latencyMs: 3000, outputTokens: 30, costUsd: 1.5 },
      { latencyMs: 0, outputTokens: 0, costUsd: 0, memoryBytes: 300, ok: false },
      { model: 'other' },
    );
    expect(history.metrics('gpt2')).toEqual({
      model: 'gpt2',
      operations: 3,
      errors: 1,
      successRate: 1 - 1 / 3,
      outputTokens: 40,
      totalLatencyMs: 4000,
      averageLatencyMs: 4000 / 3,
      tokensPerSecond: 10,
      averageMemoryBytes: 200,
      totalCostUsd: 2,
      costPerOperation: 2 / 3,
    });
  });

  it('C-108: names the best models for cost, speed and quality', () => {
    const history = historyOf(
      { model: 'cheap', costUsd: 0, ok: false },
      { model: 'fast', latencyMs: 10 },
      { model: 'sure' },
      { model: 'sure' },
    );
    expect(history.compare()).toMatchObject({
      bestForCost: 'cheap',
      bestForSpeed: 'fast',
      bestForQuality: 'sure',
    });
    expect(history.compare(['cheap', 'sure']).bestForSpeed).toBe('cheap');
  });

  it('C-108: advises on each of five thresholds, not at them', () => {
    const atTheLimits = { latencyMs: 5000, outputTokens: 25, memoryBytes: 8e9, costUsd: 0.01 };
    const nineOfTen = Array.from({ length: 10 }, (_, index) => ({ ...atTheLimits, ok: index > 0 }));
    expect(historyOf(...nineOfTen).recommendations()).toEqual([]);
    const beyond: [Partial<ModelOperation>, string][] = [
      [{ latencyMs: 5100, outputTokens: 100 }, 'gpt2 takes 5.1 s on average'],
      [{ outputTokens: 4 }, 'gpt2 makes 4.0 tokens per second'],
      [{ memoryBytes: 8.1e9 }, 'gpt2 holds 8.1 GB'],
      [{ costUsd: 0.011 }, 'gpt2 costs $0.0110 per operation'],
      [{ ok: false }, 'gpt2 succeeds 0 % of the time'],
    ];
    for (const [operation, advice] of beyond)
      expect(historyOf(operation).recommendations()).toEqual([advice]);
  });

  it('C-108: works its advice out again each hour', () => {
    const clock = new FakeClock();
    const history = new ModelHistory(clock);
    history.record(USUAL);
    expect(history.recommendations()).toEqual([]);
    history.record({ ...USUAL, costUsd: 1 });
    clock.advance(3_599_999);
    expect(history.recommendations()).toEqual([]);
    clock.advance(1);
    expect(history.recommendations()).toEqual(['gpt2 costs $0.5000 per operation']);
  });

  it('C-108: counts usage over days, by model and date', () => {
    const clock = new FakeClock(Date.UTC(2026, 0, 1, 12));
    const history = new ModelHistory(clock);
    history.record(USUAL);
    clock.advance(DAY_MS);
    history.record({ ...USUAL, model: 'gpt2-xl', costUsd: 2 });
    clock.advance(DAY_MS);
    history.record({ ...USUAL, costUsd: 1 });
    expect(history.usage(1)).toEqual({
      days: 1,
      operations: 2,
      outputTokens: 100,
      costUsd: 3,
      operationsByModel: { gpt2: 1, 'gpt2-xl': 1 },
      operationsByDay: { '2026-01-02': 1, '2026-01-03': 1 },
    });
    expect(history.usage(30).operations).toBe(3);
  });

  it('C-108: exports itself as JSON, with the last thousand operations in order', () => {
    const history = new ModelHistory(new FakeClock());
    for (let index = 0; index < 1500; index++) history.record({ ...USUAL, outputTokens: index });
    const exported = JSON.parse(JSON.stringify(history)) as ReturnType<ModelHistory['toJSON']>;
    expect(exported.history.map(({ outputTokens }) => outputTokens)).toEqual(
      Array.from({ length: 1000 }, (_, index) => index + 500),
    );
    expect(exported.models).toMatchObject([{ model: 'gpt2', operations: 1500 }]);
  });

  it('refuses numbers that are negative or not finite', () => {
    for (const bad of [
      { latencyMs: -1 },
      { outputTokens: Number.NaN },
      { costUsd: Number.POSITIVE_INFINITY },
    ]) {
      expect(() => historyOf(bad)).toThrow(InvalidInputError);
    }
  });
});
