import { afterEach, describe, expect, it, vi } from 'vitest';
import { ANYSCALE_MODELS, anyscale, TOGETHER_MODELS, together, vllm } from '#inhouse/providers/presets.js';
import { stub } from '#inhouse/providers/stub.js';
import { OpenAiServer, send } from '../support/openai-server.js';

describe('presets', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.unstubAllGlobals();
  });

  it.each([
    ['vllm', vllm, 'http://localhost:8000/v1/models', 'VLLM_API_KEY'],
    ['anyscale', anyscale, 'https://api.endpoints.anyscale.com/v1/models', 'ANYSCALE_API_KEY'],
    ['together', together, 'https://api.together.xyz/v1/models', 'TOGETHER_API_KEY'],
  ])('%s has its address and takes its key from its variable', async (name, open, address, variable) => {
    vi.stubEnv(variable, 'the-key');
    const calls: unknown[] = [];
    vi.stubGlobal('fetch', async (url: string, { headers }: { headers: object }) => {
      calls.push([url, headers]);
      return Response.json({ data: [] });
    });
    const provider = open();
    expect(provider).toMatchObject({ name, kind: 'remote' });
    await provider.listModels();
    expect(calls).toEqual([[address, { authorization: 'Bearer the-key' }]]);
  });

  it('know what the endpoints do not tell of their models', async () => {
    await using server = await OpenAiServer.start(stub());
    const ids = ['meta-llama/Llama-2-7b-chat-hf', 'thenlper/gte-large', 'someone/new-model'];
    server.misbehaviour = (response) => send(response, 200, { data: ids.map((id) => ({ id })) });
    expect(await anyscale({ baseUrl: server.baseUrl }).listModels()).toEqual([
      { id: ids[0], use: 'chat', contextLength: 4096 },
      { id: ids[1], use: 'embedding', contextLength: undefined },
      { id: ids[2], use: 'chat', contextLength: undefined },
    ]);
    server.misbehaviour = (response) => send(response, 200, [{ id: 'new', type: 'chat', context_length: 5 }]);
    expect(await together({ baseUrl: server.baseUrl }).listModels()).toEqual([
      { id: 'new', use: 'chat', contextLength: 5 },
    ]);
  });

  it('list no model twice', () => {
    for (const models of [ANYSCALE_MODELS, TOGETHER_MODELS])
      expect(new Set(models.map(({ id }) => id)).size).toBe(models.length);
    expect(ANYSCALE_MODELS.length).toBe(12);
    expect(TOGETHER_MODELS.length).toBe(11);
  });

  it('keep tenants apart on vLLM', async () => {
    await using server = await OpenAiServer.start(stub());
    await vllm({ baseUrl: server.baseUrl }).complete({ model: 'gpt2', prompt: 'x' }, { tenant: 'a' });
    expect(server.received[0]!.body.cache_salt).toBe('a');
  });
});
