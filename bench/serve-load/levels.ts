// Loads of several strengths, one after another: what `inhouse bench serve-load` measures when no suite is asked for.
import { inOrderOf } from '../run/plan.js';
import type { Lengths } from './lengths.js';
import { type Goodput, type LoadRun, type LoadSummary, summarise } from './metrics.js';
import type { LoadSession, Source } from './session.js';
import type { Workload } from './workload.js';

export interface LevelOptions {
  readonly sources: readonly Source[];
  readonly workload: Workload;
  readonly durationSeconds: number;
  readonly warmupSeconds: number;
  readonly repetitions: number;
  readonly goodput?: Goodput;
  readonly timeoutMs?: number;
  readonly maxBatchSize: number;
  readonly maxWaiting?: number;
}

/** One strength of load, all repetitions together. What does not apply is null. */
export interface LevelResult extends LoadSummary {
  readonly loop: Source['loop'];
  readonly concurrency: number | null;
  /** Per second. */
  readonly requestRate: number | null;
  readonly maxBatchSize: number;
  readonly inputLen: Lengths;
  readonly outputLen: Lengths;
  readonly seed: number;
  readonly warmupSeconds: number;
  /** Runs that were begun. */
  readonly repetitions: number;
  readonly goodput: Goodput | null;
}

/** In every repetition each level is measured once, to and fro, so that drift of the machine falls on all alike. */
export async function measureLevels(session: LoadSession, options: LevelOptions): Promise<LevelResult[]> {
  const { maxBatchSize, maxWaiting, sources, repetitions } = options;
  const levels = sources.map((source) => ({ source, runs: [] as LoadRun[] }));
  const engine = { maxBatchSize, ...(maxWaiting !== undefined && { maxWaiting }) };
  await session.withModel(engine, async (model) => {
    for (let repetition = 0; repetition < repetitions; repetition++) {
      for (const { source, runs } of inOrderOf(repetition, levels)) {
        if (!session.tools.signal.aborted) runs.push(await session.measure(model, { ...options, source }));
      }
    }
  });
  return levels
    .filter(({ runs }) => runs.length > 0)
    .map(({ source, runs }) => levelResult(source, runs, options));
}

export function pooled(runs: readonly LoadRun[]): LoadRun {
  return {
    traces: runs.flatMap(({ traces }) => traces),
    durationMs: runs.reduce((sum, { durationMs }) => sum + durationMs, 0),
  };
}

function levelResult(
  source: Source,
  runs: readonly LoadRun[],
  { workload, warmupSeconds, maxBatchSize, goodput }: LevelOptions,
): LevelResult {
  return {
    loop: source.loop,
    concurrency: source.loop === 'closed' ? source.concurrency : null,
    requestRate: source.loop === 'open' ? source.requestRate : null,
    maxBatchSize,
    ...workload,
    warmupSeconds,
    repetitions: runs.length,
    goodput: goodput ?? null,
    ...summarise(pooled(runs), goodput),
  };
}
