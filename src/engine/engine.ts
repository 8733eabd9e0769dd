// Runs the requests of all callers of one model together: first come first served, one token per running choice and
// step. Row i of the runner belongs to entry i of #running, always: rows stay contiguous, as a decode step needs them.
import { DisposedError } from '../errors.js';
import type { Runner, TokenChoice } from '../runtime/runner.js';
import { type GenerationOutcome, type GenerationRequest, RunningRequest } from './request.js';
import type { Sequence, StreamChunk } from './sequence.js';

interface Entry {
  readonly owner: RunningRequest;
  readonly sequence: Sequence;
}

export class Engine {
  readonly #runner: Runner;
  readonly #now: () => number;
  readonly #waiting: Entry[] = [];
  readonly #running: Entry[] = [];
  #loop: Promise<void> | undefined;
  #disposal: Promise<void> | undefined;

  /** `now` returns milliseconds. */
  constructor(runner: Runner, now: () => number = () => performance.now()) {
    this.#runner = runner;
    this.#now = now;
  }

  /** Choices that hold a row now, and choices that wait for one. */
  get load(): { readonly running: number; readonly waiting: number } {
    return { running: this.#running.length, waiting: this.#waiting.length };
  }

  /** Resolves when every choice has ended. Rejects with what failed it; other requests go on. */
  submit(request: GenerationRequest): Promise<GenerationOutcome> {
    if (this.#disposal) return Promise.reject(disposed());
    const owner = new RunningRequest(request, this.#now);
    for (const sequence of request.sequences) this.#waiting.push({ owner, sequence });
    this.#loop ??= this.#run();
    return owner.outcome;
  }

  /** Fails what is running and waiting with a `DisposedError`, then disposes of the runner. */
  dispose(): Promise<void> {
    this.#disposal ??= (async () => {
      this.#failAll(disposed());
      await this.#loop;
      await this.#runner.dispose();
    })();
    return this.#disposal;
  }

  async #run(): Promise<void> {
    for (;;) {
      await this.#clearEnded();
      const next = this.#running.length < this.#runner.info.maxRows ? this.#waiting.shift() : undefined;
      if (next) await this.#admit(next);
      else if (this.#running.length > 0) await this.#step();
      else {
        this.#loop = undefined; // here and not later: a submit that comes after this must start a new loop
        return;
      }
    }
  }

  /** Gives a choice the next row and computes its prompt. */
  async #admit(entry: Entry): Promise<void> {
    const { owner, sequence } = entry;
    owner.noteStart();
    const row = this.#running.length;
    try {
      await this.#runner.openRow(row, sequence.rowOptions);
      this.#running.push(entry);
      const window = sequence.window;
      const shared = await this.#copyFromSibling(entry, row, window.length - 1);
      this.#accept(entry, await this.#runner.prefill(row, window.slice(shared), { sample: true }));
    } catch (error) {
      owner.fail(error);
    }
  }

  /** Choices of one request begin alike: all but the last prompt token is copied where one has been computed. */
  async #copyFromSibling({ owner, sequence }: Entry, row: number, length: number): Promise<number> {
    const sibling = this.#running.findIndex(
      (other) => other.owner === owner && other.sequence !== sequence && other.sequence.hasWholePrompt,
    );
    if (sibling < 0 || length === 0) return 0;
    await this.#runner.copyPrefix(sibling, row, length);
    return length;
  }

  async #step(): Promise<void> {
    const entries = [...this.#running];
    try {
      for (const [row, entry] of entries.entries()) {
        if (entry.sequence.isFull) await this.#slide(row, entry);
      }
      // A choice that slid has its next token already; one more for all would put it ahead, which does no harm.
      const choices = await this.#runner.decode(entries.length);
      entries.forEach((entry, row) => {
        this.#accept(entry, choices[row]![0]!);
      });
    } catch (error) {
      for (const { owner } of entries) owner.fail(error);
    }
  }

  /** Recomputes a full row from the younger half of its window: GPT-2's positions are absolute. */
  async #slide(row: number, entry: Entry): Promise<void> {
    entry.sequence.slide();
    await this.#runner.truncateRow(row, 0);
    this.#accept(entry, await this.#runner.prefill(row, entry.sequence.window, { sample: true }));
  }

  #accept(entry: Entry, choice: TokenChoice): void {
    this.#deliver(entry, () => entry.sequence.accept(choice));
  }

  /** Passes on what a choice has to say. What goes wrong in it concerns its request alone. */
  #deliver({ owner, sequence }: Entry, next: () => StreamChunk): void {
    if (owner.settled || sequence.ended) return;
    try {
      owner.deliver(owner.aborted ? sequence.abort() : next());
    } catch (error) {
      owner.fail(error);
    }
  }

  /** Takes out choices that have ended, were aborted, or whose request has failed, and frees their rows. */
  async #clearEnded(): Promise<void> {
    if (this.#disposal) this.#failAll(disposed()); // also who was between waiting and running at that moment
    for (const entry of [...this.#waiting, ...this.#running]) {
      if (entry.owner.aborted) this.#deliver(entry, () => entry.sequence.abort());
    }
    const isOver = ({ owner, sequence }: Entry) => owner.settled || sequence.ended;
    for (let row = this.#running.length - 1; row >= 0; row--) {
      if (isOver(this.#running[row]!)) await this.#freeRow(row);
    }
    const waiting = this.#waiting.filter((entry) => !isOver(entry));
    this.#waiting.splice(0, this.#waiting.length, ...waiting);
  }

  #failAll(error: unknown): void {
    for (const { owner } of [...this.#running, ...this.#waiting]) owner.fail(error);
  }

  /** Closes a row and moves the last one into the gap. */
  async #freeRow(row: number): Promise<void> {
    const last = this.#running.length - 1;
    try {
      await this.#runner.closeRow(row);
      if (row < last) await this.#runner.moveRow(last, row);
    } catch (error) {
      // The runner is gone or in disorder: whoever still counts on it must know.
      for (const { owner } of this.#running) owner.fail(error);
    }
    const moved = this.#running.pop()!;
    if (row < last) this.#running[row] = moved;
  }
}

function disposed(): DisposedError {
  return new DisposedError('INHOUSE_DISPOSED', 'The model was disposed while, or before, it generated.');
}
