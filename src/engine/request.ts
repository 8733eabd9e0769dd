// One call of generate or stream while the engine works on it: its choices, its clock readings, its outcome.
import { setMaxListeners } from 'node:events';
import { TimeoutError } from '../errors.js';
import type { ResolvedOptions } from './options.js';
import type { Sequence, SequenceResult, StreamChunk } from './sequence.js';

export interface GenerationRequest {
  readonly sequences: readonly Sequence[];
  readonly options: ResolvedOptions;
  /** Called once per generated token and choice, in order. An error it throws fails the request. */
  readonly onChunk: (chunk: StreamChunk) => void;
  /** Aborts when nobody reads the chunks any more; ends the request as the caller's own signal does. */
  readonly abandoned?: AbortSignal;
}

/** Milliseconds. */
export interface Timings {
  /** From the call to the first work on it. */
  readonly queueMs: number;
  /** From the call to the first token, queue included; undefined when there was none. */
  readonly timeToFirstTokenMs: number | undefined;
  /** Mean time between tokens of a choice, after the first; undefined with fewer than two tokens. */
  readonly perTokenMs: number | undefined;
  /** The request's share of the runner's time: what is computed for several together is shared equally. */
  readonly computeMs: number;
  readonly totalMs: number;
}

export interface GenerationOutcome {
  /** In the order of their index. */
  readonly sequences: readonly SequenceResult[];
  /** As computed for one choice: 0 when no work on it had begun. */
  readonly promptTokens: number;
  readonly timings: Timings;
  /** Prompt tokens that were copied from other rows instead of computed, over all choices. */
  readonly cachedTokens: number;
}

export class RunningRequest {
  readonly request: GenerationRequest;
  readonly outcome: Promise<GenerationOutcome>;
  readonly submittedAtMs: number;
  cachedTokens = 0;
  /** Share of the runner's time so far, in milliseconds. */
  computeMs = 0;
  readonly #now: () => number; // milliseconds
  readonly #onGap: (ms: number) => void;
  #startedAt: number | undefined;
  #firstTokenAt: number | undefined;
  #gaps = 0;
  #gapsMs = 0;
  readonly #lastTokenAt = new Map<number, number>(); // by choice
  #settled = false;
  #stopListening = () => {};
  readonly #resolve: (outcome: GenerationOutcome) => void;
  readonly #reject: (error: unknown) => void;

  /** `onGap` is told of the time between two tokens of a choice. */
  constructor(request: GenerationRequest, now: () => number, onGap: (ms: number) => void = () => {}) {
    this.request = request;
    this.#now = now;
    this.#onGap = onGap;
    this.submittedAtMs = now();
    let resolve: ((outcome: GenerationOutcome) => void) | undefined;
    let reject: ((error: unknown) => void) | undefined;
    this.outcome = new Promise((yes, no) => {
      resolve = yes;
      reject = no;
    });
    this.#resolve = resolve!;
    this.#reject = reject!;
  }

  get id(): string {
    return this.request.options.id;
  }

  get aborted(): boolean {
    return this.#signals.some((signal) => signal.aborted);
  }

  /** When its time is up; infinite without a limit. */
  get deadlineMs(): number {
    return this.submittedAtMs + (this.request.options.timeoutMs ?? Number.POSITIVE_INFINITY);
  }

  /** True once the caller has an answer: whatever is left of the request must be cleared away. */
  get settled(): boolean {
    return this.#settled;
  }

  /** 0 as long as no work on it has begun. */
  get promptTokens(): number {
    return this.#startedAt === undefined ? 0 : this.request.sequences[0]!.promptLength;
  }

  /** Of all choices. */
  get completionTokens(): number {
    return this.request.sequences.reduce((sum, sequence) => sum + sequence.outputLength, 0);
  }

  /** Calls back when the caller aborts, at once if that is so already, until the request is settled. */
  listen(onAbort: () => void): void {
    if (this.aborted) onAbort();
    const signals = this.#signals;
    for (const signal of signals) {
      setMaxListeners(0, signal); // one signal may stop any number of requests: that is no leak to warn of
      signal.addEventListener('abort', onAbort);
    }
    this.#stopListening = () => {
      for (const signal of signals) signal.removeEventListener('abort', onAbort);
    };
  }

  /** True for the first choice only. */
  noteStart(): boolean {
    const first = this.#startedAt === undefined;
    this.#startedAt ??= this.#now();
    return first;
  }

  /**
   * Passes a chunk on; true when the request has come to its end with it, as its last choice did. The receiver may end
   * it in another way. Throws what the receiver throws.
   */
  deliver(chunk: StreamChunk): boolean {
    if (chunk.tokens.length > 0) this.#noteToken(chunk.index);
    this.request.onChunk(chunk);
    if (this.#settled || !this.request.sequences.every((sequence) => sequence.ended)) return false;
    this.#succeed();
    return true;
  }

  fail(error: unknown): void {
    this.#settle();
    this.#reject(error);
  }

  /** What to fail it with when its time is up. */
  timeoutError(): TimeoutError {
    const { promptTokens, completionTokens, computeMs } = this;
    const { timeoutMs } = this.request.options;
    const stage =
      this.#startedAt === undefined ? 'it was still waiting' : `it had ${completionTokens} tokens`;
    return new TimeoutError(
      'INHOUSE_TIMEOUT',
      `The generation took longer than its timeoutMs, ${timeoutMs}: ${stage}. Allow more time, ask for fewer tokens, or ` +
        'send less at once.',
      {
        details: {
          id: this.id,
          timeoutMs,
          usage: { promptTokens, completionTokens, totalTokens: promptTokens + completionTokens },
          computeMs,
          choices: this.request.sequences.map((sequence) => sequence.partial()),
        },
      },
    );
  }

  timings(): Timings {
    const end = this.#now();
    return {
      queueMs: (this.#startedAt ?? end) - this.submittedAtMs,
      timeToFirstTokenMs:
        this.#firstTokenAt === undefined ? undefined : this.#firstTokenAt - this.submittedAtMs,
      perTokenMs: this.#gaps === 0 ? undefined : this.#gapsMs / this.#gaps,
      computeMs: this.computeMs,
      totalMs: end - this.submittedAtMs,
    };
  }

  get #signals(): AbortSignal[] {
    const { options, abandoned } = this.request;
    return [options.signal, abandoned].filter((signal) => signal !== undefined);
  }

  #succeed(): void {
    this.#settle();
    const sequences = this.request.sequences.map((sequence) => sequence.result());
    const { promptTokens, cachedTokens } = this;
    this.#resolve({ sequences, promptTokens, timings: this.timings(), cachedTokens });
  }

  #settle(): void {
    this.#settled = true;
    this.#stopListening();
  }

  #noteToken(choice: number): void {
    const now = this.#now();
    this.#firstTokenAt ??= now;
    const last = this.#lastTokenAt.get(choice);
    if (last !== undefined) {
      this.#gaps += 1;
      this.#gapsMs += now - last;
      this.#onGap(now - last);
    }
    this.#lastTokenAt.set(choice, now);
  }
}
