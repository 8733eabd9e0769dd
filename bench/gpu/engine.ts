// What callers get through the engine: requests of a fixed length from a fixed number of callers, as many as it serves.

import type { Model } from '../../src/model.js';
import { closedLoop } from '../serve-load/drive.js';
import { type Distribution, summarise } from '../serve-load/metrics.js';
import type { RequestTrace, Send } from '../serve-load/trace.js';
import { requestsOf } from '../serve-load/workload.js';
import type { Sizes, VerifiedPrecision } from './plan.js';
import { openModel, type Subject } from './runners.js';

export interface EngineResult {
  readonly precision: VerifiedPrecision;
  readonly device: string;
  readonly concurrency: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly completed: number;
  readonly failed: number;
  readonly requestsPerSecond: number;
  readonly outputTokensPerSecond: number;
  readonly ttftMs: Distribution | null;
  readonly itlMs: Distribution | null;
  /** Of the GPU, by all processes, right after; null where it was not on one. */
  readonly deviceUsedBytes: number | null;
  /** Brought back from the device per token that a step drew. */
  readonly fetchedBytesPerToken: number | null;
}

const SEED = 1;
/** Room for a prompt of every caller in a step, so that they begin together. */
const TOKENS_PER_STEP = 2048;
const WARM_UP_SHARE = 0.3;

/** One level of concurrency; the first requests warm up and are left out. */
export async function engineResult(
  subject: Subject,
  concurrency: number,
  { promptTokens, outputTokens, seconds }: Sizes['engine'],
  signal: AbortSignal,
): Promise<EngineResult> {
  const options = { maxBatchSize: concurrency, maxTokensPerStep: TOKENS_PER_STEP, prefixCacheRows: 0 };
  await using model = await openModel(subject, { ...options, kvMemoryLimitBytes: kvBytes(concurrency) });
  const run = async (durationMs: number, seed: number) => {
    const traces: RequestTrace[] = [];
    const { vocabularySize } = model.info();
    const workload = {
      inputLen: { kind: 'fixed', most: promptTokens },
      outputLen: { kind: 'fixed', most: outputTokens },
      seed,
    } as const;
    const beginMs = performance.now();
    await closedLoop(
      {
        send: sendGreedy(model),
        nextRequest: requestsOf(workload, vocabularySize),
        durationMs,
        signal,
        onTrace: (trace) => traces.push(trace),
      },
      { concurrency, batchSize: 1 },
    );
    return { traces, durationMs: performance.now() - beginMs };
  };
  await run(seconds * 1000 * WARM_UP_SHARE, SEED);
  const summary = summarise(await run(seconds * 1000, SEED + 1));
  const { device, decodeTokens } = await model.statistics();
  return {
    precision: subject.precision,
    device: subject.device,
    concurrency,
    promptTokens,
    outputTokens,
    completed: summary.completed,
    failed: summary.failed,
    requestsPerSecond: summary.requestThroughput,
    outputTokensPerSecond: summary.outputThroughput,
    ttftMs: summary.ttftMs,
    itlMs: summary.itlMs,
    deviceUsedBytes: device?.usedBytes ?? null,
    fetchedBytesPerToken: device ? device.fetchedBytes / decodeTokens : null,
  };
}

/** Nothing that would take more of the device than its candidates; random weights hardly ever meet the stop token. */
function sendGreedy(model: Model): Send {
  return async ({ prompt, outputTokens }, onTokens, signal) => {
    const stream = model.stream(prompt, { maxTokens: outputTokens, temperature: 0, signal });
    for await (const { tokens } of stream) onTokens(tokens.length);
    const { cachedTokens, finishReason } = await stream.result;
    return { cachedTokens, aborted: finishReason === 'abort' };
  };
}

/** More than so many rows of GPT-2 ever claim: the engine's limit must not be what is measured. */
function kvBytes(rows: number): number {
  return rows * 2 ** 27;
}
