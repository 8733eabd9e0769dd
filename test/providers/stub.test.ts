import { describe, expect, it } from 'vitest';
import { ProviderError } from '#inhouse/errors.js';
import { stub } from '#inhouse/providers/stub.js';
import { failFirst, failSometimes, serviceTimes } from '#inhouse/providers/stub-plans.js';
import { describeProvider, failures } from './conformance.js';

describeProvider('stub', async () => ({
  provider: stub(),
  slow: stub({ text: ' word'.repeat(400), serviceMs: 400 }),
  model: 'gpt2',
  contextLength: 1024,
  dispose: async () => {},
}));

const request = { model: 'gpt2', prompt: 'Hello there', maxTokens: 4 };
const fault = (call: number) => new ProviderError('INHOUSE_PROVIDER_FAILED', `call ${call}`);

describe('stub', () => {
  it('takes its service time from an injected clock', async () => {
    let now = 0;
    const waits: number[] = [];
    const provider = stub({
      serviceMs: serviceTimes(847.3, 0.1, 1),
      now: () => now,
      sleep: async (ms) => {
        waits.push(ms);
        now += ms;
      },
    });
    for (let call = 0; call < 200; call++) {
      expect((await provider.complete(request)).timings.totalMs).toBeCloseTo(waits.at(-1)!, 6);
    }
    const mean = waits.reduce((sum, ms) => sum + ms, 0) / waits.length;
    expect(Math.abs(mean - 847.3)).toBeLessThan(15); // 4 standard errors of an even spread of ±84.7 ms
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(847.3 * 0.9);
    expect(Math.max(...waits)).toBeLessThanOrEqual(847.3 * 1.1);
  });

  it('fails the share of calls it was told to, the same ones in every run', async () => {
    const outcomes = async (seed: number) => {
      const provider = stub({ fault: failSometimes(0.25, seed, fault) });
      const calls = Array.from({ length: 10_000 }, () => provider.complete(request));
      return (await Promise.allSettled(calls)).map(({ status }) => status);
    };
    const [first, again, other] = await Promise.all([outcomes(1), outcomes(1), outcomes(2)]);
    expect(first).toEqual(again);
    expect(first).not.toEqual(other);
    for (const run of [first, other]) {
      const failed = run.filter((status) => status === 'rejected').length;
      expect(Math.abs(failed - 2500)).toBeLessThan(3 * Math.sqrt(10_000 * 0.25 * 0.75));
      // Independence: as many failures follow a failure as their share says.
      const pairs = run.filter((status, i) => status === 'rejected' && run[i + 1] === 'rejected').length;
      expect(Math.abs(pairs - 625)).toBeLessThan(100); // 3 standard deviations are about 90
    }
  });

  it('fails the first calls, and no others', async () => {
    const provider = stub({ fault: failFirst(2, fault) });
    const errors = await failures([
      provider.complete(request),
      provider.embed({ model: 'gpt2', input: 'x' }),
    ]);
    expect(errors.map(({ message }) => message)).toEqual(['call 0', 'call 1']);
    expect((await provider.complete(request)).finishReason).toBe('length');
  });

  it('breaks a stream after some tokens', async () => {
    const provider = stub({ fault: failFirst(1, fault), tokensBeforeFault: 3 });
    const texts: string[] = [];
    const reading = (async () => {
      for await (const { text } of provider.stream(request)) texts.push(text);
    })();
    const [error] = await failures([reading]);
    expect(error!.message).toBe('call 0');
    expect(texts.length).toBe(3);
  });

  it('hangs until it is aborted', async () => {
    const provider = stub({ serviceMs: Number.POSITIVE_INFINITY });
    const controller = new AbortController();
    const pending = provider.complete(request, { signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    const [error] = await failures([pending]);
    expect(error).toMatchObject({ code: 'INHOUSE_ABORTED' });
  });
});
