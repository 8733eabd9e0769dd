// What can go wrong around a governed call: the call fails or succeeds as it would without, typed, and it is counted.
import { mkdtempSync, rmSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BudgetExceededError, ProviderError } from '#inhouse/errors.js';
import { governanceOf } from '#inhouse/governance/governance-report.js';
import { govern } from '#inhouse/governance/governed-provider.js';
import { MemoryLedger } from '#inhouse/governance/ledger.js';
import { FileLedger } from '#inhouse/governance/ledger-file.js';
import type { GovernOptions } from '#inhouse/governance/options.js';
import { PricingCatalogue } from '#inhouse/governance/pricing/catalogue.js';
import { customRule, requiredRule } from '#inhouse/governance/tag-rules.js';
import { openAiCompatible } from '#inhouse/providers/openai-compatible.js';
import type { Completion, CompletionChunk } from '#inhouse/providers/provider.js';
import { stub } from '#inhouse/providers/stub.js';
import { FakeClock } from '../support/fake-clock.js';
import { OpenAiServer, send, sendEvent } from '../support/openai-server.js';
import { bench, COST, nothingHeld, REQUEST, rejection } from './support/governed.js';

describe('prices, clocks and books that are wrong', () => {
  it.each([Number.NaN, -1, Number.POSITIVE_INFINITY])('a price of %d is refused', (price) => {
    const prices = [{ provider: 'gpt2', model: 'gpt2', inputCostPerMillion: price, outputCostPerMillion: 1 }];
    expect(() => new PricingCatalogue({ prices })).toThrow('inputCostPerMillion');
  });

  it('a clock that is set back gives no budget back, and breaks nothing', async () => {
    const { governed, clock } = bench({ governancePolicy: 'enforced', hourlyBudgetLimit: COST * 1.5 });
    await governed.complete(REQUEST);
    clock.setNow(clock.now() - 10 * 86_400_000);
    expect(await rejection(governed.complete(REQUEST))).toBeInstanceOf(BudgetExceededError);
    clock.advance(3_600_001);
    await governed.complete(REQUEST);
    expect(governed.costSummary().totalOperations).toBe(2);
  });

  it('C-50: an alert callback that throws or rejects is counted and harms nobody', async () => {
    const onBudgetAlert = vi
      .fn()
      .mockImplementationOnce(() => {
        throw new Error('pager is down');
      })
      .mockRejectedValue(new Error('mail is down'));
    const { governed } = bench({ dailyBudgetLimit: COST, onBudgetAlert });
    await governed.complete(REQUEST);
    await new Promise((done) => setImmediate(done));
    expect(onBudgetAlert).toHaveBeenCalledTimes(4);
    expect(governed.status()).toMatchObject({ faults: 4, lastFault: { source: 'callback' } });
  });

  it('a ledger, an audit sink and a logger that throw are counted and harm nobody', async () => {
    const fail = () => {
      throw new Error('disk full');
    };
    const { governed } = bench({
      governancePolicy: 'strict',
      ledger: { append: fail, load: async () => [], flush: async () => {}, close: async () => {} },
      onAudit: fail,
      logger: { level: 'debug', isLevelEnabled: fail, debug: fail, info: fail, warn: fail, error: fail },
      dailyBudgetLimit: COST,
    });
    await governed.complete(REQUEST);
    expect(await rejection(governed.complete(REQUEST))).toBeInstanceOf(BudgetExceededError);
    expect(governed.status().faults).toBeGreaterThan(3);
    expect(nothingHeld({ governed })).toBe(true);
  });

  it('a ledger, an audit sink and a logger that reject are counted and harm nobody', async () => {
    const fail = async () => {
      throw new Error('disk full');
    };
    const { governed } = bench({
      governancePolicy: 'strict',
      ledger: { append: fail, load: async () => [], flush: async () => {}, close: async () => {} },
      onAudit: () => runInNewContext("Promise.reject(new Error('down'))"), // no instance of our Promise
      logger: {
        level: 'error',
        isLevelEnabled: () => true,
        debug: fail,
        info: fail,
        warn: fail,
        error: fail,
      },
      attributes: { team: 'Not in kebab case', environment: 'test' },
      tagRules: [requiredRule('costCenter', { severity: 'warning' })],
    });
    await governed.complete(REQUEST);
    await new Promise((done) => setImmediate(done));
    // Both windows and the cost for the ledger, one record, one warning.
    expect(governed.status().faults).toBe(5);
  });

  it('an evaluator and a tag rule that answer with a promise object, whatever it holds', async () => {
    const reject = async (): Promise<never> => {
      throw new Error('policy server is down');
    };
    const { governed, served } = bench({
      governancePolicy: 'strict',
      tagRules: [customRule('team', reject as never)],
    });
    expect(await rejection(governed.complete(REQUEST))).toMatchObject({ code: 'INHOUSE_TAG_REFUSED' });
    const { policies, tags } = governed.governance;
    tags.disable();
    policies.registerEvaluator('remote', () => ({ before: reject as never }));
    policies.register({ name: 'remote' });
    expect(await rejection(governed.complete(REQUEST))).toMatchObject({
      details: { reasonCode: 'x_evaluation_failed' },
    });
    expect(served).toEqual([]);
  });

  it('the ledger brings budgets and totals over a restart', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'inhouse-ledger-'));
    const start = async () => {
      const ledger = await FileLedger.open(folder);
      const options: GovernOptions = { ledger, governancePolicy: 'enforced', monthlyBudgetLimit: COST * 2.5 };
      const governed = govern(stub({ name: 'gpt2', text: 'word'.repeat(10) }), options);
      await governed.restore();
      return governed;
    };
    try {
      const first = await start();
      await first.complete(REQUEST);
      await first.complete(REQUEST);
      await first.close();
      const second = await start();
      expect(second.costSummary().monthlyCosts).toBeCloseTo(2 * COST, 15);
      expect(await rejection(second.complete(REQUEST))).toBeInstanceOf(BudgetExceededError);
      expect(second.costSummary()).toMatchObject({
        totalOperations: 2,
        totalTokens: 40,
        operationsPerSecond: 0,
        byOperation: { completion: { operations: 2 } },
        byModel: { 'gpt2/gpt2': { operations: 2 } },
      });
      await second.close();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('restoring', () => {
  const twice = { name: 'LedgerError', code: 'INHOUSE_LEDGER_COUNTED' };
  const remembered = async () => {
    const ledger = new MemoryLedger();
    await bench({ ledger }).governed.complete(REQUEST);
    return ledger;
  };

  it('is refused the second time, also while the first is under way, and changes nothing', async () => {
    const { governed } = bench({ ledger: await remembered(), dailyBudgetLimit: 1 });
    const first = governed.restore();
    expect(await rejection(governed.restore())).toMatchObject(twice);
    await first;
    expect(await rejection(governed.restore())).toMatchObject(twice);
    expect(governed.costSummary()).toMatchObject({ totalOperations: 1 });
    expect(governed.costSummary().dailyCosts).toBeCloseTo(COST, 18);
  });

  it('is refused after a call, also one that ends while the ledger is read', async () => {
    const { governed: after } = bench({ ledger: await remembered() });
    await after.complete(REQUEST);
    expect(await rejection(after.restore())).toMatchObject(twice);

    const ledger = await remembered();
    let meanwhile = async () => {};
    const slow = { append: ledger.append.bind(ledger), flush: ledger.flush, close: ledger.close };
    const { governed } = bench({
      ledger: { ...slow, load: () => meanwhile().then(() => ledger.load()) },
    });
    meanwhile = async () => void (await governed.complete(REQUEST));
    expect(await rejection(governed.restore())).toMatchObject(twice);
    expect(governed.costSummary()).toMatchObject({ totalOperations: 1 });
  });

  it('can be tried again where the ledger could not be read', async () => {
    const ledger = await remembered();
    vi.spyOn(ledger, 'load').mockRejectedValueOnce(new Error('busy'));
    const { governed } = bench({ ledger });
    await expect(governed.restore()).rejects.toThrow('busy');
    await governed.restore();
    expect(governed.costSummary().totalOperations).toBe(1);
  });
});

describe('providers that break their contract', () => {
  const broken = (usage: unknown) => {
    const inner = stub({ name: 'gpt2', text: 'word'.repeat(10) });
    return Object.create(inner, {
      countTokens: { value: inner.countTokens.bind(inner) },
      complete: { value: async () => ({ ...(await inner.complete(REQUEST)), usage }) as Completion },
    });
  };

  it.each([
    { promptTokens: Number.NaN, completionTokens: 1, totalTokens: 1 },
    { promptTokens: 1, completionTokens: -1, totalTokens: 0 },
    { promptTokens: 1, completionTokens: Number.POSITIVE_INFINITY, totalTokens: 0 },
  ])('A-60: a usage of %j fails the call, and its estimate is charged', async (usage) => {
    const governed = govern(broken(usage), { governancePolicy: 'strict', dailyBudgetLimit: 1 });
    const error = await rejection(governed.complete(REQUEST));
    expect(error).toMatchObject({ code: 'INHOUSE_PROVIDER_MALFORMED' });
    expect(governanceOf(error)!.cost.actualUsd).toBeCloseTo(COST, 18);
    expect(governed.costSummary().totalCostUsd).toBeCloseTo(COST, 18);
    expect(nothingHeld({ governed })).toBe(true);
  });

  it('a failure that tells nonsense about its usage stays that failure', async () => {
    const usage = { promptTokens: Number.NaN, completionTokens: 3 };
    const fault = new ProviderError('INHOUSE_PROVIDER_REJECTED', 'no', { details: { usage } });
    const { governed } = bench({}, { fault: () => fault });
    expect(await rejection(governed.complete(REQUEST))).toBe(fault);
    expect(governed.costSummary().totalCostUsd).toBe(0);
  });

  it.each([
    () => Number.NaN,
    () => -5,
    () => {
      throw new Error('no tokenizer');
    },
  ])('one that cannot count tokens is governed by a rough count (%#)', async (countTokens) => {
    const inner = stub({ name: 'gpt2', text: 'word'.repeat(10) });
    const governed = govern(
      Object.create(inner, {
        countTokens: { value: countTokens },
        complete: { value: inner.complete.bind(inner) },
      }),
    );
    const { governance } = await governed.complete(REQUEST);
    expect(governance.cost.reservedUsd).toBeCloseTo(COST, 18);
  });

  it('one that throws at once, or what is no error, fails the call as it is', async () => {
    for (const thrown of ['text', undefined, new TypeError('bug')]) {
      const inner = stub({ name: 'gpt2' });
      const complete = () => {
        throw thrown;
      };
      const governed = govern(
        Object.create(inner, { complete: { value: complete }, countTokens: { value: () => 1 } }),
      );
      await expect(governed.complete(REQUEST)).rejects.toBe(thrown);
      expect(nothingHeld({ governed })).toBe(true);
    }
  });

  it('one that gives the same answer to several callers keeps it as it is', async () => {
    const inner = stub({ name: 'gpt2' });
    const cached = Object.freeze(await inner.complete(REQUEST));
    const governed = govern(
      Object.create(inner, { complete: { value: async () => cached }, countTokens: { value: () => 1 } }),
    );
    const [one, two] = await Promise.all([governed.complete(REQUEST), governed.complete(REQUEST)]);
    expect(one.governance.requestId).not.toBe(two.governance.requestId);
    expect('governance' in cached).toBe(false);
  });

  it('C-66: one that never answers is left behind, and its place is free', async () => {
    const inner = stub({ name: 'gpt2' });
    const never = () => new Promise<never>(() => {});
    const governed = govern(
      Object.create(inner, { complete: { value: never }, countTokens: { value: () => 1 } }),
      { requestTimeoutMs: 10, enableRetry: false },
    );
    expect(await rejection(governed.complete(REQUEST))).toMatchObject({ code: 'INHOUSE_TIMEOUT' });
    expect(nothingHeld({ governed })).toBe(true);
  });

  it('a stream that hangs is left when its attempt is given up, and what still comes of it goes unseen', async () => {
    const inner = stub({ name: 'gpt2' });
    let say: ((chunk: IteratorResult<CompletionChunk>) => void) | undefined;
    const leave = vi.fn(async () => ({ done: true, value: undefined }));
    const hanging = {
      result: new Promise<never>(() => {}),
      [Symbol.asyncIterator]: () => ({
        next: () =>
          new Promise((resolve) => {
            say = resolve;
          }),
        return: leave,
      }),
    };
    const streams = [hanging, inner.stream(REQUEST)];
    const clock = new FakeClock();
    const sleep = async () => {
      expect(leave).toHaveBeenCalled();
      say!({ done: false, value: { index: 0, text: 'late' } });
      await new Promise((done) => setImmediate(done));
    };
    const provider = Object.create(inner, {
      stream: { value: () => streams.shift() },
      countTokens: { value: () => 1 },
    });
    const governed = govern(provider, { clock, sleep });
    const stream = governed.stream(REQUEST);
    clock.advance(62_000);
    governed.governance.watch.check();
    let text = '';
    for await (const chunk of stream) text += chunk.text;
    const result = await stream.result;
    expect(text).toBe(result.text);
    expect(result.governance.attempts).toBe(2);
  });

  it('D-29: a fault of telemetry neither repeats the work nor lets a refused call pass', async () => {
    const tracerProvider = {
      getTracer: () => ({
        startSpan: () => {
          throw new Error('tracer is broken');
        },
      }),
    } as never;
    const { governed, served } = bench({
      tracerProvider,
      governancePolicy: 'enforced',
      dailyBudgetLimit: COST,
    });
    await governed.complete(REQUEST);
    expect(served.length).toBe(1);
    expect(await rejection(governed.complete(REQUEST))).toBeInstanceOf(BudgetExceededError);
    expect(served.length).toBe(1);
    expect(governed.status()).toMatchObject({ faults: 2, lastFault: { source: 'span' } });
  });

  it('C-105 A-05: an exporter that fails or hangs does not hold up a call', async () => {
    const done = vi.fn();
    for (const exportSpans of [
      () => {
        throw new Error('collector is down');
      },
      () => {},
    ]) {
      const processor = new SimpleSpanProcessor({ export: exportSpans, shutdown: async () => {} });
      const { governed } = bench({ tracerProvider: new NodeTracerProvider({ spanProcessors: [processor] }) });
      for (let i = 0; i < 10; i++) done((await governed.complete(REQUEST)).finishReason);
    }
    expect(done).toHaveBeenCalledTimes(20);
  });
});

describe('a remote provider that fails', () => {
  let server: OpenAiServer;
  beforeEach(async () => {
    server = await OpenAiServer.start(stub({ text: 'word'.repeat(10) }));
  });
  afterEach(() => server[Symbol.asyncDispose]());

  const remote = (options: GovernOptions = {}, maxResponseBytes = 1e6) => {
    const waits: number[] = [];
    const governed = govern(openAiCompatible({ baseUrl: server.baseUrl, name: 'gpt2', maxResponseBytes }), {
      sleep: async (ms) => void waits.push(ms),
      ...options,
    });
    return { governed, waits };
  };
  /** Misbehaves for the first calls, then no more. */
  const first = (calls: number, misbehave: (response: ServerResponse) => void) => {
    server.misbehaviour = (response) => {
      if (server.received.length >= calls) server.misbehaviour = undefined;
      misbehave(response);
    };
  };

  it('500s are retried after 1 and 2 s, and the answer counts', async () => {
    first(2, (response) => send(response, 500, { error: { message: 'boom' } }));
    const { governed, waits } = remote();
    expect((await governed.complete(REQUEST)).governance).toMatchObject({ attempts: 3 });
    expect(waits).toEqual([1000, 2000]);
    expect(governed.costSummary().totalOperations).toBe(1);
  });

  it('429 is retried when the server says so', async () => {
    first(1, (response) => send(response, 429, {}, { 'retry-after': '7' }));
    const { governed, waits } = remote();
    expect((await governed.complete(REQUEST)).governance.attempts).toBe(2);
    expect(waits).toEqual([7000]);
  });

  it('400 is not retried, and opens no circuit', async () => {
    server.misbehaviour = (response) => send(response, 400, { error: { message: 'bad' } });
    const { governed, waits } = remote({ enableCircuitBreaker: true, circuitBreakerThreshold: 1 });
    expect(await rejection(governed.complete(REQUEST))).toMatchObject({ code: 'INHOUSE_PROVIDER_REJECTED' });
    expect(waits).toEqual([]);
    expect(governed.status().circuitBreaker!.state).toBe('CLOSED');
  });

  it('a hang ends with the time limit, and opens the circuit', async () => {
    server.misbehaviour = () => {};
    const { governed } = remote({
      requestTimeoutMs: 30,
      maxRetries: 1,
      enableCircuitBreaker: true,
      circuitBreakerThreshold: 2,
    });
    const error = await rejection(governed.complete(REQUEST));
    expect(error).toMatchObject({ code: 'INHOUSE_TIMEOUT' });
    expect(governanceOf(error)!.attempts).toBe(2);
    expect(await rejection(governed.complete(REQUEST))).toMatchObject({ code: 'INHOUSE_CIRCUIT_OPEN' });
    expect(nothingHeld({ governed })).toBe(true);
  });

  it('a stream that breaks off is not repeated, and what came is paid for', async () => {
    server.misbehaviour = (response) => {
      sendEvent(response, { id: 'x', choices: [{ index: 0, text: 'word', finish_reason: null }] });
      setTimeout(() => response.destroy(), 10);
    };
    const { governed } = remote();
    const stream = governed.stream(REQUEST);
    let text = '';
    const error = await rejection(
      (async () => {
        for await (const chunk of stream) text += chunk.text;
      })(),
    );
    expect(error).toMatchObject({ code: 'INHOUSE_PROVIDER_DISCONNECTED' });
    expect([text, server.received.length]).toEqual(['word', 1]);
    expect(governanceOf(error)!.cost.actualUsd).toBeGreaterThan(0);
    expect(governed.costSummary().totalCostUsd).toBe(governanceOf(error)!.cost.actualUsd);
    expect(nothingHeld({ governed })).toBe(true);
  });

  it.each([
    [
      'broken JSON',
      (response: ServerResponse) => send(response, 200, '{"choices":'),
      'INHOUSE_PROVIDER_MALFORMED',
    ],
    [
      'an answer without choices',
      (response: ServerResponse) => send(response, 200, { choices: [] }),
      'INHOUSE_PROVIDER_MALFORMED',
    ],
    ['a body without end', flood, 'INHOUSE_PROVIDER_TOO_LARGE'],
  ] as const)('A-60: %s fails typed, and once', async (_, misbehave, code) => {
    server.misbehaviour = misbehave;
    const { governed } = remote({}, 100_000);
    expect(await rejection(governed.complete(REQUEST))).toMatchObject({ code });
    expect(server.received.length).toBe(1);
    expect(nothingHeld({ governed })).toBe(true);
  });
});

/** Sends until the reader has enough. */
function flood(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  const block = 'x'.repeat(16_384);
  const more = () => {
    while (!response.destroyed && response.write(block));
  };
  response.on('drain', more);
  more();
}
