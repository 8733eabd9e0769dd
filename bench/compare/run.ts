// Runs a plan. Candidates take turns: each repetition measures all of them once, in alternating order, so that whatever
// else the machine does falls on all alike. Quality comes after the first repetition, so that a comparison which is ended
// early has figures of every kind.
import type { Checkpoint } from '../../src/checkpoint/checkpoint.js';
import { inOrderOf } from '../run/plan.js';
import { inOwnProcess } from './child.js';
import type { Place } from './open.js';
import { type Candidate, type ComparePlan, labelOf } from './plan.js';
import { prepareCandidate } from './prepare.js';
import type { QualityTask } from './quality.js';
import type { Measured } from './results.js';

export interface CompareProgress {
  readonly doing: 'prepare' | 'speed' | 'quality';
  readonly label: string;
  /** Of preparing: the part of the weights that is written, 0 to 1. */
  readonly done: number;
  /** From 0. */
  readonly repetition: number;
  readonly repetitions: number;
}

export interface CompareTools {
  /** The folder of derived files. */
  readonly home: string;
  readonly onProgress: (progress: CompareProgress) => void;
  /** Aborting it ends the run with what has been measured by then. */
  readonly signal: AbortSignal;
}

/** The text, and what is to be done with it. */
export type QualityWork = Pick<QualityTask, 'ids' | 'window' | 'promptTokens' | 'eosTokenIds'>;

/** A candidate that fails is left alone from then on, and says why. Throws what preparing throws. */
export async function runComparison(
  checkpoint: Checkpoint,
  plan: ComparePlan,
  work: QualityWork,
  tools: CompareTools,
): Promise<readonly Measured[]> {
  const all: Measured[] = [];
  const run = new ComparisonRun(checkpoint, plan, work, tools);
  try {
    for (const candidate of plan.candidates) all.push(await run.prepare(candidate));
    for (let repetition = 0; repetition < plan.repetitions; repetition++) {
      for (const one of inOrderOf(repetition, all)) await run.measure('speed', one, repetition);
      if (repetition > 0) continue;
      for (const one of all) await run.measure('quality', one, repetition);
    }
  } catch (error) {
    if (!tools.signal.aborted || error !== tools.signal.reason) throw error;
  }
  return all;
}

class ComparisonRun {
  readonly #checkpoint: Checkpoint;
  readonly #plan: ComparePlan;
  readonly #work: QualityWork;
  readonly #tools: CompareTools;

  constructor(checkpoint: Checkpoint, plan: ComparePlan, work: QualityWork, tools: CompareTools) {
    this.#checkpoint = checkpoint;
    this.#plan = plan;
    this.#work = work;
    this.#tools = tools;
  }

  async prepare(candidate: Candidate): Promise<Measured> {
    const label = labelOf(candidate, this.#plan.candidates);
    this.#report('prepare', label, 0);
    const { home, signal } = this.#tools;
    const prepared = await prepareCandidate(this.#checkpoint, home, candidate, {
      signal,
      onProgress: ({ writtenBytes, totalBytes }) =>
        this.#report('prepare', label, 0, writtenBytes / totalBytes),
    });
    return { candidate, label, prepared, speeds: [], quality: undefined, failure: undefined };
  }

  async measure(what: 'speed' | 'quality', one: Measured, repetition: number): Promise<void> {
    if (one.failure !== undefined) return;
    this.#report(what, one.label, repetition);
    try {
      await (what === 'speed' ? this.#speed(one) : this.#quality(one));
    } catch (error) {
      this.#tools.signal.throwIfAborted();
      one.failure = (error as Error).message;
    }
  }

  async #speed({ candidate, speeds }: Measured): Promise<void> {
    const task = { kind: 'speed', ...this.#place(candidate), cases: this.#plan.cases } as const;
    speeds.push(await inOwnProcess(task, this.#tools.signal));
  }

  async #quality(one: Measured): Promise<void> {
    const task = { kind: 'quality', ...this.#place(one.candidate), ...this.#work } as const;
    one.quality = await inOwnProcess(task, this.#tools.signal);
  }

  #place(candidate: Candidate): Place {
    return { folder: this.#checkpoint.folder, home: this.#tools.home, candidate };
  }

  #report(doing: CompareProgress['doing'], label: string, repetition: number, done = 0): void {
    this.#tools.signal.throwIfAborted();
    this.#tools.onProgress({ doing, label, done, repetition, repetitions: this.#plan.repetitions });
  }
}
