import { describe, expect, it } from 'vitest';
import { InvalidInputError } from '#inhouse/errors.js';
import { BudgetManager } from '#inhouse/governance/budget.js';
import { breakdown, compareProviderCosts, estimateMigration } from '#inhouse/governance/cost-comparison.js';
import { aggregate, type CostRecord, CostTotals } from '#inhouse/governance/cost-totals.js';
import { budgetAdvice, costSummary } from '#inhouse/governance/summary.js';
import { Tenants } from '#inhouse/governance/tenants.js';
import { FakeClock } from '../support/fake-clock.js';

function record(more: Partial<CostRecord> = {}): CostRecord {
  return {
    provider: 'gpt2',
    model: 'gpt2',
    operationType: 'completion',
    costUsd: 0.25,
    inputTokens: 30,
    outputTokens: 20,
    timeMs: 1000,
    ...more,
  };
}

const three = [
  record({ timeMs: 3000, durationMs: 100, infrastructureUsd: 0.5 }),
  record({
    provider: 'together',
    model: 'llama',
    operationType: 'chat',
    costUsd: 2,
    timeMs: 1000,
    durationMs: 300,
  }),
  record({
    provider: 'anyscale',
    model: 'llama',
    operationType: 'chat',
    costUsd: 1,
    timeMs: 2000,
    success: false,
  }),
];

describe('totals', () => {
  it('C-30: add local and remote operations by provider, model and operation', () => {
    const summary = aggregate(three);
    expect(summary).toMatchObject({
      totalCostUsd: 3.25,
      totalInfrastructureUsd: 0.5,
      totalOperations: 3,
      totalInputTokens: 90,
      totalOutputTokens: 60,
      totalTokens: 150,
      avgDurationMs: 200,
      uniqueProviders: ['gpt2', 'together', 'anyscale'],
      uniqueModels: ['gpt2', 'llama'],
      timeRange: { fromMs: 1000, toMs: 3000 },
    });
    expect(summary.successRatePercent).toBeCloseTo(66.667, 3);
    expect(summary.avgCostPerTokenUsd).toBeCloseTo(3.25 / 150, 15);
    expect(Object.keys(summary.byModel)).toEqual(['gpt2/gpt2', 'together/llama', 'anyscale/llama']);
    expect(summary.byProvider.together).toEqual({
      costUsd: 2,
      operations: 1,
      inputTokens: 30,
      outputTokens: 20,
    });
    expect(summary.byOperation.chat).toEqual({
      costUsd: 3,
      operations: 2,
      inputTokens: 60,
      outputTokens: 40,
    });
  });

  it('C-30: the breakdown names the dearest and the cheapest model, and how the money is spread', () => {
    const shown = breakdown(aggregate(three));
    expect(shown).toMatchObject({ mostExpensive: 'together/llama', leastExpensive: 'gpt2/gpt2' });
    expect(Object.values(shown.distribution).map((percent) => Math.round(percent))).toEqual([8, 62, 31]);
    expect(shown.recommendations).toEqual([
      'Move what gpt2/gpt2 does well enough from together/llama to it.',
    ]);
    expect(breakdown(aggregate([]))).toEqual({
      avgCostPerOperationUsd: 0,
      avgCostPerTokenUsd: 0,
      mostExpensive: undefined,
      leastExpensive: undefined,
      distribution: {},
      recommendations: [],
    });
  });

  it('C-80 T-21: 1 000 customers, interleaved, each have exactly what they spent', async () => {
    const totals = new CostTotals();
    await Promise.all(
      Array.from({ length: 1000 }, async (_, customer) => {
        for (let i = 0; i < 10; i++) {
          await Promise.resolve();
          totals.add(
            record({ customer: `c${customer}`, costUsd: (customer + 1) / 1000, inputTokens: customer }),
          );
        }
      }),
    );
    const { byCustomer, totalOperations } = totals.summary();
    expect(totalOperations).toBe(10_000);
    expect(Object.keys(byCustomer)).toHaveLength(1000);
    for (let customer = 0; customer < 1000; customer++) {
      expect(byCustomer[`c${customer}`]).toMatchObject({ operations: 10, inputTokens: customer * 10 });
      expect(byCustomer[`c${customer}`]!.costUsd).toBeCloseTo((customer + 1) / 100, 12);
    }
  });

  it('T-22: a customer sees each cost right after it', () => {
    const totals = new CostTotals();
    for (let i = 1; i <= 3; i++) {
      totals.add(record({ customer: 'acme' }));
      expect(totals.ofCustomer('acme').costUsd).toBe(i * 0.25);
    }
    expect(totals.ofCustomer('nobody').costUsd).toBe(0);
  });

  it('C-86: 10 000 operations of a hundred-millionth of a dollar sum to exactly a ten-thousandth', () => {
    expect(aggregate(Array.from({ length: 10_000 }, () => record({ costUsd: 1e-8 }))).totalCostUsd).toBe(
      1e-4,
    );
  });

  it.each([Number.NaN, -1, Number.POSITIVE_INFINITY])('a cost of %d is refused', (costUsd) => {
    const totals = new CostTotals();
    expect(() => totals.add(record({ costUsd }))).toThrow(InvalidInputError);
    expect(() => totals.add(record({ infrastructureUsd: costUsd }))).toThrow(InvalidInputError);
    expect(totals.summary().totalOperations).toBe(0);
  });

  it('names such as __proto__ are names like others', () => {
    const { byProvider, byModel } = aggregate([record({ provider: '__proto__', model: 'constructor' })]);
    expect(Object.entries(byProvider).map(([name, { costUsd }]) => [name, costUsd])).toEqual([
      ['__proto__', 0.25],
    ]);
    expect(Object.keys(byModel)).toEqual(['__proto__/constructor']);
  });
});

describe('the cost summary', () => {
  function summary(limitsUsd = { daily: 1, monthly: Number.POSITIVE_INFINITY }) {
    const budgets = new BudgetManager({ budgets: [{ limitsUsd }], clock: new FakeClock() });
    const totals = new CostTotals();
    for (const customer of ['acme', 'acme', 'other']) {
      totals.add(record({ customer }));
      budgets.record({ customer }, 0.25);
    }
    return costSummary({
      totals: totals.summary(),
      budgets: budgets.status(),
      activeSessions: 2,
      governanceEnabled: true,
      governancePolicy: 'advisory',
      team: 'search',
      project: 'demo',
      environment: 'test',
      restoredOperations: 0,
      elapsedMs: 1500,
      memoryUsageBytes: 50_000_000,
    });
  }

  it('C-78 D-21: has the fields of all systems, operations count and customers included', () => {
    expect(summary()).toMatchObject({
      totalCostUsd: 0.75,
      currency: 'USD',
      operationsCount: 3,
      totalOperations: 3,
      dailyCosts: 0.75,
      monthlyCosts: 0.75,
      dailyBudgetLimit: 1,
      monthlyBudgetLimit: undefined,
      dailyBudgetUtilization: 75,
      monthlyBudgetUtilization: 0,
      costByProvider: { gpt2: 0.75 },
      costByModel: { 'gpt2/gpt2': 0.75 },
      costByCustomer: { acme: 0.5, other: 0.25 },
      governanceEnabled: true,
      governancePolicy: 'advisory',
      activeSessions: 2,
      team: 'search',
      project: 'demo',
      environment: 'test',
    });
  });

  it('T-36: has rate, average, memory and utilization', () => {
    expect(summary()).toMatchObject({
      operationsPerSecond: 2,
      avgCostPerOperationUsd: 0.25,
      memoryUsageMb: 50,
      activeSessions: 2,
      dailyBudgetUtilization: 75,
    });
  });

  it('C-79: advises above 80 %, and to raise the limit above 90 %', () => {
    expect(budgetAdvice('daily', 80)).toEqual([]);
    expect(budgetAdvice('daily', 80.1)).toEqual([expect.stringContaining('cheaper model')]);
    expect(budgetAdvice('daily', 90)).toHaveLength(1);
    expect(budgetAdvice('monthly', 90.1)).toEqual([
      '90.1 % of the monthly budget is used: take a cheaper model, or lower maxTokens.',
      '90.1 % of the monthly budget is used: raise the monthly limit, or expect refused calls.',
    ]);
    expect(summary({ daily: 0.9, monthly: 10 }).advice).toHaveLength(1);
  });

  it('counts everything as today where no budget counts the day', () => {
    expect(summary({} as never)).toMatchObject({ dailyCosts: 0.75, dailyBudgetLimit: undefined });
  });
});

describe('comparison', () => {
  it('C-31: orders providers by cost, beside the cheapest', () => {
    expect(compareProviderCosts({ together: 2, gpt2: 0.5, anyscale: 1 })).toEqual([
      { provider: 'gpt2', costUsd: 0.5, ratioToCheapest: 1 },
      { provider: 'anyscale', costUsd: 1, ratioToCheapest: 2 },
      { provider: 'together', costUsd: 2, ratioToCheapest: 4 },
    ]);
    expect(compareProviderCosts({ a: 0, b: 0, c: 1 }).map(({ ratioToCheapest }) => ratioToCheapest)).toEqual([
      1,
      1,
      Number.POSITIVE_INFINITY,
    ]);
  });

  it('C-31: says what a migration changes, and whether it is worth it', () => {
    expect(estimateMigration(10, 4)).toEqual({
      currentCostUsd: 10,
      estimatedCostUsd: 4,
      differenceUsd: -6,
      differencePercent: -60,
      savingsUsd: 6,
      recommendation: 'migrate',
    });
    expect(estimateMigration(10, 9)).toMatchObject({ recommendation: 'evaluate', savingsUsd: 1 });
    expect(estimateMigration(10, 12)).toMatchObject({ recommendation: 'evaluate', savingsUsd: 0 });
    expect(estimateMigration(0, 1)).toMatchObject({ differencePercent: 0, recommendation: 'evaluate' });
    expect(() => estimateMigration(Number.NaN, 1)).toThrow(InvalidInputError);
    expect(() => compareProviderCosts({ a: -1 })).toThrow(InvalidInputError);
  });
});

describe('tenants', () => {
  const tenants = new Tenants({
    acme: { policy: 'strict', limitsUsd: { daily: 1 }, costCenter: 'cc-1' },
    globex: { limitsUsd: { daily: 5 }, alignment: 'calendar' },
  });

  it('C-80: each has settings of its own, others have none', () => {
    expect(tenants.settings('acme')).toMatchObject({ policy: 'strict', costCenter: 'cc-1' });
    expect(tenants.settings('globex')?.policy).toBeUndefined();
    expect([tenants.settings('constructor'), tenants.settings(undefined)]).toEqual([undefined, undefined]);
  });

  it('C-80: each has a budget of its own, which the others cannot use up', () => {
    const budgets = new BudgetManager({ budgets: tenants.budgets(), clock: new FakeClock() });
    budgets.record({ customer: 'acme' }, 1);
    expect(budgets.check({ customer: 'acme' }, 0.1)).toMatchObject({ scope: 'customer', value: 'acme' });
    expect(budgets.check({ customer: 'globex' }, 0.1)).toBeUndefined();
    expect(budgets.check({ customer: 'unknown' }, 100)).toBeUndefined();
  });
});
