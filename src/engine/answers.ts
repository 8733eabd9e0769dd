// What callers are told: hands tokens out, ends requests one way or another, and sees to it that each ends once.
import { LiveRequests } from './live-requests.js';
import type { Reports } from './reports.js';
import type { RunningRequest } from './request.js';
import type { Sequence, StreamChunk } from './sequence.js';

export class Answers {
  readonly #reports: Reports;
  readonly #live = new LiveRequests();
  #untidy = false;

  constructor(reports: Reports) {
    this.#reports = reports;
  }

  has(id: string): boolean {
    return this.#live.has(id);
  }

  /** Takes a request on. `onAbort` is called when its caller aborts it. */
  expect(owner: RunningRequest, onAbort: () => void): void {
    this.#live.add(owner, onAbort);
  }

  /** Passes on what a choice has to say. What goes wrong in it concerns its request alone. */
  deliver(owner: RunningRequest, sequence: Sequence, next: () => StreamChunk): void {
    if (owner.settled || sequence.ended) return;
    try {
      const chunk = owner.aborted ? sequence.abort() : next();
      this.#reports.metrics.noteTokens(chunk.tokens.length);
      if (!owner.deliver(chunk)) return;
    } catch (error) {
      this.fail(owner, error);
      return;
    }
    this.#live.remove(owner);
    this.#reports.finished(owner);
  }

  fail(owner: RunningRequest, error: unknown): void {
    if (owner.settled) return;
    owner.fail(error);
    this.#live.remove(owner);
    this.#untidy = true;
    this.#reports.failed(owner.id, error);
  }

  failAll(error: unknown): void {
    for (const owner of this.#live.all) this.fail(owner, error);
  }

  /** Ends those that were aborted, with what they have, and those whose time is up. */
  endOverdue(nowMs: number): void {
    for (const owner of this.#live.takeAborted()) {
      for (const sequence of owner.request.sequences) {
        this.deliver(owner, sequence, () => sequence.abort());
      }
      this.#untidy = true;
    }
    for (const owner of this.#live.late(nowMs)) this.fail(owner, owner.timeoutError());
  }

  /** Whether a request has ended out of turn since the last call: it may still be waiting. */
  takeUntidy(): boolean {
    const untidy = this.#untidy;
    this.#untidy = false;
    return untidy;
  }
}
