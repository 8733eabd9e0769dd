// Trying again what may work the next time: how often, after which waits, for which failures.
// Of our own because cockatiel's retry sleeps on when its signal aborts, by a timer that tests cannot own, and costs
// each successful call two more promises.
import { setTimeout as delay } from 'node:timers/promises';
import { AbortedError, InhouseError } from '../errors.js';
import { checkOptions, invalidOption, rule } from '../options.js';
import { LONGEST_TIMER_MS } from '../providers/request.js';
import { atOnce, type OnFault } from './callbacks.js';
import { classify } from './failure-class.js';

export interface RetryPolicy {
  /** Attempts after the first. */
  readonly maxRetries: number;
  /** Milliseconds before retry 1, 2, ...: 0 to 2 147 483 647. */
  waitMs(retry: number): number;
  retries(error: unknown): boolean;
}

export interface RetryOptions {
  /** Default true; false means one attempt. */
  readonly enabled?: boolean | undefined;
  /** Default 3, so four attempts in all. */
  readonly maxRetries?: number | undefined;
  /** Scales the waits of 1, 2, 4, 8 and then always 10 seconds; these stay at most 10 s. Default 1. */
  readonly backoffFactor?: number | undefined;
  /** Also wait for a place in our own queue when it is full. Default false. */
  readonly whenQueueFull?: boolean | undefined;
}

const timer = rule.number(0, LONGEST_TIMER_MS);

const LONGEST_BACKOFF_MS = 10_000;
/** A provider that asks for more patience than this does not get another call. */
const LONGEST_RETRY_AFTER_MS = 60_000;

/** Doubling waits for all failures that may pass. @throws InvalidInputError for an option out of its range */
export function retryPolicy(options: RetryOptions = {}): RetryPolicy {
  checkOptions('retry', options, {
    enabled: rule.boolean,
    maxRetries: rule.integer(0, 100),
    backoffFactor: rule.number(0),
    whenQueueFull: rule.boolean,
  });
  const { enabled = true, maxRetries = 3, backoffFactor = 1, whenQueueFull = false } = options;
  return {
    maxRetries: enabled ? maxRetries : 0,
    waitMs: (retry) => Math.min(backoffFactor * 2 ** (retry - 1) * 1000, LONGEST_BACKOFF_MS),
    retries: (error) => {
      const failure = classify(error);
      return failure === 'transient' || failure === 'throttled' || (failure === 'busy' && whenQueueFull);
    },
  };
}

/** A gateway's: only for connections that were never established, after 1 s and 1.5 s. */
export const GATEWAY_RETRY: RetryPolicy = {
  maxRetries: 2,
  waitMs: (retry) => 1000 * 1.5 ** (retry - 1),
  retries: (error) => error instanceof InhouseError && error.code === 'INHOUSE_PROVIDER_UNREACHABLE',
};

/**
 * Milliseconds to wait after attempt `attempt` (1, 2, ...) failed with `error`, or undefined to give up.
 * The Retry-After of a provider is obeyed where it is longer than the schedule.
 * @throws InvalidInputError for a wait that no timer can make, and what the policy throws
 */
export function nextWaitMs(policy: RetryPolicy, attempt: number, error: unknown): number | undefined {
  if (attempt > policy.maxRetries || !atOnce(policy.retries(error))) return undefined;
  const askedMs = retryAfterMs(error);
  if (askedMs > LONGEST_RETRY_AFTER_MS) return undefined;
  const waitMs = atOnce(policy.waitMs(attempt));
  const expected = timer(waitMs);
  if (expected) throw invalidOption('retryPolicy', `waitMs(${attempt})`, waitMs, expected);
  return Math.max(waitMs, askedMs);
}

function retryAfterMs(error: unknown): number {
  const seconds = error instanceof InhouseError ? error.details.retryAfterSeconds : undefined;
  return typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : 0;
}

/** Fulfils after `ms`, or rejects as soon as the signal aborts. */
export type Sleep = (ms: number, signal?: AbortSignal) => Promise<void>;

/** @throws AbortedError when the signal aborts */
export const systemSleep: Sleep = async (ms, signal) => {
  try {
    await delay(ms, undefined, signal && { signal });
  } catch (cause) {
    throw new AbortedError('INHOUSE_ABORTED', 'Aborted while waiting to try again.', { cause });
  }
};

/** As `sleep`, but over as soon as the reader of a stream leaves. */
export function whileRead(readerLeft: AbortSignal, sleep: Sleep = systemSleep): Sleep {
  return async (ms, signal) => {
    const end = signal === undefined ? readerLeft : AbortSignal.any([signal, readerLeft]);
    try {
      await sleep(ms, end);
    } catch (error) {
      if (signal?.aborted || !readerLeft.aborted) throw error;
    }
  };
}

export interface FailedAttempt {
  /** From 1. */
  readonly attempt: number;
  /** Until the next one. */
  readonly waitMs: number;
  readonly error: unknown;
}

export interface RetryRun {
  readonly policy: RetryPolicy;
  readonly signal?: AbortSignal | undefined;
  readonly sleep?: Sleep | undefined;
  /** Told of each attempt that will be followed by another. */
  readonly onRetry?: ((failed: FailedAttempt) => void) | undefined;
  /** Told of what is wrong with the policy. */
  readonly onFault?: OnFault | undefined;
}

/**
 * Runs `attempt(2)`, then 3, ... after the first has failed with `error`, until one fulfils. The first is the caller's, so
 * that a success costs nothing.
 * Rejects with the last failure, also where the policy fails, or with AbortedError when the signal aborts between attempts.
 */
export async function retryAfter<T>(
  error: unknown,
  attempt: (number: number) => T | Promise<T>,
  { policy, signal, sleep = systemSleep, onRetry, onFault }: RetryRun,
): Promise<T> {
  let failure = error;
  for (let number = 1; ; number++) {
    let waitMs: number | undefined;
    try {
      waitMs = nextWaitMs(policy, number, failure);
    } catch (fault) {
      onFault?.('retry policy', fault);
    }
    if (waitMs === undefined) throw failure;
    onRetry?.({ attempt: number, waitMs, error: failure });
    await sleep(waitMs, signal);
    try {
      return await attempt(number + 1);
    } catch (next) {
      failure = next;
    }
  }
}
