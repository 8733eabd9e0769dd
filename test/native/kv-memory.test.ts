// The KV arena takes the memory that its statistics say, page by page, and gives it back.
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type NativeRunner, openNativeRunner } from '#inhouse/runtime/native.js';
import { Random } from '../support/random.js';
import { GREEDY, nativeMissing } from '../support/runners.js';
import { MODEL, prepareRandom, temporaryFolder } from './support.js';

const BLOCKS = 2 * MODEL.layers * MODEL.heads; // K and V of every head of every layer
const POSITION_BYTES = MODEL.headSize * 4; // of one head

describe.skipIf(nativeMissing ?? process.platform !== 'linux')('KV memory', () => {
  const folder = temporaryFolder();
  let runner: NativeRunner;
  beforeEach(async () => {
    runner = await openNativeRunner(await prepareRandom(folder));
  });
  afterEach(() => runner.dispose());

  const open = (row: number) =>
    runner.openRow(row, { capacity: MODEL.contextLength, sampling: GREEDY, prompt: [], output: [] });
  const tokens = (count: number) => new Random(count).tokens(count, MODEL.vocabularySize);

  /** The statistics, having checked that the operating system sees the same memory behind the arena. */
  const kv = async () => {
    const { kv } = await runner.statistics();
    expect(residentBytesOfMapping(kv.reservedBytes)).toBe(kv.committedBytes);
    return kv;
  };

  it('is whole pages of what the rows hold', async () => {
    const pageBytes = 4096;
    expect((await kv()).committedBytes).toBe(0);
    const held = [1, 16, 17, 300];
    for (const [row, count] of held.entries()) {
      await open(row);
      await runner.prefill(row, tokens(count));
    }
    const { committedBytes, usedBytes, bytesPerToken } = await kv();
    expect(bytesPerToken).toBe(BLOCKS * POSITION_BYTES);
    expect(usedBytes).toBe(bytesPerToken * (1 + 16 + 17 + 300));
    const pages = held.reduce((sum, count) => sum + Math.ceil((count * POSITION_BYTES) / pageBytes), 0);
    expect(committedBytes).toBe(BLOCKS * pages * pageBytes);
  });

  it('grows with decoding, and shrinks with truncating, moving and closing', async () => {
    await open(0);
    await runner.prefill(0, tokens(30), { sample: true });
    const begun = await kv();
    await runner.decode(1, 100);
    const grown = await kv();
    expect(grown.committedBytes).toBeGreaterThan(begun.committedBytes);

    await runner.truncateRow(0, 30);
    expect((await kv()).committedBytes).toBe(begun.committedBytes);
    await runner.moveRow(0, 3);
    const moved = await kv();
    expect(moved.committedBytes).toBe(begun.committedBytes);
    expect(moved.copiedBytes).toBe(begun.copiedBytes);

    await open(1);
    await runner.copyPrefix(3, 1, 20);
    const copied = await kv();
    expect(copied.committedBytes).toBe(2 * begun.committedBytes); // 20 and 30 positions take two pages each
    expect(copied.copiedBytes - moved.copiedBytes).toBe(20 * begun.bytesPerToken);
    await runner.closeRow(3);
    await runner.closeRow(1);
    const closed = await kv();
    expect(closed).toMatchObject({ committedBytes: 0, usedBytes: 0 });
    expect(closed.committedBytesPeak).toBe(grown.committedBytes);
  });

  it('is not kept by score and embed', async () => {
    await runner.score(tokens(200));
    await runner.embed(tokens(200), 'mean');
    expect((await kv()).committedBytes).toBe(0);
  });

  it('is not kept by a call that failed', async () => {
    await open(0);
    await runner.prefill(0, tokens(10));
    const before = await kv();
    await expect(runner.prefill(0, tokens(495))).rejects.toMatchObject({ code: 'INHOUSE_ROW_FULL' });
    expect((await kv()).committedBytes).toBe(before.committedBytes);
  });

  it('reports what ONNX Runtime holds beside it', async () => {
    const { InUse, MaxInUse } = await runner.allocatorStatistics();
    expect(InUse).toBeGreaterThan(0);
    expect(MaxInUse).toBeGreaterThanOrEqual(InUse!);
  });
});

/** Rss of the one mapping that has exactly this size. */
function residentBytesOfMapping(sizeBytes: number): number {
  const mappings = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const size = new RegExp(`^Size:\\s+${sizeBytes / 1024} kB$`, 'm');
  const sized = mappings.filter((mapping) => size.test(mapping));
  expect(sized).toHaveLength(1);
  return Number(/^Rss:\s+(\d+) kB$/m.exec(sized[0]!)![1]) * 1024;
}
