import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AbortedError } from '#inhouse/errors.js';
import { governanceOf } from '#inhouse/governance/governance-report.js';
import { govern } from '#inhouse/governance/governed-provider.js';
import { load } from '#inhouse/load.js';
import type { Model } from '#inhouse/model.js';
import { type LocalModel, local } from '#inhouse/providers/local.js';
import { asChatCompletion, asEmbeddingList } from '#inhouse/providers/openai-shape.js';
import type { Provider } from '#inhouse/providers/provider.js';
import { transcript } from '#inhouse/providers/transcript.js';
import { describeProvider, failures } from './conformance.js';

describeProvider('local, with the embedded model', async () => {
  const model = await load();
  const provider = local(model);
  const { id, contextLength } = model.info();
  return { provider, slow: provider, model: id, contextLength, dispose: () => model.dispose() };
});

describe('local', () => {
  let model: Model;
  let provider: Provider;
  beforeAll(async () => {
    model = await load();
    provider = local(new Map([['small', model]]));
  });
  afterAll(() => model.dispose());

  const messages = [
    { role: 'system', content: 'A talk.' },
    { role: 'user', content: ' Who are you? ' },
    { role: 'assistant', content: ' Alice.\n' },
    { role: 'user', content: 'Alice who?' },
  ] as const;

  it('serves models under the names it is given', async () => {
    expect(await provider.listModels()).toMatchObject([{ id: 'small', use: 'text' }]);
    const [error] = await failures([provider.complete({ model: 'large', prompt: 'x' })]);
    expect(error!.message).toContain('It serves: small.');
  });

  it('C-87: calls computed together share the time, and one that is aborted tells its share', async () => {
    const startedMs = performance.now();
    const calls = Array.from({ length: 8 }, (_, seed) =>
      provider.complete({ model: 'small', prompt: 'Once upon a time', maxTokens: 64, seed }),
    );
    const controller = new AbortController();
    const aborted = provider.stream({ model: 'small', prompt: 'A', maxTokens: 200 }, controller);
    await aborted[Symbol.asyncIterator]().next();
    controller.abort();
    const [error] = await failures([aborted.result]);
    const shares = (await Promise.all(calls)).map(({ timings }) => timings.computeMs!);
    const lost = (error as AbortedError).details.computeMs as number;
    const computedMs = shares.reduce((sum, ms) => sum + ms, lost);
    expect(Math.min(lost, ...shares)).toBeGreaterThan(0);
    expect(computedMs).toBeLessThanOrEqual(performance.now() - startedMs);
  });

  describe('what ends before it has run has used nothing', () => {
    const request = { model: 'small', prompt: 'The lighthouse '.repeat(50), maxTokens: 5 };
    const nothing = { promptTokens: 0, completionTokens: 0, totalTokens: 0 };
    const costOf = (error: Error | undefined) => governanceOf(error)!.cost.actualUsd;

    it('a signal that has aborted already', async () => {
      const call = { signal: AbortSignal.abort() };
      const governed = govern(provider);
      const errors = await failures([
        governed.complete(request, call),
        governed.stream(request, call).result,
      ]);
      expect(errors.map(costOf)).toEqual([0, 0]);
    });

    it('a call that ends in the queue of the engine', async () => {
      await using narrow = await load(undefined, { maxBatchSize: 1 });
      const queued = local(new Map([['small', narrow]]));
      const governed = govern(queued, { enableRetry: false });
      const leave = new AbortController();
      const busy = queued.complete({ ...request, maxTokens: 400 }, { signal: leave.signal });
      const left = queued.stream(request);
      await left[Symbol.asyncIterator]().return?.();
      const errors = await failures([
        governed.complete(request, { timeoutMs: 5 }),
        governed.stream(request, { timeoutMs: 5 }).result,
      ]);
      leave.abort();
      await failures([busy]);
      for (const error of errors)
        expect(error).toMatchObject({ code: 'INHOUSE_TIMEOUT', details: { usage: nothing, computeMs: 0 } });
      expect(errors.map(costOf)).toEqual([0, 0]);
      expect(await left.result).toMatchObject({ finishReason: 'abort', usage: nothing });
    });
  });

  it('embeddings that end early tell the tokens of the inputs that were done', async () => {
    const controller = new AbortController();
    let done = 0;
    const provider = local({
      info: () => model.info(),
      countTokens: (text) => model.countTokens(text),
      embed: async () => {
        if (++done === 9) controller.abort();
        return new Float32Array(2);
      },
    } as Partial<LocalModel> as LocalModel);
    const input = Array.from({ length: 10 }, () => 'one two');
    const tokens = 9 * model.countTokens('one two');
    const request = { model: model.info().id, input };
    const [aborted] = await failures([provider.embed(request, controller)]);
    expect(aborted).toMatchObject({
      code: 'INHOUSE_ABORTED',
      details: { usage: { promptTokens: tokens, completionTokens: 0, totalTokens: tokens } },
    });
    const tooLong = 'word '.repeat(model.info().contextLength + 1);
    const [refused] = await failures([local(model).embed({ ...request, input: ['one two', tooLong] })]);
    expect(refused).toMatchObject({
      code: 'INHOUSE_CONTEXT_OVERFLOW',
      name: 'InvalidInputError',
      details: { usage: { totalTokens: model.countTokens('one two') } },
    });
  });

  it('is the model itself: same tokens, same timings, same usage', async () => {
    const options = { maxTokens: 10, seed: 3, logprobs: 2 };
    const direct = await model.generate('Once upon a time', options);
    const result = await provider.complete({ model: 'small', prompt: 'Once upon a time', ...options });
    expect(result.choices[0]!.tokens).toEqual(direct.tokens);
    expect(result.usage).toEqual(direct.usage);
    expect(Object.keys(result.timings)).toEqual(Object.keys(direct.timings));
    expect(result.choices[0]!.logprobs!.map(({ logprob }) => logprob)).toEqual(
      direct.logprobs!.map(({ logprob }) => logprob),
    );
    expect(result.choices[0]!.logprobs!.map(({ text }) => text).join('')).toBe(result.text);
    expect(result.choices[0]!.logprobs![0]!.top.length).toBe(2);
  });

  it('turns a conversation into a transcript, which ends before the next turn of the user', async () => {
    const text = 'A talk.\n\nYou: Who are you?\nReply: Alice.\nYou: Alice who?\nReply:';
    expect(transcript(messages)).toBe(text);
    const chat = await provider.chat({ model: 'small', messages, maxTokens: 20, seed: 1, stop: 'zzz' });
    const direct = await model.generate(text, { maxTokens: 20, seed: 1, stop: ['\nYou:', 'zzz'] });
    expect(chat.text).toBe(direct.text);
    expect(chat.text).not.toContain('You:');
  });

  it('ends an embedding that waits for its turn when its caller aborts or its time is up', async () => {
    const ahead = model.score('A lighthouse. '.repeat(400));
    const request = { model: 'small', input: 'waits' };
    const controller = new AbortController();
    const calls = [provider.embed(request, controller), provider.embed(request, { timeoutMs: 1 })];
    controller.abort();
    expect(await failures(calls)).toMatchObject([{ code: 'INHOUSE_ABORTED' }, { code: 'INHOUSE_TIMEOUT' }]);
    await ahead;
  });

  it('A-57: chat and embedding results in OpenAI shape, their usage as the tokenizer counts', async () => {
    const chat = await provider.chat({ model: 'small', messages, maxTokens: 5, temperature: 0 });
    const promptTokens = model.countTokens(transcript(messages));
    expect(asChatCompletion(chat, 1_700_000_000)).toEqual({
      id: expect.stringMatching(/^cmpl-/),
      object: 'chat.completion',
      created: 1_700_000_000,
      model: 'small',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: chat.text, refusal: null },
          finish_reason: 'length',
          logprobs: null,
        },
      ],
      usage: { prompt_tokens: promptTokens, completion_tokens: 5, total_tokens: promptTokens + 5 },
    });
    const embedding = await provider.embed({ model: 'small', input: ['one', 'two'] });
    const list = asEmbeddingList(embedding);
    const { width } = model.info();
    expect(list).toMatchObject({ object: 'list', model: 'small' });
    expect(list.data.map(({ object, index }) => [object, index])).toEqual([
      ['embedding', 0],
      ['embedding', 1],
    ]);
    expect(list.data.map((entry) => entry.embedding.length)).toEqual([width, width]);
    const tokens = model.countTokens('one') + model.countTokens('two');
    expect(list.usage).toEqual({ prompt_tokens: tokens, total_tokens: tokens });
  });

  it('tells of a model that can no longer serve', async () => {
    const gone = await load();
    const provider = local(gone);
    await gone.dispose();
    expect(await provider.health()).toMatchObject({
      ok: false,
      problem: expect.stringContaining('disposed'),
    });
  });

  it('refuses to be without models', () => {
    expect(() => local(new Map())).toThrow(/at least one/);
  });
});
