// The small parts of the engine: stream buffer, pace, histogram, KV memory, options.
import { describe, expect, it } from 'vitest';
import { ChunkChannel } from '#inhouse/engine/chunk-channel.js';
import { resolveEngineOptions, runnerRows } from '#inhouse/engine/engine-options.js';
import { Histogram } from '#inhouse/engine/histogram.js';
import { defaultKvLimitBytes, deviceKvLimitBytes } from '#inhouse/engine/kv-memory.js';
import { type GenerateOptions, resolveOptions } from '#inhouse/engine/options.js';
import { Pace } from '#inhouse/engine/pace.js';
import type { StreamChunk } from '#inhouse/engine/sequence.js';
import { DEVICE } from '../support/device.js';

describe("a stream's buffer", () => {
  const chunk = (index: number, token: number, more: Partial<StreamChunk> = {}): StreamChunk => ({
    index,
    text: `${token} `,
    tokens: [token],
    logprobs: [{ token, logprob: -1, top: [] }],
    ...more,
  });
  async function read(channel: ChunkChannel): Promise<StreamChunk[]> {
    const chunks: StreamChunk[] = [];
    for await (const one of channel) chunks.push(one);
    return chunks;
  }

  it('hands a reader that keeps up every chunk as it came', async () => {
    const channel = new ChunkChannel();
    const reading = read(channel);
    for (let i = 0; i < 40; i++) {
      channel.push(chunk(0, i));
      await Promise.resolve();
      await Promise.resolve();
      await Promise.resolve();
      await Promise.resolve();
    }
    channel.end();
    expect((await reading).map(({ tokens }) => tokens)).toEqual(Array.from({ length: 40 }, (_, i) => [i]));
  });

  it('merges what a slow reader has not taken: few chunks, nothing lost, the choices apart', async () => {
    const channel = new ChunkChannel();
    for (let i = 0; i < 10_000; i++) channel.push(chunk(i % 3, i));
    for (const index of [0, 1, 2]) channel.push({ index, text: '', tokens: [], finishReason: 'length' });
    channel.end();
    const chunks = await read(channel);
    expect(chunks.length).toBeLessThanOrEqual(16 + 3);
    for (const index of [0, 1, 2]) {
      const own = chunks.filter((one) => one.index === index);
      const tokens = Array.from({ length: 10_000 }, (_, i) => i).filter((i) => i % 3 === index);
      expect(own.flatMap((one) => one.tokens)).toEqual(tokens);
      expect(own.flatMap((one) => one.logprobs ?? []).map(({ token }) => token)).toEqual(tokens);
      expect(own.map((one) => one.text).join('')).toBe(tokens.map((token) => `${token} `).join(''));
      expect(own.map((one) => one.finishReason)).toEqual([...own.slice(1).map(() => undefined), 'length']);
    }
  });

  it('lets its reader leave at once, also while it waits, and tells of it', async () => {
    const channel = new ChunkChannel();
    let left = false;
    const reader = channel.reader(() => {
      left = true;
    });
    const pending = reader.next();
    await reader.return();
    expect(left).toBe(true);
    channel.push(chunk(0, 1));
    expect(await pending).toEqual({ done: true, value: undefined });
    expect(await reader.next()).toEqual({ done: true, value: undefined });
  });

  it('throws to its reader what failed, after all that came before', async () => {
    const channel = new ChunkChannel();
    channel.push(chunk(0, 1));
    channel.fail(new Error('broken'));
    const seen: StreamChunk[] = [];
    await expect(async () => {
      for await (const one of channel) seen.push(one);
    }).rejects.toThrow('broken');
    expect(seen).toHaveLength(1);
  });
});

describe('the pace', () => {
  it('finds the largest chunks that take less time than decoding does, and seldom tries larger ones', () => {
    const pace = new Pace();
    const chunkMs = (tokens: number) => 26 + 0.15 * tokens; // weights read once, then arithmetic
    const sizes: number[] = [];
    for (let i = 0; i < 500; i++) {
      pace.noteDecode(40, 1);
      sizes.push(pace.chunkTokens);
      pace.noteChunk(chunkMs(pace.chunkTokens), pace.chunkTokens);
    }
    expect(sizes.slice(0, 4)).toEqual([16, 24, 32, 40]); // 40 tokens take 32 ms: 0.8 of a step
    expect(Math.max(...sizes)).toBe(48);
    expect(new Set(sizes.slice(4))).toEqual(new Set([40, 48]));
    expect(sizes.filter((size) => size > 40).length / sizes.length).toBeLessThan(0.05);
  });

  it('makes chunks smaller when decoding gets faster, but not for one that was slow', () => {
    const pace = new Pace();
    pace.noteDecode(40, 1);
    pace.noteChunk(10, 16);
    expect(pace.chunkTokens).toBe(24);
    pace.noteChunk(1000, 24);
    pace.noteChunk(10, 24);
    pace.noteChunk(1000, 24);
    expect(pace.chunkTokens).toBe(32);
    for (let i = 0; i < 20; i++) pace.noteDecode(5, 1);
    for (let i = 0; i < 10; i++) pace.noteChunk(10, pace.chunkTokens);
    expect(pace.chunkTokens).toBe(16);
  });

  it('learns nothing about chunks from the end of a prompt', () => {
    const pace = new Pace();
    pace.noteDecode(40, 1);
    pace.noteChunk(1, pace.chunkTokens - 1);
    expect(pace.chunkTokens).toBe(16);
  });

  it('never stops a prompt altogether, and never bursts for long', () => {
    const slow = new Pace();
    slow.noteDecode(5, 1);
    for (let i = 0; i < 4; i++) slow.noteChunk(1000, slow.chunkTokens);
    expect(slow).toMatchObject({ chunkTokens: 16, decodeSteps: 3 });
    const fast = new Pace();
    fast.noteDecode(0.1, 1);
    expect(fast.decodeSteps).toBe(16);
    const heavy = new Pace();
    heavy.noteDecode(200, 2);
    expect(heavy.decodeSteps).toBe(1);
    expect(new Pace()).toMatchObject({ chunkTokens: 16, decodeSteps: 1 });
  });
});

describe('a histogram', () => {
  it('counts values up to and including each boundary, and beyond the last', () => {
    const histogram = new Histogram([1, 2, 5]);
    expect(histogram.data).toMatchObject({ count: 0, sum: 0, min: undefined, max: undefined });
    for (const value of [0, 1, 1.5, 2, 5, 7]) histogram.record(value);
    expect(histogram.data).toEqual({
      count: 6,
      sum: 16.5,
      min: 0,
      max: 7,
      boundaries: [1, 2, 5],
      bucketCounts: [2, 2, 1, 1],
    });
  });
});

describe('the memory for the KV cache', () => {
  const readings = { freeBytes: 1000, limitBytes: undefined, residentBytes: 300 };

  it('is by default half of what is free, on the machine and in the control group', () => {
    expect(defaultKvLimitBytes(1, readings)).toBe(500);
    expect(defaultKvLimitBytes(1, { ...readings, limitBytes: 700 })).toBe(200);
  });

  it('is never less than one sequence needs', () => {
    expect(defaultKvLimitBytes(600, readings)).toBe(600);
    expect(defaultKvLimitBytes(600, { ...readings, limitBytes: 200 })).toBe(600);
    expect(defaultKvLimitBytes(1000)).toBeGreaterThanOrEqual(1000);
  });
});

describe('the memory for the KV cache on a device', () => {
  const device = { freeBytes: 1000, inUseBytes: 300 };

  it('is by default half of what is free there, and within the limit of the allocator', () => {
    expect(deviceKvLimitBytes(1, device)).toBe(500);
    expect(deviceKvLimitBytes(1, { ...device, limitBytes: 700 })).toBe(200);
    expect(deviceKvLimitBytes(1, { ...device, limitBytes: 5000 })).toBe(500);
  });

  it('is never less than one sequence needs', () => {
    expect(deviceKvLimitBytes(600, device)).toBe(600);
  });
});

describe('the options of an engine', () => {
  const kv = {
    ...{ bytesPerToken: 100, tokensHeld: 0, tokensHeldPeak: 0, usedBytes: 0, copiedBytes: 0 },
    ...{ committedBytes: 0, committedBytesPeak: 0, reservedBytes: 0 },
  };

  it('have the rows they ask for, and defaults that fit the runner', () => {
    expect(runnerRows('load', {})).toBe(16);
    expect(runnerRows('load', { maxBatchSize: 3, prefixCacheRows: 0 })).toBe(3);
    const native = resolveEngineOptions({}, { kind: 'native', contextLength: 1024 }, { kv });
    expect(native).toMatchObject({
      maxBatchSize: 8,
      maxTokensPerStep: 512,
      maxWaiting: 1024,
      prefixCacheRows: 8,
    });
    expect(native.kvLimitBytes).toBeGreaterThanOrEqual(1024 * 100);
    const portable = resolveEngineOptions(
      { kvMemoryLimitBytes: 5 },
      { kind: 'portable', contextLength: 64 },
      { kv },
    );
    expect(portable).toMatchObject({ prefixCacheRows: 0, kvLimitBytes: 5 });
  });

  it('count rows on a device as it keeps them: by 128 positions, and by its own memory', () => {
    const settings = resolveEngineOptions({}, { kind: 'native', contextLength: 130 }, { kv, device: DEVICE });
    expect(settings).toMatchObject({ pageTokens: 128, device: DEVICE, kvLimitBytes: 40e9 });
    const full = { ...DEVICE, freeBytes: 1000 };
    const least = resolveEngineOptions({}, { kind: 'native', contextLength: 130 }, { kv, device: full });
    expect(least.kvLimitBytes).toBe(256 * 100);
  });

  it('leave prompts a part of every step', () => {
    expect(() => runnerRows('load', { maxBatchSize: 8, maxTokensPerStep: 8 })).toThrow(
      expect.objectContaining({
        code: 'INHOUSE_INVALID_OPTION',
        message: expect.stringContaining('more than maxBatchSize, 8'),
      }),
    );
    expect(
      resolveEngineOptions({ maxBatchSize: 256 }, { kind: 'native', contextLength: 64 }, { kv })
        .maxTokensPerStep,
    ).toBe(512);
  });
});

describe('the options that place a request', () => {
  it.each<[string, unknown[]]>([
    ['id', ['', 5]],
    ['priority', [-1, 0.5, 1001, '1']],
    ['timeoutMs', [0, -5, Number.NaN, Number.POSITIVE_INFINITY]],
    ['cacheNamespace', ['', 7]],
  ])('refuse a bad %s by name', (option, values) => {
    for (const value of values) {
      expect(() => resolveOptions({ [option]: value } as GenerateOptions, []), String(value)).toThrow(
        expect.objectContaining({
          code: 'INHOUSE_INVALID_OPTION',
          details: expect.objectContaining({ option }),
        }),
      );
    }
  });

  it('give every request an id of its own', () => {
    expect(resolveOptions({}, []).id).not.toBe(resolveOptions({}, []).id);
    expect(resolveOptions({}, [])).toMatchObject({ priority: 0, timeoutMs: undefined, cacheNamespace: '' });
  });
});
