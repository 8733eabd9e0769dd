// Governance around every provider: it is still that provider, and governed like every other.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InhouseError, ProviderError } from '#inhouse/errors.js';
import { type GovernanceReport, governanceOf } from '#inhouse/governance/governance-report.js';
import { type GovernedProvider, govern } from '#inhouse/governance/governed-provider.js';
import type { GovernOptions } from '#inhouse/governance/options.js';
import { requiredRule } from '#inhouse/governance/tag-rules.js';
import { checkCompliance } from '#inhouse/governance/telemetry/compliance.js';
import { load } from '#inhouse/load.js';
import { local } from '#inhouse/providers/local.js';
import { openAiCompatible } from '#inhouse/providers/openai-compatible.js';
import type { Completion, Embedding, Provider } from '#inhouse/providers/provider.js';
import { stub } from '#inhouse/providers/stub.js';
import { OpenAiServer } from '../support/openai-server.js';
import { eventNames, type Tracing, tracing } from '../support/tracing.js';
import { describeProvider, type Subject } from './conformance.js';

/** Everything at work, and nothing in the way. */
const WIDE: GovernOptions = {
  governancePolicy: 'enforced',
  attributes: { team: 'search', project: 'atlas', customerId: 'acme' },
  policies: [
    { name: 'cost_limit', conditions: { maxCost: 1 } },
    { name: 'rate_limit', conditions: { maxRequestsPerMinute: 100_000 } },
    { name: 'content_filter', conditions: { checkOutput: true } },
  ],
  hourlyBudgetLimit: 100,
  monthlyBudgetLimit: 1000,
  enableCircuitBreaker: true,
  circuitBreakerThreshold: 1000,
};

const WORDS = ' word'.repeat(400);

async function openStub(): Promise<Subject> {
  return {
    provider: stub({ name: 'gpt2' }),
    slow: stub({ name: 'gpt2', text: WORDS, serviceMs: 400 }),
    model: 'gpt2',
    contextLength: 1024,
    dispose: async () => {},
  };
}

async function openLocal(): Promise<Subject> {
  const model = await load();
  const provider = local(new Map([['gpt2', model]]));
  const { contextLength } = model.info();
  return { provider, slow: provider, model: 'gpt2', contextLength, dispose: () => model.dispose() };
}

async function openRemote(): Promise<Subject> {
  const server = await OpenAiServer.start(stub());
  const slowServer = await OpenAiServer.start(stub({ text: WORDS, serviceMs: 400 }));
  return {
    provider: openAiCompatible({ name: 'gpt2', baseUrl: server.baseUrl }),
    slow: openAiCompatible({ name: 'gpt2', baseUrl: slowServer.baseUrl }),
    model: 'gpt2',
    contextLength: 1024,
    dispose: async () => {
      await server[Symbol.asyncDispose]();
      await slowServer[Symbol.asyncDispose]();
    },
  };
}

const BACKENDS = [
  ['stub', openStub],
  ['local, with the embedded model', openLocal],
  ['openAiCompatible, over HTTP', openRemote],
] as const;

for (const [name, open] of BACKENDS) {
  describeProvider(`governed ${name}`, async () => {
    const subject = await open();
    return {
      ...subject,
      provider: govern(subject.provider, WIDE),
      slow: govern(subject.slow, { ...WIDE, enableRetry: false }),
    };
  });
}

const REQUEST = {
  model: 'gpt2',
  prompt: 'The lighthouse stood above the bay.',
  temperature: 0,
  maxTokens: 8,
};
const LONG = { ...REQUEST, maxTokens: 400 };
const CHAT = { model: 'gpt2', messages: [{ role: 'user', content: 'Who is there?' }], maxTokens: 8 } as const;

const BEGIN = ['genops.policy.evaluated', 'genops.budget.reservation'];
const SETTLED = ['genops.cost.calculated', 'genops.budget.reconciliation'];
const REPORT_FIELDS = [
  'attempts',
  'attributes',
  'cost',
  'decision',
  'decisions',
  'durationMs',
  'operation',
  'queueMs',
  'requestId',
  'sessionId',
  'startMs',
];
const COMPLETION_FIELDS = [
  'choices',
  'finishReason',
  'governance',
  'id',
  'model',
  'provider',
  'text',
  'timings',
  'usage',
];

/** All that governance shows of one call. */
interface Shown {
  readonly error: string | undefined;
  /** `policy result reasonCode` of each decision. */
  readonly decisions: readonly string[];
  readonly events: readonly string[];
  readonly attempts: number;
  readonly compliant: boolean;
  readonly fields: readonly string[];
  readonly report: GovernanceReport;
  readonly result: Completion | Embedding | undefined;
}

describe.each(BACKENDS)('governed alike: %s', (_name, open) => {
  let subject: Subject;
  beforeAll(async () => {
    subject = await open();
  });
  afterAll(() => subject.dispose());

  const governed = (options: GovernOptions = {}, provider: Provider = subject.provider) => {
    const trace = tracing();
    return { it: govern(provider, { tracerProvider: trace.provider, ...options }), trace };
  };

  async function shown(trace: Tracing, call: Promise<Completion | Embedding>): Promise<Shown> {
    const [outcome] = await Promise.allSettled([call]);
    const failure = outcome!.status === 'rejected' ? outcome!.reason : undefined;
    const result = outcome!.status === 'fulfilled' ? outcome!.value : undefined;
    const report =
      failure === undefined
        ? (result as unknown as { governance: GovernanceReport }).governance
        : governanceOf(failure)!;
    expect(Object.keys(report).sort()).toEqual(REPORT_FIELDS);
    const span = trace.spans.at(-1)!;
    return {
      error: failure instanceof InhouseError ? failure.code : failure && String(failure),
      decisions: report.decisions.map(({ policy, result, reasonCode }) =>
        [policy, result, reasonCode].filter(Boolean).join(' '),
      ),
      events: eventNames(span),
      attempts: report.attempts,
      compliant: checkCompliance([span]).claim === 'GenOps v0.1',
      fields: Object.keys(result ?? {}).sort(),
      report,
      result,
    };
  }

  const priceOf = ({ promptTokens, completionTokens }: Completion['usage']) =>
    (promptTokens * 0.01 + completionTokens * 0.02) / 1e6;

  const methods: Record<string, (provider: GovernedProvider) => Promise<Completion>> = {
    complete: (provider) => provider.complete(REQUEST),
    chat: (provider) => provider.chat(CHAT),
    stream: (provider) => provider.stream(REQUEST).result,
    'a stream of a conversation': (provider) => provider.stream(CHAT).result,
  };
  it.each(Object.keys(methods))('a call that is allowed: %s', async (method) => {
    const { it: provider, trace } = governed();
    const call = await shown(trace, methods[method]!(provider));
    expect(call).toMatchObject({
      error: undefined,
      decisions: [],
      events: [...BEGIN, ...SETTLED],
      attempts: 1,
      compliant: true,
      fields: COMPLETION_FIELDS,
    });
    const { cost, decision } = call.report;
    expect(decision).toEqual({ policy: 'governance', result: 'ALLOWED', metadata: {} });
    expect(cost.actualUsd).toBeCloseTo(priceOf(call.result!.usage), 15);
    expect(cost.reservedUsd).toBe(cost.estimatedUsd);
    expect(cost.deltaUsd).toBe(cost.actualUsd - cost.reservedUsd);
    expect(cost.infrastructureUsd === undefined).toBe(subject.provider.kind === 'remote');
    expect(provider.costSummary().totalCostUsd).toBe(cost.actualUsd);
  });

  it('C-15 C-88: an embedding is governed and priced, at half the price of text', async () => {
    const { it: provider, trace } = governed();
    const call = await shown(trace, provider.embed({ model: 'gpt2', input: ['the sea', 'a stone'] }));
    expect(call).toMatchObject({ error: undefined, events: [...BEGIN, ...SETTLED], compliant: true });
    expect(call.report.operation).toBe('embedding');
    expect(call.report.cost.actualUsd).toBeCloseTo(priceOf(call.result!.usage) / 2, 15);
  });

  it('a model that no policy allows', async () => {
    const policies = [{ name: 'models', type: 'model_access', conditions: { allowedModels: ['other'] } }];
    const { it: provider, trace } = governed({ governancePolicy: 'enforced', policies });
    expect(await shown(trace, provider.complete(REQUEST))).toMatchObject({
      error: 'INHOUSE_POLICY_MODEL_DENIED',
      decisions: ['models BLOCKED POLICY_DENY_MODEL'],
      events: ['genops.policy.evaluated', 'exception'],
      attempts: 0,
      compliant: true,
      report: { cost: { reservedUsd: 0, actualUsd: 0 } },
    });
  });

  it.each([
    ['advisory', undefined, 'WARNING', 1, [...BEGIN, ...SETTLED, ...Array(4).fill('genops.budget.alert')]],
    ['enforced', 'INHOUSE_BUDGET_EXCEEDED', 'BLOCKED', 0, ['genops.policy.evaluated', 'exception']],
    ['strict', 'INHOUSE_BUDGET_EXCEEDED', 'BLOCKED', 0, ['genops.policy.evaluated', 'exception']],
  ] as const)('a budget without room: %s', async (governancePolicy, error, decision, attempts, events) => {
    const { it: provider, trace } = governed({ governancePolicy, dailyBudgetLimit: 1e-9 });
    expect(await shown(trace, provider.chat(CHAT))).toMatchObject({
      error,
      decisions: [`budget ${decision} BUDGET_RESERVATION_FAILED`],
      events,
      attempts,
      compliant: true,
    });
  });

  it('C-12: a tag that a rule blocks', async () => {
    const tagRules = [requiredRule('costCenter', { severity: 'block' })];
    const { it: provider, trace } = governed({ tagRules });
    expect(await shown(trace, provider.stream(REQUEST).result)).toMatchObject({
      error: 'INHOUSE_TAG_REFUSED',
      decisions: ['tag_validation BLOCKED x_tag_validation'],
      events: ['genops.policy.evaluated', 'exception'],
      attempts: 0,
      compliant: true,
    });
  });

  it('a model that is not served', async () => {
    const { it: provider, trace } = governed();
    const call = provider.complete({ ...REQUEST, model: 'gpt2-xl' });
    expect(await shown(trace, call)).toMatchObject({
      error: 'INHOUSE_MODEL_NOT_SERVED',
      decisions: [],
      events: [...BEGIN, 'genops.attempt', ...SETTLED, 'exception'],
      attempts: 1,
      compliant: true,
      report: { cost: { actualUsd: 0 } },
    });
  });

  it('C-22: an attempt that fails and one that succeeds', async () => {
    const crash = new ProviderError('INHOUSE_PROVIDER_FAILED', 'down');
    const { provider: inner } = subject;
    let calls = 0;
    const failing: Provider = Object.create(inner, {
      complete: { value: async () => (calls++ === 0 ? Promise.reject(crash) : inner.complete(REQUEST)) },
      countTokens: { value: inner.countTokens.bind(inner) },
    });
    const { it: provider, trace } = governed({ sleep: async () => {} }, failing);
    expect(await shown(trace, provider.complete(REQUEST))).toMatchObject({
      error: undefined,
      events: [...BEGIN, 'genops.attempt', 'genops.attempt', ...SETTLED],
      attempts: 2,
      compliant: true,
    });
  });

  it('C-54: a stream that its caller aborts is paid for as far as it came', async () => {
    const { it: provider, trace } = governed({}, subject.slow);
    const controller = new AbortController();
    const stream = provider.stream(LONG, { signal: controller.signal });
    const reading = (async () => {
      let chunks = 0;
      for await (const _ of stream) if (++chunks === 3) controller.abort();
    })();
    reading.catch(() => {});
    const call = await shown(trace, stream.result);
    expect(call).toMatchObject({
      error: 'INHOUSE_ABORTED',
      decisions: [],
      events: [...BEGIN, 'genops.attempt', ...SETTLED, 'exception'],
      attempts: 1,
      compliant: true,
    });
    expect(call.report.cost.actualUsd).toBeGreaterThan(0);
    expect(call.report.cost.actualUsd).toBeLessThan(call.report.cost.reservedUsd);
    expect(provider.costSummary().totalCostUsd).toBe(call.report.cost.actualUsd);
  });

  it('C-54 G-05: a stream that its reader leaves is paid for, and frees its place', async () => {
    const { it: provider, trace } = governed({}, subject.slow);
    const stream = provider.stream(LONG);
    for await (const { text } of stream) {
      expect(provider.status().admission.running).toBe(1);
      if (text !== '') break;
    }
    const call = await shown(trace, stream.result);
    expect(call).toMatchObject({ error: undefined, events: [...BEGIN, ...SETTLED], compliant: true });
    expect(call.result).toMatchObject({ finishReason: 'abort' });
    expect(call.report.cost.actualUsd).toBeLessThan(call.report.cost.reservedUsd);
    expect(provider.status().admission.running).toBe(0);
  });

  it('C-66: a call that takes too long', async () => {
    const { it: provider, trace } = governed({ enableRetry: false, requestTimeoutMs: 15 }, subject.slow);
    expect(await shown(trace, provider.complete(LONG))).toMatchObject({
      error: 'INHOUSE_TIMEOUT',
      events: [...BEGIN, 'genops.attempt', ...SETTLED, 'exception'],
      attempts: 1,
      compliant: true,
    });
  });

  it('G-03: a queue that is full', async () => {
    const { it: provider, trace } = governed(
      { admission: { maxConcurrent: 1, maxQueueSize: 1 } },
      subject.slow,
    );
    const leave = new AbortController();
    const others = [1, 2].map(() => provider.complete(LONG, { signal: leave.signal }));
    const call = await shown(trace, provider.complete(LONG));
    leave.abort();
    await Promise.allSettled(others);
    expect(call).toMatchObject({
      error: 'INHOUSE_QUEUE_FULL',
      events: [...BEGIN, 'exception'],
      attempts: 0,
      compliant: true,
      report: { cost: { actualUsd: 0 } },
    });
    expect(provider.status().admission).toMatchObject({ running: 0, queueDepth: 0 });
  });

  it('a circuit that is open', async () => {
    const { it: provider, trace } = governed({ enableCircuitBreaker: true, circuitBreakerThreshold: 1 });
    provider.governance.breaker!.failure(new ProviderError('INHOUSE_PROVIDER_FAILED', 'down'));
    expect(await shown(trace, provider.complete(REQUEST))).toMatchObject({
      error: 'INHOUSE_CIRCUIT_OPEN',
      decisions: ['circuit_breaker BLOCKED PROVIDER_ERROR_UPSTREAM'],
      events: ['genops.policy.evaluated', 'exception'],
      attempts: 0,
      compliant: true,
    });
  });
});
