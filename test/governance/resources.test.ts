import { describe, expect, it, vi } from 'vitest';
import { InvalidInputError } from '#inhouse/errors.js';
import { diskTraffic, networkTraffic } from '#inhouse/governance/machine.js';
import { type GpuReading, type MachineReading, ResourceMonitor } from '#inhouse/governance/resources.js';
import { telemetryFaults } from '#inhouse/governance/telemetry/faults.js';
import { FakeClock } from '../support/fake-clock.js';
import { bench, REQUEST } from './support/governed.js';

const MINUTE = 60_000;

/** A machine of one processor, whose load and memory the test sets. */
function machine() {
  const clock = new FakeClock();
  const reading = {
    cpuBusyMs: 0,
    cpuTotalMs: 0,
    memoryUsedBytes: 4e9,
    memoryTotalBytes: 16e9,
    processCpuMs: 0,
    processMemoryBytes: 1e9,
  };
  const monitor = new ResourceMonitor({ clock, read: (): MachineReading => ({ ...reading }) });
  const pass = (ms: number, load: number) => {
    clock.advance(ms);
    reading.cpuTotalMs += ms;
    reading.cpuBusyMs += ms * load;
    reading.processCpuMs += ms * load;
  };
  return { clock, reading, monitor, pass };
}

describe('C-107: resources of the machine', () => {
  it('C-107: a sample tells the load since the one before, and memory', async () => {
    const { monitor, pass } = machine();
    pass(1000, 0.25);
    expect(await monitor.sample()).toMatchObject({
      cpuPercent: 25,
      memoryPercent: 25,
      memoryAvailableBytes: 12e9,
      processMemoryBytes: 1e9,
    });
    pass(1000, 1);
    expect((await monitor.sample()).cpuPercent).toBe(100);
    expect((await monitor.sample()).cpuPercent).toBe(0);
  });

  it('a machine that cannot be read while it is watched is read again the next time', async () => {
    vi.useFakeTimers();
    const faults = telemetryFaults.count;
    const { reading } = machine();
    const read = vi.fn((): MachineReading => reading);
    const gpus = vi.fn((): Promise<readonly GpuReading[]> => {
      throw new Error('no driver');
    });
    const monitor = new ResourceMonitor({ read, gpus });
    read.mockImplementationOnce(() => {
      throw new Error('EMFILE');
    });
    monitor.start();
    await vi.advanceTimersByTimeAsync(2000);
    monitor.stop();
    vi.useRealTimers();
    expect([monitor.samples.length, gpus.mock.calls.length, telemetryFaults.count - faults]).toEqual([
      1, 2, 1,
    ]);
  });

  it('C-107: a scope around a governed call tells what it took', async () => {
    const { monitor, pass, reading } = machine();
    const { governed } = bench();
    pass(1000, 1); // before the scope
    const { result, usage } = await monitor.monitor(async () => {
      const completion = await governed.complete(REQUEST);
      pass(7200, 0.5);
      reading.processMemoryBytes = 2e9;
      return completion;
    });
    expect(result.finishReason).toBe('stop');
    expect(usage).toEqual({
      durationMs: 7200,
      cpuHours: 0.001,
      avgCpuPercent: 50,
      maxCpuPercent: 50,
      avgMemoryPercent: 25,
      maxMemoryPercent: 25,
      maxProcessMemoryBytes: 2e9,
      disk: undefined,
      network: undefined,
      gpu: undefined,
    });
    expect(monitor.latencies()).toEqual({ p50: 7200, p95: 7200, p99: 7200 });
  });

  it('C-107: keeps the last thousand samples and latencies', async () => {
    const { monitor } = machine();
    for (let i = 1; i <= 1500; i++) {
      await monitor.sample();
      monitor.recordLatency(i);
    }
    expect(monitor.samples.length).toBe(1000);
    expect(monitor.latencies()).toEqual({ p50: 1000, p95: 1450, p99: 1490 });
  });

  it('C-107: sums up the last minutes only', async () => {
    const { monitor, pass } = machine();
    expect([monitor.summary(5), monitor.latencies()]).toEqual([undefined, undefined]);
    pass(MINUTE, 1);
    await monitor.sample();
    pass(10 * MINUTE, 0.5);
    await monitor.sample();
    pass(MINUTE, 0.1);
    await monitor.sample();
    expect(monitor.summary(5)).toMatchObject({ avgCpuPercent: 30, maxCpuPercent: 50, durationMs: MINUTE });
    expect(monitor.summary(60)!.maxCpuPercent).toBe(100);
  });

  it('C-107: recommends by load, memory and latency', async () => {
    const { monitor, pass, reading } = machine();
    expect(monitor.recommendations()).toEqual([]);
    pass(1000, 0.9);
    reading.memoryUsedBytes = 15e9;
    await monitor.sample();
    monitor.recordLatency(6000, 12);
    expect(monitor.recommendations()).toMatchObject([
      expect.stringContaining('6.0 s'),
      expect.stringContaining('2.0 tokens per second'),
      expect.stringContaining('94 % used'),
      expect.stringContaining('maxConcurrent'),
    ]);
    const idle = machine();
    idle.pass(1000, 0.1);
    await idle.monitor.sample();
    expect(idle.monitor.recommendations()).toMatchObject([expect.stringContaining('room for more')]);
  });

  it('C-107: samples by itself between start and stop', async () => {
    vi.useFakeTimers();
    try {
      const { monitor } = machine();
      monitor.start();
      monitor.start();
      await vi.advanceTimersByTimeAsync(3000);
      expect(monitor.samples.length).toBe(3);
      monitor.stop();
      await vi.advanceTimersByTimeAsync(3000);
      expect(monitor.samples.length).toBe(3);
    } finally {
      vi.useRealTimers();
    }
  });

  it('C-107: tells what went to disk and network since the sample before, where the system tells it', async () => {
    const clock = new FakeClock();
    const { reading } = machine();
    const traffic = { disk: { inBytes: 10, outBytes: 20 }, network: { inBytes: 100, outBytes: 50 } };
    const monitor = new ResourceMonitor({ clock, read: () => ({ ...reading, ...traffic }) });
    traffic.disk = { inBytes: 4106, outBytes: 20 };
    expect(await monitor.sample()).toMatchObject({
      disk: { inBytes: 4096, outBytes: 0 },
      network: { inBytes: 0, outBytes: 0 },
    });
    traffic.network = { inBytes: 300, outBytes: 51 };
    await monitor.sample();
    expect(monitor.summary(5)).toMatchObject({
      disk: { inBytes: 4096, outBytes: 0 },
      network: { inBytes: 200, outBytes: 1 },
    });
  });

  it('C-107: reads disk and network from the texts of Linux, and nothing from others', () => {
    const io = 'rchar: 9\nwchar: 9\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 0\n';
    expect(diskTraffic(io)).toEqual({ inBytes: 4096, outBytes: 8192 });
    const dev = [
      'Inter-|   Receive                                                |  Transmit',
      ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed',
      '    lo: 77 1 0 0 0 0 0 0 77 1 0 0 0 0 0 0',
      '  eth0:1000 1 0 0 0 0 0 0 200 1 0 0 0 0 0 0',
      ' wlan0:   5 1 0 0 0 0 0 0   6 1 0 0 0 0 0 0',
    ].join('\n');
    expect(networkTraffic(dev)).toEqual({ inBytes: 1005, outBytes: 206 });
    expect([diskTraffic(''), networkTraffic(''), networkTraffic('no: figures')]).toEqual(
      Array(3).fill(undefined),
    );
  });

  it('C-107: GPUs are sampled where they can be read, and keep their figures where they cannot', async () => {
    const { clock, reading } = machine();
    const gpu = (usedBytes: number, utilisationPercent: number) => ({
      name: 'GPU',
      totalBytes: 80e9,
      usedBytes,
      utilisationPercent,
    });
    const readings: (() => Promise<readonly GpuReading[]>)[] = [
      async () => [gpu(1e9, 100), gpu(2e9, 60)],
      async () => {
        throw new Error('the driver is gone');
      },
      async () => [gpu(4e9, 20), gpu(5e9, 100)],
    ];
    const gpus = () => readings.shift()!();
    const monitor = new ResourceMonitor({ clock, read: () => reading, gpus });
    for (let i = 0; i < 3; i++) {
      if (i > 0) clock.advance(30 * 1000);
      await monitor.sample();
    }
    expect(monitor.samples.map((sample) => sample.gpus.map(({ usedBytes }) => usedBytes))).toEqual([
      [1e9, 2e9],
      [1e9, 2e9],
      [4e9, 5e9],
    ]);
    const avgPercent = (80 + 80 + 60) / 3;
    expect(monitor.summary(5)!.gpu).toEqual({
      avgPercent: expect.closeTo(avgPercent, 9),
      maxPercent: 100,
      maxMemoryBytes: 9e9,
      hours: expect.closeTo((avgPercent / 100) * 2 * (1 / 60), 9),
    });
  });

  it('C-107: reads this machine', async () => {
    const sample = await new ResourceMonitor().sample();
    expect(sample.processMemoryBytes).toBeGreaterThan(1e6);
    expect(sample.memoryPercent).toBeGreaterThan(0);
    expect(sample.memoryPercent).toBeLessThan(100);
  });

  it.each<unknown>([
    null,
    5,
    { interval: 5 },
    { intervalMs: 0 },
    { intervalMs: Number.NaN },
    { intervalMs: 2 ** 31 },
    { clock: {} },
    { read: {} },
    { gpus: [] },
  ])('%j is refused', (options) => {
    expect(() => new ResourceMonitor(options as never)).toThrow(InvalidInputError);
  });
});
