// A real OpenTelemetry metrics SDK that is read when a test asks.
import { MeterProvider, MetricReader, type ResourceMetrics } from '@opentelemetry/sdk-metrics';

export interface MetricPoint {
  readonly labels: Readonly<Record<string, unknown>>;
  /** Of a histogram: how many were recorded. */
  readonly value: number;
  /** Of a histogram. */
  readonly sum?: number;
  readonly boundaries?: readonly number[];
}

export interface Metering {
  readonly provider: MeterProvider;
  /** Points by the name of their metric. */
  read(): Promise<Map<string, MetricPoint[]>>;
}

export function metering(): Metering {
  const reader = new ReaderOnDemand();
  const provider = new MeterProvider({ readers: [reader] });
  return {
    provider,
    async read() {
      const { resourceMetrics, errors } = await reader.collect();
      if (errors.length > 0) throw errors[0];
      return pointsOf(resourceMetrics);
    },
  };
}

class ReaderOnDemand extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

function pointsOf({ scopeMetrics }: ResourceMetrics): Map<string, MetricPoint[]> {
  const points = new Map<string, MetricPoint[]>();
  for (const { descriptor, dataPoints } of scopeMetrics.flatMap(({ metrics }) => metrics)) {
    points.set(
      descriptor.name,
      dataPoints.map(({ attributes, value }) => {
        if (typeof value === 'number') return { labels: attributes, value };
        const {
          count,
          sum = 0,
          buckets,
        } = value as {
          count: number;
          sum?: number;
          buckets: { boundaries: number[] };
        };
        return { labels: attributes, value: count, sum, boundaries: buckets.boundaries };
      }),
    );
  }
  return points;
}
