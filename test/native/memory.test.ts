// Memory of the process, of its control group, and of GPUs, which a fake driver library stands for.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { cgroupMemoryLimit, gpuStatistics, processMemory } from '#inhouse/runtime/native/memory.js';
import { nativeMissing } from '../support/runners.js';
import { buildLibrary, temporaryFolder } from './support.js';

const MIB = 2 ** 20;

describe.skipIf(nativeMissing)('process memory', () => {
  it('agrees with what Node.js says', () => {
    const { residentBytes, peakBytes } = processMemory()!;
    expect(Math.abs(residentBytes - process.memoryUsage.rss())).toBeLessThan(32 * MIB);
    expect(peakBytes).toBeGreaterThanOrEqual(residentBytes);
  });

  it('grows with what is allocated', () => {
    const before = processMemory()!;
    const block = Buffer.alloc(64 * MIB, 1);
    const after = processMemory()!;
    expect(block[0]).toBe(1);
    expect(after.residentBytes - before.residentBytes).toBeGreaterThan(48 * MIB);
    expect(after.peakBytes).toBeGreaterThanOrEqual(before.residentBytes + 48 * MIB);
  });

  it.runIf(process.platform === 'linux')('is private or mapped', () => {
    const { residentBytes, privateBytes, mappedBytes } = processMemory()!;
    expect(privateBytes! + mappedBytes!).toBe(residentBytes);
  });
});

describe.skipIf(nativeMissing ?? process.platform !== 'linux')('the memory limit of a control group', () => {
  const folder = temporaryFolder();
  let systems = 0;

  /** A file system with these files, as the root that the addon reads below. */
  const system = (files: Readonly<Record<string, string>>) => {
    const root = join(folder, String(systems++));
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), content);
    }
    return `${root}/`;
  };

  it('is read from version 2, the smallest up to the root', () => {
    const root = system({
      'proc/self/cgroup': '0::/shop/till\n',
      'sys/fs/cgroup/shop/till/memory.max': '8000000\n',
      'sys/fs/cgroup/shop/memory.max': '6000000\n',
      'sys/fs/cgroup/memory.max': 'max\n',
    });
    expect(cgroupMemoryLimit(root)).toBe(6_000_000);
  });

  it('is read from version 1', () => {
    const root = system({
      'proc/self/cgroup': '5:cpu,cpuacct:/a\n4:memory:/docker/abc\n',
      'sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes': '536870912\n',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
    });
    expect(cgroupMemoryLimit(root)).toBe(536_870_912);
  });

  it('is found at the root when the path belongs to another namespace', () => {
    const root = system({
      'proc/self/cgroup': '0::/../../elsewhere\n',
      'sys/fs/cgroup/memory.max': '1048576\n',
    });
    expect(cgroupMemoryLimit(root)).toBe(1_048_576);
  });

  it('is undefined where there is none', () => {
    const unlimited = { 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/memory.max': 'max\n' };
    expect(cgroupMemoryLimit(system(unlimited))).toBeUndefined();
    expect(cgroupMemoryLimit(system({ 'proc/self/other': '' }))).toBeUndefined();
  });
});

describe.skipIf(nativeMissing ?? process.platform === 'win32')('GPUs', () => {
  const folder = temporaryFolder();
  let driver: string | undefined;
  beforeAll(() => {
    driver = buildLibrary(folder, 'fake-nvml', FAKE_NVML);
  });

  it('are none without a driver', async () => {
    expect(await gpuStatistics('/nowhere/libnvidia-ml.so.1')).toEqual([]);
    expect(await gpuStatistics('libm.so.6')).toEqual([]);
  });

  it('are what the driver tells, without what it does not', async (context) => {
    if (driver === undefined) return context.skip();
    expect(await gpuStatistics(driver)).toEqual([
      {
        name: 'Fake GPU 0',
        totalBytes: 80 * 2 ** 30,
        usedBytes: 30 * 2 ** 30,
        freeBytes: 50 * 2 ** 30,
        processBytes: 3 * 2 ** 30,
        utilisationPercent: 42,
        temperatureCelsius: 61,
        powerMilliwatts: 250_500,
      },
      { name: 'Fake GPU 1', totalBytes: 80 * 2 ** 30, usedBytes: 30 * 2 ** 30, freeBytes: 50 * 2 ** 30 },
    ]);
  });
});

/** Two GPUs: one that tells everything, one that tells its name and memory only. */
const FAKE_NVML = `
#include <stdio.h>
#include <unistd.h>
typedef unsigned long long u64;
static int index_of(void *device) { return (int)((long)device - 1); }
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) { *device = (void *)(long)(index + 1); return 0; }
int nvmlDeviceGetName(void *device, char *name, unsigned length) {
  snprintf(name, length, "Fake GPU %d", index_of(device));
  return 0;
}
int nvmlDeviceGetMemoryInfo(void *device, struct { u64 total, free, used; } *memory) {
  memory->total = 80ull << 30; memory->free = 50ull << 30; memory->used = 30ull << 30;
  return 0;
}
int nvmlDeviceGetUtilizationRates(void *device, struct { unsigned gpu, memory; } *rates) {
  rates->gpu = 42; rates->memory = 10;
  return index_of(device) ? 3 : 0;
}
int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *celsius) {
  *celsius = sensor == 0 ? 61 : 0;
  return index_of(device) ? 3 : 0;
}
int nvmlDeviceGetPowerUsage(void *device, unsigned *milliwatts) {
  *milliwatts = 250500;
  return index_of(device) ? 3 : 0;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count,
    struct { unsigned pid; u64 used; unsigned instance, compute; } *processes) {
  processes[0].pid = 1; processes[0].used = 5ull << 30;
  processes[1].pid = (unsigned)getpid(); processes[1].used = 3ull << 30;
  *count = 2;
  return index_of(device) ? 3 : 0;
}
`;
