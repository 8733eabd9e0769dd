// Every name that leaves on a span, an event or a metric, byte for byte as GenOps and the OpenTelemetry GenAI
// conventions write it. Nothing else in this package spells such a name.
import { attributeWireKey } from '../attributes.js';

/** Instrumentation scope of all spans and metrics. */
export const SCOPE = 'inhouse';

/** The version of the GenOps Governance Specification that the spans follow. */
export const SPEC_VERSION = '0.1.0';

export const CURRENCY = 'USD';

/** What a governed call does. A stream is one of the first two. */
export type Operation = 'complete' | 'chat' | 'embed';

/** `genops.operation.type`. */
export const OPERATION_TYPE = {
  complete: 'ai.inference',
  chat: 'ai.inference',
  embed: 'ai.embedding',
} as const satisfies Record<Operation, string>;

/** `genops.<provider>.operation.type`. */
export const PROVIDER_OPERATION_TYPE = {
  complete: 'completion',
  chat: 'chat.completion',
  embed: 'embedding',
} as const satisfies Record<Operation, string>;

/** `gen_ai.operation.name`. */
export const GEN_AI_OPERATION = {
  complete: 'text_completion',
  chat: 'chat',
  embed: 'embeddings',
} as const satisfies Record<Operation, string>;

/** Names of the call's span after the provider's slug, as the two GenOps adapters word them. */
const SPAN_WORDS = {
  anyscale: { complete: 'completion.create', chat: 'completion.create', embed: 'embeddings.create' },
  together: { complete: 'completion', chat: 'chat_completion', embed: 'embeddings.create' },
} as const satisfies Record<string, Record<Operation, string>>;

/** Whose wording spans are named in, so that a team keeps its dashboards. */
export type SpanNaming = keyof typeof SPAN_WORDS;

export const SPAN_NAMINGS = Object.keys(SPAN_WORDS) as readonly SpanNaming[];

export function spanName(provider: string, operation: Operation, naming: SpanNaming): string {
  return `${provider}.${SPAN_WORDS[naming][operation]}`;
}

export const AGGREGATION_SPAN = 'multi_provider_cost_summary';

const attributeKeys = new Map<string, string>();
/** Names of tags come from callers, without end perhaps. */
const MOST_KEYS_KEPT = 1_000;

/** `genops.customer_id` for `customerId`, `genops.<key>` for a tag. */
export function attributeKey(name: string): string {
  const known = attributeKeys.get(name);
  if (known !== undefined) return known;
  const key = `genops.${attributeWireKey(name)}`;
  if (attributeKeys.size < MOST_KEYS_KEPT) attributeKeys.set(name, key);
  return key;
}

/** Attribute keys of GenOps. */
export const GENOPS = {
  specVersion: 'genops.spec.version',
  timestamp: 'genops.timestamp',
  requestId: 'genops.request_id',
  sessionId: 'genops.session_id',
  attempts: 'genops.attempts',
  operation: { name: 'genops.operation.name', type: 'genops.operation.type' },
  accounting: {
    reserved: 'genops.accounting.reserved',
    actual: 'genops.accounting.actual',
    unit: 'genops.accounting.unit',
    delta: 'genops.accounting.reconciliation_delta',
    incomplete: 'genops.accounting.incomplete',
  },
  cost: {
    total: 'genops.cost.total',
    currency: 'genops.cost.currency',
    provider: 'genops.cost.provider',
    model: 'genops.cost.model',
    type: 'genops.cost.type',
    estimated: 'genops.estimated_cost',
    infrastructure: 'genops.infrastructure_cost',
  },
  tokens: {
    input: 'genops.tokens.input',
    output: 'genops.tokens.output',
    total: 'genops.tokens.total',
  },
  policy: {
    name: 'genops.policy.name',
    result: 'genops.policy.result',
    reasonCode: 'genops.policy.reason_code',
    reason: 'genops.policy.reason',
    metadata: 'genops.policy.metadata.',
  },
  evaluation: {
    metric: 'genops.eval.metric',
    score: 'genops.eval.score',
    threshold: 'genops.eval.threshold',
    passed: 'genops.eval.passed',
    evaluator: 'genops.eval.evaluator',
    metadata: 'genops.eval.metadata.',
  },
  budget: {
    name: 'genops.budget.name',
    allocated: 'genops.budget.allocated',
    consumed: 'genops.budget.consumed',
    remaining: 'genops.budget.remaining',
    utilization: 'genops.budget.utilization_percent',
    period: 'genops.budget.period',
  },
  attempt: { number: 'genops.attempt.number', waitMs: 'genops.attempt.wait_ms' },
  error: { message: 'genops.error.message', type: 'genops.error.type' },
  sla: {
    tier: 'genops.sla.tier',
    targetMs: 'genops.sla.latency_target_ms',
    actualMs: 'genops.sla.actual_latency_ms',
    met: 'genops.sla.met',
  },
} as const;

/** Prefixes under which recorders put facts that have no key of their own. */
export const EXTRA = {
  cost: 'genops.cost.',
  policy: 'genops.policy.',
  evaluation: 'genops.eval.',
  budget: 'genops.budget.',
} as const;

/** `genops.<provider>.*`: the Anyscale adapter's keys with the provider's own slug, and two additions. */
export function providerKeys(provider: string): ProviderKeys {
  const prefix = `genops.${provider}.`;
  return {
    model: `${prefix}model`,
    inputTokens: `${prefix}tokens.input`,
    outputTokens: `${prefix}tokens.output`,
    totalTokens: `${prefix}tokens.total`,
    cost: `${prefix}cost.total`,
    currency: `${prefix}cost.currency`,
    latencyMs: `${prefix}performance.latency_ms`,
    timeToFirstTokenMs: `${prefix}performance.ttft_ms`,
    tokensPerSecond: `${prefix}performance.tokens_per_second`,
    operationType: `${prefix}operation.type`,
  };
}

export interface ProviderKeys {
  readonly model: string;
  readonly inputTokens: string;
  readonly outputTokens: string;
  readonly totalTokens: string;
  readonly cost: string;
  readonly currency: string;
  readonly latencyMs: string;
  readonly timeToFirstTokenMs: string;
  readonly tokensPerSecond: string;
  readonly operationType: string;
}

/** Attribute keys of the OpenTelemetry GenAI conventions. */
export const GEN_AI = {
  operation: 'gen_ai.operation.name',
  provider: 'gen_ai.provider.name',
  conversation: 'gen_ai.conversation.id',
  outputType: 'gen_ai.output.type',
  requestModel: 'gen_ai.request.model',
  responseId: 'gen_ai.response.id',
  responseModel: 'gen_ai.response.model',
  finishReasons: 'gen_ai.response.finish_reasons',
  timeToFirstChunk: 'gen_ai.response.time_to_first_chunk',
  inputTokens: 'gen_ai.usage.input_tokens',
  outputTokens: 'gen_ai.usage.output_tokens',
  tokenType: 'gen_ai.token.type',
  inputMessages: 'gen_ai.input.messages',
  outputMessages: 'gen_ai.output.messages',
  errorType: 'error.type',
} as const;

/** Settings of a request, by the name they have there: [GenOps, GenAI], where the two have a key. */
export const REQUEST_KEYS = {
  maxTokens: ['genops.request.max_tokens', 'gen_ai.request.max_tokens'],
  temperature: ['genops.request.temperature', 'gen_ai.request.temperature'],
  topP: ['genops.request.top_p', 'gen_ai.request.top_p'],
  topK: ['genops.request.top_k', 'gen_ai.request.top_k'],
  frequencyPenalty: ['genops.request.frequency_penalty', 'gen_ai.request.frequency_penalty'],
  presencePenalty: [undefined, 'gen_ai.request.presence_penalty'],
  repetitionPenalty: ['genops.request.repetition_penalty', undefined],
  seed: ['genops.request.seed', 'gen_ai.request.seed'],
  n: [undefined, 'gen_ai.request.choice.count'],
} as const;

export const REQUEST_STOP = ['genops.request.stop', 'gen_ai.request.stop_sequences'] as const;
export const REQUEST_STREAM = ['genops.request.stream', 'gen_ai.request.stream'] as const;

export const EVENT = {
  policyEvaluated: 'genops.policy.evaluated',
  reservation: 'genops.budget.reservation',
  reconciliation: 'genops.budget.reconciliation',
  budgetAlert: 'genops.budget.alert',
  costCalculated: 'genops.cost.calculated',
  evaluationComplete: 'genops.evaluation.complete',
  attempt: 'genops.attempt',
  exception: 'exception',
} as const;

/** Decisions, as they are on the wire. */
export const DECISIONS = ['ALLOWED', 'WARNING', 'RATE_LIMITED', 'BLOCKED'] as const;

/** Why a decision is not ALLOWED; extensions begin with `x_`. */
export const REASON_CODES: readonly string[] = [
  'BUDGET_EXCEEDED',
  'BUDGET_RESERVATION_FAILED',
  'POLICY_DENY_MODEL',
  'POLICY_DENY_REGION',
  'POLICY_DENY_CONTENT',
  'RATE_LIMITED',
  'SLA_LATENCY_VIOLATION',
  'PROVIDER_ERROR_UPSTREAM',
  'ACCOUNTING_INVARIANT_VIOLATION',
];

export const REASON_EXTENSION = /^x_[a-z0-9_]+$/;

/** Attributes of AGGREGATION_SPAN. */
export const AGGREGATION = {
  operationType: 'cost.aggregation',
  cost: 'multi_provider.total_cost',
  tokens: 'multi_provider.total_tokens',
  operations: 'multi_provider.total_operations',
  providers: 'multi_provider.unique_providers',
  models: 'multi_provider.unique_models',
  costOfProvider: 'multi_provider.cost.',
  costOfOperation: 'multi_provider.cost.operation.',
} as const;
