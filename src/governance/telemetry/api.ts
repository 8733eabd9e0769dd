// The OpenTelemetry API, where the application has it. It is an optional peer: without it nothing is traced or metered,
// and nothing else changes.
import { createRequire } from 'node:module';
import type * as Api from '@opentelemetry/api';

export type { Api };

/**
 * Loaded once. `require`, because a top-level `await import()` would keep this package from being required itself; the
 * API keeps its state in a global, so it is the application's very own.
 */
export const otel: typeof Api | undefined = load();

function load(): typeof Api | undefined {
  try {
    return createRequire(import.meta.url)('@opentelemetry/api') as typeof Api;
  } catch {
    return undefined; // not installed, or not usable: telemetry must not be what breaks a program
  }
}
