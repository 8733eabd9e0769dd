// How many calls run at once, and how many may wait for a place: counters and a queue, first come first served.
// No timers, and nothing is logged here. Who holds a slot keeps it until the last byte of the answer.
import { setMaxListeners } from 'node:events';
import { AbortedError, QueueFullError } from '../errors.js';
import { checkOptions, requireOptions, rule } from '../options.js';
import { type Clock, requireClock } from './clock.js';

const RETRY_AFTER_SECONDS = 30;

export interface AdmissionLimits {
  /** Calls that run at once. Default 50. */
  readonly maxConcurrent?: number | undefined;
  /** Calls that may wait. Default 200. */
  readonly maxQueueSize?: number | undefined;
}

export interface AdmissionStatus {
  readonly queueDepth: number;
  readonly running: number;
  readonly maxConcurrent: number;
  readonly maxQueueSize: number;
}

/** A place among the running calls. */
export class Slot {
  /** How long the call waited for it. */
  readonly queueMs: number;
  #admission: Admission | undefined;

  constructor(admission: Admission, queueMs: number) {
    this.#admission = admission;
    this.queueMs = queueMs;
  }

  /** Gives the place to the next in the queue; once, later calls do nothing. */
  release(): void {
    const admission = this.#admission;
    this.#admission = undefined;
    admission?.[LEAVE]();
  }
}

/** Only a slot may call it. */
const LEAVE = Symbol('leave');

interface Waiter {
  readonly sinceMs: number;
  admit(slot: Slot): void;
}

export class Admission {
  readonly #maxConcurrent: number;
  readonly #maxQueueSize: number;
  readonly #clock: Clock;
  /** In the order of arrival. */
  readonly #waiting = new Set<Waiter>();
  #running = 0;

  /** @throws InvalidInputError for a limit that is unknown or not a positive integer */
  constructor(limits: AdmissionLimits, clock: Clock) {
    requireOptions('admission', limits);
    requireClock('admission', clock);
    checkOptions('admission', limits, { maxConcurrent: rule.integer(1), maxQueueSize: rule.integer(1) });
    this.#maxConcurrent = limits.maxConcurrent ?? 50;
    this.#maxQueueSize = limits.maxQueueSize ?? 200;
    this.#clock = clock;
  }

  status(): AdmissionStatus {
    return {
      queueDepth: this.#waiting.size,
      running: this.#running,
      maxConcurrent: this.#maxConcurrent,
      maxQueueSize: this.#maxQueueSize,
    };
  }

  /**
   * A slot at once where one is free, else the promise of one. Rejects with AbortedError when a signal aborts first: the
   * caller's, or that of a stream's reader who leaves.
   * @throws QueueFullError `INHOUSE_QUEUE_FULL` when the queue is full
   */
  enter(signal?: AbortSignal, readerLeft?: AbortSignal): Slot | Promise<Slot> {
    if (this.#running < this.#maxConcurrent) {
      this.#running++;
      return new Slot(this, 0);
    }
    if (this.#waiting.size >= this.#maxQueueSize) throw this.#fullError();
    return this.#wait([signal, readerLeft].filter((one) => one !== undefined));
  }

  #wait(signals: readonly AbortSignal[]): Promise<Slot> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        sinceMs: this.#clock.monotonic(),
        admit: (slot) => {
          for (const signal of signals) signal.removeEventListener('abort', leave);
          resolve(slot);
        },
      };
      const leave = (): void => {
        this.#waiting.delete(waiter);
        for (const signal of signals) signal.removeEventListener('abort', leave);
        const cause = signals.find(({ aborted }) => aborted)?.reason;
        reject(new AbortedError('INHOUSE_ABORTED', 'Aborted while waiting in the queue.', { cause }));
      };
      if (signals.some(({ aborted }) => aborted)) return leave();
      this.#waiting.add(waiter);
      for (const signal of signals) {
        setMaxListeners(0, signal); // one signal may stop any number of calls: that is no leak to warn of
        signal.addEventListener('abort', leave);
      }
    });
  }

  /** A place that becomes free goes straight to who waits longest, so nobody can overtake. */
  [LEAVE](): void {
    for (const waiter of this.#waiting) {
      this.#waiting.delete(waiter);
      waiter.admit(new Slot(this, this.#clock.monotonic() - waiter.sinceMs));
      return;
    }
    this.#running--;
  }

  #fullError(): QueueFullError {
    const queueDepth = this.#waiting.size;
    return new QueueFullError(
      'INHOUSE_QUEUE_FULL',
      `Queue full: ${queueDepth} calls wait, and at most ${this.#maxQueueSize} may; ` +
        `try again in ${RETRY_AFTER_SECONDS} s.`,
      { details: { queueDepth, maxQueueSize: this.#maxQueueSize, retryAfterSeconds: RETRY_AFTER_SECONDS } },
    );
  }
}

/** What a gateway's answer says about the queue, as HTTP headers. */
export function queueHeaders(status: AdmissionStatus): Record<string, string> {
  return {
    'X-Queue-Depth': String(status.queueDepth),
    'X-Max-Concurrent': String(status.maxConcurrent),
    'X-Max-Queue-Size': String(status.maxQueueSize),
  };
}

/** The headers that go with status 429. */
export function queueFullHeaders({ details }: QueueFullError): Record<string, string> {
  return {
    'Retry-After': String(details.retryAfterSeconds),
    'X-Queue-Depth': String(details.queueDepth),
    'X-Queue-Max-Size': String(details.maxQueueSize),
  };
}

/** The body that goes with status 429. */
export function queueFullBody({ message, details }: QueueFullError): Record<string, unknown> {
  return {
    error: 'Gateway queue is full',
    details: message,
    queue_depth: details.queueDepth,
    max_queue_size: details.maxQueueSize,
    retry_after_seconds: details.retryAfterSeconds,
  };
}
