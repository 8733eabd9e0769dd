// What every provider must do, whatever is behind it. One suite, run unchanged on all of them.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AbortedError, InvalidInputError, ModelUnavailableError, TimeoutError } from '#inhouse/errors.js';
import type { Completion, CompletionChunk, CompletionStream, Provider } from '#inhouse/providers/provider.js';

export interface Subject {
  readonly provider: Provider;
  /** A model it serves, and that model's context. */
  readonly model: string;
  readonly contextLength: number;
  /** The same kind of provider, whose `LONG` request takes at least 200 ms and comes in many chunks. */
  readonly slow: Provider;
  dispose(): Promise<void>;
}

const PROMPT = 'The rabbit took a watch out of its pocket, and';
const MESSAGES = [
  { role: 'system', content: 'A conversation in a garden.' },
  { role: 'user', content: 'Where does the path lead?' },
  { role: 'assistant', content: 'To the house.' },
  { role: 'user', content: 'And then?' },
] as const;
const GREEDY = { temperature: 0, maxTokens: 8 };

export function describeProvider(name: string, open: () => Promise<Subject>): void {
  describe(`provider: ${name}`, () => {
    let subject: Subject;
    let provider: Provider;
    let model: string;
    beforeAll(async () => {
      subject = await open();
      ({ provider, model } = subject);
    });
    afterAll(() => subject.dispose());

    const completion = () => provider.complete({ model, prompt: PROMPT, ...GREEDY });
    const long = () => ({ model, prompt: PROMPT, temperature: 0, maxTokens: 400 });

    it('knows the context of its model, or does not say', () => {
      expect([undefined, subject.contextLength]).toContain(provider.contextLength?.(model));
    });

    it('completes a prompt, with all fields of a result', async () => {
      const result = await completion();
      expectWhole(result);
      expect(result).toMatchObject({ provider: provider.name, model, finishReason: 'length' });
      expect(result.text).not.toBe('');
      expect(result.usage.completionTokens).toBe(8);
    });

    it('answers a conversation, with all fields of a result', async () => {
      const result = await provider.chat({ model, messages: MESSAGES, ...GREEDY });
      expectWhole(result);
      expect(result.text).not.toBe('');
    });

    it('gives every call an id of its own', async () => {
      const results = await Promise.all([completion(), completion()]);
      expect(new Set(results.map(({ id }) => id)).size).toBe(2);
    });

    it.each(['prompt', 'messages'] as const)('streams what it would answer at once: %s', async (input) => {
      const request =
        input === 'prompt' ? { model, prompt: PROMPT, ...GREEDY } : { model, messages: MESSAGES, ...GREEDY };
      const stream = provider.stream(request);
      const chunks = await collect(stream);
      const result = await stream.result;
      expectWhole(result);
      expect(textOf(chunks, 0)).toBe(result.text);
      expect(chunks.at(-1)!.finishReason).toBe(result.finishReason);
      expect(chunks.filter(({ finishReason }) => finishReason).length).toBe(1);
      const whole = await ('messages' in request ? provider.chat(request) : provider.complete(request));
      expect(result.text).toBe(whole.text);
      expect(result.usage).toEqual(whole.usage);
    });

    it('C-18: a stream tells when the first token came', async () => {
      const { timings } = await subject.slow.stream({ ...long(), maxTokens: 16 }).result;
      expect(timings.timeToFirstTokenMs).toBeGreaterThan(0);
      expect(timings.timeToFirstTokenMs).toBeLessThanOrEqual(timings.totalMs);
    });

    it('finishes a stream that nobody reads', async () => {
      expectWhole(await provider.stream({ model, prompt: PROMPT, ...GREEDY }).result);
    });

    it('ends at a stop text, which is not part of the result', async () => {
      const { text } = await completion();
      const stop = text.slice(4, 7);
      const result = await provider.complete({ model, prompt: PROMPT, ...GREEDY, stop: ['@@@', stop] });
      expect(result.text).toBe(text.slice(0, text.indexOf(stop)));
      expect(result.finishReason).toBe('stop');
    });

    it('gives n choices, streamed or not', async () => {
      const request = { model, prompt: PROMPT, maxTokens: 6, n: 3, seed: 1 };
      const result = await provider.complete(request);
      expectWhole(result);
      expect(result.choices.map(({ index }) => index)).toEqual([0, 1, 2]);
      const stream = provider.stream(request);
      const chunks = await collect(stream);
      const streamed = await stream.result;
      expect(streamed.choices.map(({ text }) => text)).toEqual(result.choices.map(({ text }) => text));
      for (const { index, text } of streamed.choices) expect(textOf(chunks, index)).toBe(text);
    });

    it('gives the same text for the same seed', async () => {
      const request = { model, prompt: PROMPT, maxTokens: 12, temperature: 1, seed: 7 };
      expect((await provider.complete(request)).text).toBe((await provider.complete(request)).text);
    });

    it('takes every setting', async () => {
      const request = {
        model,
        prompt: PROMPT,
        maxTokens: 4,
        temperature: 0.7,
        topP: 0.9,
        topK: 50,
        minP: 0.01,
        frequencyPenalty: 0.1,
        presencePenalty: 0.1,
        repetitionPenalty: 1.1,
        stop: '@@@',
        seed: 3,
        n: 1,
        logitBias: { 5: -1 },
        logprobs: 2,
      };
      expectWhole(await provider.complete(request, { tenant: 'a', timeoutMs: 60_000 }));
    });

    it('takes a prompt of token ids where it says so', async () => {
      expect(provider.capabilities.tokenIds).toBe(true);
      const result = await provider.complete({ model, prompt: [1, 2, 3], ...GREEDY });
      expect(result.usage.promptTokens).toBe(3);
    });

    it('embeds one text or several, each text always the same', async () => {
      const texts = ['the sea', 'a stone', 'the sea'];
      const { vectors, usage, ...rest } = await provider.embed({ model, input: texts });
      expect(rest).toMatchObject({ provider: provider.name, model });
      expect(vectors.length).toBe(3);
      expect(new Set(vectors.map(({ length }) => length)).size).toBe(1);
      expect(vectors[2]).toEqual(vectors[0]);
      expect(vectors[1]).not.toEqual(vectors[0]);
      expect(usage.completionTokens).toBe(0);
      expect(usage.totalTokens).toBe(usage.promptTokens);
      const single = await provider.embed({ model, input: 'a stone' });
      expect(single.vectors).toEqual([vectors[1]]);
    });

    it('counts tokens as usage does, or estimates them', async () => {
      const requests = [
        { model, prompt: PROMPT, ...GREEDY },
        { model, messages: MESSAGES, ...GREEDY },
      ];
      for (const request of requests) {
        const counted = provider.countTokens(request);
        const { usage } = await provider.stream(request).result;
        if (provider.capabilities.exactTokenCounts) expect(counted).toBe(usage.promptTokens);
        else expect(counted / usage.promptTokens).toBeGreaterThan(0.3);
      }
    });

    it('lists the model, and is in good health', async () => {
      const models = await provider.listModels();
      expect(models.find(({ id }) => id === model)).toMatchObject({ contextLength: subject.contextLength });
      expect(await provider.health()).toEqual({ ok: true, latencyMs: expect.any(Number) });
    });

    it('serves many calls at once', async () => {
      const alone = await completion();
      const all = await Promise.all(Array.from({ length: 20 }, completion));
      expect(all.map(({ text }) => text)).toEqual(all.map(() => alone.text));
    });

    it('refuses a model it does not serve, on every path', async () => {
      const other = { model: 'no-such-model' };
      const calls = [
        provider.complete({ ...other, prompt: PROMPT }),
        provider.chat({ ...other, messages: MESSAGES }),
        provider.stream({ ...other, prompt: PROMPT }).result,
        provider.embed({ ...other, input: 'text' }),
      ];
      for (const error of await failures(calls)) {
        expect(error).toBeInstanceOf(ModelUnavailableError);
        expect(error).toMatchObject({ code: 'INHOUSE_MODEL_NOT_SERVED', retryable: false });
        expect(error.message).toContain('no-such-model');
      }
    });

    it('refuses what cannot be, with the same errors everywhere', async () => {
      const prompt = PROMPT;
      const refused: ReadonlyArray<readonly [code: string, request: Readonly<Record<string, unknown>>]> = [
        ['INHOUSE_UNKNOWN_OPTION', { prompt, maxToken: 3 }],
        ['INHOUSE_UNKNOWN_OPTION', { prompt, team: 'research' }],
        ['INHOUSE_INVALID_OPTION', { prompt, maxTokens: 0 }],
        ['INHOUSE_INVALID_OPTION', { prompt, maxTokens: Number.NaN }],
        ['INHOUSE_INVALID_OPTION', { prompt, temperature: -1 }],
        ['INHOUSE_INVALID_OPTION', { prompt, topP: 0 }],
        ['INHOUSE_INVALID_OPTION', { prompt, n: 1.5 }],
        ['INHOUSE_INVALID_OPTION', { prompt, stop: [''] }],
        ['INHOUSE_INVALID_OPTION', { prompt, logitBias: { 5: 1000 } }],
        ['INHOUSE_INVALID_OPTION', { prompt: 5 }],
        ['INHOUSE_INVALID_OPTION', { prompt: [1.5] }],
        ['INHOUSE_INVALID_OPTION', {}],
        ['INHOUSE_EMPTY_PROMPT', { prompt: '' }],
        ['INHOUSE_EMPTY_PROMPT', { messages: [] }],
        ['INHOUSE_INVALID_OPTION', { messages: [{ role: 'robot', content: '' }] }],
        ['INHOUSE_INVALID_OPTION', { messages: ['hello'] }],
        ['INHOUSE_INVALID_OPTION', { prompt, stop: sparse('x') }],
        ['INHOUSE_INVALID_OPTION', { prompt: sparse(1) }],
        ['INHOUSE_INVALID_OPTION', { messages: sparse(MESSAGES[0]) }],
      ];
      for (const [code, request] of refused) {
        const [error] = await failures([provider.stream({ model, ...request } as never).result]);
        expect(error, JSON.stringify(request)).toBeInstanceOf(InvalidInputError);
        expect(error, JSON.stringify(request)).toMatchObject({ code, retryable: false });
      }
      const others = await failures([
        provider.complete({ model, prompt: PROMPT }, { timeoutMs: -1 }),
        provider.complete({ model, messages: MESSAGES } as never),
        provider.chat({ model, prompt: PROMPT } as never),
        provider.complete(undefined as never),
        provider.embed({ model, input: [] }),
        provider.embed({ model, input: [''] }),
        provider.embed({ model, input: sparse('x') }),
      ]);
      for (const error of others) expect(error).toBeInstanceOf(InvalidInputError);
    });

    it('refuses more than the context holds', async () => {
      const [error] = await failures([
        provider.complete({ model, prompt: PROMPT, maxTokens: subject.contextLength + 1 }),
      ]);
      expect(error).toBeInstanceOf(InvalidInputError);
      expect(error).toMatchObject({ code: 'INHOUSE_CONTEXT_OVERFLOW', retryable: false });
    });

    it('does nothing for a signal that has aborted already', async () => {
      const call = { signal: AbortSignal.abort() };
      const errors = await failures([
        provider.complete({ model, prompt: PROMPT }, call),
        provider.stream({ model, messages: MESSAGES }, call).result,
        provider.embed({ model, input: 'text' }, call),
      ]);
      for (const error of errors) {
        expect(error).toBeInstanceOf(AbortedError);
        const { usage } = (error as AbortedError).details as { usage?: Completion['usage'] };
        expect(usage?.totalTokens ?? 0).toBe(0);
      }
    });

    it('ends with AbortedError when the signal aborts on the way', async () => {
      const controller = new AbortController();
      const reason = new Error('the user left');
      const pending = subject.slow.complete(long(), { signal: controller.signal });
      setTimeout(() => controller.abort(reason), 20);
      const [error] = await failures([pending]);
      expect(error).toBeInstanceOf(AbortedError);
      expect(error).toMatchObject({ code: 'INHOUSE_ABORTED', retryable: false, cause: reason });
    });

    it('ends a stream with AbortedError, and tells what was spent', async () => {
      const controller = new AbortController();
      const stream = subject.slow.stream(long(), { signal: controller.signal });
      const chunks: CompletionChunk[] = [];
      const reading = (async () => {
        for await (const chunk of stream) {
          chunks.push(chunk);
          if (chunks.length === 3) controller.abort();
        }
      })();
      const [heard, error] = await failures([reading, stream.result]);
      expect(heard).toBe(error);
      expect(error).toBeInstanceOf(AbortedError);
      const { usage } = (error as AbortedError).details as { usage: Completion['usage'] };
      expect(usage.completionTokens).toBeGreaterThanOrEqual(3);
      expect(usage.completionTokens).toBeLessThan(400);
      expect(usage.totalTokens).toBe(usage.promptTokens + usage.completionTokens);
    });

    it('C-54: a reader who leaves a stream early ends it, and gets what there is', async () => {
      const stream = subject.slow.stream(long());
      let read = '';
      for await (const { text } of stream) {
        read += text;
        if (read.length >= 8) break;
      }
      const result = await stream.result;
      expectWhole(result);
      expect(result.finishReason).toBe('abort');
      expect(result.text.startsWith(read)).toBe(true);
      expect(result.usage.completionTokens).toBeLessThan(400);
    });

    it('C-66 G-08: ends with TimeoutError when its time is up', async () => {
      const errors = await failures([
        subject.slow.complete(long(), { timeoutMs: 15 }),
        subject.slow.stream(long(), { timeoutMs: 15 }).result,
      ]);
      for (const error of errors) {
        expect(error).toBeInstanceOf(TimeoutError);
        expect(error).toMatchObject({ code: 'INHOUSE_TIMEOUT', status: 504, retryable: true });
        expect(error.message).toContain('15 ms');
      }
    });
  });
}

function expectWhole(result: Completion): void {
  expect(result.id).not.toBe('');
  expect(result.choices.length).toBeGreaterThan(0);
  expect(result.text).toBe(result.choices[0]!.text);
  expect(result.finishReason).toBe(result.choices[0]!.finishReason);
  expect(result.usage.promptTokens).toBeGreaterThan(0);
  expect(result.usage.totalTokens).toBe(result.usage.promptTokens + result.usage.completionTokens);
  expect(result.timings.totalMs).toBeGreaterThanOrEqual(0);
}

async function collect(stream: CompletionStream): Promise<CompletionChunk[]> {
  const chunks: CompletionChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

function textOf(chunks: readonly CompletionChunk[], choice: number): string {
  return chunks.map(({ index, text }) => (index === choice ? text : '')).join('');
}

/** What the calls reject with; a call that resolves is a failure of the test. */
export async function failures(calls: ReadonlyArray<Promise<unknown>>): Promise<Error[]> {
  const settled = await Promise.allSettled(calls);
  return settled.map((outcome) => {
    if (outcome.status === 'rejected') return outcome.reason as Error;
    throw new Error(`resolved with ${JSON.stringify(outcome.value)}`);
  });
}

/** With a hole before its element. */
function sparse<T>(element: T): T[] {
  return Object.assign(new Array<T>(2), { 1: element });
}
