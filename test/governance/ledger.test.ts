import { expect, it } from 'vitest';
import { type CostEntry, MemoryLedger } from '#inhouse/governance/ledger.js';

function cost(operationId: string): CostEntry {
  return {
    type: 'cost',
    operationId,
    timeMs: 0,
    costUsd: 1,
    provider: 'gpt2',
    operation: 'completion',
    durationMs: 5,
    success: true,
    model: 'gpt2',
    promptTokens: 1,
    completionTokens: 1,
    scopes: {},
  };
}

it('the ledger in memory keeps each operation once, in order', async () => {
  const ledger = new MemoryLedger();
  for (const id of ['a', 'b', 'a', 'c']) ledger.append(cost(id));
  await ledger.flush();
  expect(await ledger.load()).toEqual([cost('a'), cost('b'), cost('c')]);
  await ledger.close();
});

it('the ledger in memory keeps the last entries only', async () => {
  const ledger = new MemoryLedger(10);
  for (let i = 0; i < 1000; i++) ledger.append(cost(String(i)));
  expect(await ledger.load()).toEqual(Array.from({ length: 10 }, (_, i) => cost(String(990 + i))));
});
