// What a call reserves is the most it can cost: whatever the prompt leaves of the context, whoever knows the context.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { govern } from '#inhouse/governance/governed-provider.js';
import { PricingCatalogue } from '#inhouse/governance/pricing/catalogue.js';
import { stub } from '#inhouse/providers/stub.js';
import { FakeClock } from '../support/fake-clock.js';

const CHARACTERS_PER_TOKEN = 4;

describe('a reservation', () => {
  it('is not overrun by any call that a local model takes, up to the last position and the token after it', async () => {
    const contextLengths = [64, 1024, 2048];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...contextLengths),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.option(fc.integer({ min: 1, max: 100 }), { nil: undefined }),
        async (contextLength, filled, maxTokens) => {
          const most = contextLength + 1 - (maxTokens ?? 1);
          const promptTokens = Math.max(1, Math.round(filled * most));
          const left = contextLength + 1 - promptTokens;
          const text = 'word'.repeat(maxTokens ?? left);
          const governed = govern(stub({ name: 'gpt2', contextLength, text }));
          const prompt = 'x'.repeat(promptTokens * CHARACTERS_PER_TOKEN);
          fc.pre(promptTokens + (maxTokens ?? 1) <= contextLength + 1);
          const { governance, usage } = await governed.complete({ model: 'gpt2', prompt, maxTokens });
          expect(usage.completionTokens).toBe(maxTokens ?? left);
          expect(governance.cost.deltaUsd).toBeCloseTo(0, 15);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('made by tokens does not end a stream that is charged by time; one made by time does', async () => {
    const serviceMs = (call: number) => (call === 0 ? 200 : 2000);
    const clock = new FakeClock();
    const sleep = async (ms: number) => clock.advance(ms);
    const now = () => clock.monotonic();
    const provider = stub({ name: 'gpt2', text: 'word'.repeat(20), serviceMs, sleep, now });
    const pricing = new PricingCatalogue({ charge: 'infrastructure' });
    const governed = govern(provider, { governancePolicy: 'strict', pricing, clock });
    const request = { model: 'gpt2', prompt: 'word', maxTokens: 20 };
    const first = await governed.stream(request).result;
    expect(first.finishReason).toBe('stop');
    expect(first.governance.cost.deltaUsd).toBeGreaterThan(0);
    const second = await governed.stream(request).result;
    expect(second.finishReason).toBe('budget');
  });
});
