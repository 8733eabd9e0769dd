// How a governed call asks its provider: past the circuit breaker, from a place among the running calls, and again where
// that may help. It knows neither money nor who is told of the end.
import { isUnanswered } from '../providers/completion-stream.js';
import type { Completion, Embedding } from '../providers/provider.js';
import type { Slot } from './admission.js';
import type { GovernedCall } from './governed-call.js';
import type { GovernanceParts } from './parts.js';
import type { Attempt } from './pipeline.js';
import { retryAfter, whileRead } from './retry.js';

export class CallAttempts {
  /** How often the provider was asked. */
  count = 0;
  /** Set by a stream: leaves what its attempt has begun, which may hang in a provider that heeds no limit. */
  giveUp: (() => void) | undefined;
  readonly #parts: GovernanceParts;
  readonly #call: GovernedCall;
  readonly #readerLeft: AbortSignal | undefined;
  #ticket: number | undefined;
  #slot: Slot | undefined;
  #waitMs = 0;

  /** `readerLeft` aborts when nobody reads the stream any more. Call `end` when the call is over. */
  constructor(parts: GovernanceParts, call: GovernedCall, readerLeft: AbortSignal | undefined) {
    this.#parts = parts;
    this.#call = call;
    this.#readerLeft = readerLeft;
  }

  /** Milliseconds in the queue. */
  get queueMs(): number {
    return this.#slot?.queueMs ?? 0;
  }

  /** @throws CircuitOpenError while the provider is given time to recover */
  passBreaker(): void {
    this.#ticket = this.#parts.breaker?.before();
  }

  /**
   * Asks the provider, once there is a place among the running calls; the place is kept for further attempts. A reader who
   * left waits for none: `serve` then asks nobody.
   */
  async ask<Result extends Completion | Embedding>(number: number, serve: Attempt<Result>): Promise<Result> {
    const { admission, breaker, watch } = this.#parts;
    const call = this.#call;
    const { costs, span, times } = call;
    const { signal, timeoutMs } = call.providerOptions;
    const left = this.#readerLeft;
    if (this.#slot === undefined && !left?.aborted) {
      const slot = admission.enter(signal, left);
      if (slot instanceof Promise) {
        this.#slot = await this.#queued(slot);
        times.pass();
      } else {
        this.#slot = slot;
      }
    }
    if (left?.aborted) return serve(call);
    if (number > 1) times.pass();
    this.count++;
    costs.beginAttempt();
    try {
      const attempt = span ? span.run(() => serve(call)) : serve(call);
      const watched = watch.begin(attempt, timeoutMs);
      let answer: Result;
      try {
        answer = await watched.answer;
      } finally {
        watch.end(watched);
        times.pass();
      }
      const result = costs.requireCounts(answer);
      if (this.#ticket !== undefined) {
        if (isUnanswered(result)) breaker?.release(this.#ticket);
        else breaker?.success(this.#ticket);
      }
      span?.attempt({ number, waitMs: this.#waitMs });
      return result;
    } catch (error) {
      this.giveUp?.();
      if (this.#ticket !== undefined) breaker?.failure(error, this.#ticket);
      span?.attempt({ number, waitMs: this.#waitMs, error });
      costs.addFailure(error);
      throw error;
    }
  }

  /** Undefined when a stream's reader left the queue. */
  async #queued(place: Promise<Slot>): Promise<Slot | undefined> {
    try {
      return await place;
    } catch (error) {
      if (this.#readerLeft?.aborted) return undefined;
      throw error;
    }
  }

  /** Further attempts after the first has failed, as the options say, but none once the caller has seen a part of the answer. */
  retry<Result extends Completion | Embedding>(error: unknown, serve: Attempt<Result>): Promise<Result> {
    const { faults, log, retry, sleep } = this.#parts;
    const { costs, providerOptions, requestId } = this.#call;
    return retryAfter(error, (number) => this.ask(number, serve), {
      policy: {
        maxRetries: retry.maxRetries,
        waitMs: (number) => retry.waitMs(number),
        retries: (failure) => !costs.hasAnswered && retry.retries(failure),
      },
      signal: providerOptions.signal,
      sleep: this.#readerLeft ? whileRead(this.#readerLeft, sleep) : sleep,
      onRetry: ({ attempt, waitMs, error }) => {
        this.#waitMs = waitMs;
        log.warn('Retrying', () => ({ requestId, attempt, waitMs, error }));
      },
      onFault: (_where, fault) => faults.record('callback', fault),
    });
  }

  /** Gives back what the call held. */
  end(): void {
    this.#slot?.release();
    // A call that never got to its provider says nothing about it, but must give up the probe's place.
    if (this.count === 0 && this.#ticket !== undefined) this.#parts.breaker?.release(this.#ticket);
  }
}
