// The generation API on the embedded model: what holds for every call, whatever the text and the runner.
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { embeddedModelFolder } from '#inhouse/checkpoint/embedded.js';
import { DisposedError, type GenerateOptions, InvalidInputError, load, type Model } from '#inhouse/index.js';
import { nativeAddon } from '#inhouse/runtime/native.js';

const PROMPT = 'It was a dark and stormy night, and';
const SAMPLED = { temperature: 0.8, topP: 0.95, seed: 7 } as const;

const RUNNERS = nativeAddon().loaded ? (['native', 'portable'] as const) : (['portable'] as const);

describe.each(RUNNERS)('on the %s runner', (runner) => {
  let home: string;
  let model: Model;

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'inhouse-generation-'));
    process.env.INHOUSE_HOME = home;
    model = await load('embedded', { runner, prefixCacheRows: 0 }); // nothing stays behind when nothing runs
  });
  afterAll(async () => {
    await model.dispose();
    await rm(home, { recursive: true, force: true });
  });

  /** Everything is free again: no row, no token, no byte of KV. */
  async function expectIdle(): Promise<void> {
    await expect
      .poll(() => model.statistics())
      .toMatchObject({
        rowsOpen: 0,
        running: 0,
        waiting: 0,
        kv: { tokensHeld: 0, usedBytes: 0, committedBytes: 0 },
      });
  }

  describe('stream and generate', () => {
    it('give the same text, tokens and reasons', async () => {
      const options = fc.record<GenerateOptions>(
        {
          maxTokens: fc.integer({ min: 1, max: 24 }),
          temperature: fc.constantFrom(0, 0.7, 1.5),
          topK: fc.constantFrom(0, 5, 100),
          topP: fc.constantFrom(1, 0.9),
          minP: fc.constantFrom(0, 0.05),
          repetitionPenalty: fc.constantFrom(1, 1.3),
          frequencyPenalty: fc.constantFrom(0, 0.5),
          seed: fc.nat(),
          stop: fc.constantFrom([], [','], ['. ', 'the']),
          echo: fc.boolean(),
          n: fc.constantFrom(1, 3),
          logprobs: fc.constantFrom(0, 3),
        },
        { requiredKeys: ['maxTokens', 'seed'] },
      );
      await fc.assert(
        fc.asyncProperty(options, async (given) => {
          const whole = await model.generate(PROMPT, given);
          const stream = model.stream(PROMPT, given);
          const texts = whole.choices.map(() => '');
          const tokens: number[][] = whole.choices.map(() => []);
          const reasons: Array<string | undefined> = whole.choices.map(() => undefined);
          for await (const chunk of stream) {
            texts[chunk.index] += chunk.text;
            tokens[chunk.index]!.push(...chunk.tokens);
            expect(reasons[chunk.index]).toBeUndefined(); // nothing comes after the last chunk
            reasons[chunk.index] = chunk.finishReason;
            expect(chunk.text.isWellFormed()).toBe(true);
          }
          expect(texts).toEqual(whole.choices.map((choice) => choice.text));
          if (given.echo) for (const text of texts) expect(text.startsWith(PROMPT)).toBe(true);
          expect(tokens).toEqual(whole.choices.map((choice) => choice.tokens));
          expect(reasons).toEqual(whole.choices.map((choice) => choice.finishReason));
          expect((await stream.result).choices).toEqual(whole.choices);
        }),
        { numRuns: 15 },
      );
      await expectIdle();
    });

    it('give the same text for the same seed, alone or among others', async () => {
      const alone = await model.generate(PROMPT, { ...SAMPLED, maxTokens: 40 });
      const together = await Promise.all(
        Array.from({ length: 12 }, (_, i) =>
          model.generate(i % 3 === 0 ? PROMPT : `${i} ${PROMPT}`, {
            ...SAMPLED,
            maxTokens: 20 + 5 * (i % 5),
          }),
        ),
      );
      for (const i of [0, 3, 6, 9]) {
        const length = Math.min(40, together[i]!.tokens.length);
        expect(together[i]!.tokens.slice(0, length)).toEqual(alone.tokens.slice(0, length));
      }
      await expectIdle();
    });

    it('give other text for another seed, and tell the seed they drew', async () => {
      const drawn = await model.generate(PROMPT, { maxTokens: 30 });
      const again = await model.generate(PROMPT, { maxTokens: 30, seed: drawn.seed });
      const other = await model.generate(PROMPT, { maxTokens: 30, seed: drawn.seed + 1 });
      expect(again.text).toBe(drawn.text);
      expect(other.text).not.toBe(drawn.text);
    });

    it('report usage and timings that fit together', async () => {
      const { usage, timings, tokens, finishReason } = await model.generate(PROMPT, {
        ...SAMPLED,
        maxTokens: 12,
      });
      expect(usage).toEqual({ promptTokens: 10, completionTokens: 12, totalTokens: 22 });
      expect([tokens.length, finishReason]).toEqual([12, 'length']);
      expect(timings.queueMs).toBeGreaterThanOrEqual(0);
      expect(timings.timeToFirstTokenMs).toBeGreaterThanOrEqual(timings.queueMs);
      expect(timings.perTokenMs).toBeGreaterThan(0);
      expect(timings.totalMs).toBeGreaterThan(timings.timeToFirstTokenMs!);
    });

    it('work on what they were given, whatever becomes of the arrays it came in', async () => {
      const options = { temperature: 0, maxTokens: 12, repetitionPenalty: 1.8 } as const;
      const ids = model.tokenize(PROMPT);
      const { text, tokens } = await model.generate([...ids], options);
      const stop = ['nowhere in the text'];
      const running = model.generate(ids, { ...options, stop });
      ids.fill(1_000_000);
      stop[0] = text.slice(0, 2);
      expect((await running).tokens).toEqual(tokens);
    });

    it('accept token ids where they accept text', async () => {
      const fromText = await model.generate(PROMPT, { ...SAMPLED, maxTokens: 8 });
      const fromIds = await model.generate(model.tokenize(PROMPT), { ...SAMPLED, maxTokens: 8 });
      expect(fromIds.text).toBe(fromText.text);
      expect(model.detokenize(fromIds.tokens)).toBe(fromIds.text);
      expect(model.countTokens(PROMPT)).toBe(10);
    });
  });

  describe('a generation ends', () => {
    it('at a stop string split over tokens, which is not part of the text', async () => {
      const free = await model.generate(PROMPT, { temperature: 0, maxTokens: 20 });
      const [before] = free.text.split('still, and');
      expect(before).not.toBe(free.text); // the stop string spans several tokens of the greedy text
      const stopped = await model.generate(PROMPT, {
        temperature: 0,
        maxTokens: 20,
        stop: ['never there', 'still, and'],
      });
      expect(stopped).toMatchObject({ text: before, finishReason: 'stop', stopReason: 'still, and' });
      expect(stopped.tokens.length).toBeLessThan(free.tokens.length);
    });

    it('at a stop token, but not before minTokens', async () => {
      const free = await model.generate(PROMPT, { temperature: 0, maxTokens: 20 });
      const stopToken = free.tokens[3]!;
      const options = { temperature: 0, maxTokens: 20, stopTokenIds: [stopToken] };
      const stopped = await model.generate(PROMPT, options);
      expect(stopped).toMatchObject({ finishReason: 'stop', stopReason: stopToken });
      const at = free.tokens.indexOf(stopToken);
      expect(stopped.tokens).toEqual(free.tokens.slice(0, at + 1));
      expect(stopped.text).toBe(model.detokenize(free.tokens.slice(0, at)));
      const later = await model.generate(PROMPT, { ...options, minTokens: 15 });
      expect(later.tokens.slice(0, 15)).not.toContain(stopToken);
      expect(later.tokens.length).toBeGreaterThanOrEqual(15);
    });

    it('when the context is full and no maximum was named', async () => {
      const prompt = Array.from({ length: 1000 }, (_, i) => 300 + (i % 500));
      const result = await model.generate(prompt, SAMPLED);
      expect(result.finishReason).toBe('context');
      expect(result.usage).toEqual({ promptTokens: 1000, completionTokens: 25, totalTokens: 1025 });
    });

    it('within one token of an abort, and frees its row', async () => {
      const controller = new AbortController();
      let seen = 0;
      const onToken = () => {
        seen++;
        if (seen === 5) controller.abort();
      };
      const result = await model.generate(PROMPT, { maxTokens: 500, signal: controller.signal, onToken });
      expect(result.finishReason).toBe('abort');
      expect(result.tokens).toHaveLength(5);
      expect(seen).toBe(5);
      await expectIdle();
    });

    it('at once when it was aborted before it began', async () => {
      const result = await model.generate(PROMPT, { signal: AbortSignal.abort() });
      expect(result).toMatchObject({
        finishReason: 'abort',
        text: '',
        tokens: [],
        usage: { promptTokens: 0, completionTokens: 0, totalTokens: 0 },
      });
      await expectIdle();
    });

    it('while it waits for a row, when it is aborted there', async () => {
      const busy = Array.from({ length: 8 }, () => model.generate(PROMPT, { ...SAMPLED, maxTokens: 60 }));
      const controller = new AbortController();
      const waiting = model.generate(PROMPT, { maxTokens: 60, signal: controller.signal });
      controller.abort();
      expect((await waiting).tokens).toHaveLength(0);
      for (const result of await Promise.all(busy)) expect(result.tokens).toHaveLength(60);
      await expectIdle();
    });

    it('when the reader leaves the loop', async () => {
      const stream = model.stream(PROMPT, { maxTokens: 500 });
      for await (const _ of stream) break;
      expect(await stream.result).toMatchObject({ finishReason: 'abort' });
      await expectIdle();
    });

    it('when the reader leaves before the first chunk', async () => {
      const stream = model.stream(PROMPT, { maxTokens: 500 });
      const reader = stream[Symbol.asyncIterator]();
      await reader.return!();
      expect(await stream.result).toMatchObject({ finishReason: 'abort' });
      expect(await reader.next()).toEqual({ done: true, value: undefined });
      await expectIdle();
    });

    it('when the reader leaves while it waits for a chunk', async () => {
      const busy = Array.from({ length: 8 }, () => model.generate(PROMPT, { ...SAMPLED, maxTokens: 60 }));
      let over = false;
      const all = Promise.all(busy).then(() => {
        over = true;
      });
      const stream = model.stream(PROMPT, { maxTokens: 60 });
      const readable = Readable.from(stream).resume();
      await setImmediate();
      readable.destroy();
      expect(await stream.result).toMatchObject({ finishReason: 'abort', tokens: [] });
      expect(over).toBe(false);
      await all;
      await expectIdle();
    });

    it("when the caller's callback throws, with that error", async () => {
      const failure = new Error('mine');
      const onToken = () => {
        throw failure;
      };
      await expect(model.generate(PROMPT, { onToken })).rejects.toBe(failure);
      await expectIdle();
    });
  });

  describe('a context that overflows', () => {
    const long = Array.from({ length: 1100 }, (_, i) => 300 + (i % 500));

    it('is an error by default, before any work', async () => {
      const before = await model.statistics();
      await expect(model.generate(long)).rejects.toMatchObject({
        code: 'INHOUSE_CONTEXT_OVERFLOW',
        status: 413,
      });
      expect((await model.statistics()).prefillTokens).toBe(before.prefillTokens);
    });

    it('drops the oldest prompt tokens when asked to', async () => {
      const options = { temperature: 0, maxTokens: 10, contextOverflow: 'truncate-left' } as const;
      const truncated = await model.generate(long, options);
      expect(truncated).toMatchObject({ droppedTokens: 85, usage: { promptTokens: 1015 } });
      const kept = await model.generate(long.slice(85), { ...options, contextOverflow: 'strict' });
      expect(truncated.tokens).toEqual(kept.tokens);
    });

    it('slides as often as needed: each window goes on as a fresh prompt would', async () => {
      const options = { temperature: 0, maxTokens: 540, contextOverflow: 'slide' } as const;
      const slid = await model.generate(long.slice(0, 1020), options);
      expect(slid).toMatchObject({ finishReason: 'length', droppedTokens: 1024 });
      expect(slid.tokens).toHaveLength(540);
      // The first window holds 1020 + 4 positions and gives token 5; then the youngest 513 tokens are computed anew.
      const window = [...long.slice(0, 1020), ...slid.tokens.slice(0, 5)].slice(512);
      const fresh = await model.generate(window, { temperature: 0, maxTokens: 20 });
      expect(slid.tokens.slice(5, 25)).toEqual(fresh.tokens);
      await expectIdle();
    });
  });

  describe('bad input is refused, and the model stays usable', () => {
    afterEach(async () => {
      expect((await model.generate(PROMPT, { temperature: 0, maxTokens: 3 })).tokens).toHaveLength(3);
    });

    it.each<[string, string, unknown, GenerateOptions]>([
      ['an empty prompt', 'INHOUSE_EMPTY_PROMPT', '', {}],
      ['no tokens', 'INHOUSE_EMPTY_PROMPT', [], {}],
      ['a lone surrogate', 'INHOUSE_INVALID_TEXT', 'half \ud800 pair', {}],
      ['a prompt that is neither text nor ids', 'INHOUSE_INVALID_TEXT', { text: 'x' }, {}],
      ['an id outside the vocabulary', 'INHOUSE_INVALID_TOKEN', [1, 8192], {}],
      ['nothing among the ids', 'INHOUSE_INVALID_TOKEN', [1, undefined], {}],
      ['ids that were never set', 'INHOUSE_INVALID_TOKEN', new Array(2), {}],
      ['a stop token outside the vocabulary', 'INHOUSE_INVALID_OPTION', 'x', { stopTokenIds: [8192] }],
      ['a bias outside the vocabulary', 'INHOUSE_INVALID_OPTION', 'x', { logitBias: { 8192: 1 } }],
      ['a huge maxTokens', 'INHOUSE_CONTEXT_OVERFLOW', 'x', { maxTokens: 1_000_000 }],
      ['an option that does not exist', 'INHOUSE_UNKNOWN_OPTION', 'x', { topk: 5 } as GenerateOptions],
    ])('%s', async (_what, code, prompt, options) => {
      const error = await model.generate(prompt as string, options).catch((reason) => reason);
      expect(error).toBeInstanceOf(InvalidInputError);
      expect(error.code).toBe(code);
      expect(() => model.stream(prompt as string, options)).toThrow(expect.objectContaining({ code }));
    });

    it('score and embed', async () => {
      await expect(model.score('a')).rejects.toMatchObject({ code: 'INHOUSE_EMPTY_PROMPT' });
      await expect(model.score('some text', { window: 2000 })).rejects.toMatchObject({
        code: 'INHOUSE_INVALID_OPTION',
      });
      await expect(model.score('some text', { window: 8, stride: 8 })).rejects.toMatchObject({
        code: 'INHOUSE_INVALID_OPTION',
      });
      await expect(model.embed('')).rejects.toMatchObject({ code: 'INHOUSE_EMPTY_PROMPT' });
      await expect(model.embed(new Array(1025).fill(1))).rejects.toMatchObject({
        code: 'INHOUSE_CONTEXT_OVERFLOW',
      });
      await expect(model.embed('x', { pooling: 'max' as 'mean' })).rejects.toMatchObject({
        code: 'INHOUSE_INVALID_OPTION',
      });
    });
  });

  describe('score', () => {
    const text = 'It was a dark and stormy night, and the wind came howling up the street. '.repeat(6);

    it('gives the same log-probabilities in one window as token by token', async () => {
      const score = await model.score(text);
      expect(score.logprobs).toHaveLength(score.ids.length);
      expect(score.logprobs[0]).toBeNull();
      expect(score.perplexity).toBeCloseTo(Math.exp(score.meanLoss), 10);
      const { logprobs } = await model.generate(score.ids.slice(0, 20), {
        maxTokens: 1,
        temperature: 0,
        logprobs: 20,
      });
      const [first] = logprobs!;
      const next = [first!, ...first!.top].find(({ token }) => token === score.ids[20]);
      if (next) expect(next.logprob).toBeCloseTo(score.logprobs[20]!, 4);
      expect(first!.top[0]!.token).toBe(first!.token);
    });

    it('agrees between windows where the context is the same', async () => {
      const whole = await model.score(text);
      const windowed = await model.score(text, { window: 32, stride: 8 });
      expect(windowed.scoredTokens).toBe(whole.scoredTokens);
      for (let i = 1; i < 32; i++) expect(windowed.logprobs[i]).toBeCloseTo(whole.logprobs[i]!, 4);
      expect(windowed.perplexity).toBeGreaterThan(whole.perplexity); // this text repeats itself: context helps
    });

    it('is not begun when it was aborted before', async () => {
      const signal = AbortSignal.abort(new Error('enough'));
      await expect(model.score(text, { window: 32, stride: 8, signal })).rejects.toThrow('enough');
    });

    it('ends when it is aborted between windows, and leaves the model free', async () => {
      const controller = new AbortController();
      const long = model.score(text.repeat(40), { window: 32, stride: 1, signal: controller.signal });
      await model.score(text, { window: 32, stride: 16 }); // meanwhile the long one has begun
      controller.abort(new Error('enough'));
      await expect(long).rejects.toThrow('enough');
      await expectIdle();
    });
  });

  describe('score and embed beside streams', () => {
    const text = 'The lighthouse stood alone on the rock, and the sea was grey. '.repeat(5);

    it('give what they give on an idle model, to the bit, and the streams their text', async () => {
      const options = { ...SAMPLED, maxTokens: 60 };
      const windows = { window: 32, stride: 16 };
      const score = await model.score(text, windows);
      const vector = await model.embed(text);
      const { tokens } = await model.generate(PROMPT, options);
      const beside = await Promise.all([
        model.generate(PROMPT, options),
        model.score(text, windows),
        model.embed(text),
        model.score(text, windows),
        model.generate(PROMPT, options),
      ]);
      expect([beside[0].tokens, beside[4].tokens]).toEqual([tokens, tokens]);
      expect([beside[1], beside[3]]).toEqual([score, score]);
      expect(beside[2]).toEqual(vector);
      await expectIdle();
    });

    it('take token ids as they are at the call', async () => {
      const ids = [...model.tokenize(text)];
      const [score, vector] = [await model.score(ids), await model.embed(ids)];
      const calls = [model.score(ids), model.embed(ids)] as const;
      ids.fill(0);
      expect(await Promise.all(calls)).toEqual([score, vector]);
    });
  });

  describe('embed', () => {
    it('is near for near texts', async () => {
      const [night, evening, numbers] = await Promise.all(
        ['The night was dark.', 'The evening was dark.', '12 14 16 18'].map((text) =>
          model.embed(text, { normalize: true }),
        ),
      );
      const cosine = (a: Float32Array, b: Float32Array) =>
        a.reduce((sum, value, i) => sum + value * b[i]!, 0);
      expect(cosine(night!, night!)).toBeCloseTo(1, 5);
      expect(cosine(night!, evening!)).toBeGreaterThan(cosine(night!, numbers!));
    });
  });

  describe('a model', () => {
    it('tells what it is', () => {
      expect(model.info()).toMatchObject({
        id: 'embedded',
        source: 'embedded',
        parameterCount: 7_098_368,
        precision: 'fp32',
        device: 'cpu',
        layers: 6,
        width: 256,
        contextLength: 1024,
        vocabularySize: 8192,
        hasTokenizer: true,
        eosTokenIds: [8191],
      });
    });

    it('fails what runs and waits when it is disposed of, and everything after', async () => {
      const other = await load('embedded', { maxBatchSize: 1, runner });
      const running = other.generate(PROMPT, { maxTokens: 500 });
      const waiting = other.generate(PROMPT, { maxTokens: 500 });
      const stream = other.stream(PROMPT);
      const read = (async () => {
        for await (const _ of stream);
      })();
      await expect.poll(() => other.statistics()).toMatchObject({ running: 1, waiting: 2 });
      const disposal = other.dispose();
      for (const call of [
        running,
        waiting,
        read,
        other.generate(PROMPT),
        other.score(PROMPT),
        other.embed(PROMPT),
      ]) {
        const error = await call.then(
          () => undefined,
          (reason) => reason,
        );
        expect(error).toBeInstanceOf(DisposedError);
      }
      await disposal;
      await other.dispose();
      await expect(other.statistics()).rejects.toMatchObject({ code: 'INHOUSE_DISPOSED' });
    });

    it('without tokenizer files takes and gives ids', async () => {
      const folder = join(home, 'no-tokenizer');
      await mkdir(folder);
      for (const name of ['config.json', 'model.safetensors']) {
        await copyFile(join(embeddedModelFolder(), name), join(folder, name));
      }
      await using bare = await load(folder, { runner });
      const ids = model.tokenize(PROMPT);
      const result = await bare.generate(ids, { temperature: 0, maxTokens: 5 });
      expect(result.tokens).toEqual((await model.generate(ids, { temperature: 0, maxTokens: 5 })).tokens);
      expect(result.text).toBe('');
      await expect(bare.generate(PROMPT)).rejects.toMatchObject({ code: 'INHOUSE_TOKENIZER_MISSING' });
      await expect(bare.generate(ids, { stop: 'x' })).rejects.toMatchObject({
        code: 'INHOUSE_TOKENIZER_MISSING',
      });
      expect(() => bare.tokenize(PROMPT)).toThrow(
        expect.objectContaining({ code: 'INHOUSE_TOKENIZER_MISSING' }),
      );
    });

    it('is refused by name when it does not exist, with options that do not, or from nowhere', async () => {
      await expect(load('gpt22')).rejects.toMatchObject({ code: 'INHOUSE_MODEL_UNKNOWN' });
      await expect(load('./nowhere')).rejects.toMatchObject({ code: 'INHOUSE_CHECKPOINT_UNREADABLE' });
      await expect(load('embedded', { thread: 1 } as object)).rejects.toMatchObject({
        code: 'INHOUSE_UNKNOWN_OPTION',
      });
      await expect(load('embedded', { precision: 'int3' as 'fp32' })).rejects.toMatchObject({
        code: 'INHOUSE_INVALID_OPTION',
      });
    });
  });
});
