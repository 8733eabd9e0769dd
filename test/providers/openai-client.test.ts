// The official client talks to the test server: what it understands, and sends, is the protocol. So the server is an
// honest double for `openAiCompatible`, and the shapes of `openai-shape.ts` are OpenAI's.
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openAiCompatible } from '#inhouse/providers/openai-compatible.js';
import {
  asChatChunk,
  asChatCompletion,
  asEmbeddingList,
  asTextCompletion,
} from '#inhouse/providers/openai-shape.js';
import type { Provider } from '#inhouse/providers/provider.js';
import { stub } from '#inhouse/providers/stub.js';
import { OpenAiServer, send } from '../support/openai-server.js';

const model = 'gpt2';
const messages = [{ role: 'user' as const, content: 'Hello there' }];
const STUB = stub();

describe('the official openai client and the test server', () => {
  let server: OpenAiServer;
  let client: OpenAI;
  let ours: Provider;
  beforeAll(async () => {
    server = await OpenAiServer.start(stub());
    client = new OpenAI({ baseURL: server.baseUrl, apiKey: 'test-key', maxRetries: 0 });
    ours = openAiCompatible({ baseUrl: server.baseUrl, apiKey: () => 'test-key' });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  /** What the last two requests sent, for comparison of the official client and ours. */
  const lastTwo = () => server.received.slice(-2).map(({ over: _, ...request }) => request);

  it('A-57: understands a chat completion, and sends what our provider sends', async () => {
    const theirs = await client.chat.completions.create({
      model,
      messages,
      max_tokens: 5,
      temperature: 0.5,
      top_p: 0.9,
      frequency_penalty: 0.1,
      presence_penalty: 0.2,
      stop: ['@@@'],
      seed: 1,
      n: 2,
      logit_bias: { 50: -3 },
      logprobs: true,
      top_logprobs: 2,
    });
    const completion = await ours.chat({
      model,
      messages,
      maxTokens: 5,
      temperature: 0.5,
      topP: 0.9,
      frequencyPenalty: 0.1,
      presencePenalty: 0.2,
      stop: ['@@@'],
      seed: 1,
      n: 2,
      logitBias: { 50: -3 },
      logprobs: 2,
    });
    expect(theirs.choices.map(({ message }) => message.content)).toEqual(
      completion.choices.map(({ text }) => text),
    );
    expect(theirs.choices[0]!.finish_reason).toBe(completion.finishReason);
    expect(theirs.usage!.total_tokens).toBe(completion.usage.totalTokens);
    const [official, own] = lastTwo();
    expect(own).toEqual(official);
  });

  it('understands a text completion, and sends what our provider sends', async () => {
    const theirs = await client.completions.create({ model, prompt: 'Once', max_tokens: 4, logprobs: 1 });
    const completion = await ours.complete({ model, prompt: 'Once', maxTokens: 4, logprobs: 1 });
    expect(theirs.choices[0]!.text).toBe(completion.text);
    const [official, own] = lastTwo();
    expect(own).toEqual(official);
  });

  it('understands a stream with usage, and sends what our provider sends', async () => {
    const stream = await client.chat.completions.create({
      model,
      messages,
      max_tokens: 6,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage ?? usage;
    }
    const result = await ours.stream({ model, messages, maxTokens: 6 }).result;
    expect(text).toBe(result.text);
    expect(usage!.completion_tokens).toBe(result.usage.completionTokens);
    const [official, own] = lastTwo();
    expect(own).toEqual(official);
  });

  it('understands embeddings and the list of models, and sends what our provider sends', async () => {
    const input = ['one', 'two'];
    const theirs = await client.embeddings.create({ model, input, encoding_format: 'float' });
    const { vectors } = await ours.embed({ model, input });
    expect(theirs.data.map(({ embedding }) => Float32Array.from(embedding))).toEqual(vectors);
    expect(lastTwo()[1]).toEqual(lastTwo()[0]);
    const models = await client.models.list();
    expect(models.data.map(({ id }) => id)).toEqual((await ours.listModels()).map(({ id }) => id));
  });

  it('understands errors as our provider does', async () => {
    const call = client.completions.create({ model: 'no-such-model', prompt: 'x' });
    await expect(call).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    await expect(call).rejects.toMatchObject({ code: 'model_not_found' });
    const long = client.completions.create({ model, prompt: 'x', max_tokens: 5000 });
    await expect(long).rejects.toMatchObject({ status: 400, code: 'context_length_exceeded' });
    server.misbehaviour = (response) => send(response, 429, { error: { message: 'slow down' } });
    await expect(client.models.list()).rejects.toBeInstanceOf(OpenAI.RateLimitError);
    server.misbehaviour = undefined;
  });

  it('A-57: the shapes have the types of the official client', async () => {
    const completion = await STUB.complete({ model, prompt: 'Once' });
    const chat: OpenAI.ChatCompletion = asChatCompletion(completion, 1);
    const text: OpenAI.Completion = asTextCompletion(completion, 1);
    const chunk: OpenAI.ChatCompletionChunk = asChatChunk(
      { id: 'a', created: 1, model },
      { index: 0, text: '' },
    );
    const list: OpenAI.CreateEmbeddingResponse = asEmbeddingList(await STUB.embed({ model, input: 'x' }));
    expect([chat, text, chunk, list].map(({ object }) => object)).toEqual([
      'chat.completion',
      'text_completion',
      'chat.completion.chunk',
      'list',
    ]);
  });
});
