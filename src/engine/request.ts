// One call of generate or stream while the engine works on it: its choices, its clock readings, its outcome.
import type { ResolvedOptions } from './options.js';
import type { Sequence, SequenceResult, StreamChunk } from './sequence.js';

export interface GenerationRequest {
  readonly sequences: readonly Sequence[];
  readonly options: ResolvedOptions;
  /** Called once per generated token and choice, in order. An error it throws fails the request. */
  readonly onChunk: (chunk: StreamChunk) => void;
  /** True once nobody reads the chunks any more; ends the request as an abort does. */
  readonly abandoned?: () => boolean;
}

/** Milliseconds. */
export interface Timings {
  /** From the call to the first work on it. */
  readonly queueMs: number;
  /** From the call to the first token, queue included; undefined when there was none. */
  readonly timeToFirstTokenMs: number | undefined;
  /** Mean time between tokens of a choice, after the first; undefined with fewer than two tokens. */
  readonly perTokenMs: number | undefined;
  readonly totalMs: number;
}

export interface GenerationOutcome {
  /** In the order of their index. */
  readonly sequences: readonly SequenceResult[];
  readonly timings: Timings;
}

export class RunningRequest {
  readonly request: GenerationRequest;
  readonly outcome: Promise<GenerationOutcome>;
  readonly #now: () => number; // milliseconds
  readonly #submittedAt: number;
  #startedAt: number | undefined;
  #firstTokenAt: number | undefined;
  #gaps = 0;
  #gapsMs = 0;
  readonly #lastTokenAt = new Map<number, number>(); // by choice
  #settled = false;
  readonly #resolve: (outcome: GenerationOutcome) => void;
  readonly #reject: (error: unknown) => void;

  constructor(request: GenerationRequest, now: () => number) {
    this.request = request;
    this.#now = now;
    this.#submittedAt = now();
    let resolve: ((outcome: GenerationOutcome) => void) | undefined;
    let reject: ((error: unknown) => void) | undefined;
    this.outcome = new Promise((yes, no) => {
      resolve = yes;
      reject = no;
    });
    this.#resolve = resolve!;
    this.#reject = reject!;
  }

  get aborted(): boolean {
    return (this.request.options.signal?.aborted || this.request.abandoned?.()) ?? false;
  }

  /** True once the caller has an answer: whatever is left of the request must be cleared away. */
  get settled(): boolean {
    return this.#settled;
  }

  noteStart(): void {
    this.#startedAt ??= this.#now();
  }

  /** Passes a chunk on; ends the request when its last choice has ended. Throws what the receiver throws. */
  deliver(chunk: StreamChunk): void {
    if (chunk.tokens.length > 0) this.#noteToken(chunk.index);
    this.request.onChunk(chunk);
    if (this.request.sequences.every((sequence) => sequence.ended)) this.#succeed();
  }

  fail(error: unknown): void {
    this.#settled = true;
    this.#reject(error);
  }

  #succeed(): void {
    this.#settled = true;
    const sequences = this.request.sequences.map((sequence) => sequence.result());
    this.#resolve({ sequences, timings: this.#timings() });
  }

  #noteToken(choice: number): void {
    const now = this.#now();
    this.#firstTokenAt ??= now;
    const last = this.#lastTokenAt.get(choice);
    if (last !== undefined) {
      this.#gaps += 1;
      this.#gapsMs += now - last;
    }
    this.#lastTokenAt.set(choice, now);
  }

  #timings(): Timings {
    const end = this.#now();
    return {
      queueMs: (this.#startedAt ?? end) - this.#submittedAt,
      timeToFirstTokenMs:
        this.#firstTokenAt === undefined ? undefined : this.#firstTokenAt - this.#submittedAt,
      perTokenMs: this.#gaps === 0 ? undefined : this.#gapsMs / this.#gaps,
      totalMs: end - this.#submittedAt,
    };
  }
}
