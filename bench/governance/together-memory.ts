// Together's figures for memory.
import { govern } from '../../src/governance/governed-provider.js';
import type { Completion, Provider } from '../../src/providers/provider.js';
import { median } from '../statistics.js';
import { lineThrough } from './distribution.js';
import { retainedBytes } from './heap.js';
import { judged, type Row } from './row.js';
import { countingSdk, everythingOn, instantStub, REQUEST } from './subject.js';

const ADAPTERS = 100;
const CALLS = 1000;
const PROFILE_STEP = 100;
const CHUNK = 100;
const BATCHES = [250, 500, 1000, 2000];
/** The collector leaves a few hundred kilobytes more or less from one reading to the next. */
const ROUNDS = 5;

export async function memoryOfCalls(): Promise<Row[]> {
  const sdk = countingSdk();
  const governed = () => govern(instantStub(), everythingOn('enforced', sdk));
  const settle = async () => {
    await sdk.exported();
    return retainedBytes();
  };
  const rows = [
    await adapters(governed),
    ...(await profile(governed(), settle)),
    await batches(governed(), settle),
    await chunks(governed(), settle),
  ];
  await sdk.shutdown();
  return rows;
}

async function adapters(make: () => Provider): Promise<Row> {
  const before = await retainedBytes();
  const kept = Array.from({ length: ADAPTERS }, make);
  const each = ((await retainedBytes()) - before) / kept.length;
  return megabytes('T-05', `a governed provider, mean of ${kept.length}`, 2, each);
}

/** A reading every hundred calls: the growth per call, the most between two readings, the whole. */
async function profile(provider: Provider, settle: () => Promise<number>): Promise<Row[]> {
  await callMany(provider, PROFILE_STEP);
  const readings = [await settle()];
  for (let made = 0; made < CALLS; made += PROFILE_STEP) {
    await callMany(provider, PROFILE_STEP);
    readings.push(await settle());
  }
  const steps = readings.slice(1).map((bytes, i) => (bytes - readings[i]!) / PROFILE_STEP);
  const grown = readings.at(-1)! - readings[0]!;
  return [
    megabytes('T-08', `growth per operation over ${CALLS}`, 0.1, grown / CALLS),
    megabytes('T-26', `growth over ${CALLS} operations`, 50, grown),
    megabytes('T-26', `most growth per operation between readings`, 1, Math.max(...steps)),
  ];
}

/** Results that the caller keeps: memory by the size of the batch lies on a line. */
async function batches(provider: Provider, settle: () => Promise<number>): Promise<Row> {
  const grownBy = async (size: number): Promise<number> => {
    const before = await settle();
    const results: Completion[] = await Promise.all(
      Array.from({ length: size }, () => provider.chat(REQUEST)),
    );
    const grown = (await settle()) - before;
    results.length = 0; // only now may they go
    return grown;
  };
  const bySize = new Map<number, number[]>(BATCHES.map((size) => [size, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [size, grown] of bySize) {
      await grownBy(Math.max(...BATCHES)); // the room for so many at once belongs to no batch
      grown.push(await grownBy(size));
    }
  }
  const points = Array.from(bySize, ([size, grown]) => [size, median(grown)] as const);
  return judged({
    id: 'T-15',
    name: `fit of a line through the memory of batches of ${BATCHES.join(', ')}`,
    plane: 'G',
    seed: 0.99,
    ours: lineThrough(points).r2,
    unit: 'R²',
    target: { atLeast: 0.99 },
    reason: `Medians of ${ROUNDS} rounds: ${points.map(([, bytes]) => (bytes / 1e6).toFixed(2)).join(', ')} MB.`,
  });
}

/** Batches in chunks, a session each: what remains between the chunks. */
async function chunks(governed: ReturnType<typeof govern>, settle: () => Promise<number>): Promise<Row> {
  const readings: number[] = [];
  for (let chunk = 0; chunk < CALLS / CHUNK; chunk++) {
    await governed.trackSession({}, ({ sessionId }) =>
      Promise.all(Array.from({ length: CHUNK }, () => governed.chat(REQUEST, { sessionId }))),
    );
    readings.push(await settle());
  }
  const settled = readings.slice(readings.length / 2);
  const grown = settled.at(-1)! - settled[0]!;
  return judged({
    id: 'T-31',
    name: `growth per operation over chunks of ${CHUNK}, second half`,
    plane: 'G',
    seed: 0,
    ours: grown / 1000 / ((settled.length - 1) * CHUNK),
    unit: 'KB',
    target: { atMost: 0.5 },
    reason: 'Flat: less than half a kilobyte per operation.',
  });
}

function megabytes(id: string, name: string, seed: number, bytes: number): Row {
  return judged({ id, name, plane: 'G', seed, ours: bytes / 1e6, unit: 'MB', target: { atMost: seed } });
}

async function callMany(provider: Provider, calls: number): Promise<void> {
  for (let call = 0; call < calls; call++) await provider.chat(REQUEST);
}
