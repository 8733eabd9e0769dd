import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ProviderError } from '#inhouse/errors.js';
import { attributesFrom } from '#inhouse/governance/attributes.js';
import { TelemetryFaults } from '#inhouse/governance/telemetry/faults.js';
import { SpanRecorder } from '#inhouse/governance/telemetry/spans.js';
import { eventNames } from '../../support/tracing.js';
import { allowed, blocked, completion, recording, start, succeed } from './support.js';

describe('the span of a governed call', () => {
  it('C-01: carries the six headline attributes as genops.*', () => {
    const { recorder, only } = recording();
    const attributes = attributesFrom({
      team: 'search',
      project: 'atlas',
      environment: 'staging',
      customerId: 'acme',
      costCenter: 'cc-7',
      feature: 'summaries',
    });
    recorder.start({ ...start, attributes })!.end();
    expect(only().attributes).toMatchObject({
      'genops.team': 'search',
      'genops.project': 'atlas',
      'genops.environment': 'staging',
      'genops.customer_id': 'acme',
      'genops.cost_center': 'cc-7',
      'genops.feature': 'summaries',
    });
  });

  it('C-03 D-32: puts tags under genops.<key>, and no attribute without a prefix', () => {
    const { recorder, only } = recording();
    const attributes = attributesFrom({ team: 'search', worker_id: 3, load_test_id: 'x' });
    const span = recorder.start({ ...start, attributes })!;
    succeed(span);
    span.end();
    expect(only().attributes).toMatchObject({ 'genops.worker_id': 3, 'genops.load_test_id': 'x' });
    const bare = Object.keys(only().attributes).filter((key) => !/^(genops|gen_ai|error)\./.test(key));
    expect(bare).toEqual([]);
  });

  it('C-10: keeps the attribution it began with', () => {
    const { recorder, only } = recording();
    const source: Record<string, string> = { team: 'search' };
    const span = recorder.start({ ...start, attributes: attributesFrom(source) })!;
    source.team = 'other';
    span.end();
    expect(only().attributes['genops.team']).toBe('search');
  });

  it('C-14: has name, type, timestamp in whole seconds, and status OK', () => {
    const { recorder, only, clock } = recording();
    clock.setNow(Date.UTC(2026, 1, 3, 4, 5, 6, 789));
    recorder.start(start)!.end();
    expect(only().name).toBe('gpt2.completion.create');
    expect(only().attributes).toMatchObject({
      'genops.operation.name': 'gpt2.completion.create',
      'genops.operation.type': 'ai.inference',
      'genops.timestamp': Date.UTC(2026, 1, 3, 4, 5, 6) / 1000,
      'genops.spec.version': '0.1.0',
    });
    expect(only().status.code).toBe(SpanStatusCode.OK);
  });

  it('has the times of its call: one for what happens in one go, another after each wait', () => {
    const { begin, only, clock } = recording();
    const startMs = Date.UTC(2026, 1, 3, 4, 5, 6, 789);
    clock.setNow(startMs);
    const { span, wait } = begin();
    span.policyEvaluated(allowed);
    span.policyEvaluated(blocked);
    wait(1500.25);
    succeed(span);
    wait(300);
    span.error(new Error('given up'));
    wait(50);
    span.end();
    const { startTime, endTime, events } = only();
    const ms = ([seconds, nanoseconds]: readonly [number, number]) =>
      Math.round((seconds * 1000 + nanoseconds / 1e6 - startMs) * 100) / 100;
    expect(startTime).toEqual([Math.floor(startMs / 1000), 789e6]);
    expect(events.map(({ time }) => ms(time))).toEqual([0, 0, 1500.25, 1500.25, 1500.25, 1500.25, 1800.25]);
    expect(ms(endTime)).toBe(1850.25);
  });

  it('C-14 D-31: a failure is status ERROR with an exception, and no secret of its message or stack', () => {
    const { recorder, only } = recording();
    const span = recorder.start(start)!;
    const cause = new Error('Authorization: Bearer abcdef123456');
    span.error(
      new ProviderError(
        'INHOUSE_PROVIDER_FAILED',
        'said {"token": "abcdef123456"} and api_key=abcdef123456',
        {
          cause,
        },
      ),
    );
    span.end();
    expect(only().status.code).toBe(SpanStatusCode.ERROR);
    expect(eventNames(only())).toEqual(['exception']);
    expect(only().attributes).toMatchObject({
      'error.type': 'INHOUSE_PROVIDER_FAILED',
      'genops.error.type': 'INHOUSE_PROVIDER_FAILED',
      'genops.error.message': 'said {"token": "[REDACTED]"} and api_key=[REDACTED]',
    });
    const everything = JSON.stringify([only().attributes, only().events, only().status]);
    expect(everything).not.toContain('abcdef123456');
    expect(everything).not.toContain('stack');
  });

  it('C-15 D-33 C-88: costs and tokens are numbers, and exact', () => {
    const { recorder, only } = recording();
    const span = recorder.start(start)!;
    succeed(span, 1.3e-7);
    span.end();
    expect(only().attributes).toMatchObject({
      'genops.cost.total': 1.3e-7,
      'genops.cost.currency': 'USD',
      'genops.cost.provider': 'gpt2',
      'genops.cost.model': 'gpt2',
      'genops.cost.type': 'token',
      'genops.infrastructure_cost': 1e-6,
      'genops.tokens.input': 7,
      'genops.tokens.output': 3,
      'genops.tokens.total': 10,
    });
  });

  it('C-17: speaks as the Anyscale adapter does, with its own slug', () => {
    const { begin, only } = recording();
    const { span, wait } = begin({ ...start, operation: 'chat', request: { model: 'gpt2', messages: [] } });
    wait(75);
    succeed(span);
    span.end();
    expect(only().name).toBe('gpt2.completion.create');
    expect(only().attributes).toMatchObject({
      'genops.gpt2.model': 'gpt2',
      'genops.gpt2.tokens.input': 7,
      'genops.gpt2.tokens.output': 3,
      'genops.gpt2.tokens.total': 10,
      'genops.gpt2.cost.total': 2e-7,
      'genops.gpt2.cost.currency': 'USD',
      'genops.gpt2.performance.latency_ms': 75,
      'genops.gpt2.operation.type': 'chat.completion',
    });
  });

  it.each([
    ['anyscale', 'complete', 'gpt2.completion.create', 'ai.inference'],
    ['anyscale', 'chat', 'gpt2.completion.create', 'ai.inference'],
    ['anyscale', 'embed', 'gpt2.embeddings.create', 'ai.embedding'],
    ['together', 'complete', 'gpt2.completion', 'ai.inference'],
    ['together', 'chat', 'gpt2.chat_completion', 'ai.inference'],
  ] as const)('C-17: in the words of %s, %s is %s', (naming, operation, name, type) => {
    const { recorder, only } = recording({ naming });
    recorder.start({ ...start, operation })!.end();
    expect(only().name).toBe(name);
    expect(only().attributes['genops.operation.type']).toBe(type);
  });

  it('C-18: tells the time to the first token and tokens per second', () => {
    const { recorder, only, clock } = recording();
    const span = recorder.start({ ...start, stream: true })!;
    clock.advance(60);
    succeed(span);
    span.end();
    const { attributes } = only();
    expect(attributes['genops.gpt2.performance.ttft_ms']).toBe(20);
    expect(attributes['genops.gpt2.performance.tokens_per_second']).toBe(50); // 3 tokens in 60 ms
    expect(attributes['gen_ai.response.time_to_first_chunk']).toBe(0.02);
    expect(attributes['genops.request.stream']).toBe(true);
  });

  it('speaks the GenAI conventions on the same span', () => {
    const { recorder, only } = recording();
    const request = { ...start.request, temperature: 0.5, topP: 0.9, topK: 40, seed: 7, n: 2, stop: '\n' };
    const span = recorder.start({ ...start, request, sessionId: 's-1', requestId: 'r-1' })!;
    succeed(span);
    span.end();
    expect(only().kind).toBe(SpanKind.INTERNAL);
    expect(only().attributes).toMatchObject({
      'gen_ai.operation.name': 'text_completion',
      'gen_ai.provider.name': 'gpt2',
      'gen_ai.request.model': 'gpt2',
      'gen_ai.request.max_tokens': 8,
      'gen_ai.request.temperature': 0.5,
      'gen_ai.request.top_p': 0.9,
      'gen_ai.request.top_k': 40,
      'gen_ai.request.seed': 7,
      'gen_ai.request.choice.count': 2,
      'gen_ai.request.stop_sequences': ['\n'],
      'gen_ai.response.id': 'cmpl-1',
      'gen_ai.response.model': 'gpt2',
      'gen_ai.response.finish_reasons': ['stop'],
      'gen_ai.usage.input_tokens': 7,
      'gen_ai.usage.output_tokens': 3,
      'gen_ai.conversation.id': 's-1',
      'genops.session_id': 's-1',
      'genops.request_id': 'r-1',
      'genops.request.max_tokens': 8,
    });
  });

  it('is of kind CLIENT for a remote provider, and names the one that served behind a router', () => {
    const { recorder, only } = recording();
    const span = recorder.start({ ...start, provider: 'router', kind: 'remote' })!;
    span.response({ ...completion, provider: 'vllm' });
    span.cost({ totalUsd: 1 });
    span.end();
    expect(only().kind).toBe(SpanKind.CLIENT);
    expect(only().name).toBe('router.completion.create');
    expect(only().attributes).toMatchObject({
      'gen_ai.provider.name': 'vllm',
      'genops.cost.provider': 'vllm',
    });
  });

  it('C-24: reconciles with the difference of actual and reserved', () => {
    const { recorder, only } = recording();
    const span = recorder.start(start)!;
    succeed(span, 2e-7);
    span.end();
    const event = only().events.find(({ name }) => name === 'genops.budget.reconciliation');
    expect(event?.attributes).toEqual({
      'genops.accounting.actual': 2e-7,
      'genops.accounting.reserved': 5e-7,
      'genops.accounting.unit': 'USD',
      'genops.accounting.reconciliation_delta': 2e-7 - 5e-7,
    });
  });

  it("C-23 D-09: the gravest decision is the span's, in upper case, with a code unless ALLOWED", () => {
    const { recorder, spans } = recording();
    const warning = {
      policy: 'cost',
      result: 'WARNING',
      reasonCode: 'BUDGET_EXCEEDED',
      metadata: {},
    } as const;
    for (const decisions of [[allowed], [allowed, warning, allowed], [warning, blocked]]) {
      const span = recorder.start(start)!;
      for (const decision of decisions) span.policyEvaluated(decision);
      span.end();
    }
    const [first, second, third] = spans.map(({ attributes }) => attributes);
    expect(first).toMatchObject({ 'genops.policy.result': 'ALLOWED' });
    expect(first).not.toHaveProperty('genops.policy.reason_code');
    expect(second).toMatchObject({
      'genops.policy.name': 'cost',
      'genops.policy.result': 'WARNING',
      'genops.policy.reason_code': 'BUDGET_EXCEEDED',
    });
    expect(third).toMatchObject({
      'genops.policy.result': 'BLOCKED',
      'genops.policy.reason_code': 'POLICY_DENY_MODEL',
      'genops.policy.reason': 'gpt2-xl is not allowed',
      'genops.policy.metadata.limit': 2,
    });
    expect(spans[1]!.events.map(({ attributes }) => attributes?.['genops.policy.result'])).toEqual([
      'ALLOWED',
      'WARNING',
      'ALLOWED',
    ]);
  });

  it.each([
    [74.9, false],
    [75, true],
    [75.1, true],
  ])('C-26: a target of %d ms on a call of 75 ms is met: %s', (latencyTargetMs, met) => {
    const { begin, only } = recording({ serviceLevel: { tier: 'gold', latencyTargetMs } });
    const { span, wait } = begin();
    wait(75);
    span.end();
    expect(only().attributes).toMatchObject({
      'genops.sla.tier': 'gold',
      'genops.sla.latency_target_ms': latencyTargetMs,
      'genops.sla.actual_latency_ms': 75,
      'genops.sla.met': met,
    });
  });

  it('tells of each attempt; of one that succeeds at once only the number', () => {
    const simple = recording();
    const first = simple.recorder.start(start)!;
    first.attempt({ number: 1, waitMs: 0 });
    first.end();
    expect([simple.only().attributes['genops.attempts'], simple.only().events]).toEqual([1, []]);

    const { recorder, only } = recording();
    const span = recorder.start(start)!;
    span.attempt({ number: 1, waitMs: 0, error: new ProviderError('INHOUSE_PROVIDER_FAILED', 'no') });
    span.attempt({ number: 2, waitMs: 1000 });
    span.end();
    expect(only().events.map(({ attributes }) => attributes)).toEqual([
      { 'genops.attempt.number': 1, 'genops.attempt.wait_ms': 0, 'error.type': 'INHOUSE_PROVIDER_FAILED' },
      { 'genops.attempt.number': 2, 'genops.attempt.wait_ms': 1000 },
    ]);
    expect(only().attributes['genops.attempts']).toBe(2);
  });
});

describe('prompts and completions', () => {
  const request = { model: 'gpt2', prompt: 'My password=hunter22 is safe', maxTokens: 8 };

  it('C-98: never leave by default', () => {
    const { recorder, only } = recording();
    const span = recorder.start({ ...start, request })!;
    succeed(span);
    span.error(new Error('failed'));
    span.end();
    const everything = JSON.stringify([only().attributes, only().events, only().status]);
    expect(everything).not.toContain('safe');
    expect(everything).not.toContain('over the bay');
  });

  it('leave redacted where asked for', () => {
    const { recorder, only } = recording({ content: true });
    const span = recorder.start({ ...start, request })!;
    succeed(span);
    span.end();
    const { attributes } = only();
    expect(JSON.parse(attributes['gen_ai.input.messages'] as string)).toEqual([
      { role: 'user', parts: [{ type: 'text', content: 'My password=[REDACTED] is safe' }] },
    ]);
    expect(JSON.parse(attributes['gen_ai.output.messages'] as string)).toEqual([
      {
        role: 'assistant',
        parts: [{ type: 'text', content: ' over the bay' }],
        finish_reason: 'stop',
      },
    ]);
  });

  it('pass through a redactor of the application, whose failure costs only the content', () => {
    const chat = { model: 'gpt2', messages: [{ role: 'user', content: 'Anna' } as const] };
    const masked = recording({ content: (text) => text.replace('Anna', 'NAME') });
    const span = masked.recorder.start({ ...start, operation: 'chat', request: chat })!;
    succeed(span);
    span.end();
    expect(masked.only().attributes['gen_ai.input.messages']).toContain('NAME');

    const broken = () => {
      throw new Error('redactor');
    };
    const asynchronous = async () => broken();
    for (const content of [broken, asynchronous as never]) {
      const faults = new TelemetryFaults();
      const { recorder, only } = recording({ faults, content });
      const other = recorder.start({ ...start, request })!;
      succeed(other);
      other.end();
      expect(only().attributes).not.toHaveProperty('gen_ai.input.messages');
      expect(only().attributes['genops.tokens.total']).toBe(10);
      expect(faults).toMatchObject({ count: 1, last: { source: 'span' } });
    }
  });
});

describe('the span as parent', () => {
  const manager = new AsyncLocalStorageContextManager();
  beforeAll(() => void context.setGlobalContextManager(manager.enable()));
  afterAll(() => context.disable());

  it('has what the provider does inside as children, and the span around it as parent', async () => {
    const { recorder, spans, provider } = recording();
    const tracer = provider.getTracer('application');
    const outer = tracer.startSpan('outer');
    await context.with(trace.setSpan(context.active(), outer), async () => {
      const span = recorder.start(start)!;
      await span.run(async () => {
        await Promise.resolve();
        tracer.startSpan('inside').end();
      });
      span.end();
    });
    outer.end();
    const [inside, call, around] = spans;
    expect(inside!.parentSpanContext?.spanId).toBe(call!.spanContext().spanId);
    expect(call!.parentSpanContext?.spanId).toBe(around!.spanContext().spanId);
  });
});

describe('where there is nothing to record on', () => {
  it('no span is started without an SDK', () => {
    expect(new SpanRecorder().start(start)).toBeUndefined();
  });

  it('C-105: a tracer or span that throws is counted and costs the span, nothing else', () => {
    const faults = new TelemetryFaults();
    const dead = { getTracer: () => ({ startSpan: () => fail('no tracer') }) } as never;
    expect(new SpanRecorder({ tracerProvider: dead, faults }).start(start)).toBeUndefined();
    expect(faults.last).toEqual({ source: 'span', message: 'no tracer' });

    const span = {
      isRecording: () => true,
      addEvent: () => fail('no event'),
      setAttribute: () => fail('no attribute'),
    };
    const half = { getTracer: () => ({ startSpan: () => span }) } as never;
    const recorded = new SpanRecorder({ tracerProvider: half, faults }).start(start)!;
    succeed(recorded);
    recorded.error(new Error('of the call'));
    recorded.end();
    expect(faults.count).toBeGreaterThan(1);
  });

  it('a provider that could not give a tracer is asked again', () => {
    const { provider } = recording();
    let asked = 0;
    const late = {
      getTracer: (name: string) => (asked++ === 0 ? fail('not yet') : provider.getTracer(name)),
    };
    const recorder = new SpanRecorder({ tracerProvider: late, faults: new TelemetryFaults() });
    expect(recorder.start(start)).toBeUndefined();
    expect(recorder.start(start)).toBeDefined();
    expect(recorder.start(start)).toBeDefined();
    expect(asked).toBe(2);
  });

  it('ends once, however often it is told to', () => {
    const { recorder, spans } = recording();
    const span = recorder.start(start)!;
    span.end();
    span.end();
    expect(spans).toHaveLength(1);
  });
});

function fail(message: string): never {
  throw new Error(message);
}
