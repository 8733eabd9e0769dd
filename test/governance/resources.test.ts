import { describe, expect, it, vi } from 'vitest';
import { type MachineReading, ResourceMonitor } from '#inhouse/governance/resources.js';
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
  it('C-107: a sample tells the load since the one before, and memory', () => {
    const { monitor, pass } = machine();
    pass(1000, 0.25);
    expect(monitor.sample()).toMatchObject({
      cpuPercent: 25,
      memoryPercent: 25,
      memoryAvailableBytes: 12e9,
      processMemoryBytes: 1e9,
    });
    pass(1000, 1);
    expect(monitor.sample().cpuPercent).toBe(100);
    expect(monitor.sample().cpuPercent).toBe(0);
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
    });
    expect(monitor.latencies()).toEqual({ p50: 7200, p95: 7200, p99: 7200 });
  });

  it('C-107: keeps the last thousand samples and latencies', () => {
    const { monitor } = machine();
    for (let i = 1; i <= 1500; i++) {
      monitor.sample();
      monitor.recordLatency(i);
    }
    expect(monitor.samples.length).toBe(1000);
    expect(monitor.latencies()).toEqual({ p50: 1000, p95: 1450, p99: 1490 });
  });

  it('C-107: sums up the last minutes only', () => {
    const { monitor, pass } = machine();
    expect([monitor.summary(5), monitor.latencies()]).toEqual([undefined, undefined]);
    pass(MINUTE, 1);
    monitor.sample();
    pass(10 * MINUTE, 0.5);
    monitor.sample();
    pass(MINUTE, 0.1);
    monitor.sample();
    expect(monitor.summary(5)).toMatchObject({ avgCpuPercent: 30, maxCpuPercent: 50, durationMs: MINUTE });
    expect(monitor.summary(60)!.maxCpuPercent).toBe(100);
  });

  it('C-107: recommends by load, memory and latency', () => {
    const { monitor, pass, reading } = machine();
    expect(monitor.recommendations()).toEqual([]);
    pass(1000, 0.9);
    reading.memoryUsedBytes = 15e9;
    monitor.sample();
    monitor.recordLatency(6000);
    expect(monitor.recommendations()).toMatchObject([
      expect.stringContaining('maxConcurrent'),
      expect.stringContaining('94 % used'),
      expect.stringContaining('6.0 s'),
    ]);
    const idle = machine();
    idle.pass(1000, 0.1);
    idle.monitor.sample();
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

  it('C-107: reads this machine', () => {
    const sample = new ResourceMonitor().sample();
    expect(sample.processMemoryBytes).toBeGreaterThan(1e6);
    expect(sample.memoryPercent).toBeGreaterThan(0);
    expect(sample.memoryPercent).toBeLessThan(100);
  });
});
