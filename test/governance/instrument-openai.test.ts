import OpenAI from 'openai';
import { afterEach, describe, expect, it } from 'vitest';
import { Instrumentor } from '#inhouse/governance/instrument.js';
import { openAiInstrumentation } from '#inhouse/governance/instrument-openai.js';
import { openAiFetch } from '#inhouse/providers/openai-fetch.js';
import { OpenAiServer } from '../support/openai-server.js';
import { bench, COST, rejection } from './support/governed.js';

const request = { model: 'gpt2', prompt: 'word'.repeat(10), max_tokens: 10 } as const;
const original = OpenAI.prototype.fetchWithTimeout;

const instrumentor = new Instrumentor();
afterEach(() => instrumentor.uninstrument());

function instrumented(options: Parameters<typeof bench>[0] = {}) {
  const it = bench(options);
  instrumentor.register(openAiInstrumentation(OpenAI, openAiFetch(it.governed)));
  instrumentor.init();
  return { ...it, client: new OpenAI({ baseURL: 'inhouse://local/v1', apiKey: 'none' }) };
}

describe('an instrumented openai client', () => {
  it('C-101 C-102: is governed with no change where it is called, and as it was afterwards', async () => {
    const { client, governed, trace } = instrumented();
    expect((await client.completions.create(request)).usage!.total_tokens).toBe(20);
    expect(governed.costSummary().totalCostUsd).toBeCloseTo(COST, 18);
    expect(trace.only().name).toBe('gpt2.completion.create');
    instrumentor.init();
    expect(instrumentor.status().instrumented).toEqual(['openai']);
    instrumentor.uninstrument();
    expect(OpenAI.prototype.fetchWithTimeout).toBe(original);
  });

  it('C-03: takes the six governance keys from the call, which the provider never sees', async () => {
    const { client, served, trace } = instrumented();
    const tags = { team: 'search', project: 'demo', environment: 'test', feature: 'qa', cost_center: 'cc-1' };
    await client.completions.create({
      ...request,
      ...tags,
      customer_id: 'acme',
      user: 'u-1',
    } as typeof request);
    expect(trace.only().attributes).toMatchObject({
      'genops.team': 'search',
      'genops.customer_id': 'acme',
      'genops.cost_center': 'cc-1',
      'genops.user_id': 'u-1',
    });
    expect(served[0]!.request).toEqual({ model: 'gpt2', prompt: request.prompt, maxTokens: 10 });
  });

  it('C-103: what governance refuses is refused once, with no way around it', async () => {
    const { client, served } = instrumented({ governancePolicy: 'enforced', dailyBudgetLimit: COST / 2 });
    expect(await rejection(client.completions.create(request))).toMatchObject({
      status: 402,
      code: 'INHOUSE_BUDGET_EXCEEDED',
    });
    expect(served).toEqual([]);
  });

  it('leaves clients alone that are addressed elsewhere', async () => {
    const { served, provider } = instrumented();
    await using server = await OpenAiServer.start(provider);
    const elsewhere = new OpenAI({ baseURL: server.baseUrl, apiKey: 'none' });
    await elsewhere.completions.create(request);
    expect([server.received.length, served.length]).toEqual([1, 1]);
    expect(served[0]!.call).not.toHaveProperty('tenant'); // not by way of governance
  });

  it('its time limit holds until the answer begins', async () => {
    const { governed } = bench({}, { serviceMs: 60_000 });
    instrumentor.register(openAiInstrumentation(OpenAI, openAiFetch(governed)));
    instrumentor.init();
    const client = new OpenAI({ baseURL: 'inhouse://local/v1', apiKey: 'none', timeout: 20, maxRetries: 0 });
    expect(await rejection(client.completions.create(request))).toBeInstanceOf(
      OpenAI.APIConnectionTimeoutError,
    );
  });
});
