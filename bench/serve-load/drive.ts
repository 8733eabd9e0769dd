// Puts load on whatever takes requests. Closed loop: so many callers, each of whom sends the next request when the last
// one has ended. Open loop: requests arrive when they arrive, however busy the receiver is. Sending stops when the time
// is over or the signal aborts; what has been sent comes to its end.
import { setMaxListeners } from 'node:events';
import type { Random } from '../run/random.js';
import { type LoadRequest, type RequestTrace, type Send, traced } from './trace.js';

export interface Load {
  readonly send: Send;
  readonly nextRequest: () => LoadRequest;
  readonly durationMs: number;
  /** Aborts what is on its way, too. */
  readonly signal: AbortSignal;
  /** Told of every request when it has ended. */
  readonly onTrace: (trace: RequestTrace) => void;
}

export interface Callers {
  readonly concurrency: number;
  /** Requests that each caller sends at once; it waits for all of them. */
  readonly batchSize: number;
}

/** A caller that was refused waits so long, as a client would. */
const PAUSE_AFTER_FAILURE_MS = 100;

export async function closedLoop(load: Load, { concurrency, batchSize }: Callers): Promise<void> {
  const { send, nextRequest, durationMs, signal, onTrace } = load;
  const untilMs = performance.now() + durationMs;
  setMaxListeners(0, signal); // every request listens to it
  const sendOne = async () => {
    const trace = await traced(send, nextRequest(), performance.now(), signal);
    onTrace(trace);
    return trace.outcome.kind;
  };
  const caller = async () => {
    while (performance.now() < untilMs && !signal.aborted) {
      const outcomes = await Promise.all(Array.from({ length: batchSize }, sendOne));
      if (outcomes.includes('failed')) await pause(PAUSE_AFTER_FAILURE_MS, signal);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
}

/**
 * Sends a request at each of the arrivals. One that is sent late, because the event loop was held up, is late in the
 * figures: its latency counts from when it was due.
 */
export async function openLoop(load: Load, arrivalsMs: Iterable<number>): Promise<void> {
  const { send, nextRequest, durationMs, signal, onTrace } = load;
  const beginMs = performance.now();
  setMaxListeners(0, signal); // every request listens to it
  const sent: Promise<void>[] = [];
  for (const arrivalMs of arrivalsMs) {
    const dueMs = beginMs + arrivalMs;
    if (arrivalMs < durationMs) await pause(dueMs - performance.now(), signal);
    if (arrivalMs >= durationMs || signal.aborted) break;
    sent.push(traced(send, nextRequest(), dueMs, signal).then(onTrace));
  }
  await Promise.all(sent);
}

/** Milliseconds after the beginning at which requests arrive in a Poisson process: the gaps are exponential. Endless. */
export function* poissonArrivals(ratePerSecond: number, random: Random): Generator<number> {
  for (let atMs = 0; ; ) {
    atMs += (-Math.log(1 - random.uniform()) / ratePerSecond) * 1000;
    yield atMs;
  }
}

/** Resolves after so many milliseconds, or when the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}
