import { context, SpanStatusCode, trace } from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runWithAttributes } from '#inhouse/governance/attribution.js';
import { aggregate } from '#inhouse/governance/cost-totals.js';
import {
  recordCostSummary,
  track,
  trackCost,
  trackEnhanced,
  trackEvaluation,
  trackUsage,
} from '#inhouse/governance/telemetry/track.js';
import { type Tracing, tracing } from '../../support/tracing.js';

let traced: Tracing;

describe('with an SDK, C-29', () => {
  beforeEach(() => {
    traced = tracing();
    traced.provider.register();
  });
  afterEach(() => {
    trace.disable();
    context.disable();
  });

  it('C-29: track runs work in a span with the attributes in force', async () => {
    const result = await runWithAttributes({ customerId: 'acme' }, () =>
      track(
        'report',
        async (tracked) => {
          tracked.recordCost({ cost: 0.5, provider: 'gpt2', model: 'gpt2' });
          tracked.recordPolicy({ policyName: 'spend', result: 'ALLOWED' });
          tracked.recordEvaluation({ metricName: 'quality', score: 1 });
          tracked.recordBudget({ budgetName: 'daily', allocated: 1, consumed: 0.5 });
          tracked.setAttribute('mine', 1);
          return 'done';
        },
        { attributes: { team: 'search' } },
      ),
    );
    expect(result).toBe('done');
    expect(traced.only().name).toBe('report');
    expect(traced.only().status.code).toBe(SpanStatusCode.OK);
    expect(traced.only().attributes).toMatchObject({
      'genops.operation.type': 'ai.inference',
      'genops.team': 'search',
      'genops.customer_id': 'acme',
      'genops.cost.total': 0.5,
      'genops.policy.result': 'ALLOWED',
      'genops.eval.score': 1,
      'genops.budget.remaining': 0.5,
      mine: 1,
    });
  });

  it('C-29: trackEnhanced nests, and passes on what is thrown with its secrets redacted on the span', () => {
    expect(() =>
      trackEnhanced('outer', () =>
        trackEnhanced('inner', () => {
          throw new TypeError('Bearer abcdef123456');
        }),
      ),
    ).toThrow('Bearer abcdef123456');
    const [inner, outer] = traced.spans;
    expect(inner!.parentSpanContext?.spanId).toBe(outer!.spanContext().spanId);
    expect(inner!.status).toEqual({ code: SpanStatusCode.ERROR, message: 'Bearer [REDACTED]' });
    expect(JSON.stringify([inner!.events, inner!.attributes])).not.toContain('abcdef');
  });

  it('C-29: track notes what an asynchronous work rejects with', async () => {
    await expect(track('late', () => Promise.reject(new Error('late')))).rejects.toThrow('late');
    expect(traced.only().status).toEqual({ code: SpanStatusCode.ERROR, message: 'late' });
  });

  it('C-29: trackUsage records the cost, provider, model and tokens of a result', async () => {
    const answer = trackUsage('answer', async (text: string) => ({
      text,
      cost: 0.25,
      provider: 'gpt2',
      model: 'gpt2-xl',
      usage: { promptTokens: 2, completionTokens: 3 },
    }));
    expect((await answer('hello')).text).toBe('hello');
    expect(traced.only().attributes).toMatchObject({
      'genops.cost.total': 0.25,
      'genops.cost.provider': 'gpt2',
      'genops.cost.model': 'gpt2-xl',
      'genops.tokens.total': 5,
    });
    expect(trackUsage('plain', (a: number, b: number) => a + b)(2, 3)).toBe(5);
    expect(traced.spans[1]!.attributes).not.toHaveProperty('genops.cost.total');
  });

  it('C-29: trackCost and trackEvaluation write on the active span', () => {
    const written = track('work', () => [
      trackCost({ cost: 0.5 }),
      trackEvaluation({ metricName: 'quality', score: 0.9, threshold: 1 }),
    ]);
    expect(written).toEqual([true, true]);
    expect(traced.only().attributes).toMatchObject({ 'genops.cost.total': 0.5, 'genops.eval.passed': false });
  });

  it('C-29: without an active span they do nothing and say so', () => {
    expect(trackCost({ cost: 0.5 })).toBe(false);
    expect(trackEvaluation({ score: 1 })).toBe(false);
    expect(traced.spans).toEqual([]);
  });

  it('C-30: a summary of several providers is a span', () => {
    const operation = { operationType: 'chat', inputTokens: 5, outputTokens: 5, timeMs: 0 };
    recordCostSummary(
      aggregate([
        { ...operation, provider: 'gpt2', model: 'gpt2', costUsd: 0.25 },
        { ...operation, provider: 'together', model: 'llama', costUsd: 0.5 },
        { ...operation, provider: 'anyscale', model: 'llama', costUsd: 1, operationType: 'completion' },
      ]),
    );
    expect(traced.only().name).toBe('multi_provider_cost_summary');
    expect(traced.only().attributes).toEqual({
      'genops.operation.name': 'multi_provider_cost_summary',
      'genops.operation.type': 'cost.aggregation',
      'multi_provider.total_cost': 1.75,
      'multi_provider.total_tokens': 30,
      'multi_provider.total_operations': 3,
      'multi_provider.unique_providers': 3,
      'multi_provider.unique_models': 2,
      'multi_provider.cost.gpt2': 0.25,
      'multi_provider.cost.together': 0.5,
      'multi_provider.cost.anyscale': 1,
      'multi_provider.cost.operation.chat': 0.75,
      'multi_provider.cost.operation.completion': 1,
    });
  });
});

describe('without an SDK', () => {
  it('C-29: tracked work runs all the same', async () => {
    const done = track('work', (tracked) => {
      tracked.recordCost({ cost: 1 });
      return 'done';
    });
    expect(done).toBe('done');
    expect(await trackUsage('work', async () => ({ cost: 1 }))()).toEqual({ cost: 1 });
    expect(trackCost({ cost: 1 })).toBe(false);
    expect(trackEvaluation({ score: 1 })).toBe(false);
  });
});
