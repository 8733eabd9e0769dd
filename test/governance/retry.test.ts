import { describe, expect, it, vi } from 'vitest';
import {
  type ErrorCode,
  InhouseError,
  InvalidInputError,
  ProviderError,
  QueueFullError,
} from '#inhouse/errors.js';
import { blamesProvider, classify } from '#inhouse/governance/failure-class.js';
import {
  GATEWAY_RETRY,
  nextWaitMs,
  type RetryOptions,
  type RetryPolicy,
  type RetryRun,
  retryAfter,
  retryPolicy,
} from '#inhouse/governance/retry.js';
import { bench, REQUEST, rejection } from './support/governed.js';

const crash = new ProviderError('INHOUSE_PROVIDER_FAILED', 'crash');
const throttled = (retryAfterSeconds: number) =>
  new ProviderError('INHOUSE_PROVIDER_RATE_LIMITED', 'wait', { details: { retryAfterSeconds } });

/** The first attempt and those after it, as the pipeline makes them. */
async function retry<T>(attempt: (number: number) => T | Promise<T>, run: RetryRun): Promise<T> {
  try {
    return await attempt(1);
  } catch (error) {
    return retryAfter(error, attempt, run);
  }
}

/** What a provider that always fails with `error` sees: its attempts, and the waits between them in seconds. */
async function failing(
  error: unknown,
  policy = retryPolicy(),
): Promise<{ attempts: number; waits: number[] }> {
  const waits: number[] = [];
  let attempts = 0;
  const run = async (number: number): Promise<never> => {
    attempts++;
    expect(number).toBe(attempts);
    throw error;
  };
  const sleep = async (ms: number) => void waits.push(ms / 1000);
  await expect(retry(run, { policy, sleep })).rejects.toBe(error);
  return { attempts, waits };
}

describe('schedule', () => {
  it.each<[RetryOptions, number[]]>([
    [{}, [1, 2, 4]],
    [{ maxRetries: 6 }, [1, 2, 4, 8, 10, 10]],
    [{ maxRetries: 6, backoffFactor: 0.5 }, [0.5, 1, 2, 4, 8, 10]],
    [{ maxRetries: 6, backoffFactor: 2 }, [2, 4, 8, 10, 10, 10]],
    [{ maxRetries: 2, backoffFactor: 0 }, [0, 0]],
  ])('C-63: %j waits %j seconds', async (options, waits) => {
    expect((await failing(crash, retryPolicy(options))).waits).toEqual(waits);
  });

  it('C-64 D-18: makes one attempt more than retries, and one when disabled', async () => {
    expect((await failing(crash)).attempts).toBe(4);
    expect((await failing(crash, retryPolicy({ maxRetries: 0 }))).attempts).toBe(1);
    expect((await failing(crash, retryPolicy({ enabled: false }))).attempts).toBe(1);
  });

  it('C-67 G-10: the gateway makes 3 attempts, after 1 s and 1.5 s, for connections that failed', async () => {
    const unreachable = new ProviderError('INHOUSE_PROVIDER_UNREACHABLE', 'no connection');
    expect(await failing(unreachable, GATEWAY_RETRY)).toEqual({ attempts: 3, waits: [1, 1.5] });
    expect(await failing(crash, GATEWAY_RETRY)).toEqual({ attempts: 1, waits: [] });
    expect(await failing(throttled(1), GATEWAY_RETRY)).toEqual({ attempts: 1, waits: [] });
  });

  it('obeys a Retry-After that is longer, and does not wait for one beyond a minute', async () => {
    expect((await failing(throttled(3))).waits).toEqual([3, 3, 4]);
    expect(await failing(throttled(61))).toEqual({ attempts: 1, waits: [] });
    expect(await failing(throttled(1e300))).toEqual({ attempts: 1, waits: [] });
    expect((await failing(throttled(Number.NaN))).waits).toEqual([1, 2, 4]);
    expect((await failing(throttled(-5))).waits).toEqual([1, 2, 4]);
  });

  it.each<RetryOptions>([
    { maxRetries: -1 },
    { maxRetries: 1.5 },
    { backoffFactor: -1 },
    { backoffFactor: Number.NaN },
    { jitter: true } as object,
  ])('%j is refused', (options) => {
    expect(() => retryPolicy(options)).toThrow(InvalidInputError);
  });
});

describe('attempts', () => {
  it('D-01: a fault of the first attempt is retried, and the second answer returned', async () => {
    const failed: unknown[] = [];
    const run = vi.fn(async (number: number) => {
      if (number === 1) throw crash;
      return 'answer';
    });
    const onRetry = (each: unknown) => failed.push(each);
    expect(await retry(run, { policy: retryPolicy(), sleep: async () => {}, onRetry })).toBe('answer');
    expect(run.mock.calls).toEqual([[1], [2]]);
    expect(failed).toEqual([{ attempt: 1, waitMs: 1000, error: crash }]);
  });

  it('an attempt that throws instead of rejecting is retried as well', async () => {
    let calls = 0;
    const run = () => {
      calls++;
      if (calls === 1) throw crash;
      return 'answer';
    };
    expect(await retry(run, { policy: retryPolicy(), sleep: async () => {} })).toBe('answer');
  });

  it('a policy may be an object with a state of its own', async () => {
    class Steady implements RetryPolicy {
      readonly baseMs = 300;
      readonly maxRetries = 2;
      readonly codes = ['INHOUSE_PROVIDER_FAILED'];
      waitMs(retry: number) {
        return this.baseMs * retry;
      }
      retries(error: unknown) {
        return this.codes.includes((error as InhouseError).code);
      }
    }
    const { governed, waits } = bench({ retryPolicy: new Steady() }, { fault: () => crash });
    expect(await rejection(governed.complete(REQUEST))).toBe(crash);
    expect(waits).toEqual([300, 600]);
  });

  it.each<[string, () => unknown]>([
    ['NaN', () => Number.NaN],
    ['a negative number', () => -1],
    ['more than a timer can wait', () => 2 ** 31],
    ['Infinity', () => Number.POSITIVE_INFINITY],
    ['nothing', () => undefined],
    [
      'a promise',
      async () => {
        throw new Error('settings are down');
      },
    ],
    [
      'an exception',
      () => {
        throw new Error('broken');
      },
    ],
  ])('a policy whose wait is %s ends the attempts, and is counted', async (_, waitMs) => {
    const policy = { maxRetries: 3, waitMs, retries: () => true } as RetryPolicy;
    const { governed, served, waits } = bench({ retryPolicy: policy }, { fault: () => crash });
    expect(await rejection(governed.complete(REQUEST))).toBe(crash);
    expect([served.length, waits]).toEqual([1, []]);
    expect(governed.status()).toMatchObject({ faults: 1, lastFault: { source: 'callback' } });
  });

  it.each<object>([
    { maxRetries: 3 },
    { ...GATEWAY_RETRY, maxRetries: Number.NaN },
    { ...GATEWAY_RETRY, waitMs: 1000 },
  ])('%j is no policy', (policy) => {
    expect(() => bench({ retryPolicy: policy as RetryPolicy })).toThrow(/retryPolicy is an object/);
  });

  it('aborting ends the wait at once, and no further attempt is made', async () => {
    const controller = new AbortController();
    let attempts = 0;
    const run = async () => {
      attempts++;
      throw crash;
    };
    const running = retry(run, {
      policy: retryPolicy({ backoffFactor: 5 }),
      signal: controller.signal,
      onRetry: () => setImmediate(() => controller.abort(new Error('enough'))),
    });
    await expect(running).rejects.toMatchObject({ code: 'INHOUSE_ABORTED' });
    expect(attempts).toBe(1);
  });
});

describe('C-65 D-19: classes of failures', () => {
  it.each<[ErrorCode, string, boolean]>([
    ['INHOUSE_TIMEOUT', 'transient', true],
    ['INHOUSE_PROVIDER_UNREACHABLE', 'transient', true],
    ['INHOUSE_PROVIDER_DISCONNECTED', 'transient', true],
    ['INHOUSE_PROVIDER_FAILED', 'transient', true],
    ['INHOUSE_RUNTIME_STEP', 'transient', true],
    ['INHOUSE_PROVIDER_RATE_LIMITED', 'throttled', false],
    ['INHOUSE_QUEUE_FULL', 'busy', false],
    ['INHOUSE_RUNTIME_LOAD', 'fault', true],
    ['INHOUSE_PROVIDER_MALFORMED', 'fault', true],
    ['INHOUSE_PROVIDER_TOO_LARGE', 'fault', true],
    ['INHOUSE_INVALID_OPTION', 'refused', false],
    ['INHOUSE_CONTEXT_OVERFLOW', 'refused', false],
    ['INHOUSE_TAG_REFUSED', 'refused', false],
    ['INHOUSE_POLICY_BLOCKED', 'refused', false],
    ['INHOUSE_POLICY_RATE_LIMITED', 'refused', false],
    ['INHOUSE_BUDGET_EXCEEDED', 'refused', false],
    ['INHOUSE_CIRCUIT_OPEN', 'refused', false],
    ['INHOUSE_ABORTED', 'refused', false],
    ['INHOUSE_MODEL_NOT_SERVED', 'refused', false],
    ['INHOUSE_TENSOR_SHAPE', 'refused', false],
    ['INHOUSE_PROVIDER_UNAUTHORIZED', 'refused', false],
    ['INHOUSE_PROVIDER_REJECTED', 'refused', false],
    ['INHOUSE_DISPOSED', 'refused', false],
  ])('C-65: %s is %s', async (code, failure, blamed) => {
    const error = new InhouseError(code, 'failed');
    expect(classify(error)).toBe(failure);
    expect(blamesProvider(classify(error))).toBe(blamed);
    const retried = failure === 'transient' || failure === 'throttled';
    expect((await failing(error)).attempts).toBe(retried ? 4 : 1);
  });

  it.each<[string, unknown, string]>([
    ['a lost connection', Object.assign(new Error('reset'), { code: 'ECONNRESET' }), 'transient'],
    [
      'a timeout of the HTTP client',
      Object.assign(new Error('slow'), { code: 'UND_ERR_HEADERS_TIMEOUT' }),
      'transient',
    ],
    ['HTTP 503 of another client', Object.assign(new Error('down'), { status: 503 }), 'transient'],
    ['HTTP 429 of another client', Object.assign(new Error('wait'), { status: 429 }), 'throttled'],
    ['HTTP 404 of another client', Object.assign(new Error('where'), { status: 404 }), 'refused'],
    ['an aborted signal', AbortSignal.abort().reason, 'refused'],
    ['a signal that timed out', new DOMException('late', 'TimeoutError'), 'transient'],
    ['a bug', new TypeError('undefined is not a function'), 'fault'],
    ['a thrown string', 'oops', 'fault'],
    ['nothing', undefined, 'fault'],
  ])('C-65: %s', (_, error, failure) => {
    expect(classify(error)).toBe(failure);
  });

  it('C-65: a full queue is waited for where the caller says so, as long as it asks', () => {
    const full = new QueueFullError('INHOUSE_QUEUE_FULL', 'full', { details: { retryAfterSeconds: 30 } });
    expect(nextWaitMs(retryPolicy(), 1, full)).toBeUndefined();
    expect(nextWaitMs(retryPolicy({ whenQueueFull: true }), 1, full)).toBe(30_000);
  });
});
