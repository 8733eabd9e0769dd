// What OTLP's exporters are told, by protocol: one address for all signals, the headers of the application, a time limit.
import { type OtlpConfig, sdk } from './packages.js';

/** 'http' sends JSON to a path per signal, 'grpc' calls a service per signal. */
export type OtlpProtocol = 'http' | 'grpc';

export interface OtlpSettings {
  readonly otlpProtocol: OtlpProtocol;
  /** Without one the exporter reads OTEL_EXPORTER_OTLP_* itself. */
  readonly otlpEndpoint: string | undefined;
  readonly otlpHeaders: Readonly<Record<string, string>> | undefined;
  readonly exportTimeoutMs: number;
}

export async function otlpConfig(
  { otlpProtocol, otlpEndpoint, otlpHeaders, exportTimeoutMs: timeoutMillis }: OtlpSettings,
  signal: 'traces' | 'metrics' | 'logs',
): Promise<OtlpConfig> {
  if (otlpProtocol === 'http') {
    return {
      timeoutMillis,
      ...(otlpEndpoint !== undefined && { url: `${otlpEndpoint.replace(/\/$/, '')}/v1/${signal}` }),
      ...(otlpHeaders !== undefined && { headers: { ...otlpHeaders } }),
    };
  }
  return {
    timeoutMillis,
    ...(otlpEndpoint !== undefined && { url: otlpEndpoint }),
    ...(otlpHeaders !== undefined && {
      metadata: (await sdk('@grpc/grpc-js')).Metadata.fromHttp2Headers(otlpHeaders),
    }),
  };
}
