// Devices by name, what speaks against a GPU, and where a model ends up. No GPU is needed.
import { describe, expect, it } from 'vitest';
import { InvalidInputError, RunnerError } from '#inhouse/errors.js';
import {
  cudaSettings,
  kvBytes,
  kvObstacle,
  type MemoryNeed,
  memoryObstacle,
  parseDevice,
} from '#inhouse/runtime/device.js';
import { type PlaceTools, placeModel } from '#inhouse/runtime/place.js';
import type { Runner } from '#inhouse/runtime/runner.js';
import { DEVICE } from '../support/device.js';
import { FakeRunner } from '../support/fake-runner.js';

describe('a device by name', () => {
  it.each([
    ['auto', { kind: 'auto' }],
    ['cpu', { kind: 'cpu' }],
    ['cuda', { kind: 'cuda', id: 0 }],
    ['cuda:0', { kind: 'cuda', id: 0 }],
    ['cuda:12', { kind: 'cuda', id: 12 }],
  ])('%s', (word, parsed) => expect(parseDevice(word)).toEqual(parsed));

  it.each([
    '',
    'gpu',
    'CUDA',
    'cuda:',
    'cuda:-1',
    'cuda:1.5',
    'cuda:1000',
    'cuda:0 ',
    'cpu:0',
    0,
    null,
    ['cuda'],
  ])('is not %j', (word) => expect(parseDevice(word)).toBeUndefined());
});

it('has settings for everything that CUDA can be told', () => {
  expect(cudaSettings(1)).toEqual({
    kind: 'cuda',
    id: 1,
    memoryLimitBytes: undefined,
    arenaStrategy: 'same-as-requested',
    tf32: false,
    cudaGraphs: false,
  });
  const given = {
    memoryLimitBytes: 5,
    arenaStrategy: 'next-power-of-two',
    tf32: true,
    cudaGraphs: true,
  } as const;
  expect(cudaSettings(0, given)).toEqual({ kind: 'cuda', id: 0, ...given });
});

it('counts keys and values of a sequence: gpt2 at FP16 takes 36 864 bytes per token, at FP32 twice that', () => {
  const gpt2 = { layers: 12, width: 768 };
  expect(kvBytes(gpt2, { elementType: 'float16' }, 1)).toBe(36_864);
  expect(kvBytes(gpt2, { elementType: 'float32' }, 1024)).toBe(2 * 36_864 * 1024);
});

const NEED: MemoryNeed = { weightBytes: 300e6, kvBytes: 100e6, memoryLimitBytes: undefined };
const gpu = (freeBytes: number) => ({
  name: 'A GPU',
  totalBytes: 80e9,
  usedBytes: 80e9 - freeBytes,
  freeBytes,
});

describe('memory', () => {
  it('suffices when weights, a sequence and 600 MB of workspace fit on some GPU', () => {
    expect(memoryObstacle([gpu(1), gpu(1000e6)], NEED)).toBeUndefined();
    expect(memoryObstacle([gpu(999e6), gpu(1)], NEED)).toBe(
      'The model needs 1000 MB on a GPU; the GPU has free 999 MB.',
    );
  });

  it('is no more than the limit that was set', () => {
    expect(memoryObstacle([gpu(80e9)], { ...NEED, memoryLimitBytes: 900e6 })).toMatch(
      /needs 1000 MB .* cuda\.memoryLimitBytes allows 900 MB/,
    );
    expect(memoryObstacle([gpu(80e9)], { ...NEED, memoryLimitBytes: 1e9 })).toBeUndefined();
  });

  it('must hold a sequence beside the weights that were loaded', () => {
    expect(kvObstacle({ freeBytes: 100e6 }, NEED)).toBeUndefined();
    expect(kvObstacle({ freeBytes: 99e6 }, NEED)).toMatch(/needs 100 MB .* has free 99 MB/);
  });
});

/** A machine on which everything works, and what was done on it. */
function machine(changes: Partial<PlaceTools<string>> = {}, freeBytes = 80e9) {
  const done: string[] = [];
  const runner: Runner = Object.assign(new FakeRunner(), {
    dispose: async () => void done.push('dispose'),
    statistics: async () => ({ device: { ...DEVICE, freeBytes } }),
  });
  const tools: PlaceTools<string> = {
    requireCuda: () => void done.push('requireCuda'),
    gpus: async () => [gpu(80e9)],
    prepare: async (kind) => {
      done.push(`prepare ${kind}`);
      return `for ${kind}`;
    },
    need: () => NEED,
    open: async (prepared, cuda) => {
      done.push(`open ${prepared} ${cuda?.id ?? 'cpu'}`);
      return runner;
    },
    ...changes,
  };
  return { tools, done };
}

const ON_CPU = ['prepare cpu', 'open for cpu cpu'];
const fails = (code: 'INHOUSE_RUNTIME_LOAD' | 'INHOUSE_RUNTIME_STEP' = 'INHOUSE_RUNTIME_LOAD') => {
  throw new RunnerError(code, 'libcublas.so.13 is missing');
};

describe("a model on 'cpu'", () => {
  it('is placed there without a look at GPUs', async () => {
    const { tools, done } = machine({ gpus: fails });
    expect(await placeModel({ kind: 'cpu' }, cudaSettings(0), tools)).toMatchObject({
      prepared: 'for cpu',
      reason: null,
    });
    expect(done).toEqual(ON_CPU);
  });
});

describe("a model on 'cuda'", () => {
  it('is placed on the GPU that was named, whatever its memory', async () => {
    const { tools, done } = machine({ gpus: fails }, 0);
    const placed = await placeModel({ kind: 'cuda' }, cudaSettings(3), tools);
    expect(placed).toMatchObject({ prepared: 'for cuda', reason: null });
    expect(done).toEqual(['requireCuda', 'prepare cuda', 'open for cuda 3']);
  });

  it.each(['requireCuda', 'prepare', 'open'] as const)('fails where CUDA fails, in %s', async (step) => {
    const { tools, done } = machine({
      [step]: async () => fails(),
      ...(step === 'requireCuda' && { [step]: fails }),
    });
    await expect(placeModel({ kind: 'cuda' }, cudaSettings(0), tools)).rejects.toThrow('libcublas.so.13');
    expect(done).not.toContain('prepare cpu');
  });
});

describe("a model on 'auto'", () => {
  const auto = (tools: PlaceTools<string>) => placeModel({ kind: 'auto' }, cudaSettings(0), tools);

  it('is placed on a GPU where all is well', async () => {
    const { tools, done } = machine();
    expect(await auto(tools)).toMatchObject({ prepared: 'for cuda', reason: null });
    expect(done).toEqual(['requireCuda', 'prepare cuda', 'open for cuda 0']);
  });

  it('asks for nothing of CUDA where there is no GPU', async () => {
    const { tools, done } = machine({ gpus: async () => [] });
    expect(await auto(tools)).toMatchObject({ reason: 'There is no NVIDIA GPU, or no driver for it.' });
    expect(done).toEqual(ON_CPU);
  });

  it.each([
    { what: 'the provider is missing', changes: { requireCuda: fails } },
    {
      what: 'the provider does not load',
      changes: { open: async (_: string, cuda?: object) => openUnless(cuda) },
    },
    {
      what: 'the device fails',
      changes: { open: async (_: string, cuda?: object) => openUnless(cuda, 'STEP') },
    },
  ])('is placed on the CPU, and says why, where $what', async ({ changes }) => {
    const placed = await auto(machine(changes as Partial<PlaceTools<string>>).tools);
    expect(placed).toMatchObject({ prepared: 'for cpu', reason: 'libcublas.so.13 is missing' });
  });

  it('is placed on the CPU where CUDA has no such precision', async () => {
    const { tools } = machine();
    const prepare = async (kind: 'cpu' | 'cuda') => {
      if (kind === 'cuda') throw new InvalidInputError('INHOUSE_INVALID_OPTION', 'no int8-channel on CUDA');
      return 'for cpu';
    };
    expect(await auto({ ...tools, prepare })).toMatchObject({ reason: 'no int8-channel on CUDA' });
  });

  it('loads nothing where no GPU has room', async () => {
    const { tools, done } = machine({ gpus: async () => [gpu(500e6)] });
    expect(await auto(tools)).toMatchObject({ reason: expect.stringMatching(/needs 1000 MB/) });
    expect(done).toEqual(['requireCuda', 'prepare cuda', ...ON_CPU]);
  });

  it('gives back a GPU that has no room for a sequence beside the weights', async () => {
    const { tools, done } = machine({}, 50e6);
    expect(await auto(tools)).toMatchObject({ reason: expect.stringMatching(/needs 100 MB/) });
    expect(done).toEqual(['requireCuda', 'prepare cuda', 'open for cuda 0', 'dispose', ...ON_CPU]);
  });

  it('fails with what would fail on the CPU too', async () => {
    const aborted = new DOMException('stopped', 'AbortError');
    const { tools, done } = machine({ prepare: async () => Promise.reject(aborted) });
    await expect(auto(tools)).rejects.toBe(aborted);
    expect(done).toEqual(['requireCuda']);
  });
});

/** A runner on the CPU; on CUDA, a failure. */
async function openUnless(cuda: object | undefined, kind: 'LOAD' | 'STEP' = 'LOAD'): Promise<Runner> {
  return cuda === undefined ? new FakeRunner() : fails(`INHOUSE_RUNTIME_${kind}`);
}
