import { describe, expect, it } from 'vitest';
import { PolicyViolationError } from '#inhouse/errors.js';
import {
  checkCompliance,
  type ExportedSpan,
  isReasonCode,
} from '#inhouse/governance/telemetry/compliance.js';
import { eventNames } from '../../support/tracing.js';
import { allowed, blocked, recording, start, succeed } from './support.js';

const { recorder, spans } = recording();

function call(steps: (span: NonNullable<ReturnType<typeof recorder.start>>) => void): ExportedSpan {
  const span = recorder.start(start)!;
  steps(span);
  span.end();
  return spans.pop()!;
}

const good = call(succeed);

/** The good span with attributes changed; undefined removes one. */
function altered(changes: Record<string, unknown>): ExportedSpan {
  const attributes = Object.fromEntries(
    Object.entries({ ...good.attributes, ...changes }).filter(([, value]) => value !== undefined),
  );
  return { ...shape(good), attributes };
}

function shape(span: ExportedSpan): ExportedSpan {
  const { name, attributes, events, status } = span;
  return { name, attributes, events, status, spanContext: () => span.spanContext() };
}

describe('compliance with the GenOps Governance Specification v0.1', () => {
  it('C-21 C-22: a governed call complies, with its events in order', () => {
    expect(checkCompliance([good])).toEqual({ operations: 1, violations: [], claim: 'GenOps v0.1' });
    expect(eventNames(good as never)).toEqual([
      'genops.policy.evaluated',
      'genops.budget.reservation',
      'genops.cost.calculated',
      'genops.budget.reconciliation',
    ]);
  });

  it('C-22: blocked before the reservation leaves the decision alone, and complies', () => {
    const span = call((it) => {
      it.policyEvaluated(blocked);
      it.error(new PolicyViolationError('INHOUSE_POLICY_BLOCKED', 'no'));
    });
    expect(eventNames(span as never)).toEqual(['genops.policy.evaluated', 'exception']);
    expect(checkCompliance([span]).claim).toBe('GenOps v0.1');
  });

  it('C-22: aborted and failed after the reservation comply, reconciled or not', () => {
    const aborted = call((it) => {
      it.policyEvaluated(allowed);
      it.budgetReserved({ reservedUsd: 1 });
      it.reconciled({ actualUsd: 0.25, reservedUsd: 1, incomplete: true });
      it.error(new Error('aborted'));
    });
    const failed = call((it) => {
      it.policyEvaluated(allowed);
      it.budgetReserved({ reservedUsd: 1 });
      it.error(new Error('failed'));
    });
    expect(checkCompliance([aborted, failed])).toMatchObject({ operations: 2, claim: 'GenOps v0.1' });
    expect(aborted.attributes['genops.accounting.incomplete']).toBe(true);
  });

  it.each([
    'genops.team',
    'genops.project',
    'genops.environment',
    'genops.operation.name',
    'genops.spec.version',
    'genops.policy.result',
  ])('C-21: without %s nothing can be claimed', (key) => {
    const { violations, claim } = checkCompliance([altered({ [key]: undefined })]);
    expect(violations.map(({ message }) => message).join()).toContain(key);
    expect(claim).toBeUndefined();
  });

  it.each(['genops.accounting.reserved', 'genops.accounting.actual', 'genops.accounting.unit'])(
    'C-21: without %s the claim is partial',
    (key) => {
      const { violations, claim } = checkCompliance([altered({ [key]: undefined })]);
      expect(violations.map(({ message }) => message).join()).toContain(key);
      expect(claim).toBe('GenOps v0.1 — partial');
    },
  );

  it('C-22: events out of order, twice, or missing are found', () => {
    const [decision, reservation, , reconciliation] = good.events;
    const cases: [ExportedSpan['events'], string][] = [
      [[reservation!, decision!, reconciliation!], 'reserved before a policy was evaluated'],
      [[decision!, reconciliation!, reservation!], 'reconciled before it was reserved'],
      [[decision!, reconciliation!], 'reconciled without a reservation'],
      [[decision!, reservation!, reservation!, reconciliation!], 'reserved more than once'],
      [[decision!, reservation!], 'completed without a genops.budget.reconciliation event'],
      [[decision!], 'ran without a genops.budget.reservation event'],
      [[reservation!, reconciliation!], 'no genops.policy.evaluated event'],
    ];
    for (const [events, message] of cases) {
      const found = checkCompliance([{ ...shape(good), events }]).violations.map((each) => each.message);
      expect(found).toContain(message);
    }
  });

  it('C-23: a code is of the taxonomy or begins with x_, and is absent exactly when ALLOWED', () => {
    for (const code of ['BUDGET_EXCEEDED', 'POLICY_DENY_REGION', 'x_mine_2'])
      expect(isReasonCode(code)).toBe(true);
    for (const code of ['budget_exceeded', 'x_Mine', 'x_', 'too expensive', undefined]) {
      expect(isReasonCode(code)).toBe(false);
    }
    const withCode = checkCompliance([altered({ 'genops.policy.reason_code': 'BUDGET_EXCEEDED' })]);
    expect(withCode.violations[0]?.message).toContain('on a decision that is ALLOWED');
    const withoutCode = checkCompliance([altered({ 'genops.policy.result': 'WARNING' })]);
    expect(withoutCode.violations.map(({ message }) => message)).toEqual([
      'the span: genops.policy.reason_code is undefined',
      'no decision says WARNING',
    ]);
    const lowerCase = checkCompliance([altered({ 'genops.policy.result': 'allowed' })]);
    expect(lowerCase.violations[0]?.message).toContain('allowed');
  });

  it('C-24 C-26: a wrong difference, a differing amount and a wrong promise are found', () => {
    const events = good.events.map(({ name, attributes }) => ({
      name,
      attributes: { ...attributes, 'genops.accounting.reconciliation_delta': 1 },
    }));
    const messages = checkCompliance([
      { ...shape(good), events },
      altered({ 'genops.accounting.actual': 9 }),
      altered({
        'genops.sla.met': true,
        'genops.sla.latency_target_ms': 1,
        'genops.sla.actual_latency_ms': 2,
      }),
    ]).violations.map(({ message }) => message);
    expect(messages).toEqual([
      'genops.accounting.reconciliation_delta is not actual - reserved',
      'its identity (trace id, span id) is used twice',
      'genops.accounting.actual differs between span and event',
      'its identity (trace id, span id) is used twice',
      'genops.sla.met contradicts genops.sla.actual_latency_ms and genops.sla.latency_target_ms',
    ]);
  });

  it('looks only at governed operations, and claims nothing where there are none', () => {
    const http = { ...shape(good), attributes: { 'http.request.method': 'POST' } };
    expect(checkCompliance([http])).toEqual({ operations: 0, violations: [], claim: undefined });
  });
});
