// What went wrong in telemetry, counted: a call never fails because of it, so this is where it shows.
import { errorText } from './redaction.js';

/** Where a fault happened. */
export type FaultSource = 'span' | 'metric' | 'export' | 'log' | 'callback' | 'instrumentation';

export interface Fault {
  readonly source: FaultSource;
  /** Redacted. */
  readonly message: string;
}

export class TelemetryFaults {
  #count = 0;
  #last: Fault | undefined;

  get count(): number {
    return this.#count;
  }

  get last(): Fault | undefined {
    return this.#last;
  }

  record(source: FaultSource, error: unknown): void {
    this.#count++;
    this.#last = { source, message: errorText(error) };
  }
}

/** Of this process: exporters serve all governed providers, as OpenTelemetry's own providers do. */
export const telemetryFaults = new TelemetryFaults();
