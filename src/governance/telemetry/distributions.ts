// The latencies and token counts of calls on their way into the SDK's histograms. That is slower than all else a call
// counts, because the SDK sorts and joins the labels of every single value; so it is done after the call.
import type { Context } from '@opentelemetry/api';
import type { Timings, Usage } from '../../providers/provider.js';
import { otel } from './api.js';
import type { TelemetryFaults } from './faults.js';
import { HandOver } from './hand-over.js';
import type { Instruments } from './instruments.js';
import { GEN_AI } from './names.js';
import { errorType } from './redaction.js';
import type { CallSeries, SeriesKey } from './series.js';

/** A governed call that has ended. */
export interface CallMeasurement extends SeriesKey {
  readonly kind: 'local' | 'remote';
  /** Of the whole governed call. */
  readonly durationMs: number;
  /** Of the provider, where it answered. */
  readonly timings?: Timings | undefined;
  readonly usage?: Usage | undefined;
  readonly costUsd: number;
  /** Why it failed. */
  readonly error?: unknown;
}

interface Measured {
  readonly series: CallSeries;
  readonly call: CallMeasurement;
  /** In which the call ended: an SDK may take labels from it. */
  readonly context: Context | undefined;
}

export class Distributions {
  readonly #instruments: Instruments;
  readonly #faults: TelemetryFaults;
  readonly #ended: HandOver<Measured>;

  constructor(instruments: Instruments, faults: TelemetryFaults) {
    this.#instruments = instruments;
    this.#faults = faults;
    this.#ended = new HandOver((measured) => this.#record(measured));
    instruments.onCollect = () => this.#ended.flush();
  }

  /** Everything there is in the histograms when the SDK collects, and when the event loop has turned. */
  add(series: CallSeries, call: CallMeasurement): void {
    this.#instruments.providerLatency(call.provider); // makes known the provider's sums
    this.#ended.add({ series, call, context: otel?.context.active() });
  }

  #record({ series, call, context }: Measured): void {
    const to = this.#instruments;
    const { usage, timings, durationMs, error } = call;
    const durationS = durationMs / 1000;
    try {
      to.duration.record(durationS, series.byOperationType, context);
      to.clientDuration.record(
        durationS,
        error === undefined ? series.genAi : { ...series.genAi, [GEN_AI.errorType]: errorType(error) },
        context,
      );
      if (usage !== undefined) {
        to.tokenUsage.record(usage.promptTokens, series.genAiInput, context);
        to.tokenUsage.record(usage.completionTokens, series.genAiOutput, context);
      }
      if (timings === undefined) return;
      const workS = timings.totalMs / 1000;
      to.latency.record(workS, series.byOperationType, context);
      to.inferenceLatency.record(workS, series.byEngine, context);
      to.providerLatency(call.provider).record(workS, series.byTeam, context);
      const { timeToFirstTokenMs: first, perTokenMs: each } = timings;
      const local = call.kind === 'local'; // a local provider yields tokens, a remote one pieces of its own size
      if (first !== undefined)
        (local ? to.firstToken : to.firstChunk).record(first / 1000, series.genAi, context);
      if (each !== undefined) (local ? to.perToken : to.perChunk).record(each / 1000, series.genAi, context);
    } catch (failure) {
      this.#faults.record('metric', failure);
    }
  }
}
