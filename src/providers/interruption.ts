// What may end one call before its work is done: the caller's signal, the time limit, or a stream's reader who left.
import { setMaxListeners } from 'node:events';
import { AbortedError, InhouseError, TimeoutError } from '../errors.js';
import type { CallOptions, Timings, Usage } from './provider.js';

/** What had been done by then. */
export interface Spent {
  readonly usage: Usage;
  readonly computeMs?: Timings['computeMs'];
}

/** The error, with what had been used by then; what is not an error of ours stays as it is. */
export function withUsage(error: unknown, usage: Usage): unknown {
  if (!(error instanceof InhouseError)) return error;
  const { code, message, cause, details } = error;
  const SameError = error.constructor as typeof InhouseError;
  return new SameError(code, message, { cause, details: { ...details, usage } });
}

export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #sources: readonly (AbortSignal | undefined)[];
  readonly #limitMs: number | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  #reason: 'abort' | 'timeout' | 'left' | undefined;

  /** `readerLeft` aborts when nobody reads the stream any more. Dispose of it when the call is over. */
  constructor(call: CallOptions | undefined, limitMs?: number, readerLeft?: AbortSignal) {
    this.#limitMs = call?.timeoutMs ?? limitMs;
    this.#sources = [call?.signal, readerLeft];
    for (const source of this.#sources) {
      if (source === undefined) continue;
      if (source.aborted) this.#onAbort();
      setMaxListeners(0, source); // one signal may stop any number of calls: that is no leak to warn of
      source.addEventListener('abort', this.#onAbort);
    }
    if (this.#limitMs !== undefined)
      this.#timer = setTimeout(() => this.#interrupt('timeout'), this.#limitMs);
  }

  /** Aborts when the call must end. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** True when it must end because nobody wants the rest: what there is then counts as the result. */
  get readerLeft(): boolean {
    return this.#reason === 'left';
  }

  /** What the caller gets when the call must end; undefined while it need not. */
  error(spent?: Spent): AbortedError | TimeoutError | undefined {
    if (this.#reason === 'timeout') {
      const message = `The call took longer than ${this.#limitMs} ms, its limit. Allow more time or ask for fewer tokens.`;
      return new TimeoutError('INHOUSE_TIMEOUT', message, {
        details: { timeoutMs: this.#limitMs, ...spent },
      });
    }
    if (this.#reason === undefined) return undefined;
    const cause = this.#sources[0]?.reason;
    return new AbortedError('INHOUSE_ABORTED', 'The call was aborted by its caller.', {
      cause,
      details: { ...spent },
    });
  }

  throwIfInterrupted(spent?: Spent): void {
    const error = this.error(spent);
    if (error) throw error;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    for (const source of this.#sources) source?.removeEventListener('abort', this.#onAbort);
  }

  readonly #onAbort = (): void => this.#interrupt(this.#sources[0]?.aborted ? 'abort' : 'left');

  #interrupt(reason: 'abort' | 'timeout' | 'left'): void {
    this.#reason ??= reason;
    this.#controller.abort();
  }
}
