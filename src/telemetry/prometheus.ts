// The Prometheus endpoint: what a scraper reads, under the names that GenOps' dashboards ask for.
import type { MeterProviderOptions, ResourceMetrics } from '@opentelemetry/sdk-metrics';
import { InvalidInputError } from '../errors.js';
import { PROMETHEUS_NAMES } from '../governance/telemetry/metric-names.js';
import { sdk } from './packages.js';

export interface PrometheusOptions {
  /** Default '127.0.0.1': only this machine. */
  readonly host?: string | undefined;
  /** Default 9090. */
  readonly port?: number | undefined;
  /** Default '/metrics'. */
  readonly path?: string | undefined;
}

export interface PrometheusEndpoint {
  readonly reader: NonNullable<MeterProviderOptions['readers']>[number];
  readonly url: string;
}

/** Listens until the meter provider is shut down. @throws InvalidInputError where it cannot listen there */
export async function prometheusEndpoint(options: PrometheusOptions = {}): Promise<PrometheusEndpoint> {
  const { host = '127.0.0.1', port = 9090, path = '/metrics' } = options;
  const { PrometheusExporter } = await sdk('@opentelemetry/exporter-prometheus');
  const exporter = new PrometheusExporter({ host, port, endpoint: path, preventServerStart: true });
  const collect = exporter.collect.bind(exporter);
  exporter.collect = async (asked) => {
    const collected = await collect(asked);
    return { ...collected, resourceMetrics: renamed(collected.resourceMetrics) };
  };
  try {
    await exporter.startServer();
  } catch (cause) {
    const message = `The Prometheus endpoint cannot listen on ${host}:${port}; choose another host or port.`;
    throw new InvalidInputError('INHOUSE_INVALID_OPTION', message, {
      cause,
      details: { option: 'prometheus', host, port },
    });
  }
  return { reader: exporter, url: `http://${host}:${port}${path.startsWith('/') ? '' : '/'}${path}` };
}

function renamed(metrics: ResourceMetrics): ResourceMetrics {
  const scopeMetrics = metrics.scopeMetrics.map((scope) => ({
    ...scope,
    metrics: scope.metrics.map((metric) => {
      const name = PROMETHEUS_NAMES[metric.descriptor.name] ?? metric.descriptor.name;
      return { ...metric, descriptor: { ...metric.descriptor, name } };
    }),
  }));
  return { ...metrics, scopeMetrics };
}
