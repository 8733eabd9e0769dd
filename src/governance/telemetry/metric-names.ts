// The metrics that leave, byte for byte: name, kind, unit, labels, buckets. With names.ts, every name on the wire.
// No label names a customer, a session, a user or a request: each value would be one more series for ever.

export interface MetricDefinition {
  readonly name: string;
  /** 'sum' goes up and down; Prometheus calls it a gauge. */
  readonly kind: 'counter' | 'sum' | 'gauge' | 'histogram';
  readonly description: string;
  readonly unit: string;
  readonly labels: readonly string[];
  readonly buckets?: readonly number[];
}

const LATENCY_BUCKETS_S = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const GEN_AI_BUCKETS_S = [
  0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];
const PER_TOKEN_BUCKETS_S = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5];
const FIRST_TOKEN_BUCKETS_S = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];
const TOKEN_BUCKETS = Array.from({ length: 14 }, (_, power) => 4 ** power);

/** GenOps' dashboards and collector read these. */
export const GENOPS_METRICS = {
  cost: counter('genops.cost', 'Cost of governed calls', 'USD', ['team', 'provider', 'model']),
  tokens: counter('genops.tokens', 'Tokens read and written', '{token}', ['model', 'direction']),
  policyViolations: counter('genops_policy_violations_total', 'Decisions other than ALLOWED', '{decision}', [
    'policy_name',
  ]),
  operations: counter('genops_operations_total', 'Governed calls', '{operation}', ['provider', 'team']),
  operationErrors: counter('genops_operation_errors_total', 'Governed calls that failed', '{operation}', [
    'provider',
    'team',
  ]),
  errors: counter('errors_total', 'Failures by where and what', '{error}', ['component', 'error_type']),
  duration: seconds('genops_operation_duration_seconds', 'Governed call, from start to end', [
    'provider',
    'operation_type',
  ]),
  latency: seconds('genops_operation_latency_seconds', 'Work of the provider within the governed call', [
    'provider',
    'operation_type',
  ]),
  inferenceRequests: counter('inference_requests_total', 'Inference requests', '{request}', [
    'model',
    'engine',
    'status',
  ]),
  inferenceLatency: seconds('inference_latency_seconds', 'Work of the provider', ['model', 'engine']),
  throughput: gauge(
    'throughput_requests_per_second',
    'Requests ended since the last reading',
    '{request}/s',
    ['model'],
  ),
} as const satisfies Record<string, MetricDefinition>;

/** By the slug of a provider: the Anyscale integration's metrics. */
export function providerMetrics(provider: string) {
  const prefix = provider.replace(/[^A-Za-z0-9_]/g, '_');
  return {
    requests: counter(`${prefix}_requests_total`, `Calls of ${provider}`, '{request}', ['model', 'team']),
    cost: { ...counter(`${prefix}_cost_usd`, `Cost of ${provider}`, 'USD', ['model', 'team']), kind: 'sum' },
    latency: seconds(`${prefix}_latency_seconds`, `Work of ${provider}`, ['model', 'team']),
  } as const satisfies Record<string, MetricDefinition>;
}

const GEN_AI_LABELS = ['gen_ai.operation.name', 'gen_ai.provider.name', 'gen_ai.request.model'] as const;

/** OpenTelemetry GenAI conventions. Times per token are of a local engine, per chunk of a remote one. */
export const GEN_AI_METRICS = {
  tokenUsage: {
    ...histogram('gen_ai.client.token.usage', 'Tokens per call', '{token}', TOKEN_BUCKETS),
    labels: [...GEN_AI_LABELS, 'gen_ai.token.type'],
  },
  duration: {
    ...histogram('gen_ai.client.operation.duration', 'Duration of calls', 's', GEN_AI_BUCKETS_S),
    labels: [...GEN_AI_LABELS, 'error.type'],
  },
  firstChunk: histogram(
    'gen_ai.client.operation.time_to_first_chunk',
    'From the call to the first piece',
    's',
    GEN_AI_BUCKETS_S,
  ),
  perChunk: histogram(
    'gen_ai.client.operation.time_per_output_chunk',
    'Between pieces',
    's',
    GEN_AI_BUCKETS_S,
  ),
  firstToken: histogram(
    'gen_ai.server.time_to_first_token',
    'From the call to the first token',
    's',
    FIRST_TOKEN_BUCKETS_S,
  ),
  perToken: histogram('gen_ai.server.time_per_output_token', 'Between tokens', 's', PER_TOKEN_BUCKETS_S),
} as const satisfies Record<string, MetricDefinition>;

/** Of the whole process; `inhouse/telemetry` publishes them. */
export const PROCESS_METRICS = {
  memory: gauge('genops_memory_usage_bytes', 'Resident memory of this process', 'By', []),
  cpu: gauge('cpu_usage_percent', 'Processor time since the last reading; 100 is one core', '%', []),
  uptime: gauge('system_uptime_seconds', 'Since this process started', 's', []),
} as const satisfies Record<string, MetricDefinition>;

/** Of each GPU, by its number; what it does not tell is left out. */
export const GPU_METRICS = {
  used: gauge('gpu_memory_used_bytes', 'Memory in use', 'By', ['gpu_id']),
  available: gauge('gpu_memory_available_bytes', 'Memory that is free', 'By', ['gpu_id']),
  utilization: gauge('gpu_utilization_percent', 'Share of the time at work', '%', ['gpu_id']),
  temperature: gauge('gpu_temperature_celsius', 'Temperature', 'Cel', ['gpu_id']),
} as const satisfies Record<string, MetricDefinition>;

/** What a collector calls these on the way to Prometheus, where the dashboards look for them. */
export const PROMETHEUS_NAMES: Readonly<Record<string, string>> = {
  'genops.cost': 'genops_ai_cost_total',
  'genops.tokens': 'genops_ai_tokens_total',
};

function counter(
  name: string,
  description: string,
  unit: string,
  labels: readonly string[],
): MetricDefinition & { readonly kind: 'counter' } {
  return { name, kind: 'counter', description, unit, labels };
}

function gauge(name: string, description: string, unit: string, labels: readonly string[]): MetricDefinition {
  return { name, kind: 'gauge', description, unit, labels };
}

function seconds(name: string, description: string, labels: readonly string[]): MetricDefinition {
  return { name, kind: 'histogram', description, unit: 's', labels, buckets: LATENCY_BUCKETS_S };
}

function histogram(
  name: string,
  description: string,
  unit: string,
  buckets: readonly number[],
): MetricDefinition {
  return { name, kind: 'histogram', description, unit, labels: GEN_AI_LABELS, buckets };
}
