import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ProviderError } from '#inhouse/errors.js';
import { AttemptWatch } from '#inhouse/governance/attempt-watch.js';
import { FakeClock } from '../support/fake-clock.js';

const hanging = new Promise<never>(() => {});

describe('C-66: an attempt that hangs', () => {
  let clock: FakeClock;
  let watch: AttemptWatch;
  beforeEach(() => {
    vi.useFakeTimers();
    clock = new FakeClock();
    watch = new AttemptWatch(clock);
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  const within = async <T>(timeoutMs: number, attempt: Promise<T>): Promise<T> => {
    const watched = watch.begin(attempt, timeoutMs);
    try {
      return await watched.answer;
    } finally {
      watch.end(watched);
    }
  };
  const pass = async (ms: number) => {
    clock.advance(ms);
    await vi.advanceTimersByTimeAsync(ms);
  };

  it('C-66: ends with a typed error, a second after the provider should have ended it', async () => {
    const settled = vi.fn();
    const running = within(60_000, hanging);
    running.catch(settled);
    await pass(61_000);
    expect(settled).not.toHaveBeenCalled();
    await pass(500);
    await expect(running).rejects.toMatchObject({
      code: 'INHOUSE_TIMEOUT',
      details: { timeoutMs: 60_000 },
    });
  });

  it('does not end the others', async () => {
    const slow = within(10_000, hanging);
    const settled = vi.fn();
    slow.then(settled, settled);
    const quick = within(1000, hanging);
    quick.catch(() => {});
    await pass(3000);
    await expect(quick).rejects.toMatchObject({ code: 'INHOUSE_TIMEOUT' });
    expect(settled).not.toHaveBeenCalled();
  });

  it('an answer or a failure in time passes, and leaves no timer behind', async () => {
    const crash = new ProviderError('INHOUSE_PROVIDER_FAILED', 'crash');
    expect(await within(1000, Promise.resolve('answer'))).toBe('answer');
    await expect(within(1000, Promise.reject(crash))).rejects.toBe(crash);
    await pass(500);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('watches over later attempts as over the first', async () => {
    await within(1000, Promise.resolve());
    await pass(500);
    const later = within(1000, hanging);
    later.catch(() => {});
    await pass(2500);
    await expect(later).rejects.toMatchObject({ code: 'INHOUSE_TIMEOUT' });
  });
});
