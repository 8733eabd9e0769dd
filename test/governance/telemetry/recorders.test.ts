import type { ReadableSpan } from '@opentelemetry/sdk-trace-node';
import { describe, expect, it } from 'vitest';
import { InvalidInputError } from '#inhouse/errors.js';
import {
  recordBudget,
  recordCost,
  recordEvaluation,
  recordPolicy,
} from '#inhouse/governance/telemetry/recorders.js';
import { tracing } from '../../support/tracing.js';

type Span = Parameters<typeof recordCost>[0];

function recorded(write: (span: Span) => void): ReadableSpan {
  const { provider, only } = tracing();
  const span = provider.getTracer('test').startSpan('work');
  write(span);
  span.end();
  return only();
}

describe('recorders', () => {
  it('C-16: a cost under either name of its tokens, and extras under the family', () => {
    const expected = {
      'genops.cost.total': 0.5,
      'genops.cost.currency': 'USD',
      'genops.cost.provider': 'gpt2',
      'genops.cost.type': 'token',
      'genops.cost.region': 'eu',
      'genops.tokens.input': 3,
      'genops.tokens.output': 4,
      'genops.tokens.total': 7,
    };
    const facts = { cost: 0.5, provider: 'gpt2', model: '', costType: 'token', region: 'eu' };
    const one = recorded((span) => recordCost(span, { ...facts, inputTokens: 3, outputTokens: 4 }));
    const other = recorded((span) => recordCost(span, { ...facts, tokensInput: 3, tokensOutput: 4 }));
    expect(one.attributes).toEqual(expected);
    expect(other.attributes).toEqual(expected);
    expect(one.events[0]).toMatchObject({
      name: 'genops.cost.calculated',
      attributes: { 'genops.cost.total': 0.5, 'genops.cost.currency': 'USD', 'genops.cost.provider': 'gpt2' },
    });
  });

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY])('a cost of %d is refused', (cost) => {
    expect(() => recorded((span) => recordCost(span, { cost }))).toThrow(InvalidInputError);
  });

  it('C-16 D-09: a policy under either name of its result, in upper case', () => {
    const facts = { policyName: 'spend', metadata: { limit: 2 } };
    const one = recorded((span) => recordPolicy(span, { ...facts, result: 'blocked', reason: 'key=x' }));
    const other = recorded((span) =>
      recordPolicy(span, { ...facts, policyResult: 'BLOCKED', policyReason: 'key=x' }),
    );
    expect(one.attributes).toEqual({
      'genops.policy.name': 'spend',
      'genops.policy.result': 'BLOCKED',
      'genops.policy.reason': 'key=x',
      'genops.policy.metadata.limit': 2,
    });
    expect(other.attributes).toEqual(one.attributes);
    expect(() => recorded((span) => recordPolicy(span, { ...facts, result: 'perhaps' }))).toThrow(/PERHAPS/);
  });

  it('C-16: an evaluation under either name, passed where it reaches its threshold', () => {
    const facts = { score: 0.8, threshold: 0.8, evaluator: 'judge' };
    const one = recorded((span) => recordEvaluation(span, { ...facts, metricName: 'quality' }));
    const other = recorded((span) => recordEvaluation(span, { ...facts, evaluationName: 'quality' }));
    expect(one.attributes).toEqual({
      'genops.eval.metric': 'quality',
      'genops.eval.score': 0.8,
      'genops.eval.threshold': 0.8,
      'genops.eval.passed': true,
      'genops.eval.evaluator': 'judge',
    });
    expect(other.attributes).toEqual(one.attributes);
    expect(one.events.map(({ name }) => name)).toEqual(['genops.evaluation.complete']);
  });

  it('C-16: a budget under either name, remaining and utilization derived', () => {
    const one = recorded((span) => recordBudget(span, { budgetName: 'daily', allocated: 10, consumed: 4 }));
    const other = recorded((span) =>
      recordBudget(span, { budgetName: 'daily', budgetLimit: 10, budgetUsed: 4, budgetRemaining: 6 }),
    );
    expect(one.attributes).toEqual({
      'genops.budget.name': 'daily',
      'genops.budget.allocated': 10,
      'genops.budget.consumed': 4,
      'genops.budget.remaining': 6,
      'genops.budget.utilization_percent': 40,
    });
    expect(other.attributes).toEqual(one.attributes);
    const none = recorded((span) => recordBudget(span, { budgetName: 'none', allocated: 0, consumed: 1 }));
    expect(none.attributes).not.toHaveProperty('genops.budget.utilization_percent');
  });
});
