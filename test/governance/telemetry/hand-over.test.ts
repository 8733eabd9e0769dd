import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { HandOver } from '#inhouse/governance/telemetry/hand-over.js';

function handOver() {
  const delivered: number[] = [];
  return { delivered, handing: new HandOver<number>((entry) => delivered.push(entry)) };
}

it('entries are delivered in order when the event loop turns, however late they came in the turn', async () => {
  const { delivered, handing } = handOver();
  handing.add(1);
  await Promise.resolve();
  handing.add(2);
  expect(delivered).toEqual([]);
  await nextTurn();
  expect(delivered).toEqual([1, 2]);
  handing.add(3);
  await nextTurn();
  expect(delivered).toEqual([1, 2, 3]);
});

it('what waits is delivered at once when somebody asks for it, and only then', async () => {
  const { delivered, handing } = handOver();
  handing.add(1);
  handing.flush();
  handing.flush();
  expect(delivered).toEqual([1]);
  await nextTurn();
  expect(delivered).toEqual([1]);
});

it('no more than 64 entries wait: others are delivered at once', async () => {
  const { delivered, handing } = handOver();
  for (let entry = 0; entry < 70; entry++) handing.add(entry);
  expect(delivered).toEqual([64, 65, 66, 67, 68, 69]);
  await nextTurn();
  expect(delivered).toHaveLength(70);
});
