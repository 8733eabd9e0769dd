// Stops calling a provider that keeps failing, and tries it with one call at a time until it answers again.
// Of our own because the semantics are: cockatiel's breaker lets calls wait for a probe, takes a failure that blames
// the caller for a success of the probe, and reads the system's clock.
import { CircuitOpenError } from '../errors.js';
import { checkOptions, requireOptions, rule } from '../options.js';
import { type Clock, requireClock } from './clock.js';
import { blamesProvider, classify } from './failure-class.js';

export type BreakerState = 'CLOSED' | 'OPEN' | 'HALF_OPEN';

export interface BreakerOptions {
  /** Failures in a row that open it. Default 5. */
  readonly threshold?: number | undefined;
  /** How long it stays open. Default 60 000. */
  readonly openMs?: number | undefined;
}

export interface BreakerStatus {
  readonly state: BreakerState;
  readonly consecutiveFailures: number;
  readonly threshold: number;
  readonly openMs: number;
}

/**
 * Call `before`, then exactly one of `success`, `failure` and `release` with the ticket. All are O(1) and look at no
 * other call.
 */
export class CircuitBreaker {
  readonly #threshold: number;
  readonly #openMs: number;
  readonly #clock: Clock;
  #state: BreakerState = 'CLOSED';
  #failures = 0;
  /** When it opened, or when the probe under way began: `openMs` later a (new) probe may go. */
  #sinceMs = 0;
  #probing = false;
  /** Counts changes of state: an answer to a call that began in an earlier state says nothing about this one. */
  #era = 0;

  /** @throws InvalidInputError for an option that is unknown or cannot be meant */
  constructor(options: BreakerOptions, clock: Clock) {
    requireOptions('circuit breaker', options);
    requireClock('circuit breaker', clock);
    checkOptions('circuit breaker', options, { threshold: rule.integer(1), openMs: rule.above(0) });
    this.#threshold = options.threshold ?? 5;
    this.#openMs = options.openMs ?? 60_000;
    this.#clock = clock;
  }

  get state(): BreakerState {
    return this.#state;
  }

  status(): BreakerStatus {
    return {
      state: this.#state,
      consecutiveFailures: this.#failures,
      threshold: this.#threshold,
      openMs: this.#openMs,
    };
  }

  /**
   * Lets a call pass and returns its ticket.
   * @throws CircuitOpenError `INHOUSE_CIRCUIT_OPEN`, without a stack trace, which would cost more than the check
   */
  before(): number {
    if (this.#state === 'CLOSED') return this.#era;
    const now = this.#clock.monotonic();
    const elapsedMs = now - this.#sinceMs;
    const due = elapsedMs > this.#openMs;
    if (this.#state === 'OPEN') {
      if (!due) throw this.#openError(elapsedMs);
      this.#become('HALF_OPEN');
    } else if (this.#probing) {
      // A probe that nobody reported on must not keep the circuit shut for ever.
      if (!due) throw this.#openError(elapsedMs);
      this.#era++;
    }
    this.#probing = true;
    this.#sinceMs = now;
    return this.#era;
  }

  success(ticket: number = this.#era): void {
    if (ticket !== this.#era) return;
    this.#failures = 0;
    if (this.#state === 'HALF_OPEN') this.#become('CLOSED');
  }

  /** Any error of the call: those that do not blame the provider count for nothing, but free the probe's place. */
  failure(error: unknown, ticket: number = this.#era): void {
    if (ticket !== this.#era) return;
    if (!blamesProvider(classify(error))) {
      this.release(ticket);
      return;
    }
    this.#failures++;
    // In a half open circuit the count is that high still, so one failure opens it again.
    if (this.#failures >= this.#threshold) {
      this.#become('OPEN');
      this.#sinceMs = this.#clock.monotonic();
    }
  }

  /** A call that says nothing about the provider: counts for nothing, but frees the probe's place. */
  release(ticket: number = this.#era): void {
    if (ticket === this.#era) this.#probing = false;
  }

  #become(state: BreakerState): void {
    this.#state = state;
    this.#probing = false;
    this.#era++;
  }

  #openError(elapsedMs: number): CircuitOpenError {
    const retryAfterSeconds = Math.max(1, Math.ceil((this.#openMs - elapsedMs) / 1000));
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    try {
      return new CircuitOpenError(
        'INHOUSE_CIRCUIT_OPEN',
        `Circuit breaker is ${this.#state} after ${this.#failures} failures in a row; try again in ${retryAfterSeconds} s.`,
        { details: { state: this.#state, retryAfterSeconds } },
      );
    } finally {
      Error.stackTraceLimit = limit;
    }
  }
}
