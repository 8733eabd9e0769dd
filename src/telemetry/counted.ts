// Makes any exporter harmless: what it throws, reports or never answers is counted, and the SDK goes on.
import type { TelemetryFaults } from '../governance/telemetry/faults.js';

/** OpenTelemetry's result codes: 0 success, 1 failure. */
interface ExportResult {
  readonly code: number;
  readonly error?: Error;
}

export interface Exporter<Batch> {
  export(batch: Batch, done: (result: ExportResult) => void): void;
}

/** The exporter itself, its `export` replaced. */
export function counted<Batch, E extends Exporter<Batch>>(
  exporter: E & Exporter<Batch>,
  timeoutMs: number,
  faults: TelemetryFaults,
): E {
  const original = exporter.export.bind(exporter);
  exporter.export = (batch, done) => {
    let answered = false;
    const answer = (result: ExportResult) => {
      if (answered) return;
      answered = true;
      clearTimeout(timer);
      if (result.code !== 0) faults.record('export', result.error ?? 'the exporter reported a failure');
      done(result);
    };
    const fail = (error: Error) => answer({ code: 1, error });
    const timer = setTimeout(() => fail(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs).unref();
    try {
      original(batch, answer);
    } catch (error) {
      fail(error instanceof Error ? error : new Error(String(error)));
    }
  };
  return exporter;
}
