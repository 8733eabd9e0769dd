// What the benchmarks put under governance: a stub that answers at once, with as much or as little around it as a
// measurement wants, and an OpenTelemetry SDK whose exporter only counts.
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import {
  BatchSpanProcessor,
  NodeTracerProvider,
  type ReadableSpan,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-node';
import type { AttributeInput } from '../../src/governance/attributes.js';
import { govern } from '../../src/governance/governed-provider.js';
import type { GovernOptions } from '../../src/governance/options.js';
import type { ChatRequest, Provider } from '../../src/providers/provider.js';
import { type StubOptions, stub } from '../../src/providers/stub.js';

/** Seed of everything that is drawn. */
export const SEED = 20_260_113;

const TOKEN = 'word';

/** A conversation of that many tokens, of which the stub answers 50. */
export function chatOf(promptTokens: number): ChatRequest {
  const content = TOKEN.repeat(promptTokens - 1); // a message has a token of its own
  return { model: 'gpt2', messages: [{ role: 'user', content }], maxTokens: 50 };
}

/** What one call of `chatOf(100)` costs by the catalogue is small, so that budgets of these benchmarks never end. */
export const REQUEST = chatOf(100);

export function instantStub(options: StubOptions = {}): Provider {
  return stub({ name: 'gpt2', text: TOKEN.repeat(50), ...options });
}

/** The six headline attributes and two of the caller's own. */
export const EIGHT_ATTRIBUTES: AttributeInput = {
  team: 'search',
  project: 'answers',
  environment: 'production',
  customerId: 'customer-17',
  costCenter: 'cc-4711',
  feature: 'summaries',
  worker_id: 'worker-3',
  batch_index: 12,
};

export interface Counting {
  readonly tracerProvider: NodeTracerProvider;
  readonly meterProvider: MeterProvider;
  /** Spans exported so far, after those under way have been. */
  exported(): Promise<number>;
  /** That was exported last. */
  lastSpan(): ReadableSpan | undefined;
  shutdown(): Promise<void>;
}

/** @param exportMs what each export of a batch takes */
export function countingSdk(exportMs = 0): Counting {
  let exported = 0;
  let last: ReadableSpan | undefined;
  const exporter: SpanExporter = {
    export(spans, done) {
      exported += spans.length;
      last = spans.at(-1);
      if (exportMs > 0) setTimeout(done, exportMs, { code: 0 }).unref();
      else done({ code: 0 });
    },
    shutdown: async () => {},
  };
  // A queue as long as any load of ours: a loop that never waits leaves no time to export in between.
  const processor = new BatchSpanProcessor(exporter, { maxQueueSize: 1_000_000, maxExportBatchSize: 512 });
  const tracerProvider = new NodeTracerProvider({ spanProcessors: [processor] });
  const meterProvider = new MeterProvider({ readers: [new SilentReader()] });
  return {
    tracerProvider,
    meterProvider,
    async exported() {
      await tracerProvider.forceFlush();
      return exported;
    },
    lastSpan: () => last,
    async shutdown() {
      await tracerProvider.shutdown();
      await meterProvider.shutdown();
    },
  };
}

class SilentReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

/** The cheapest there is: nothing is limited, no attribute is given, no SDK is registered. */
export const ADVISORY: GovernOptions = { governancePolicy: 'advisory' };

/** Room for every load of these benchmarks. */
export const WIDE_ADMISSION = { maxConcurrent: 100_000, maxQueueSize: 100_000 };

/** Every concern at work in each call, and none of them ever stopping one. */
export function everythingOn(
  mode: 'advisory' | 'enforced' | 'strict',
  sdk: Pick<GovernOptions, 'tracerProvider' | 'meterProvider'>,
): GovernOptions {
  return {
    attributes: EIGHT_ATTRIBUTES,
    governancePolicy: mode,
    policies: [
      { name: 'cost_limit', conditions: { maxCost: 1 } },
      { name: 'rate_limit', conditions: { maxRequestsPerMinute: 1_000_000 }, enforcement: 'WARNING' },
      { name: 'content_filter', conditions: { blockedPatterns: ['forbidden', 'secret'] } },
      { name: 'team_access', conditions: { allowedTeams: ['search'] } },
    ],
    hourlyBudgetLimit: 1e6,
    dailyBudgetLimit: 1e7,
    weeklyBudgetLimit: 1e8,
    monthlyBudgetLimit: 1e9,
    budgets: [{ scope: 'team', limitsUsd: { daily: 1e7 } }],
    enableCircuitBreaker: true,
    admission: WIDE_ADMISSION,
    samplingRate: 1,
    tracerProvider: sdk.tracerProvider,
    meterProvider: sdk.meterProvider,
  };
}

const WARM_UP_CALLS = 3000;

/** Calls until the code of the way that they take is compiled. */
export async function warmUp(options: GovernOptions): Promise<void> {
  const governed = govern(instantStub(), options);
  for (let call = 0; call < WARM_UP_CALLS; call++) await governed.chat(REQUEST);
}
