// A real OpenTelemetry SDK whose ended spans lie in an array.
import { NodeTracerProvider, type ReadableSpan, type SpanProcessor } from '@opentelemetry/sdk-trace-node';

export interface Tracing {
  readonly provider: NodeTracerProvider;
  readonly spans: ReadableSpan[];
  /** The only span there is. */
  only(): ReadableSpan;
}

export function tracing(): Tracing {
  const spans: ReadableSpan[] = [];
  const keep: SpanProcessor = {
    onStart: () => {},
    onEnd: (span) => void spans.push(span),
    forceFlush: async () => {},
    shutdown: async () => {},
  };
  return {
    provider: new NodeTracerProvider({ spanProcessors: [keep] }),
    spans,
    only() {
      if (spans.length !== 1) throw new Error(`There are ${spans.length} spans.`);
      return spans[0]!;
    },
  };
}

/** Names of a span's events, in their order. */
export function eventNames(span: ReadableSpan): string[] {
  return span.events.map(({ name }) => name);
}
