// The requests that an engine has taken on and not answered yet: who is there, who was aborted, whose time is up.
import type { RunningRequest } from './request.js';

export class LiveRequests {
  readonly #byId = new Map<string, RunningRequest>();
  readonly #aborted = new Set<RunningRequest>();
  #nextDeadlineMs = Number.POSITIVE_INFINITY;

  get all(): readonly RunningRequest[] {
    return [...this.#byId.values()];
  }

  has(id: string): boolean {
    return this.#byId.has(id);
  }

  /** `onAbort` is called when its caller aborts it. */
  add(request: RunningRequest, onAbort: () => void): void {
    this.#byId.set(request.id, request);
    this.#nextDeadlineMs = Math.min(this.#nextDeadlineMs, request.deadlineMs);
    request.listen(() => {
      this.#aborted.add(request);
      onAbort();
    });
  }

  /** Once it has been answered. */
  remove({ id }: RunningRequest): void {
    this.#byId.delete(id);
  }

  /** Those aborted since the last call. */
  takeAborted(): readonly RunningRequest[] {
    if (this.#aborted.size === 0) return [];
    const aborted = [...this.#aborted];
    this.#aborted.clear();
    return aborted;
  }

  /** Those whose time is up. Looks at everyone only when there is one. */
  late(nowMs: number): readonly RunningRequest[] {
    if (nowMs < this.#nextDeadlineMs) return [];
    const late = this.all.filter(({ deadlineMs }) => deadlineMs <= nowMs);
    this.#nextDeadlineMs = Number.POSITIVE_INFINITY;
    for (const { deadlineMs } of this.#byId.values()) {
      if (deadlineMs > nowMs) this.#nextDeadlineMs = Math.min(this.#nextDeadlineMs, deadlineMs);
    }
    return late;
  }
}
