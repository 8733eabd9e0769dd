// Measures one case once on a loaded runner. Each case warms up its own shapes first and leaves no row open.
import type { DeviceStatistics, RowOptions, Runner } from '../../src/runtime/runner.js';
import type { BenchCase, DecodeCase, PrefillCase } from './plan.js';
import type { Random } from './random.js';

/** What one repetition of a case gave. */
export interface Sample {
  /** Of one step: the whole prompt in prefill, one token of every row in decode. */
  readonly ms: number;
  /** Prefill only: until the first token was drawn. */
  readonly firstTokenMs: number | null;
  /** The rows' memory at the end of the step: what they need, and what backs them. */
  readonly kvUsedBytes: number;
  readonly kvCommittedBytes: number;
  /** At the end of the step, or after loading: see `DeviceMemory`. */
  readonly deviceHeldBytes: number | null;
  readonly deviceUsedBytes: number | null;
}

/** Of a GPU: what this model's allocator has taken, and what all processes have. Null on the CPU. */
export type DeviceMemory = Pick<Sample, 'deviceHeldBytes' | 'deviceUsedBytes'>;

export function deviceMemory(device: DeviceStatistics | undefined): DeviceMemory {
  return { deviceHeldBytes: device?.heldBytes ?? null, deviceUsedBytes: device?.usedBytes ?? null };
}

export interface MeasureTools {
  readonly random: Random;
  /** Aborting it makes a measurement reject with the signal's reason, between two calls of the runner. */
  readonly signal: AbortSignal;
}

const WARM_UP_STEPS = 2;

/** Nothing in play that could end a row or change its choice. */
export const GREEDY: RowOptions['sampling'] = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  logitBias: { ids: [], values: [] },
  seed: 0,
  stream: 0,
  stopTokenIds: [], // every row goes on to the end
  minTokens: 0,
  logprobs: undefined,
};

export function measureCase(runner: Runner, measured: BenchCase, tools: MeasureTools): Promise<Sample> {
  return measured.phase === 'prefill'
    ? measurePrefill(runner, measured, tools)
    : measureDecode(runner, measured, tools);
}

/** A greedy row that may use the whole context. */
export function rowOptions({ info }: Runner): RowOptions {
  return { capacity: info.contextLength, sampling: GREEDY, prompt: [], output: [] };
}

/** Milliseconds until the promise that `work` returns is fulfilled. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

async function measurePrefill(
  runner: Runner,
  { prompt }: PrefillCase,
  { random, signal }: MeasureTools,
): Promise<Sample> {
  const tokens = random.tokens(prompt, runner.info.vocabularySize);
  const again = async (sample: boolean) => {
    await runner.truncateRow(0, 0);
    signal.throwIfAborted();
    return timed(() => runner.prefill(0, tokens, { sample }));
  };
  await openRows(runner, 1);
  await again(true); // warm-up
  const ms = await again(false);
  const firstTokenMs = await again(true);
  return { ms, firstTokenMs, ...(await closeRows(runner, 1)) };
}

async function measureDecode(
  runner: Runner,
  { batch, depth, newTokens, stepsPerCall }: DecodeCase,
  { random, signal }: MeasureTools,
): Promise<Sample> {
  const { vocabularySize } = runner.info;
  /** Takes every row to `depth` positions and a token to go on from. */
  const begin = async () => {
    for (let row = 0; row < batch; row++) {
      await runner.truncateRow(row, depth - 1);
      await runner.prefill(row, random.tokens(1, vocabularySize), { sample: true });
    }
    signal.throwIfAborted();
  };
  await openRows(runner, batch);
  await fillRows(runner, batch, random.tokens(depth - 1, vocabularySize));
  await begin();
  await runner.decode(batch, Math.min(WARM_UP_STEPS, newTokens));
  await begin();
  const ms = await timed(async () => {
    for (let step = 0; step < newTokens; step += stepsPerCall) {
      signal.throwIfAborted();
      await runner.decode(batch, stepsPerCall);
    }
  });
  return { ms: ms / newTokens, firstTokenMs: null, ...(await closeRows(runner, batch)) };
}

async function openRows(runner: Runner, count: number): Promise<void> {
  for (let row = 0; row < count; row++) await runner.openRow(row, rowOptions(runner));
}

/** Puts the same tokens into all rows, computing them once. */
async function fillRows(runner: Runner, count: number, tokens: readonly number[]): Promise<void> {
  if (tokens.length === 0) return;
  await runner.prefill(0, tokens);
  for (let row = 1; row < count; row++) await runner.copyPrefix(0, row, tokens.length);
}

async function closeRows(runner: Runner, count: number): Promise<Omit<Sample, 'ms' | 'firstTokenMs'>> {
  const { kv, device } = await runner.statistics();
  for (let row = 0; row < count; row++) await runner.closeRow(row);
  return { kvUsedBytes: kv.usedBytes, kvCommittedBytes: kv.committedBytes, ...deviceMemory(device) };
}
