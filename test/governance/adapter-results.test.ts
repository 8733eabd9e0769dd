import { expect, it } from 'vitest';
import { asOperationRecord, asTogetherResult } from '#inhouse/governance/adapter-results.js';
import { bench, REQUEST } from './support/governed.js';

const ATTRIBUTES = { team: 'search', customerId: 'acme' };

it('T-33 D-39: a result in Together’s words has both names of the attributes', async () => {
  const { governed } = bench({ attributes: ATTRIBUTES });
  const result = await governed.complete(REQUEST, { sessionId: 'unknown' });
  const shown = asTogetherResult(REQUEST, result);
  expect(shown).toEqual({
    prompt: REQUEST.prompt,
    response: 'word'.repeat(10),
    modelUsed: 'gpt2',
    taskType: 'code_completion',
    tokensUsed: 20,
    cost: result.governance.cost.actualUsd,
    executionTimeSeconds: result.timings.totalMs / 1000,
    governanceMetadata: expect.objectContaining(ATTRIBUTES),
    governanceAttributes: shown.governanceMetadata,
    sessionId: 'unknown',
  });
  const chat = { model: 'gpt2', messages: [{ role: 'user', content: 'hello' }], maxTokens: 2 } as const;
  const answered = await governed.chat(chat);
  expect(asTogetherResult(chat, answered)).toMatchObject({ prompt: 'hello', taskType: 'chat_completion' });
  expect(asTogetherResult(chat, answered, 'analysis').taskType).toBe('analysis');
});

it('A-58: the record of an operation has all its fields, the time to the first token too', async () => {
  const { governed, clock } = bench({ attributes: ATTRIBUTES }, { serviceMs: 5 });
  const begun = clock.now();
  const pending = governed.stream(REQUEST).result;
  clock.advance(250);
  const result = await pending;
  const record = asOperationRecord(result);
  expect(record).toEqual({
    operationId: result.governance.requestId,
    operationType: 'completion',
    model: 'gpt2',
    startTime: new Date(begun).toISOString(),
    endTime: new Date(begun + 250).toISOString(),
    inputTokens: 10,
    outputTokens: 10,
    totalTokens: 20,
    cost: result.governance.cost.actualUsd,
    currency: 'USD',
    latencyMs: result.timings.totalMs,
    firstTokenMs: expect.any(Number),
    governanceAttributes: expect.objectContaining(ATTRIBUTES),
    durationMs: 250,
  });
  const embedding = await governed.embed({ model: 'gpt2', input: 'a text' });
  expect(asOperationRecord(embedding)).toMatchObject({ operationType: 'embedding', outputTokens: 0 });
});
