// Starts the span of a governed call, or does not: whether it is sampled, under which name, with what it begins with.
// What happens on it then is operation-span.ts. Nothing here ever throws into a call; what fails is counted.
import type { Context, Span, Tracer, TracerProvider } from '@opentelemetry/api';
import type { EmbedRequest, GenerationRequest } from '../../providers/provider.js';
import type { Attributes } from '../attributes.js';
import { CallTimes } from '../call-times.js';
import { type Clock, systemClock } from '../clock.js';
import { otel } from './api.js';
import type { ContentCapture } from './content.js';
import { type TelemetryFaults, telemetryFaults } from './faults.js';
import {
  attributeKey,
  GEN_AI,
  GEN_AI_OPERATION,
  GENOPS,
  OPERATION_TYPE,
  type Operation,
  PROVIDER_OPERATION_TYPE,
  providerKeys,
  SCOPE,
  SPEC_VERSION,
  type SpanNaming,
  spanName,
} from './names.js';
import { OperationSpan, type SpanFacts } from './operation-span.js';
import { describeRequest, type SpanAttributes } from './request-attributes.js';
import { type ParentSpan, TelemetrySampler } from './sampling.js';

/** A governed call, before anything was decided about it. */
export interface OperationStart {
  readonly operation: Operation;
  /** Slug of the provider. */
  readonly provider: string;
  readonly kind: 'local' | 'remote';
  readonly request: GenerationRequest | EmbedRequest;
  /** In force when the call began; what happens to their sources later does not reach the span. */
  readonly attributes: Attributes;
  readonly stream?: boolean | undefined;
  readonly requestId?: string | undefined;
  readonly sessionId?: string | undefined;
}

/** What a call was promised; the span tells whether it was kept. */
export interface ServiceLevel {
  readonly tier?: string | undefined;
  /** From the start of the governed call to its end. */
  readonly latencyTargetMs: number;
}

export interface SpanOptions {
  readonly sampler?: TelemetrySampler | undefined;
  /** In whose words spans are named. Default 'anyscale'. */
  readonly naming?: SpanNaming | undefined;
  /** Prompts and completions on the span. Default false. */
  readonly content?: ContentCapture | undefined;
  readonly serviceLevel?: ServiceLevel | undefined;
  readonly clock?: Clock | undefined;
  readonly faults?: TelemetryFaults | undefined;
  /** Default: the one that the application has registered. */
  readonly tracerProvider?: TracerProvider | undefined;
}

export interface Recorder {
  /**
   * Undefined where there is nothing to record on: not sampled, or no OpenTelemetry SDK. `times` are the call's, which
   * begins now where none are given.
   */
  start(operation: OperationStart, times?: CallTimes): OperationSpan | undefined;
}

/** What all spans of one provider and kind of operation have in common. */
interface SpanKind extends SpanFacts {
  readonly name: string;
  readonly attributes: SpanAttributes;
  /**
   * What the GenAI conventions want a sampler to see, with the model of the call before, which is that of most calls. No
   * more: the SDK copies it twice more than what is set once the span is there.
   */
  atStart: SpanAttributes;
}

/** For `telemetryEnabled: false`. */
export const noRecorder: Recorder = { start: () => undefined };

export class SpanRecorder implements Recorder {
  readonly #sampler: TelemetrySampler;
  readonly #naming: SpanNaming;
  readonly #content: ContentCapture;
  readonly #serviceLevel: ServiceLevel | undefined;
  readonly #clock: Clock;
  readonly #faults: TelemetryFaults;
  readonly #given: TracerProvider | undefined;
  readonly #kinds = new Map<string, Map<Operation, SpanKind>>();
  /** Whose tracer it is. */
  #registered: TracerProvider | undefined;
  #tracer: Tracer | undefined;

  constructor(options: SpanOptions = {}) {
    this.#sampler = options.sampler ?? new TelemetrySampler();
    this.#naming = options.naming ?? 'anyscale';
    this.#content = options.content ?? false;
    this.#serviceLevel = options.serviceLevel;
    this.#clock = options.clock ?? systemClock;
    this.#faults = options.faults ?? telemetryFaults;
    this.#given = options.tracerProvider;
  }

  start(operation: OperationStart, times?: CallTimes): OperationSpan | undefined {
    if (otel === undefined) return undefined;
    try {
      const tracer = this.#activeTracer();
      if (tracer === undefined) return undefined;
      const context = otel.context.active();
      if (!this.#sampler.shouldSample(this.#parent(context))) return undefined;
      return this.#open(tracer, context, operation, times ?? new CallTimes(this.#clock));
    } catch (error) {
      this.#faults.record('span', error);
      return undefined;
    }
  }

  /** Kept, because a provider looks its tracers up by a text that it makes anew each time. */
  #activeTracer(): Tracer | undefined {
    const provider = this.#given ?? otel!.trace.getTracerProvider();
    const registered = provider instanceof otel!.ProxyTracerProvider ? provider.getDelegate() : provider;
    if (registered === this.#registered) return this.#tracer;
    this.#tracer = activeTracer(this.#given);
    this.#registered = registered; // last: one that throws is asked again
    return this.#tracer;
  }

  #parent(context: Context): ParentSpan | undefined {
    if (this.#sampler.strategy === 'exact') return undefined;
    const parent = otel?.trace.getSpanContext(context);
    return parent && { traceId: parent.traceId, sampled: (parent.traceFlags & 1) === 1 };
  }

  #open(
    tracer: Tracer,
    context: Context,
    start: OperationStart,
    times: CallTimes,
  ): OperationSpan | undefined {
    const { request } = start;
    const facts = this.#kindOf(start);
    const kind = start.kind === 'local' ? otel!.SpanKind.INTERNAL : otel!.SpanKind.CLIENT;
    if (facts.atStart[GEN_AI.requestModel] !== request.model) {
      facts.atStart = { ...facts.atStart, [GEN_AI.requestModel]: request.model };
    }
    const options = { kind, attributes: facts.atStart, startTime: times.now };
    const span = tracer.startSpan(facts.name, options, context);
    if (!span.isRecording()) return undefined; // the SDK's own sampler
    const operation = new OperationSpan(span, context, request, facts, times);
    this.#describe(span, start, facts, times);
    return operation;
  }

  #kindOf({ provider, operation }: OperationStart): SpanKind {
    const kinds = this.#kinds.get(provider) ?? new Map<Operation, SpanKind>();
    this.#kinds.set(provider, kinds);
    const known = kinds.get(operation);
    if (known !== undefined) return known;
    const name = spanName(provider, operation, this.#naming);
    const keys = providerKeys(provider);
    const attributes: SpanAttributes = {
      [GENOPS.specVersion]: SPEC_VERSION,
      [GENOPS.operation.name]: name,
      [GENOPS.operation.type]: OPERATION_TYPE[operation],
      [keys.operationType]: PROVIDER_OPERATION_TYPE[operation],
    };
    const kind = {
      name,
      attributes,
      atStart: { [GEN_AI.operation]: GEN_AI_OPERATION[operation], [GEN_AI.provider]: provider },
      provider,
      keys,
      content: this.#content,
      serviceLevel: this.#serviceLevel,
      faults: this.#faults,
    };
    kinds.set(operation, kind);
    return kind;
  }

  /** One by one: an object of them all would be made only to be copied. */
  #describe(span: Span, start: OperationStart, kind: SpanKind, { startMs }: CallTimes): void {
    const { attributes, request, requestId, sessionId } = start;
    try {
      for (const key in kind.attributes) span.setAttribute(key, kind.attributes[key]!);
      for (const key in attributes) {
        span.setAttribute(attributeKey(key), attributes[key] as SpanAttributes[string]);
      }
      span.setAttribute(GENOPS.timestamp, Math.floor(startMs / 1000));
      span.setAttribute(kind.keys.model, request.model);
      if (requestId !== undefined) span.setAttribute(GENOPS.requestId, requestId);
      if (sessionId !== undefined) {
        span.setAttribute(GENOPS.sessionId, sessionId);
        span.setAttribute(GEN_AI.conversation, sessionId);
      }
      describeRequest(span, request, start.stream ?? false);
    } catch (error) {
      this.#faults.record('span', error);
    }
  }
}

/** The tracer of the SDK that is registered now, which may be after the caller was made; undefined without one. */
export function activeTracer(given?: TracerProvider): Tracer | undefined {
  if (otel === undefined) return undefined;
  const provider = given ?? otel.trace.getTracerProvider();
  return provider instanceof otel.ProxyTracerProvider
    ? provider.getDelegateTracer(SCOPE)
    : provider.getTracer(SCOPE);
}
