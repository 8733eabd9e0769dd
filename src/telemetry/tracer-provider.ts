// The tracer provider that setupTelemetry registers. OpenTelemetry 2 has one package for that; version 3 leaves to others what
// makes spans follow asynchronous work and requests to other services, and that is put together here.
import type { Resource } from '@opentelemetry/resources';
import { otel } from '../governance/telemetry/api.js';
import { type SdkTracerProvider, type SpanBatches, type SpanExporter, sdk, sdkVersion } from './packages.js';

export interface TracerSettings {
  readonly resource: Resource;
  /** Each span on its own where undefined. */
  readonly batches: SpanBatches | undefined;
  readonly exporters: readonly SpanExporter[];
}

export interface Tracers {
  /** Registers a provider with the API. */
  register(settings: TracerSettings): SdkTracerProvider;
  consoleExporter(): SpanExporter;
}

/** @throws InvalidInputError `INHOUSE_PACKAGE_MISSING` */
export async function tracers(): Promise<Tracers> {
  try {
    return await version2();
  } catch (error) {
    if (sdkVersion() === 2) throw error;
    return version3();
  }
}

async function version2(): Promise<Tracers> {
  const { NodeTracerProvider, BatchSpanProcessor, SimpleSpanProcessor, ConsoleSpanExporter } = await sdk(
    '@opentelemetry/sdk-trace-node',
  );
  return {
    consoleExporter: () => new ConsoleSpanExporter(),
    register({ resource, batches, exporters }) {
      const spanProcessors = exporters.map((exporter) =>
        batches ? new BatchSpanProcessor(exporter, batches) : new SimpleSpanProcessor(exporter),
      );
      const provider = new NodeTracerProvider({ resource, spanProcessors });
      provider.register();
      return provider;
    },
  };
}

async function version3(): Promise<Tracers> {
  const { TracerProvider, BatchSpanProcessor, SimpleSpanProcessor, ConsoleSpanExporter } =
    await sdk('@opentelemetry/sdk-trace');
  const { AsyncLocalStorageContextManager } = await sdk('@opentelemetry/context-async-hooks');
  const { CompositePropagator, W3CTraceContextPropagator, W3CBaggagePropagator } =
    await sdk('@opentelemetry/core');
  return {
    consoleExporter: () => new ConsoleSpanExporter(),
    register({ resource, batches, exporters }) {
      const spanProcessors = exporters.map((exporter) =>
        batches ? new BatchSpanProcessor({ ...batches, exporter }) : new SimpleSpanProcessor({ exporter }),
      );
      const provider = new TracerProvider({ resource, spanProcessors });
      const propagators = [new W3CTraceContextPropagator(), new W3CBaggagePropagator()];
      otel!.trace.setGlobalTracerProvider(provider);
      otel!.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
      otel!.propagation.setGlobalPropagator(new CompositePropagator({ propagators }));
      return provider;
    },
  };
}
