// The options of a model's engine, in the words users know from other engines, and what they resolve to.
import { invalidOption, rule } from '../options.js';
import type { DeviceStatistics, RunnerInfo, RunnerStatistics } from '../runtime/runner.js';
import type { EventListener } from './events.js';
import { defaultKvLimitBytes, deviceKvLimitBytes } from './kv-memory.js';

export interface EngineOptions {
  /** Choices that are computed together; more wait. Default 8. */
  readonly maxBatchSize?: number;
  /** Tokens computed per step, over all choices; more than maxBatchSize. Default 512. */
  readonly maxTokensPerStep?: number;
  /**
   * Prompt tokens computed per step while other choices decode. Default: as many as take a little less time than the
   * decoding, by measurement.
   */
  readonly chunkSize?: number;
  /**
   * Choices that may wait, beside those that find a row free; a request beyond that is refused with a `QueueFullError`.
   * As many calls of `score` and `embed`, counted for themselves, may wait beside the one whose turn it is. Default 1024.
   */
  readonly maxWaiting?: number;
  /**
   * Milliseconds that an idle engine waits for maxBatchSize choices before it begins, but no request for more than half
   * of its timeoutMs. Default 0: it never waits.
   */
  readonly batchTimeoutMs?: number;
  /**
   * Memory that the KV cache may take, finished sequences included. Default: half of what is free after loading, on the
   * GPU where that computes, else in the process's control group too.
   */
  readonly kvMemoryLimitBytes?: number;
  /**
   * Finished sequences whose KV is kept for requests that begin alike; 0 turns the prefix cache off. Default 8, and 0 on
   * the portable runner, where every row takes as much memory as the longest.
   */
  readonly prefixCacheRows?: number;
  /** Told what the engine does. What it throws becomes a warning. */
  readonly onEvent?: EventListener;
  /** For debugging: check the engine's bookkeeping after every step, and fail all requests when it is wrong. Default false. */
  readonly checkInvariants?: boolean;
}

/** Options with every default in place. */
export interface EngineSettings {
  readonly maxBatchSize: number;
  readonly maxTokensPerStep: number;
  readonly chunkSize: number | undefined;
  readonly maxWaiting: number;
  readonly batchTimeoutMs: number;
  readonly kvLimitBytes: number;
  readonly kvBytesPerToken: number;
  /** Rows take memory by so many positions. */
  readonly pageTokens: number;
  readonly prefixCacheRows: number;
  /** What the runner's device said after loading, where it has one. */
  readonly device: DeviceStatistics | undefined;
  readonly onEvent: EventListener | undefined;
  readonly checkInvariants: boolean;
}

export const ENGINE_RULES = {
  maxBatchSize: rule.integer(1, 256),
  maxTokensPerStep: rule.integer(2, 2 ** 20),
  chunkSize: rule.integer(1, 2 ** 20),
  maxWaiting: rule.integer(1, 2 ** 24),
  batchTimeoutMs: rule.number(0, 60_000),
  kvMemoryLimitBytes: rule.integer(1),
  prefixCacheRows: rule.integer(0, 256),
  onEvent: rule.function,
  checkInvariants: rule.boolean,
};

const DEFAULT_BATCH_SIZE = 8;
const DEFAULT_TOKENS_PER_STEP = 512;
const DEFAULT_CACHE_ROWS = 8;

/** A multiple of what a memory page holds of a row, on the systems and head sizes there are. */
const PAGE_TOKENS = 64;
/** Rows on a device grow by so many positions. */
const DEVICE_PAGE_TOKENS = 128;

/** Rows that the runner must have. Throws `INHOUSE_INVALID_OPTION` where two options contradict each other. */
export function runnerRows(caller: string, options: EngineOptions): number {
  const { maxBatchSize, maxTokensPerStep } = withDefaults(options);
  if (maxTokensPerStep <= maxBatchSize) {
    throw invalidOption(
      caller,
      'maxTokensPerStep',
      maxTokensPerStep,
      `more than maxBatchSize, ${maxBatchSize}: every choice gets one token per step, and prompts get the rest`,
    );
  }
  return maxBatchSize + (options.prefixCacheRows ?? DEFAULT_CACHE_ROWS);
}

/** `statistics` are the runner's, after loading. Reads how much memory is free in the process. */
export function resolveEngineOptions(
  options: EngineOptions,
  { kind, contextLength }: Pick<RunnerInfo, 'kind' | 'contextLength'>,
  { kv, device }: Pick<RunnerStatistics, 'kv' | 'device'>,
): EngineSettings {
  const pageTokens = device ? DEVICE_PAGE_TOKENS : PAGE_TOKENS;
  const contextBytes = Math.ceil(contextLength / pageTokens) * pageTokens * kv.bytesPerToken;
  const limitBytes = () =>
    device ? deviceKvLimitBytes(contextBytes, device) : defaultKvLimitBytes(contextBytes);
  return {
    ...withDefaults(options),
    chunkSize: options.chunkSize,
    maxWaiting: options.maxWaiting ?? 1024,
    batchTimeoutMs: options.batchTimeoutMs ?? 0,
    kvLimitBytes: options.kvMemoryLimitBytes ?? limitBytes(),
    kvBytesPerToken: kv.bytesPerToken,
    pageTokens,
    prefixCacheRows: options.prefixCacheRows ?? (kind === 'native' ? DEFAULT_CACHE_ROWS : 0),
    device,
    onEvent: options.onEvent,
    checkInvariants: options.checkInvariants ?? false,
  };
}

function withDefaults({ maxBatchSize = DEFAULT_BATCH_SIZE, maxTokensPerStep }: EngineOptions) {
  return {
    maxBatchSize,
    maxTokensPerStep: maxTokensPerStep ?? Math.max(DEFAULT_TOKENS_PER_STEP, 2 * maxBatchSize),
  };
}
