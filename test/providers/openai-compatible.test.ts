import { getEventListeners } from 'node:events';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type InhouseError, ProviderError } from '#inhouse/errors.js';
import { type OpenAiCompatibleOptions, openAiCompatible } from '#inhouse/providers/openai-compatible.js';
import type { CallOptions, CompletionStream, Usage } from '#inhouse/providers/provider.js';
import { stub } from '#inhouse/providers/stub.js';
import { OpenAiServer, send, sendEvent } from '../support/openai-server.js';
import { describeProvider, failures } from './conformance.js';

describeProvider('openAiCompatible, over HTTP', async () => {
  const server = await OpenAiServer.start(stub());
  const slowServer = await OpenAiServer.start(stub({ text: ' word'.repeat(400), serviceMs: 400 }));
  return {
    provider: openAiCompatible({ baseUrl: server.baseUrl }),
    slow: openAiCompatible({ baseUrl: slowServer.baseUrl }),
    model: 'gpt2',
    contextLength: 1024,
    dispose: async () => {
      await server[Symbol.asyncDispose]();
      await slowServer[Symbol.asyncDispose]();
    },
  };
});

const request = { model: 'gpt2', prompt: 'Hello there', maxTokens: 8 };
const COUNTS = { prompt_tokens: 10, completion_tokens: 20 };
const chunk = (text: string, finish_reason: string | null = null) => ({
  id: 'cmpl-7',
  choices: [{ index: 0, text, finish_reason }],
});

describe('openAiCompatible', () => {
  let server: OpenAiServer;
  beforeEach(async () => {
    server = await OpenAiServer.start(stub());
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    vi.unstubAllGlobals();
    await server[Symbol.asyncDispose]();
  });

  const open = (options: Partial<OpenAiCompatibleOptions> = {}) =>
    openAiCompatible({ baseUrl: server.baseUrl, name: 'remote', ...options });
  const answer = (status: number, body: unknown, headers?: Readonly<Record<string, string>>) => {
    server.misbehaviour = (response) => send(response, status, body, headers);
  };
  const failure = async (provider = open()) => {
    const [error] = await failures([provider.complete(request)]);
    return error as InhouseError;
  };
  const streamFailure = async (provider = open()) => {
    const [error] = await failures([provider.stream(request).result]);
    return error as InhouseError;
  };

  describe('errors of the server', () => {
    it.each([
      [400, 'INHOUSE_PROVIDER_REJECTED', 'ProviderError', false],
      [401, 'INHOUSE_PROVIDER_UNAUTHORIZED', 'ProviderError', false],
      [403, 'INHOUSE_PROVIDER_UNAUTHORIZED', 'ProviderError', false],
      [404, 'INHOUSE_PROVIDER_REJECTED', 'ProviderError', false],
      [408, 'INHOUSE_TIMEOUT', 'TimeoutError', true],
      [422, 'INHOUSE_PROVIDER_REJECTED', 'ProviderError', false],
      [429, 'INHOUSE_PROVIDER_RATE_LIMITED', 'ProviderError', true],
      [500, 'INHOUSE_PROVIDER_FAILED', 'ProviderError', true],
      [503, 'INHOUSE_PROVIDER_FAILED', 'ProviderError', true],
      [504, 'INHOUSE_TIMEOUT', 'TimeoutError', true],
    ])('G-08: %i becomes %s', async (status, code, name, retryable) => {
      answer(status, { error: { message: 'the reason' } });
      for (const error of [await failure(), await streamFailure()]) {
        expect(error).toMatchObject({ code, name, retryable, details: { httpStatus: status } });
        expect(error.message).toContain(`remote answered ${status}: the reason`);
      }
    });

    it.each([
      ['OpenAI', 400, { error: { message: 'too long', code: 'context_length_exceeded' } }],
      [
        'vLLM',
        400,
        { object: 'error', message: "This model's maximum context length is 1024 tokens.", code: 400 },
      ],
    ])('too long a text is INHOUSE_CONTEXT_OVERFLOW as %s says it', async (_who, status, body) => {
      answer(status, body);
      expect(await failure()).toMatchObject({ code: 'INHOUSE_CONTEXT_OVERFLOW', name: 'InvalidInputError' });
    });

    it('an unknown model is INHOUSE_MODEL_NOT_SERVED as vLLM says it', async () => {
      answer(404, {
        object: 'error',
        message: 'The model `x` does not exist.',
        type: 'NotFoundError',
        code: 404,
      });
      expect(await failure()).toMatchObject({ code: 'INHOUSE_MODEL_NOT_SERVED' });
    });

    it('an empty account is no reason to try again', async () => {
      answer(429, { error: { message: 'no credit', code: 'insufficient_quota' } });
      expect(await failure()).toMatchObject({ code: 'INHOUSE_PROVIDER_REJECTED', retryable: false });
    });

    it.each([
      ['seconds', '30', 30],
      ['a fraction', '0.5', 0.5],
      ['a date that is past', 'Wed, 21 Oct 2015 07:28:00 GMT', 0],
      ['nonsense', 'soon', undefined],
    ])('Retry-After: %s', async (_what, header, seconds) => {
      answer(429, { error: 'Gateway queue is full' }, { 'retry-after': header });
      const { message, details } = await failure();
      expect(message).toContain('Gateway queue is full');
      expect(details.retryAfterSeconds).toBe(seconds);
    });

    it('Retry-After: a date to come', async () => {
      answer(503, 'busy', { 'retry-after': new Date(Date.now() + 60_000).toUTCString() });
      const seconds = (await failure()).details.retryAfterSeconds as number;
      expect(seconds).toBeGreaterThan(50);
      expect(seconds).toBeLessThanOrEqual(60);
    });

    it('never repeats a request', async () => {
      answer(500, 'broken');
      await failure();
      expect(server.received.length).toBe(1);
    });

    it('follows no redirect', async () => {
      answer(307, '', { location: 'http://127.0.0.1:9/elsewhere' });
      expect(await failure()).toMatchObject({
        code: 'INHOUSE_PROVIDER_REJECTED',
        details: { httpStatus: 307 },
      });
    });
  });

  describe('answers that are not as they should be', () => {
    it.each([
      ['broken JSON', '{"choices": [{"te'],
      ['a page of HTML', '<html>'],
      ['no choices', { id: 'x' }],
      ['empty choices', { choices: [] }],
      ['a choice that is no object', { choices: ['text'] }],
      ['content that is no text', { choices: [{ text: 5 }] }],
      ['a negative count', { choices: [{ text: '' }], usage: { prompt_tokens: -1, completion_tokens: 2 } }],
      ['a count that is none', { choices: [{ text: '' }], usage: { prompt_tokens: 'many' } }],
      ['an absurd count', { choices: [{ text: '' }], usage: { prompt_tokens: 1_000_001 } }],
      ['null', 'null'],
    ])('%s: INHOUSE_PROVIDER_MALFORMED', async (_what, body) => {
      answer(200, body);
      expect(await failure()).toMatchObject({ code: 'INHOUSE_PROVIDER_MALFORMED', retryable: false });
    });

    it.each([
      ['too few', []],
      ['too many', [{ embedding: [1] }, { embedding: [1] }, { embedding: [1] }]],
      ['none', undefined],
      ['null', [null, null]],
      ['not numbers', [{ embedding: ['a'] }, { embedding: ['b'] }]],
      ['null in the place of a number', [{ embedding: [1] }, { embedding: [null] }]],
      ['out of the range of a float', [{ embedding: [1] }, { embedding: [1e300] }]],
      ['of unequal length', [{ embedding: [1] }, { embedding: [1, 2] }]],
      [
        'twice the same',
        [
          { index: 0, embedding: [1] },
          { index: 0, embedding: [1] },
        ],
      ],
      [
        'of an input that was not there',
        [
          { index: 0, embedding: [1] },
          { index: 9, embedding: [1] },
        ],
      ],
    ])('embeddings: %s', async (_what, data) => {
      answer(200, { data, usage: { prompt_tokens: 7 } });
      const [error] = await failures([open().embed({ model: 'gpt2', input: ['x', 'y'] })]);
      expect(error).toMatchObject({
        code: 'INHOUSE_PROVIDER_MALFORMED',
        details: { usage: { promptTokens: 7, totalTokens: 7 } },
      });
    });

    const text = 'four bytes a token';
    it.each([
      ['its choices: by its counts', { choices: [{ text: 5 }], usage: COUNTS }, [10, 20]],
      ['its counts: by its text', { choices: [{ text }], usage: { completion_tokens: 20 } }, [3, 5]],
      ['both: by the prompt', { choices: [null], usage: [] }, [3, 0]],
      ['all of it: by the prompt', '<html>', [3, 0]],
    ])('what was answered is paid for, also if malformed: %s', async (_what, body, tokens) => {
      const [promptTokens, completionTokens] = tokens;
      const expected = {
        code: 'INHOUSE_PROVIDER_MALFORMED',
        details: { usage: { promptTokens, completionTokens } },
      };
      answer(200, body);
      expect(await failure()).toMatchObject(expected);
      server.misbehaviour = (response) => sendEvent(response, body);
      expect(await streamFailure()).toMatchObject(expected);
    });

    it('an error in the place of an answer is free', async () => {
      answer(200, { error: { message: 'overloaded' } });
      const error = await failure();
      expect(error).toMatchObject({ code: 'INHOUSE_PROVIDER_FAILED', retryable: true });
      expect(error.details.usage).toBeUndefined();
    });

    it.each([
      ['only of another index', [{ index: 3, text: 'a', finish_reason: 'stop' }]],
      ['only of an index that is none', [{ index: 'first', text: 'a', finish_reason: 'stop' }]],
      ['with a message that is no object', [{ index: 0, message: 'a', delta: 'a', finish_reason: 'stop' }]],
      ['that say nothing', [{ index: 0 }]],
    ])('choices %s: INHOUSE_PROVIDER_MALFORMED', async (_what, choices) => {
      answer(200, { choices });
      expect(await failure()).toMatchObject({ code: 'INHOUSE_PROVIDER_MALFORMED' });
      server.misbehaviour = (response) => {
        sendEvent(response, { choices });
        response.end('data: [DONE]\n\n');
      };
      expect(await streamFailure()).toMatchObject({ code: 'INHOUSE_PROVIDER_MALFORMED' });
    });

    it.each([
      ['fewer than were asked for', [{ text: 'a', finish_reason: 'stop' }]],
      [
        'the same one twice',
        [
          { index: 0, text: 'a' },
          { index: 0, text: 'b' },
        ],
      ],
    ])('two choices, %s: INHOUSE_PROVIDER_MALFORMED', async (_what, choices) => {
      answer(200, { choices });
      const [error] = await failures([open().complete({ ...request, n: 2 })]);
      expect(error).toMatchObject({ code: 'INHOUSE_PROVIDER_MALFORMED' });
    });

    it('choices without an index come in their order', async () => {
      answer(200, { choices: [{ text: 'a' }, { text: 'b' }] });
      const { choices } = await open().complete({ ...request, n: 2 });
      expect(choices.map((choice) => choice.text)).toEqual(['a', 'b']);
    });

    it.each([
      ['null', null],
      ['a text', 'none'],
      ['null in a list', { content: [null] }],
      ['an empty record', { content: [{}] }],
      ['numbers as texts', { content: [{ token: 'a', logprob: '-1' }] }],
      ['null among the others', { content: [{ token: 'a', logprob: -1, top_logprobs: [null] }] }],
      ['lists of unequal length', { tokens: ['a', 'b'], token_logprobs: [-1] }],
      ['null in the lists', { tokens: [null], token_logprobs: [null], top_logprobs: [null] }],
      ['others that are no number', { tokens: ['a'], token_logprobs: [-1], top_logprobs: [{ b: {} }] }],
    ])('log-probabilities that are malformed are left out: %s', async (_what, logprobs) => {
      const choices = [{ index: 0, text: 'a', finish_reason: 'stop', logprobs }];
      answer(200, { choices });
      const whole = await open().complete({ ...request, logprobs: 1 });
      server.misbehaviour = (response) => {
        sendEvent(response, { choices });
        response.end('data: [DONE]\n\n');
      };
      const streamed = await open().stream({ ...request, logprobs: 1 }).result;
      for (const { choices } of [whole, streamed])
        expect(choices).toEqual([{ index: 0, text: 'a', finishReason: 'stop' }]);
    });

    it('any number of log-probabilities is read', async () => {
      const content = Array.from({ length: 300_000 }, () => ({ token: 'a', logprob: -1 }));
      answer(200, { choices: [{ index: 0, text: 'a', finish_reason: 'stop', logprobs: { content } }] });
      const { choices } = await open().complete({ ...request, logprobs: 0 });
      expect(choices[0]!.logprobs!.length).toBe(300_000);
    });

    it('an answer without counts gets estimates, marked as such', async () => {
      answer(200, { choices: [{ index: 0, text: 'four bytes a token', finish_reason: 'stop' }] });
      const { usage, timings } = await open().complete(request);
      expect(usage).toEqual({ promptTokens: 3, completionTokens: 5, totalTokens: 8, estimated: true });
      expect(timings.timeToFirstTokenMs).toBeUndefined();
    });

    it('choices that nobody asked for are left out', async () => {
      const choices = [0, 1, 2].map((index) => ({ index, text: `text ${index}`, finish_reason: 'stop' }));
      answer(200, { choices });
      expect((await open().complete(request)).choices.length).toBe(1);
    });

    it('an unknown reason to finish is "other"', async () => {
      answer(200, { choices: [{ index: 0, text: 'x', finish_reason: 'tool_calls' }] });
      expect((await open().complete(request)).finishReason).toBe('other');
    });
  });

  describe('streams that go wrong', () => {
    const behave = (misbehave: (response: ServerResponse) => void) => {
      server.misbehaviour = misbehave;
    };
    const read = async (stream: CompletionStream) => {
      let text = '';
      const reading = (async () => {
        for await (const piece of stream) text += piece.text;
      })();
      const [error] = await failures([reading]);
      return { text, error: error as InhouseError };
    };

    it('the connection breaks in the middle: what came is delivered and counted, then the error', async () => {
      behave((response) => {
        sendEvent(response, chunk('one'));
        sendEvent(response, chunk(' two'));
        setTimeout(() => response.destroy(), 20);
      });
      const { text, error } = await read(open().stream(request));
      expect(text).toBe('one two');
      expect(error).toMatchObject({ code: 'INHOUSE_PROVIDER_DISCONNECTED', retryable: true });
      expect((error.details.usage as Usage).completionTokens).toBe(2);
    });

    it('the stream ends before the completion is whole', async () => {
      behave((response) => {
        sendEvent(response, chunk('one'));
        response.end();
      });
      const { error } = await read(open().stream(request));
      expect(error).toMatchObject({ code: 'INHOUSE_PROVIDER_DISCONNECTED' });
    });

    it('an event that is not JSON', async () => {
      behave((response) => {
        sendEvent(response, chunk('one'));
        response.end('data: {"choices": [\n\n');
      });
      expect((await read(open().stream(request))).error.code).toBe('INHOUSE_PROVIDER_MALFORMED');
    });

    it('an error in the place of an event', async () => {
      behave((response) => {
        sendEvent(response, { error: { message: 'engine died', code: 500 } });
        response.end('data: [DONE]\n\n');
      });
      const { error } = await read(open().stream(request));
      expect(error).toMatchObject({ code: 'INHOUSE_PROVIDER_FAILED', retryable: true });
      expect(error.message).toContain('engine died');
    });

    it('ends without [DONE] and without counts are fine when every choice has finished', async () => {
      behave((response) => {
        sendEvent(response, chunk('one'));
        sendEvent(response, chunk(' two', 'stop'));
        response.end();
      });
      const result = await open().stream(request).result;
      expect(result).toMatchObject({ id: 'cmpl-7', text: 'one two', finishReason: 'stop' });
      expect(result.usage).toMatchObject({ completionTokens: 2, estimated: true });
    });

    it('silence: ends in time, and tells what was spent', async () => {
      behave((response) => sendEvent(response, chunk('one')));
      const { text, error } = await read(open({ timeoutMs: 100 }).stream(request));
      expect(text).toBe('one');
      expect(error).toMatchObject({ code: 'INHOUSE_TIMEOUT', details: { timeoutMs: 100 } });
      expect((error.details.usage as Usage).completionTokens).toBe(1);
    });

    const ways = ['abort', 'timeout'] as const;
    const methods = ['complete', 'stream'] as const;
    const cases = ways.flatMap((way) => methods.map((method) => [way, method] as const));
    const cut = async (way: (typeof ways)[number], method: (typeof methods)[number]) => {
      const controller = new AbortController();
      if (way === 'abort') setTimeout(() => controller.abort(), 100);
      const call = way === 'timeout' ? { timeoutMs: 100 } : controller;
      const provider = open();
      const [error] = await failures([
        method === 'complete' ? provider.complete(request, call) : provider.stream(request, call).result,
      ]);
      return (error as InhouseError).details.usage;
    };

    it.each(cases)('%s before the answer begins tells of no usage, for nobody knows: %s', async (...how) => {
      behave(() => {});
      expect(await cut(...how)).toBeUndefined();
    });

    it.each(cases)('%s after the answer has begun tells of the prompt at least: %s', async (...how) => {
      behave((response) => response.writeHead(200, { 'content-type': 'text/plain' }).flushHeaders());
      expect(await cut(...how)).toEqual({
        promptTokens: 3,
        completionTokens: 0,
        totalTokens: 3,
        estimated: true,
      });
    });

    it('a reader who leaves before the answer begins has used nothing', async () => {
      behave(() => {});
      const stream = open().stream(request);
      await vi.waitUntil(() => server.received.length === 1);
      await stream[Symbol.asyncIterator]().return?.();
      expect(await stream.result).toMatchObject({ finishReason: 'abort', usage: { totalTokens: 0 } });
    });

    it('a stream without end is cut at the limit', async () => {
      behave((response) => flood(response, `data: ${JSON.stringify(chunk('word '.repeat(1000)))}\n\n`));
      const { error } = await read(open({ maxResponseBytes: 200_000 }).stream(request));
      expect(error).toMatchObject({ code: 'INHOUSE_PROVIDER_TOO_LARGE' });
      expect(await server.received[0]!.over).toBe('closed');
    });
  });

  describe('bounds', () => {
    it('3 GB of answer are not taken in: reading stops at the limit and the connection closes', async () => {
      let sent = 0;
      server.misbehaviour = (response) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': 3 * 2 ** 30 });
        flood(response, '1'.repeat(2 ** 20), (bytes) => {
          sent = bytes;
        });
      };
      const before = process.memoryUsage();
      const error = await failure();
      const after = process.memoryUsage();
      expect(error).toMatchObject({
        code: 'INHOUSE_PROVIDER_TOO_LARGE',
        retryable: false,
        details: { maxResponseBytes: 64 * 2 ** 20 },
      });
      expect(await server.received[0]!.over).toBe('closed');
      expect(sent).toBeLessThan(256 * 2 ** 20);
      expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(256 * 2 ** 20);
    });

    it('of an endless error page only the beginning is read', async () => {
      server.misbehaviour = (response) => {
        response.writeHead(500);
        flood(response, 'sorry '.repeat(10_000));
      };
      const error = await failure();
      expect(error.code).toBe('INHOUSE_PROVIDER_FAILED');
      expect(error.message.length).toBeLessThan(300);
      expect(await server.received[0]!.over).toBe('closed');
    });

    it('G-09: a call may take 300 seconds, unless told otherwise', async () => {
      server.misbehaviour = () => {};
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      try {
        const pending = failure();
        await vi.waitUntil(() => server.received.length === 1);
        vi.advanceTimersByTime(299_999);
        expect(await Promise.race([pending, 'still waiting'])).toBe('still waiting');
        vi.advanceTimersByTime(1);
        expect(await pending).toMatchObject({ code: 'INHOUSE_TIMEOUT', details: { timeoutMs: 300_000 } });
      } finally {
        vi.useRealTimers();
      }
    });

    it.each([
      ['UND_ERR_CONNECT_TIMEOUT', 'INHOUSE_PROVIDER_UNREACHABLE'],
      ['CERT_HAS_EXPIRED', 'INHOUSE_PROVIDER_UNREACHABLE'],
      ['UND_ERR_HEADERS_TIMEOUT', 'INHOUSE_TIMEOUT'],
      ['UND_ERR_SOCKET', 'INHOUSE_PROVIDER_DISCONNECTED'],
    ])("G-09: fetch's own %s becomes %s", async (cause, code) => {
      vi.stubGlobal('fetch', async () => {
        throw new TypeError('fetch failed', { cause: Object.assign(new Error('x'), { code: cause }) });
      });
      expect(await failure()).toMatchObject({ code, retryable: true });
    });

    it('nobody listens at the address', async () => {
      const { baseUrl } = server;
      await server[Symbol.asyncDispose]();
      const provider = openAiCompatible({ baseUrl });
      expect(await failure(provider)).toMatchObject({
        code: 'INHOUSE_PROVIDER_UNREACHABLE',
        status: 503,
        details: { cause: 'ECONNREFUSED' },
      });
      expect(await provider.health()).toMatchObject({ ok: false });
      server = await OpenAiServer.start(stub());
    });

    it('the connection closes before any answer', async () => {
      server.misbehaviour = (response) => response.destroy();
      expect(await failure()).toMatchObject({ code: 'INHOUSE_PROVIDER_DISCONNECTED' });
    });

    it.each(['abort', 'timeout', 'leave'])(
      'G-05: %s closes the connection, so that the server stops working',
      async (way) => {
        server.misbehaviour = (response) => sendEvent(response, chunk('one'));
        const controller = new AbortController();
        const call = way === 'timeout' ? { timeoutMs: 50 } : { signal: controller.signal };
        const stream = open().stream(request, call);
        const reading = (async () => {
          for await (const _ of stream) {
            if (way === 'leave') break;
            if (way === 'abort') controller.abort();
          }
        })();
        await Promise.allSettled([reading, stream.result]);
        expect(await server.received[0]!.over).toBe('closed');
      },
    );

    it('connections serve again after streams that ended well', async () => {
      const provider = open();
      for (let call = 0; call < 8; call++) await provider.stream(request).result;
      expect(await server.connections()).toBeLessThanOrEqual(2); // fetch may begin before it has freed the first
    });
  });

  describe('the key', () => {
    const KEY = 'sk-very-secret-key-123';

    it('comes from a callback, asked at every request', async () => {
      const keys = [KEY, ` ${KEY}2\n`, undefined];
      const provider = open({ apiKey: async () => keys.shift() });
      for (let call = 0; call < 3; call++) await provider.complete(request);
      expect(server.received.map(({ authorization }) => authorization)).toEqual([
        `Bearer ${KEY}`,
        `Bearer ${KEY}2`,
        undefined,
      ]);
    });

    it.each(['complete', 'chat', 'stream', 'embed'] as const)(
      'that never comes ends with the call, in time or by its signal, and leaves nothing pending: %s',
      async (way) => {
        const never = open({ apiKey: () => new Promise(() => {}) });
        const { prompt: content, ...rest } = request;
        const ask = (call: CallOptions) => {
          if (way === 'complete') return never.complete(request, call);
          if (way === 'chat') return never.chat({ ...rest, messages: [{ role: 'user', content }] }, call);
          if (way === 'stream') return never.stream(request, call).result;
          return never.embed({ model: 'gpt2', input: content }, call);
        };
        const controller = new AbortController();
        vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
        try {
          const late = failures([ask({ timeoutMs: 50, signal: controller.signal })]);
          vi.advanceTimersByTime(50);
          expect(await late).toMatchObject([{ code: 'INHOUSE_TIMEOUT', details: { timeoutMs: 50 } }]);
          const aborted = failures([ask({ signal: controller.signal })]);
          controller.abort('enough');
          expect(await aborted).toMatchObject([{ code: 'INHOUSE_ABORTED', cause: 'enough' }]);
          expect(vi.getTimerCount()).toBe(0);
        } finally {
          vi.useRealTimers();
        }
        expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
        expect(server.received).toEqual([]);
      },
    );

    it('that never comes bounds the list of models and the health as well', async () => {
      const never = open({ apiKey: () => new Promise(() => {}), timeoutMs: 20_000 });
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      try {
        const health = never.health();
        const models = failures([never.listModels()]);
        vi.advanceTimersByTime(10_000);
        expect(await health).toMatchObject({ ok: false, problem: expect.stringContaining('10000 ms') });
        vi.advanceTimersByTime(10_000);
        expect(await models).toMatchObject([{ code: 'INHOUSE_TIMEOUT', details: { timeoutMs: 20_000 } }]);
        expect(vi.getTimerCount()).toBe(0);
      } finally {
        vi.useRealTimers();
      }
    });

    it("that comes, or fails, when the call is over is nobody's", async () => {
      const unheard = vi.fn();
      process.on('unhandledRejection', unheard);
      for (const way of ['resolve', 'reject'] as const) {
        let settle!: () => void;
        const key = new Promise<string>((resolve, reject) => {
          settle = () => (way === 'resolve' ? resolve(KEY) : reject(new Error('no key')));
        });
        const controller = new AbortController();
        const aborted = failures([
          open({ apiKey: () => key }).complete(request, { signal: controller.signal }),
        ]);
        controller.abort();
        expect(await aborted).toMatchObject([{ code: 'INHOUSE_ABORTED' }]);
        settle();
        await new Promise(setImmediate);
      }
      process.off('unhandledRejection', unheard);
      expect(unheard).not.toHaveBeenCalled();
      expect(server.received).toEqual([]);
    });

    it('is not asked for a call that is over before it began', async () => {
      const apiKey = vi.fn(() => KEY);
      const call = { signal: AbortSignal.abort() };
      expect(await failures([open({ apiKey }).complete(request, call)])).toMatchObject([
        { code: 'INHOUSE_ABORTED' },
      ]);
      expect(apiKey).not.toHaveBeenCalled();
    });

    it('that does not come holds no stream whose reader has left', async () => {
      const stream = open({ apiKey: () => new Promise(() => {}) }).stream(request);
      await stream[Symbol.asyncIterator]().return?.();
      expect(await stream.result).toMatchObject({ finishReason: 'abort', text: '' });
    });

    it('comes from the variable that is named, and from no other', async () => {
      vi.stubEnv('OPENAI_API_KEY', 'not-for-this-address');
      vi.stubEnv('MY_KEY', KEY);
      await open().complete(request);
      await open({ apiKeyVariable: 'MY_KEY' }).complete(request);
      expect(server.received.map(({ authorization }) => authorization)).toEqual([undefined, `Bearer ${KEY}`]);
    });

    it('is in no error, not even where the server repeats it', async () => {
      vi.stubEnv('MY_KEY', KEY);
      answer(401, { error: { message: `Incorrect API key provided: ${KEY}. Bearer ${KEY}` } });
      const error = await failure(open({ apiKeyVariable: 'MY_KEY' }));
      expect(JSON.stringify([error, error.message, error.stack, error.details])).not.toContain(KEY);
      expect(error.message).toContain('[redacted]');
      expect(error.message).toContain('Check the key in MY_KEY');
    });

    it('is not shown when a header cannot hold it', async () => {
      const error = await failure(open({ apiKey: () => `${KEY}\nx` }));
      expect(error).toBeInstanceOf(ProviderError);
      expect(`${error.message} ${error.stack}`).not.toContain(KEY);
      expect(server.received.length).toBe(0);
    });

    it('must not be in the address', () => {
      const make = () => openAiCompatible({ baseUrl: `http://me:${KEY}@127.0.0.1/v1` });
      expect(make).toThrow(/without user name/);
      expect(make).not.toThrow(KEY);
    });
  });

  it('refuses options that cannot be', () => {
    for (const options of [
      { baseUrl: 'ftp://x' },
      { baseUrl: 'not an address' },
      { timeoutMs: 0 },
      { maxResponseBytes: -1 },
      { apiKey: 'sk-text' },
      { maxRetries: 3 },
    ]) {
      const make = () => openAiCompatible({ baseUrl: 'http://x/v1', ...options } as OpenAiCompatibleOptions);
      expect(make).toThrow(expect.objectContaining({ name: 'InvalidInputError' }));
    }
  });

  it('sends what vLLM understands beyond OpenAI, and the tenant where a field is named for it', async () => {
    const more = { ...request, topK: 5, minP: 0.1, repetitionPenalty: 1.2 };
    await open({ tenantField: 'cache_salt' }).complete(more, { tenant: 'a' });
    await open().complete(request, { tenant: 'a' });
    expect(server.received.map(({ body }) => body)).toEqual([
      {
        model: 'gpt2',
        prompt: 'Hello there',
        max_tokens: 8,
        top_k: 5,
        min_p: 0.1,
        repetition_penalty: 1.2,
        cache_salt: 'a',
      },
      { model: 'gpt2', prompt: 'Hello there', max_tokens: 8 },
    ]);
  });

  it.each(['prompt', 'messages'] as const)('reads log-probabilities: %s', async (input) => {
    const top = [
      { token: ' a', logprob: -0.5 },
      { token: ' b', logprob: -1 },
    ];
    const logprobs =
      input === 'prompt'
        ? { tokens: [' a'], token_logprobs: [-0.5], top_logprobs: [{ ' b': -1, ' a': -0.5 }] }
        : { content: [{ token: ' a', logprob: -0.5, top_logprobs: top }] };
    answer(200, { choices: [{ index: 0, text: ' a', finish_reason: 'stop', logprobs }] });
    const { choices } =
      input === 'prompt'
        ? await open().complete({ ...request, logprobs: 2 })
        : await open().chat({ model: 'gpt2', messages: [{ role: 'user', content: 'x' }], logprobs: 2 });
    expect(choices[0]!.logprobs).toEqual([
      { text: ' a', logprob: -0.5, top: top.map(({ token, logprob }) => ({ text: token, logprob })) },
    ]);
  });
});

/** Writes the text again and again, as fast as it is taken, until the connection closes. */
function flood(response: ServerResponse, text: string, onSent: (bytes: number) => void = () => {}): void {
  if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream' });
  let sent = 0;
  const write = (): void => {
    while (!response.destroyed) {
      sent += text.length;
      onSent(sent);
      if (!response.write(text)) return;
    }
  };
  response.on('drain', write);
  write();
}
