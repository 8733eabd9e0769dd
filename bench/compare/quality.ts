// What quantizing costs in quality, for one candidate: a text scored beside FP32, and greedy text to read.
import type { Runner } from '../../src/runtime/runner.js';
import { type Fidelity, measureFidelity } from '../../src/scoring/fidelity.js';
import { rowOptions } from '../run/measure.js';
import { openCandidate, type Place } from './open.js';
import { SAMPLES } from './plan.js';

export interface QualityTask extends Place {
  readonly kind: 'quality';
  /** The text, as token ids. */
  readonly ids: readonly number[];
  readonly window: number;
  readonly promptTokens: number;
  readonly eosTokenIds: readonly number[];
}

export interface QualitySample {
  readonly fidelity: Fidelity;
  /** The greedy continuation of the text's first `promptTokens` tokens, an end token left out. */
  readonly continuation: readonly number[];
}

/** FP32 comes from the same kind of runner, so that the precision alone differs. */
export async function measureQuality(task: QualityTask): Promise<QualitySample> {
  const { candidate, ids, window } = task;
  const reference = await openCandidate({ ...task, candidate: { ...candidate, precision: 'fp32' } }, 1);
  const runner = candidate.precision === 'fp32' ? reference : await openCandidate(task, 1);
  const fidelity = await measureFidelity(reference, runner, ids, { window });
  const continuation = await continueGreedily(runner, task);
  await Promise.all([runner.dispose(), reference.dispose()]);
  return { fidelity, continuation };
}

async function continueGreedily(
  runner: Runner,
  { ids, promptTokens, eosTokenIds: stopTokenIds }: QualityTask,
): Promise<readonly number[]> {
  const prompt = ids.slice(0, promptTokens);
  const usual = rowOptions(runner);
  const sampling = { ...usual.sampling, stopTokenIds, repetitionPenalty: SAMPLES.repetitionPenalty };
  await runner.openRow(0, { ...usual, prompt, sampling });
  const first = await runner.prefill(0, prompt, { sample: true });
  const steps = Math.min(SAMPLES.newTokens, runner.info.contextLength - prompt.length) - 1;
  const ended = stopTokenIds.includes(first.token) || steps < 1;
  const rest = ended ? [] : (await runner.decode(1, steps))[0]!;
  return [first, ...rest].map(({ token }) => token).filter((token) => !stopTokenIds.includes(token));
}
