// What happens in an engine, counted for its metrics and told to its listener.
import { type EngineEvent, type EventListener, guarded, type PreemptionReason } from './events.js';
import { EngineMetrics } from './metrics.js';
import type { RunningRequest } from './request.js';

type StepEvent = Extract<EngineEvent, { readonly type: 'step' }>;
type AdmittedEvent = Extract<EngineEvent, { readonly type: 'admitted' }>;

export class Reports {
  readonly metrics = new EngineMetrics();
  readonly #emit: EventListener | undefined;

  constructor(listener: EventListener | undefined) {
    this.#emit = listener && guarded(listener);
  }

  refused(id: string, error: unknown): void {
    this.metrics.noteRefusal();
    this.#emit?.({ type: 'refused', id, error });
  }

  queued(id: string, choices: number, waiting: number): void {
    this.#emit?.({ type: 'queued', id, choices, waiting });
  }

  admitted(event: Omit<AdmittedEvent, 'type'>): void {
    this.#emit?.({ type: 'admitted', ...event });
  }

  preempted(id: string, index: number, reason: PreemptionReason): void {
    if (reason === 'memory') this.metrics.notePreemption();
    this.#emit?.({ type: 'preempted', id, index, reason });
  }

  step(event: Omit<StepEvent, 'type'>): void {
    this.metrics.noteStep(event.decodeRows, event.stepMs, event.schedulerMs);
    this.#emit?.({ type: 'step', ...event });
  }

  finished(owner: RunningRequest): void {
    const { id, promptTokens, completionTokens } = owner;
    const timings = owner.timings();
    this.metrics.noteSuccess(timings);
    const finishReasons = owner.request.sequences.map((sequence) => sequence.result().finishReason);
    this.#emit?.({ type: 'finished', id, finishReasons, promptTokens, completionTokens, timings });
  }

  failed(id: string, error: unknown): void {
    this.metrics.noteFailure();
    this.#emit?.({ type: 'failed', id, error });
  }
}
