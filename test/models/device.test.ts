// The options of load() that say where a model computes, on a machine without a GPU.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openModel } from '#bench/gpu/runners.js';
import { embeddedModelFolder } from '#inhouse/checkpoint/embedded.js';
import { gpuFacts } from '#inhouse/cli/doctor-machine.js';
import { load } from '#inhouse/index.js';
import { cudaProviderFiles, missingFiles } from '#inhouse/runtime/native/cuda-provider.js';
import { gpuStatistics } from '#inhouse/runtime/native/memory.js';
import { nativeMissing } from '../support/runners.js';

const home = mkdtempSync(join(tmpdir(), 'inhouse-device-'));
beforeAll(() => {
  process.env.INHOUSE_HOME = home;
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

const gpus = await gpuStatistics();
const hasProviders = process.arch === 'x64' && ['linux', 'win32'].includes(process.platform);
const notInstalled = hasProviders && missingFiles(cudaProviderFiles()).length > 0;

describe('the device of a model', () => {
  it.skipIf(gpus.length > 0)(
    "is the CPU by 'auto' where there is no GPU, and the model says so",
    async () => {
      await using model = await load();
      expect(model.info()).toMatchObject({
        device: 'cpu',
        deviceReason: 'There is no NVIDIA GPU, or no driver for it.',
      });
      expect((await model.statistics()).device).toBeUndefined();
    },
  );

  it('is the CPU where that was asked for, and there is no more to say', async () => {
    await using model = await load('embedded', { device: 'cpu' });
    expect(model.info()).toMatchObject({ device: 'cpu', deviceReason: null, deviceMemory: null });
  });

  it.skipIf(nativeMissing)('tells what its memory was after loading, and what it is', async () => {
    const subject = {
      folder: embeddedModelFolder(),
      home,
      precision: 'fp16',
      device: 'cpu-as-device',
    } as const;
    await using model = await openModel(subject, { maxBatchSize: 2 });
    const { deviceMemory } = model.info();
    expect(deviceMemory).toMatchObject({ name: 'host memory' });
    expect(deviceMemory!.weightBytes).toBeGreaterThan(1e6);
    expect((await model.statistics()).device!.weightBytes).toBe(deviceMemory!.weightBytes);
  });

  it.runIf(notInstalled)('is never replaced by another where it was named', async () => {
    const failing = load('embedded', { device: 'cuda:1' });
    await expect(failing).rejects.toMatchObject({
      code: 'INHOUSE_RUNTIME_LOAD',
      message: expect.stringMatching(
        /provider is not installed: .*providers_cuda.* `inhouse setup cuda` fetches it/,
      ),
    });
  });

  it.each<{ options: object; says: RegExp }>([
    {
      options: { device: 'gpu' },
      says: /load: device is "gpu"; it must be 'auto', 'cpu', 'cuda' or 'cuda:<number>'/,
    },
    { options: { device: 1 }, says: /load: device is 1; it must be/ },
    {
      options: { device: 'cuda', runner: 'portable' },
      says: /runner is "portable"; it must be 'auto' or 'native'/,
    },
    { options: { cuda: 'yes' }, says: /cuda is "yes"; it must be an object/ },
    { options: { cuda: { memoryLimitBytes: 0 } }, says: /load: cuda: memoryLimitBytes is 0/ },
    { options: { cuda: { arenaStrategy: 'big' } }, says: /arenaStrategy is "big".*'next-power-of-two'/ },
    { options: { cuda: { tf32: 1 } }, says: /tf32 is 1; it must be true or false/ },
    { options: { cuda: { cudaGraphs: 'on' } }, says: /cudaGraphs is "on"/ },
    { options: { cuda: { streams: 2 } }, says: /load: cuda: unknown option "streams"/ },
  ])('is refused with what to do: $options', async ({ options, says }) => {
    await expect(load('embedded', options)).rejects.toMatchObject({
      code: expect.stringMatching(/^INHOUSE_(INVALID|UNKNOWN)_OPTION$/),
      message: expect.stringMatching(says),
    });
  });
});

it.skipIf(gpus.length > 0)('no GPU is found by the doctor either', async () => {
  expect(await gpuFacts('/nowhere/libnvidia-ml.so.1')).toEqual([]);
});
