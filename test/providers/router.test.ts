import { describe, expect, it } from 'vitest';
import { DisposedError, InhouseError, ProviderError } from '#inhouse/errors.js';
import { Admission } from '#inhouse/governance/admission.js';
import { CircuitBreaker } from '#inhouse/governance/breaker.js';
import type { CompletionChunk, Provider } from '#inhouse/providers/provider.js';
import { type Route, type RouteAdmission, type RouteBreaker, router } from '#inhouse/providers/router.js';
import { type StubOptions, stub } from '#inhouse/providers/stub.js';
import { failFirst } from '#inhouse/providers/stub-plans.js';
import { describeProvider, failures } from './conformance.js';

describeProvider('router, over two stubs', async () => ({
  provider: router([{ provider: stub() }, { provider: stub() }], 'stub'),
  slow: router([{ provider: stub({ text: ' word'.repeat(400), serviceMs: 400 }) }]),
  model: 'gpt2',
  contextLength: 1024,
  dispose: async () => {},
}));

const request = { model: 'gpt2', prompt: 'Hello there', maxTokens: 8 };
const messages = [{ role: 'user', content: 'Hello' }] as const;
const limited = () => new ProviderError('INHOUSE_PROVIDER_RATE_LIMITED', 'slow down');
const broken = () => new DisposedError('INHOUSE_DISPOSED', 'gone');

/** A breaker and an admission that note what happens to them. */
class Notes implements RouteBreaker, RouteAdmission {
  readonly seen: string[] = [];
  constructor(private readonly refusal: { breaker?: Error; admission?: Error } = {}) {}
  before(): number {
    this.seen.push('before');
    if (this.refusal.breaker) throw this.refusal.breaker;
    return 7;
  }
  success(ticket: number): void {
    this.seen.push(`success ${ticket}`);
  }
  failure(error: unknown, ticket: number): void {
    this.seen.push(`failure ${ticket} ${(error as InhouseError).code}`);
  }
  enter() {
    this.seen.push('enter');
    if (this.refusal.admission) throw this.refusal.admission;
    return { release: () => void this.seen.push('release') };
  }
}

const refused = (code: string) =>
  Object.assign(new ProviderError('INHOUSE_PROVIDER_RATE_LIMITED', code), { code });

function localThenRemote(local: StubOptions, route: Partial<Route> = {}): Provider {
  return router([
    { provider: stub({ ...local, name: 'local' }), ...route },
    {
      provider: stub({ name: 'vllm', kind: 'remote', models: ['gpt2', 'big'], contextLength: 8192 }),
      model: 'big',
    },
  ]);
}

describe('router', () => {
  it('serves from the first route that can', async () => {
    const result = await localThenRemote({}).complete(request);
    expect([result.provider, result.model]).toEqual(['local', 'gpt2']);
  });

  it('spills over when the local context is too short, on every path', async () => {
    const provider = localThenRemote({ contextLength: 4 });
    const results = [
      await provider.complete(request),
      await provider.chat({ model: 'gpt2', messages, maxTokens: 8 }),
      await provider.stream(request).result,
    ];
    for (const { provider, model } of results) expect([provider, model]).toEqual(['vllm', 'big']);
  });

  it.each([
    'INHOUSE_QUEUE_FULL',
    'INHOUSE_CIRCUIT_OPEN',
    'INHOUSE_PROVIDER_RATE_LIMITED',
    'INHOUSE_CONTEXT_OVERFLOW',
  ])('spills over on %s', async (code) => {
    const provider = localThenRemote({ fault: () => refused(code) });
    expect((await provider.complete(request)).provider).toBe('vllm');
    expect((await provider.embed({ model: 'gpt2', input: 'x' })).provider).toBe('vllm');
    expect((await provider.stream(request).result).provider).toBe('vllm');
  });

  it('does not spill over on anything else: it may have cost something, or would fail there too', async () => {
    const provider = localThenRemote({ fault: broken });
    const errors = await failures([provider.complete(request), provider.stream(request).result]);
    expect(errors.map((error) => (error as InhouseError).code)).toEqual([
      'INHOUSE_DISPOSED',
      'INHOUSE_DISPOSED',
    ]);
  });

  it('throws what the last route threw when none can', async () => {
    const provider = router([
      { provider: stub({ fault: limited }) },
      { provider: stub({ fault: () => new ProviderError('INHOUSE_PROVIDER_RATE_LIMITED', 'last') }) },
    ]);
    const errors = await failures([provider.complete(request), provider.stream(request).result]);
    expect(errors.map(({ message }) => message)).toEqual(['last', 'last']);
  });

  it('spills a stream over before its first chunk, and never after', async () => {
    const early = localThenRemote({ fault: failFirst(1, limited), tokensBeforeFault: 0 });
    expect((await early.stream(request).result).provider).toBe('vllm');

    const late = localThenRemote({ fault: failFirst(1, limited), tokensBeforeFault: 2 });
    const stream = late.stream(request);
    const chunks: CompletionChunk[] = [];
    const reading = (async () => {
      for await (const chunk of stream) chunks.push(chunk);
    })();
    const [heard, error] = await failures([reading, stream.result]);
    expect(chunks.length).toBe(2);
    expect(heard).toBe(error);
    expect(error).toMatchObject({ code: 'INHOUSE_PROVIDER_RATE_LIMITED' });
  });

  it('keeps away from a route with an open circuit: neither queue nor provider is touched', async () => {
    const notes = new Notes({ breaker: refused('INHOUSE_CIRCUIT_OPEN') });
    const untouched = () => {
      throw new Error('touched');
    };
    const provider = localThenRemote({ serviceMs: untouched }, { breaker: notes, admission: notes });
    expect((await provider.complete(request)).provider).toBe('vllm');
    expect(notes.seen).toEqual(['before']);
  });

  it('tells the breaker of a full queue, and spills over', async () => {
    const notes = new Notes({ admission: refused('INHOUSE_QUEUE_FULL') });
    const provider = localThenRemote({}, { breaker: notes, admission: notes });
    expect((await provider.complete(request)).provider).toBe('vllm');
    expect(notes.seen).toEqual(['before', 'enter', 'failure 7 INHOUSE_QUEUE_FULL']);
  });

  it('frees the slot and tells the breaker once, whatever the end', async () => {
    for (const fault of [() => undefined, broken]) {
      const outcome = fault() ? 'failure 7 INHOUSE_DISPOSED' : 'success 7';
      const complete = new Notes();
      await localThenRemote({ fault }, { breaker: complete, admission: complete })
        .complete(request)
        .catch(() => {});
      const stream = new Notes();
      await localThenRemote({ fault }, { breaker: stream, admission: stream })
        .stream(request)
        .result.catch(() => {});
      for (const { seen } of [complete, stream])
        expect(seen).toEqual(['before', 'enter', 'release', outcome]);
    }
  });

  it('G-05: holds the slot of a stream to its last chunk, or until the reader leaves', async () => {
    const notes = new Notes();
    const slow = { text: ' word'.repeat(100), serviceMs: 200 };
    const stream = localThenRemote(slow, { breaker: notes, admission: notes }).stream({
      ...request,
      maxTokens: 100,
    });
    for await (const _ of stream) {
      expect(notes.seen).not.toContain('release');
      break;
    }
    expect((await stream.result).finishReason).toBe('abort');
    expect(notes.seen).toEqual(['before', 'enter', 'release', 'success 7']);
  });

  it('a reader who leaves before the first chunk ends the stream at once, and no other route is tried', async () => {
    const hang = (_: number, signal: AbortSignal) =>
      new Promise((_, reject) => signal.addEventListener('abort', reject));
    const stream = localThenRemote({ serviceMs: 1e9, sleep: hang }).stream(request);
    await new Promise((done) => setImmediate(done));
    await stream[Symbol.asyncIterator]().return!();
    expect(await stream.result).toMatchObject({ provider: 'local', finishReason: 'abort' });
  });

  it('a reader who leaves while the stream waits for a route gets nothing, and frees what it held', async () => {
    const admission = new Admission({ maxConcurrent: 1 }, { now: () => 0, monotonic: () => 0 });
    const notes = new Notes();
    const provider = router([{ provider: stub(), admission, breaker: notes }]);
    const running = await admission.enter();
    const stream = provider.stream({ ...request, n: 2 });
    await stream[Symbol.asyncIterator]().return!();
    const result = await stream.result;
    expect(result).toMatchObject({ text: '', finishReason: 'abort', usage: { totalTokens: 0 } });
    expect(result.choices.length).toBe(2);
    expect(notes.seen).toEqual(['before', 'failure 7 INHOUSE_ABORTED']);
    running.release();
    expect(admission.status()).toMatchObject({ running: 0, queueDepth: 0 });
  });

  it('a stream that its reader leaves unanswered says nothing to the breaker about the route', async () => {
    const notes = new Notes();
    const stream = localThenRemote({ serviceMs: 1000 }, { breaker: notes }).stream(request);
    await stream[Symbol.asyncIterator]().return!();
    expect((await stream.result).usage.completionTokens).toBe(0);
    expect(notes.seen).toEqual(['before', 'failure 7 INHOUSE_ABORTED']);
  });

  it("works with governance's own admission and breaker", async () => {
    const clock = { now: () => 0, monotonic: () => 0 };
    const admission = new Admission({ maxConcurrent: 1, maxQueueSize: 1 }, clock);
    const busy = localThenRemote({ serviceMs: 20 }, { admission });
    const results = await Promise.all([1, 2, 3].map(() => busy.complete(request)));
    expect(results.map(({ provider }) => provider)).toEqual(['local', 'local', 'vllm']);
    expect(admission.status()).toMatchObject({ running: 0, queueDepth: 0 });

    const breaker = new CircuitBreaker({ threshold: 2 }, clock);
    const failed = () => new ProviderError('INHOUSE_PROVIDER_FAILED', 'broken');
    const failing = localThenRemote({ fault: failed }, { breaker });
    await failures([failing.complete(request), failing.complete(request)]);
    expect((await failing.complete(request)).provider).toBe('vllm');
  });

  it('lists the models that can be asked for by name, and is healthy while one route is', async () => {
    const dead: Provider = {
      ...stub(),
      listModels: async () => {
        throw limited();
      },
      health: async () => ({ ok: false, latencyMs: 1, problem: 'It is down.' }),
    };
    const provider = router([
      { provider: dead },
      { provider: stub() },
      { provider: stub({ models: ['x'] }), model: 'x' },
    ]);
    expect((await provider.listModels()).map(({ id }) => id)).toEqual(['gpt2']);
    expect(await provider.health()).toMatchObject({ ok: true });
    expect(await router([{ provider: dead }]).health()).toEqual({
      ok: false,
      latencyMs: 1,
      problem: 'It is down.',
    });
  });

  it('is local, exact and able where all its routes are', () => {
    expect(localThenRemote({}).kind).toBe('remote');
    expect(router([{ provider: stub() }]).kind).toBe('local');
    expect(router([{ provider: stub() }]).capabilities).toEqual(stub().capabilities);
  });

  it('refuses to be without routes', () => {
    expect(() => router([])).toThrow(InhouseError);
  });
});
