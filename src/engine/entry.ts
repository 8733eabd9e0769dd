// A sequence in the engine: its place in line, and what its row in the runner holds.
import type { PrefixSource } from './prefix-cache.js';
import type { RunningRequest } from './request.js';
import type { Schedulable } from './scheduler.js';
import type { Sequence } from './sequence.js';

export class Entry implements Schedulable, PrefixSource {
  readonly owner: RunningRequest;
  readonly sequence: Sequence;
  readonly arrival: number;
  /** The runner's row; meaningless while it waits. */
  row = -1;
  held = 0;
  /** The row holds a token that was drawn and waits to be fed: it can decode. */
  ready = false;
  resumed = false;

  constructor(owner: RunningRequest, sequence: Sequence, arrival: number) {
    this.owner = owner;
    this.sequence = sequence;
    this.arrival = arrival;
  }

  get priority(): number {
    return this.owner.request.options.priority;
  }

  get namespace(): string {
    return this.owner.request.options.cacheNamespace;
  }

  get submittedAtMs(): number {
    return this.owner.submittedAtMs;
  }

  get deadlineMs(): number {
    return this.owner.deadlineMs;
  }

  get tokens(): readonly number[] {
    return this.sequence.window;
  }

  get windowLength(): number {
    return this.sequence.window.length;
  }

  get capacity(): number {
    return this.sequence.capacity;
  }

  /** True when its row is of no more use to it. */
  get isOver(): boolean {
    return this.owner.settled || this.sequence.ended;
  }

  /** Back to waiting, without a row. */
  giveUpRow(): void {
    this.row = -1;
    this.held = 0;
    this.ready = false;
    this.resumed = true;
    if (this.sequence.isFull) this.sequence.slide();
  }
}
