// Many governed calls at once: nothing is lost, nothing is counted twice, nobody sees anybody else's.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AbortedError, BudgetExceededError, ProviderError } from '#inhouse/errors.js';
import { governanceOf } from '#inhouse/governance/governance-report.js';
import type { GovernOptions } from '#inhouse/governance/options.js';
import { bench, COST, nothingHeld, REQUEST, rejection } from './support/governed.js';

describe('many governed calls', () => {
  it('C-53 D-13: of 100 parallel calls with a budget for 37 exactly 37 run', async () => {
    for (const method of ['complete', 'stream'] as const) {
      const options: GovernOptions = { governancePolicy: 'enforced', dailyBudgetLimit: 37 * COST };
      const { governed, served } = bench(options, { serviceMs: 3 });
      const calls = Array.from({ length: 100 }, () =>
        method === 'complete' ? governed.complete(REQUEST) : governed.stream(REQUEST).result,
      );
      const outcomes = await Promise.allSettled(calls);
      const refused = outcomes.filter(({ status }) => status === 'rejected');
      expect([served.length, refused.length]).toEqual([37, 63]);
      for (const outcome of refused) {
        expect((outcome as PromiseRejectedResult).reason).toBeInstanceOf(BudgetExceededError);
      }
      expect(governed.costSummary().totalCostUsd).toBeCloseTo(37 * COST, 15);
      expect(nothingHeld({ governed })).toBe(true);
    }
  });

  it.each([
    [1, 10_000],
    [0.5, 5000],
    [0.1, 1000],
    [0.01, 100],
  ])(
    'C-70 C-71 D-03: 10 000 calls at a rate of %d make %d spans, and cost the same',
    async (samplingRate, spans) => {
      const { governed, trace } = bench({ samplingRate, dailyBudgetLimit: 1 });
      for (let i = 0; i < 10_000; i++) await governed.complete(REQUEST);
      expect(trace.spans.length).toBe(spans);
      const summary = governed.costSummary();
      expect(summary.totalOperations).toBe(10_000);
      expect(summary.totalCostUsd).toBeCloseTo(10_000 * COST, 12);
      expect(summary.dailyCosts).toBeCloseTo(10_000 * COST, 12);
    },
  );

  it('T-21 C-80: a thousand interleaved customers have exact totals, budgets and attributes', async () => {
    const { governed, trace } = bench(
      {
        governancePolicy: 'enforced',
        admission: { maxConcurrent: 100, maxQueueSize: 10_000 },
        budgets: [{ scope: 'customer', limitsUsd: { daily: 10.5 * COST } }],
      },
      { serviceMs: (call) => call % 3 },
    );
    const calls: Promise<void>[] = [];
    for (let round = 0; round < 10; round++) {
      for (let customer = 0; customer < 1000; customer++) {
        const customerId = `customer-${customer}`;
        const request = { ...REQUEST, maxTokens: 1 + (customer % 10) };
        calls.push(
          governed.complete(request, { attributes: { customerId } }).then(({ governance, usage }) => {
            expect(governance.attributes.customerId).toBe(customerId);
            expect(usage.completionTokens).toBe(request.maxTokens);
          }),
        );
      }
    }
    await Promise.all(calls);
    const { byCustomer, totalCostUsd } = governed.costSummary();
    expect(Object.keys(byCustomer).length).toBe(1000);
    let sum = 0;
    for (let customer = 0; customer < 1000; customer++) {
      const costUsd = (10 * (10 * 0.01 + (1 + (customer % 10)) * 0.02)) / 1e6;
      expect(byCustomer[`customer-${customer}`]).toMatchObject({
        operations: 10,
        costUsd: expect.closeTo(costUsd, 15),
      });
      sum += costUsd;
    }
    expect(totalCostUsd).toBeCloseTo(sum, 12);
    expect(trace.spans.length).toBe(10_000);
    expect(nothingHeld({ governed })).toBe(true);
    // An eleventh dear call is one too many for customer 9, and for nobody else.
    const eleventh = (id: number) =>
      governed.complete(REQUEST, { attributes: { customerId: `customer-${id}` } });
    expect(await rejection(eleventh(9))).toBeInstanceOf(BudgetExceededError);
    await eleventh(0);
  });

  it('T-12 T-13: sessions that overlap count what named them, all else too', async () => {
    const { governed } = bench({ admission: { maxConcurrent: 200 } }, { serviceMs: (call) => call % 5 });
    await Promise.all(
      Array.from({ length: 25 }, (_, number) =>
        governed.trackSession({ id: `s${number}` }, async (session) => {
          await Promise.all(
            Array.from({ length: 4 + number }, () => governed.complete(REQUEST, { sessionId: `s${number}` })),
          );
          expect(session.totalOperations).toBe(4 + number);
          expect(session.totalCost).toBeCloseTo((4 + number) * COST, 15);
        }),
      ),
    );
    expect(governed.costSummary()).toMatchObject({ totalOperations: 400, activeSessions: 0 });
  });

  it('T-16: calls that fail do not touch the others', async () => {
    const bad = new ProviderError('INHOUSE_PROVIDER_REJECTED', 'poison');
    const { governed } = bench({}, { fault: (call) => (call % 10 === 0 ? bad : undefined) });
    const outcomes = await Promise.allSettled(Array.from({ length: 200 }, () => governed.complete(REQUEST)));
    expect(outcomes.filter(({ status }) => status === 'rejected').length).toBe(20);
    expect(governed.costSummary()).toMatchObject({ totalOperations: 200, successRatePercent: 90 });
  });
});

describe('whatever happens to calls', () => {
  const fates = fc.record({
    method: fc.constantFrom('complete', 'chat', 'stream', 'embed', 'left'),
    fault: fc.constantFrom(undefined, 'INHOUSE_PROVIDER_FAILED', 'INHOUSE_PROVIDER_REJECTED'),
    abortMs: fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined }),
    serviceMs: fc.integer({ min: 0, max: 4 }),
    maxTokens: fc.integer({ min: 1, max: 40 }),
  });

  it('C-54 G-04: nothing stays held, and all totals agree', async () => {
    const scenario = fc.record({
      calls: fc.array(fates, { minLength: 1, maxLength: 20 }),
      governancePolicy: fc.constantFrom('advisory', 'enforced', 'strict'),
      limit: fc.integer({ min: 1, max: 30 }),
      breaker: fc.boolean(),
      tokensBeforeFault: fc.integer({ min: 0, max: 5 }),
    });
    const property = fc.asyncProperty(
      scenario,
      async ({ calls, limit, breaker, tokensBeforeFault, ...rest }) => {
        const { governed } = bench(
          {
            ...rest,
            clock: undefined,
            maxRetries: 1,
            sleep: async () => {},
            dailyBudgetLimit: limit * COST,
            enableCircuitBreaker: breaker,
            circuitBreakerThreshold: 2,
            admission: { maxConcurrent: 2, maxQueueSize: 8 },
          },
          {
            serviceMs: (call) => calls[call % calls.length]!.serviceMs,
            tokensBeforeFault,
            fault: (call) => {
              const { fault } = calls[call % calls.length]!;
              return fault && new ProviderError(fault, 'fault');
            },
          },
        );
        const costs = await Promise.all(
          calls.map(async ({ method, abortMs, maxTokens }) => {
            const controller = new AbortController();
            if (abortMs !== undefined) setTimeout(() => controller.abort(), abortMs);
            const call = { signal: controller.signal };
            const request = { ...REQUEST, maxTokens };
            const run = async () => {
              if (method === 'embed') return governed.embed({ model: 'gpt2', input: 'a text' }, call);
              if (method === 'complete') return governed.complete(request, call);
              if (method === 'chat') {
                const messages = [{ role: 'user', content: 'hello' }] as const;
                return governed.chat({ model: 'gpt2', messages, maxTokens }, call);
              }
              const stream = governed.stream(request, call);
              if (method === 'left') {
                try {
                  for await (const _ of stream) break;
                } catch {
                  // is the result's too
                }
              }
              return stream.result;
            };
            const report = await run().then(
              ({ governance }) => governance,
              (error) => governanceOf(error)!,
            );
            return report.cost.actualUsd;
          }),
        );
        const sum = costs.reduce((total, cost) => total + cost, 0);
        expect(nothingHeld({ governed })).toBe(true);
        expect(governed.costSummary().totalCostUsd).toBeCloseTo(sum, 15);
        expect(governed.budgetStatus().totalCostUsd).toBeCloseTo(sum, 15);
        if (rest.governancePolicy !== 'advisory')
          expect(sum).toBeLessThanOrEqual(limit * COST * (1 + 1e-9) + 2 * calls.length * COST);
      },
    );
    await fc.assert(property, { numRuns: 60 });
  });

  it('an abort in the queue gives everything back', async () => {
    const { governed } = bench({ admission: { maxConcurrent: 1 } }, { serviceMs: 20 });
    const first = governed.complete(REQUEST);
    const controller = new AbortController();
    const second = governed.complete(REQUEST, { signal: controller.signal });
    controller.abort();
    expect(await rejection(second)).toBeInstanceOf(AbortedError);
    expect((await first).finishReason).toBe('stop');
    expect(nothingHeld({ governed })).toBe(true);
  });
});
