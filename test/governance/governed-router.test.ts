// A router under governance: held at the price of the dearest who may serve, counted at the price of who does.
import { describe, expect, it } from 'vitest';
import { ProviderError } from '#inhouse/errors.js';
import { dearest } from '#inhouse/governance/call-estimate.js';
import { governanceOf } from '#inhouse/governance/governance-report.js';
import { govern } from '#inhouse/governance/governed-provider.js';
import type { GovernOptions } from '#inhouse/governance/options.js';
import { PricingCatalogue } from '#inhouse/governance/pricing/catalogue.js';
import { balanced } from '#inhouse/providers/balanced.js';
import type { CompletionRequest, Provider } from '#inhouse/providers/provider.js';
import { router } from '#inhouse/providers/router.js';
import { type StubOptions, stub } from '#inhouse/providers/stub.js';
import { rejection, spy } from './support/governed.js';

/** 5 USD per million tokens; gpt2 costs 0.01 and 0.02. */
const LARGE = 'meta-llama/Meta-Llama-3.1-405B-Instruct-Turbo';
const REQUEST = { model: 'gpt2', prompt: 'word'.repeat(10), maxTokens: 10 } as const;
const NEAR_USD = (10 * 0.01 + 10 * 0.02) / 1e6;
const FAR_USD = (20 * 5) / 1e6;

const full = () => new ProviderError('INHOUSE_PROVIDER_RATE_LIMITED', 'full');
const text = 'word'.repeat(10);

function routed(near: StubOptions = {}, far: StubOptions = {}, options: GovernOptions = {}) {
  const routes = [
    { provider: stub({ name: 'gpt2', text, ...near }) },
    { provider: stub({ name: 'together', kind: 'remote', models: [LARGE], text, ...far }), model: LARGE },
  ];
  return govern(router(routes), { governancePolicy: 'enforced', enableRetry: false, ...options });
}

describe('a router under governance', () => {
  it('holds what the dearest route may cost, so that calls that spill over stay within the budget', async () => {
    const governed = routed({ fault: full }, {}, { dailyBudgetLimit: 4.5 * FAR_USD });
    const calls = await Promise.allSettled(Array.from({ length: 50 }, () => governed.complete(REQUEST)));
    expect(calls.filter(({ status }) => status === 'fulfilled')).toHaveLength(4);
    expect(governed.costSummary().totalCostUsd).toBeCloseTo(4 * FAR_USD, 12);
  });

  it('charges a call that did not spill over what it cost where it ran, time included', async () => {
    const { governance } = await routed().complete(REQUEST);
    expect(governance.cost.reservedUsd).toBeCloseTo(FAR_USD, 12);
    expect(governance.cost.actualUsd).toBeCloseTo(NEAR_USD, 15);
    expect(governance.cost.infrastructureUsd).toBeTypeOf('number');
    const spilled = await routed({ fault: full }).complete(REQUEST);
    expect(spilled.governance.cost.infrastructureUsd).toBeUndefined();
  });

  it('holds the output of a prompt that only a further route has room for', async () => {
    const far = { contextLength: 8192 };
    const prompt = 'word'.repeat(1500);
    const { governance, usage } = await routed({}, far).complete({ ...REQUEST, prompt });
    expect(usage).toMatchObject({ promptTokens: 1500, completionTokens: 10 });
    expect(governance.cost.deltaUsd).toBe(0);
  });

  it('prices the chunks of a stream at the provider that serves it', async () => {
    const stream = routed({ fault: full }, {}, { governancePolicy: 'strict' }).stream(REQUEST);
    const costs: number[] = [];
    for await (const { costUsd } of stream) costs.push(costUsd);
    const { finishReason, governance } = await stream.result;
    expect(finishReason).toBe('stop');
    expect(governance.cost.actualUsd).toBeCloseTo(FAR_USD, 12);
    expect(costs.at(-1)).toBe(governance.cost.actualUsd);
  });

  it('strict mode ends a stream that costs more than the dearest route was to cost', async () => {
    const far = stub({ name: 'together', kind: 'remote', models: [LARGE], text: 'word'.repeat(50) });
    const talkative: Provider = Object.assign(spy(far).provider, {
      stream: (request: CompletionRequest) => far.stream({ ...request, maxTokens: 50 }),
    });
    const routes = [{ provider: stub({ name: 'gpt2', fault: full }) }, { provider: talkative, model: LARGE }];
    const { finishReason, usage } = await govern(router(routes), { governancePolicy: 'strict' }).stream(
      REQUEST,
    ).result;
    expect(finishReason).toBe('budget');
    expect(usage.completionTokens).toBeLessThan(50);
  });

  it('books an answer that is refused, and work that failed, at the provider that did it', async () => {
    const policies = [
      { name: 'content_filter', conditions: { blockedPatterns: ['word'], checkOutput: true } },
    ];
    const filtered = routed({ fault: full }, {}, { policies });
    const refused = await rejection(filtered.complete({ ...REQUEST, prompt: 'x'.repeat(40) }));
    expect(governanceOf(refused)!.cost.actualUsd).toBeCloseTo(FAR_USD, 12);
    expect(Object.keys(filtered.costSummary().costByModel)).toEqual([`together/${LARGE}`]);

    const usage = { promptTokens: 10, completionTokens: 3 };
    const crash = new ProviderError('INHOUSE_PROVIDER_FAILED', 'broke', { details: { usage } });
    const failing = routed({ fault: full }, { fault: () => crash });
    const failed = await rejection(failing.complete(REQUEST));
    expect(governanceOf(failed)!.cost.actualUsd).toBeCloseTo((13 * 5) / 1e6, 12);
    expect(Object.keys(failing.costSummary().costByModel)).toEqual([`together/${LARGE}`]);
  });

  it('is no upper bound, and its price is not known, unless that of every route is', () => {
    const pricing = new PricingCatalogue();
    const bounded = pricing.estimate({ model: LARGE, provider: 'together', promptTokens: 1, maxTokens: 9 });
    const guessed = pricing.estimate({ model: 'mystery', provider: 'vllm', promptTokens: 1 });
    expect(dearest([bounded, bounded])).toEqual(bounded);
    const { totalUsd, isUpperBound, assumption } = dearest([guessed, bounded]);
    expect(totalUsd).toBe(Math.max(guessed.totalUsd, bounded.totalUsd));
    expect([isUpperBound, assumption]).toEqual([false, guessed.assumption]);
  });

  it('sees through routers in routers, and through governed ones', async () => {
    const inner = govern(
      router([
        { provider: stub({ name: 'gpt2', text, fault: full }) },
        { provider: stub({ name: 'together', kind: 'remote', models: [LARGE], text }), model: LARGE },
      ]),
    );
    const governed = govern(router([{ provider: inner }]), { governancePolicy: 'enforced' });
    const stream = governed.stream(REQUEST);
    let last: number | undefined;
    for await (const { costUsd } of stream) last = costUsd;
    const { governance } = await stream.result;
    expect(governance.cost.deltaUsd).toBe(0);
    expect(last).toBe(governance.cost.actualUsd);
  });

  it('counts a prompt once for all replicas of one provider', async () => {
    const replicas = [1, 2, 3].map(() => spy(stub({ name: 'gpt2', text })));
    const governed = govern(balanced(replicas.map(({ provider }) => provider)));
    const { governance } = await governed.complete(REQUEST);
    expect(governance.cost.deltaUsd).toBe(0);
    expect(replicas.map(({ counted }) => counted)).toEqual([1, 0, 0]);
  });
});
