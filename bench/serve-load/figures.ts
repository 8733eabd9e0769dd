// What continuous batching promises, one figure each, with its target: how throughput grows with the callers, how much
// a long prompt disturbs the streams that run, what a known beginning and the KV cache save, what the scheduling costs.
import type { EngineEvent } from '../../src/engine/events.js';
import type { Model } from '../../src/model.js';
import { inOrderOf } from '../run/plan.js';
import { measureAdmission } from './admission.js';
import { type Figure, figure } from './figure.js';
import { measureKvCache } from './kv-cache.js';
import { pooled } from './levels.js';
import { type LoadRun, summarise } from './metrics.js';
import { measurePrefix } from './prefix.js';
import type { LoadSession } from './session.js';

export interface FigureOptions {
  readonly seed: number;
  /** Less of everything. */
  readonly quick: boolean;
}

type StepEvent = Extract<EngineEvent, { type: 'step' }>;

const MOST_ROWS = 16;
const LEVELS = [1, 8, MOST_ROWS];

export async function measureFigures(session: LoadSession, options: FigureOptions): Promise<Figure[]> {
  const steps: StepEvent[] = [];
  const onEvent = (event: EngineEvent) => {
    if (event.type === 'step' && event.decodeRows === MOST_ROWS) steps.push(event);
  };
  return session.withModel({ maxBatchSize: MOST_ROWS, onEvent }, async (model) => {
    const figures = await measureScaling(session, model, options);
    figures.push(schedulerCost(steps));
    if (!session.tools.signal.aborted) figures.push(await measureAdmission(session, model, options));
    if (!session.tools.signal.aborted) figures.push(await measurePrefix(session, model, options));
    if (!session.tools.signal.aborted) figures.push(...(await measureKvCache(session, model, options)));
    return figures;
  });
}

/** 100-token outputs after 64-token prompts. */
async function measureScaling(
  session: LoadSession,
  model: Model,
  { seed, quick }: FigureOptions,
): Promise<Figure[]> {
  const levels = LEVELS.map((concurrency) => ({ concurrency, runs: [] as LoadRun[] }));
  for (let repetition = 0; repetition < (quick ? 1 : 4); repetition++) {
    for (const { concurrency, runs } of inOrderOf(repetition, levels)) {
      if (session.tools.signal.aborted) break;
      const run = await session.measure(model, {
        source: { loop: 'closed', concurrency, batchSize: 1 },
        workload: { inputLen: { kind: 'fixed', most: 64 }, outputLen: { kind: 'fixed', most: 100 }, seed },
        durationSeconds: quick ? 10 : 20,
        warmupSeconds: 2,
      });
      runs.push(run);
    }
  }
  return scaling(levels.map(({ runs }) => summarise(pooled(runs)).outputThroughput));
}

/** `tokensPerSecond` at concurrency 1, 8 and 16. */
export function scaling([one = 0, eight = 0, sixteen = 0]: readonly number[]): Figure[] {
  const detail = { tokensPerSecondAt1: one, tokensPerSecondAt8: eight, tokensPerSecondAt16: sixteen };
  return [
    figure('tokens/s at concurrency 8 over 1', eight / one, { atLeast: 3 }, detail),
    figure('tokens/s at concurrency 16 over 1', sixteen / one, { atLeast: 4 }, detail),
  ];
}

/** The time of deciding what to compute, as a share of whole steps. */
export function schedulerCost(steps: readonly Pick<StepEvent, 'schedulerMs' | 'stepMs'>[]): Figure {
  const schedulerMs = steps.reduce((sum, step) => sum + step.schedulerMs, 0);
  const stepMs = steps.reduce((sum, step) => sum + step.stepMs, 0);
  return figure(
    'scheduler share of a step, 16 rows',
    schedulerMs / stepMs,
    { atMost: 0.01 },
    {
      steps: steps.length,
      meanSchedulerMs: schedulerMs / steps.length,
      meanStepMs: stepMs / steps.length,
    },
  );
}
