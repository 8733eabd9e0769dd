// What is measured in processes of their own: a crash, or a device that is lost, takes nothing else along.
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { bandwidthOf } from '../run/bandwidth.js';
import { planBench } from '../run/plan.js';
import type { BenchResult } from '../run/results.js';
import { runBench } from '../run/run.js';
import { type Agreement, agreement } from './agreement.js';
import { type EngineResult, engineResult } from './engine.js';
import { benchOptions, REFERENCES, type Sizes } from './plan.js';
import type { Subject } from './runners.js';

export interface Task extends Subject {
  readonly part: 'agreement' | 'speed' | 'engine';
  readonly sizes: Sizes;
  /** After so long it ends with what there is. */
  readonly seconds: number;
}

/** A result says by its kind where it belongs in the report. */
export type TaskResult =
  | { readonly agreement: Agreement }
  | { readonly speed: readonly BenchResult[] }
  | { readonly engine: EngineResult };

/** Tells of results as they come; resolves when all are there, or time is up. */
export async function runTask(task: Task, onResult: (result: TaskResult) => void): Promise<void> {
  const signal = AbortSignal.timeout(Math.ceil(task.seconds * 1000));
  switch (task.part) {
    case 'agreement':
      for (const reference of REFERENCES)
        onResult({ agreement: await agreement(task, reference, task.sizes.text) });
      return;
    case 'speed':
      return onResult({ speed: await speed(task, signal) });
    case 'engine':
      for (const concurrency of task.sizes.engine.concurrency) {
        if (signal.aborted) return;
        onResult({ engine: await engineResult(task, concurrency, task.sizes.engine, signal) });
      }
  }
}

async function speed({ folder, home, sizes, precision, device }: Task, signal: AbortSignal) {
  const checkpoint = await openCheckpoint(folder);
  const plan = planBench(benchOptions(sizes, precision, device), checkpoint.config.contextLength);
  return runBench(checkpoint, plan, { home, signal, readBandwidth: bandwidthOf, onProgress: () => {} });
}
