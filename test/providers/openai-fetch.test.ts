// The official client over a provider in this process: the same answers as over HTTP, without HTTP.
import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { openAiFetch } from '#inhouse/providers/openai-fetch.js';
import type { Provider } from '#inhouse/providers/provider.js';
import { stub } from '#inhouse/providers/stub.js';
import { spy } from '../governance/support/governed.js';

const model = 'gpt2';
const messages = [{ role: 'user' as const, content: 'Hello there' }];

const clientOf = (provider: Provider) =>
  new OpenAI({ baseURL: 'inhouse://local/v1', apiKey: 'none', fetch: openAiFetch(provider) });

describe('openAiFetch', () => {
  const provider = stub({ text: 'word'.repeat(10) });
  const client = clientOf(provider);

  it('answers chats, texts, embeddings and the list of models as the provider does', async () => {
    const chat = await client.chat.completions.create({ model, messages, max_tokens: 5 });
    expect(chat.choices[0]!.message.content).toBe(
      (await provider.chat({ model, messages, maxTokens: 5 })).text,
    );
    expect(chat).toMatchObject({ object: 'chat.completion', usage: { completion_tokens: 5 } });
    const text = await client.completions.create({ model, prompt: 'Once', max_tokens: 4, logprobs: 1 });
    expect(text.choices[0]!.text).toBe(
      (await provider.complete({ model, prompt: 'Once', maxTokens: 4 })).text,
    );
    const input = ['one', 'two'];
    const { vectors } = await provider.embed({ model, input });
    for (const settings of [{}, { encoding_format: 'float' as const }]) {
      const list = await client.embeddings.create({ model, input, ...settings });
      expect(list.data.map(({ embedding }) => Float32Array.from(embedding))).toEqual(vectors);
    }
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(
      (await provider.listModels()).map(({ id }) => id),
    );
  });

  it('streams, and tells the usage at the end', async () => {
    const stream = await client.chat.completions.create({ model, messages, max_tokens: 6, stream: true });
    const pieces: string[] = [];
    let total: number | undefined;
    for await (const { choices, usage } of stream) {
      pieces.push(choices[0]?.delta.content ?? '');
      total = usage?.completion_tokens ?? total;
    }
    expect(pieces.length).toBeGreaterThan(2);
    expect(pieces.join('')).toBe('word'.repeat(6));
    expect(total).toBe(6);
    const helper = client.chat.completions.stream({ model, messages, max_tokens: 6 });
    expect((await helper.finalChatCompletion()).choices[0]!.message.content).toBe('word'.repeat(6));
  });

  it('hands over every setting, and its words for people and parts', async () => {
    const spied = spy(provider);
    await clientOf(spied.provider).chat.completions.create({
      model,
      messages: [
        { role: 'developer', content: 'Be brief.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Hello ' },
            { type: 'text', text: 'there' },
          ],
        },
      ],
      max_completion_tokens: 5,
      temperature: 0.5,
      stop: null,
      logprobs: true,
      top_logprobs: 2,
    });
    expect(spied.served[0]!.request).toEqual({
      model,
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hello there' },
      ],
      maxTokens: 5,
      temperature: 0.5,
      logprobs: 2,
    });
  });

  it('what cannot be served is the error of the official client, and is not tried again', async () => {
    const spied = spy(provider);
    const { chat, completions } = clientOf(spied.provider);
    await expect(completions.create({ model: 'no-such-model', prompt: 'x' })).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
    });
    const long = completions.create({ model, prompt: 'x', max_tokens: 5000, stream: true });
    await expect(long).rejects.toMatchObject({ status: 400, code: 'context_length_exceeded' });
    const tools = chat.completions.create({ model, messages, tools: [] });
    await expect(tools).rejects.toMatchObject({ status: 400, message: expect.stringContaining('"tools"') });
    const broken = clientOf(stub({ fault: () => new Error('secret') })).completions.create({
      model,
      prompt: 'x',
    });
    await expect(broken).rejects.toMatchObject({
      status: 500,
      message: expect.not.stringContaining('secret'),
    });
    expect(spied.served.length).toBe(2);
  });

  it('an abort reaches the provider, and so does leaving a stream', async () => {
    const spied = spy(stub({ text: 'word'.repeat(400), serviceMs: 5000 }));
    const { chat } = clientOf(spied.provider);
    const controller = new AbortController();
    const waiting = chat.completions.create({ model, messages }, { signal: controller.signal });
    setTimeout(() => controller.abort(), 10);
    await expect(waiting).rejects.toBeInstanceOf(OpenAI.APIUserAbortError);
    for await (const _ of await chat.completions.create({ model, messages, stream: true })) break;
    expect(spied.served.map(({ call }) => call?.signal?.aborted)).toEqual([true, true]);
  });
});
