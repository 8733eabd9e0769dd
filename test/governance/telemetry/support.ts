// One governed call as the pipeline would put it on a span and measure it, for tests of what leaves then.
import { attributesFrom } from '#inhouse/governance/attributes.js';
import { CallTimes } from '#inhouse/governance/call-times.js';
import type { PolicyDecision } from '#inhouse/governance/policy.js';
import type { CallMeasurement } from '#inhouse/governance/telemetry/distributions.js';
import { type OperationStart, type SpanOptions, SpanRecorder } from '#inhouse/governance/telemetry/spans.js';
import type { Completion } from '#inhouse/providers/provider.js';
import { FakeClock } from '../../support/fake-clock.js';
import { tracing } from '../../support/tracing.js';

export const allowed: PolicyDecision = { policy: 'none', result: 'ALLOWED', metadata: {} };

export const blocked: PolicyDecision = {
  policy: 'models',
  result: 'BLOCKED',
  reasonCode: 'POLICY_DENY_MODEL',
  reason: 'gpt2-xl is not allowed',
  metadata: { limit: 2 },
};

export const completion: Completion = {
  id: 'cmpl-1',
  provider: 'gpt2',
  model: 'gpt2',
  text: ' over the bay',
  finishReason: 'stop',
  choices: [{ index: 0, text: ' over the bay', finishReason: 'stop' }],
  usage: { promptTokens: 7, completionTokens: 3, totalTokens: 10 },
  timings: { queueMs: 1, timeToFirstTokenMs: 20, perTokenMs: 10, totalMs: 60 },
};

export const call: CallMeasurement = {
  operation: 'complete',
  provider: 'gpt2',
  model: 'gpt2',
  kind: 'local',
  team: 'search',
  durationMs: 70,
  timings: completion.timings,
  usage: completion.usage,
  costUsd: 2e-7,
};

export const start: OperationStart = {
  operation: 'complete',
  provider: 'gpt2',
  kind: 'local',
  request: { model: 'gpt2', prompt: 'The lighthouse stood', maxTokens: 8 },
  attributes: attributesFrom({ team: 'search', project: 'atlas', environment: 'test' }),
};

/** A recorder with spans to look at and time to pass. */
export function recording(options: SpanOptions = {}) {
  const trace = tracing();
  const clock = new FakeClock();
  const recorder = new SpanRecorder({ clock, tracerProvider: trace.provider, ...options });
  /** A span, and how its call waits for something. */
  const begin = (operation = start) => {
    const times = new CallTimes(clock);
    const wait = (ms: number) => {
      clock.advance(ms);
      times.pass();
    };
    return { span: recorder.start(operation, times)!, wait };
  };
  return { ...trace, clock, recorder, begin };
}

/** The steps of a call that goes well, up to but not including `end`. */
export function succeed(span: NonNullable<ReturnType<SpanRecorder['start']>>, actualUsd = 2e-7): void {
  span.policyEvaluated(allowed);
  span.budgetReserved({ reservedUsd: 5e-7 });
  span.attempt({ number: 1, waitMs: 0 });
  span.response(completion);
  span.cost({ totalUsd: actualUsd, infrastructureUsd: 1e-6 });
  span.reconciled({ actualUsd, reservedUsd: 5e-7 });
}
