import { describe, expect, it } from 'vitest';
import { type InhouseError, InvalidInputError, RunnerError } from '#inhouse/errors.js';
import { balanced } from '#inhouse/providers/balanced.js';
import type { CompletionChunk, Provider } from '#inhouse/providers/provider.js';
import { type StubOptions, stub } from '#inhouse/providers/stub.js';
import { describeProvider } from './conformance.js';

describeProvider('balanced, over two stubs', async () => ({
  provider: balanced([stub(), stub()], 'stub'),
  slow: balanced([stub({ text: ' word'.repeat(400), serviceMs: 400 })]),
  model: 'gpt2',
  contextLength: 1024,
  dispose: async () => {},
}));

const request = { model: 'gpt2', prompt: 'Hello there', maxTokens: 8 };
const lost = (code: 'INHOUSE_RUNTIME_STEP' | 'INHOUSE_RUNTIME_LOAD' = 'INHOUSE_RUNTIME_STEP') =>
  new RunnerError(code, 'the device is lost');

/** Replicas 'gpu 0', 'gpu 1', ... in one provider. */
function replicas(...options: readonly StubOptions[]): Provider[] {
  return options.map((one, index) => stub({ name: `gpu ${index}`, ...one }));
}

/** Which of them served. */
const servedBy = async (provider: Provider, change: object = {}) =>
  (await provider.complete({ ...request, ...change })).provider;

describe('balanced', () => {
  it('asks the first of equals', async () => {
    expect(await servedBy(balanced(replicas({}, {})))).toBe('gpu 0');
  });

  it('spreads calls that are under way together, evenly', async () => {
    const provider = balanced(replicas({ serviceMs: 20 }, { serviceMs: 20 }, { serviceMs: 20 }));
    const served = await Promise.all(Array.from({ length: 9 }, () => servedBy(provider)));
    expect(served.toSorted()).toEqual(['gpu 0', 'gpu 1', 'gpu 2'].flatMap((name) => [name, name, name]));
  });

  it('counts choices, not calls', async () => {
    const provider = balanced(replicas({ serviceMs: 20 }, { serviceMs: 20 }));
    const served = await Promise.all([
      servedBy(provider, { n: 3 }),
      ...[1, 2, 3].map(() => servedBy(provider)),
    ]);
    expect(served).toEqual(['gpu 0', 'gpu 1', 'gpu 1', 'gpu 1']);
  });

  it('counts a stream until it ends, and an embedding by its inputs', async () => {
    const provider = balanced(replicas({ serviceMs: 20 }, { serviceMs: 20 }));
    const stream = provider.stream(request);
    const embedding = provider.embed({ model: 'gpt2', input: ['one', 'two'] });
    expect((await embedding).provider).toBe('gpu 1');
    expect((await stream.result).provider).toBe('gpu 0');
    expect(await servedBy(provider)).toBe('gpu 0'); // nothing is under way any more
  });

  it.each(['INHOUSE_RUNTIME_STEP', 'INHOUSE_RUNTIME_LOAD'] as const)(
    'goes on to another replica when one breaks: %s',
    async (code) => {
      const provider = balanced(replicas({ fault: () => lost(code) }, {}));
      expect(await servedBy(provider)).toBe('gpu 1');
      expect((await provider.stream(request).result).provider).toBe('gpu 1');
    },
  );

  it('leaves a replica that broke alone for a while, and asks it again after', async () => {
    let now = 0;
    let broken = true;
    const calls: string[] = [];
    const failing = (name: string, fault: () => InhouseError | undefined) => ({
      fault: () => {
        calls.push(name);
        return fault();
      },
    });
    const provider = balanced(
      replicas(
        failing('gpu 0', () => (broken ? lost() : undefined)),
        failing('gpu 1', () => undefined),
      ),
      'balanced',
      () => now,
    );
    expect(await servedBy(provider)).toBe('gpu 1');
    now = 29_999;
    expect(await servedBy(provider)).toBe('gpu 1');
    expect(calls).toEqual(['gpu 0', 'gpu 1', 'gpu 1']);
    broken = false;
    now = 30_000;
    expect(await servedBy(provider)).toBe('gpu 0');
  });

  it('throws the error of the last one when all are broken, and asks all again in the next call', async () => {
    const provider = balanced(replicas({ fault: () => lost() }, { fault: () => lost() }));
    for (const _ of [1, 2]) await expect(provider.complete(request)).rejects.toThrow('the device is lost');
  });

  it('asks no other replica when the request itself is wrong', async () => {
    const provider = balanced(replicas({}, {}));
    await expect(provider.complete({ ...request, maxTokens: -1 })).rejects.toBeInstanceOf(InvalidInputError);
    await expect(provider.complete({ ...request, model: 'other' })).rejects.toMatchObject({
      code: 'INHOUSE_MODEL_NOT_SERVED',
    });
  });

  it('does not start a stream again once a chunk of it is out', async () => {
    const provider = balanced(replicas({ fault: () => lost(), tokensBeforeFault: 2 }, {}));
    const chunks: CompletionChunk[] = [];
    await expect(async () => {
      for await (const chunk of provider.stream(request)) chunks.push(chunk);
    }).rejects.toThrow('the device is lost');
    expect(chunks.length).toBeGreaterThan(0);
  });

  it('takes at least one provider', () => {
    expect(() => balanced([])).toThrow('balanced: pass at least one provider.');
  });
});
