import { describe, expect, it } from 'vitest';
import { InvalidInputError } from '#inhouse/errors.js';
import {
  type EndedOperation,
  type OperationAlert,
  OperationAlerts,
  type OperationThresholds,
} from '#inhouse/governance/operation-alerts.js';
import { bench, COST, REQUEST, rejection } from './support/governed.js';

const FINE: EndedOperation = {
  requestId: 'r',
  costUsd: 0.01,
  durationMs: 100,
  failed: false,
  budgetUtilization: 0.1,
};

/** What so many calls alert of: all are fine but for `what` of some. */
function alertsOf(operations: readonly Partial<EndedOperation>[], thresholds: OperationThresholds = {}) {
  const alerts: OperationAlert[] = [];
  const watch = new OperationAlerts(thresholds, (alert) => alerts.push(alert));
  for (const operation of operations) watch.record({ ...FINE, ...operation });
  return alerts;
}

const fine = (count: number) => Array.from({ length: count }, () => ({}));
const kinds = (alerts: readonly OperationAlert[]) => alerts.map(({ kind }) => kind);

describe('alerts on operations', () => {
  it('T-35: the thresholds are 0.10 USD, 80 %, 5 % and 2 s unless others are given', () => {
    expect(alertsOf([{ costUsd: 0.1 }, { costUsd: 0.11 }])).toEqual([
      { kind: 'high_cost_operation', threshold: 0.1, value: 0.11, requestId: 'r' },
    ]);
    expect(alertsOf([{ budgetUtilization: 0.79 }, { budgetUtilization: 0.8 }])).toEqual([
      { kind: 'budget_utilization', threshold: 0.8, value: 0.8, requestId: 'r' },
    ]);
    const failing = (failures: number) => [
      ...fine(100 - failures),
      ...fine(failures).map(() => ({ failed: true })),
    ];
    expect(alertsOf(failing(5))).toEqual([]);
    expect(alertsOf(failing(6))).toEqual([
      { kind: 'error_rate', threshold: 0.05, value: 5 / 99, requestId: 'r' },
    ]);
    const slow = (count: number, durationMs: number) => [
      ...fine(100 - count),
      ...fine(count).map(() => ({ durationMs })),
    ];
    expect(alertsOf([...slow(5, 2001), ...slow(100, 2000)])).toEqual([]);
    expect(alertsOf(slow(6, 2001))).toEqual([
      { kind: 'latency_p95', threshold: 2000, value: 2001, requestId: 'r' },
    ]);
    expect(kinds(alertsOf([{ costUsd: 0.02 }], { highCostUsd: 0.015 }))).toEqual(['high_cost_operation']);
    expect(kinds(alertsOf([{ costUsd: 0.11 }], { highCostUsd: undefined }))).toEqual(['high_cost_operation']);
  });

  it('T-35: dear calls are told each, a state once until it has ended', () => {
    expect(kinds(alertsOf([{ costUsd: 1 }, { costUsd: 1 }]))).toHaveLength(2);
    const used = [0.9, 0.95, 0.2, 0.9].map((budgetUtilization) => ({ budgetUtilization }));
    expect(kinds(alertsOf(used))).toEqual(['budget_utilization', 'budget_utilization']);
  });

  it('rates are of the latest hundred calls, and of no fewer than twenty', () => {
    expect(alertsOf([{ failed: true }, ...fine(18)])).toEqual([]);
    expect(kinds(alertsOf([{ failed: true }, { failed: true }, ...fine(18)]))).toEqual(['error_rate']);
    const old = fine(6).map(() => ({ failed: true }));
    expect(kinds(alertsOf([...old, ...fine(300), ...old]))).toEqual(['error_rate', 'error_rate']);
  });

  it('refuses thresholds that cannot be meant', () => {
    expect(() => alertsOf([], { errorRate: 0 })).toThrow(InvalidInputError);
    expect(() => alertsOf([], { errorRate: 5 })).toThrow(/errorRate is 5; .* at most 1/);
    expect(() => alertsOf([], { errors: 1 } as never)).toThrow(/unknown option "errors"/);
    expect(() => new OperationAlerts(undefined as never, () => {})).toThrow(InvalidInputError);
  });

  it('T-35: governed calls are watched, refused ones too, and a callback that throws harms nobody', async () => {
    const alerts: OperationAlert[] = [];
    const it = bench({
      governancePolicy: 'enforced',
      dailyBudgetLimit: COST * 1.1,
      operationAlerts: { highCostUsd: COST / 2 },
      onOperationAlert: async (alert) => {
        alerts.push(alert);
        throw new Error('broken');
      },
    });
    const { governance } = await it.governed.complete(REQUEST);
    for (let call = 0; call < 20; call++) await rejection(it.governed.complete(REQUEST));
    expect(kinds(alerts)).toEqual(['high_cost_operation', 'budget_utilization', 'error_rate']);
    expect(alerts[0]).toMatchObject({ value: COST, requestId: governance.requestId });
    expect(it.governed.status().faults).toBe(3);
  });
});
