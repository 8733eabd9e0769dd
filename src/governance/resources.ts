// What local models use of the machine: processor, memory, and the latencies of calls, over the last minutes.
// Reading the machine is a function that tests replace; GPUs are not looked at.
import { cpus, freemem, totalmem } from 'node:os';
import { type Clock, systemClock } from './clock.js';

/** Counters of the machine at one moment. */
export interface MachineReading {
  /** Milliseconds of all processors since they started: at work, and altogether. */
  readonly cpuBusyMs: number;
  readonly cpuTotalMs: number;
  readonly memoryUsedBytes: number;
  readonly memoryTotalBytes: number;
  /** Of this process: processor time, and resident memory. */
  readonly processCpuMs: number;
  readonly processMemoryBytes: number;
}

export interface ResourceSample {
  /** Milliseconds since the epoch. */
  readonly timeMs: number;
  /** Of all processors, since the sample before. */
  readonly cpuPercent: number;
  readonly memoryUsedBytes: number;
  readonly memoryAvailableBytes: number;
  readonly memoryPercent: number;
  readonly processMemoryBytes: number;
}

export interface ResourceUsage {
  readonly durationMs: number;
  /** Processor time of this process, which is what local calls took, and whatever else it did. */
  readonly cpuHours: number;
  readonly avgCpuPercent: number;
  readonly maxCpuPercent: number;
  readonly avgMemoryPercent: number;
  readonly maxMemoryPercent: number;
  readonly maxProcessMemoryBytes: number;
}

export interface ResourceMonitorOptions {
  readonly clock?: Clock;
  readonly read?: () => MachineReading;
  /** Default 1000. */
  readonly intervalMs?: number;
}

/** Samples and latencies that are kept. */
const KEPT = 1000;
const MS_PER_HOUR = 3_600_000;

export class ResourceMonitor {
  readonly #clock: Clock;
  readonly #read: () => MachineReading;
  readonly #intervalMs: number;
  readonly #samples: (ResourceSample & { readonly processCpuMs: number })[] = [];
  readonly #latenciesMs: number[] = [];
  #last: MachineReading;
  #timer: NodeJS.Timeout | undefined;

  constructor({ clock = systemClock, read = readMachine, intervalMs = 1000 }: ResourceMonitorOptions = {}) {
    this.#clock = clock;
    this.#read = read;
    this.#intervalMs = intervalMs;
    this.#last = read();
  }

  /** Oldest first. */
  get samples(): readonly ResourceSample[] {
    return this.#samples;
  }

  /** Samples by itself from here on, without keeping the process alive. Starting again does nothing. */
  start(): void {
    this.#timer ??= setInterval(() => this.sample(), this.#intervalMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  sample(): ResourceSample {
    const before = this.#last;
    const now = this.#read();
    this.#last = now;
    const elapsed = now.cpuTotalMs - before.cpuTotalMs;
    const sample = {
      timeMs: this.#clock.now(),
      cpuPercent: elapsed > 0 ? ((now.cpuBusyMs - before.cpuBusyMs) / elapsed) * 100 : 0,
      memoryUsedBytes: now.memoryUsedBytes,
      memoryAvailableBytes: now.memoryTotalBytes - now.memoryUsedBytes,
      memoryPercent: (now.memoryUsedBytes / now.memoryTotalBytes) * 100,
      processMemoryBytes: now.processMemoryBytes,
      processCpuMs: now.processCpuMs - before.processCpuMs,
    };
    keep(this.#samples, sample);
    return sample;
  }

  /** Runs `body`, sampling meanwhile, and tells what the machine did. Its time counts among the latencies. */
  async monitor<T>(
    body: () => T | Promise<T>,
  ): Promise<{ readonly result: T; readonly usage: ResourceUsage }> {
    this.sample();
    const startedMs = this.#clock.monotonic();
    const before = this.#samples.at(-1)!;
    const timer = setInterval(() => this.sample(), this.#intervalMs).unref();
    try {
      const result = await body();
      const durationMs = this.#clock.monotonic() - startedMs;
      this.recordLatency(durationMs);
      this.sample();
      const meanwhile = this.#samples.slice(this.#samples.lastIndexOf(before) + 1);
      return { result, usage: usageOf(meanwhile, durationMs) };
    } finally {
      clearInterval(timer);
    }
  }

  recordLatency(ms: number): void {
    keep(this.#latenciesMs, ms);
  }

  /** Milliseconds, of the latencies that are kept; undefined while there are none. */
  latencies(): { readonly p50: number; readonly p95: number; readonly p99: number } | undefined {
    if (this.#latenciesMs.length === 0) return undefined;
    const sorted = [...this.#latenciesMs].sort((a, b) => a - b);
    const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1]!;
    return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
  }

  /** Over the last `minutes`; undefined while there is no sample of them. */
  summary(minutes: number): ResourceUsage | undefined {
    const sinceMs = this.#clock.now() - minutes * 60_000;
    const recent = this.#samples.filter(({ timeMs }) => timeMs >= sinceMs);
    if (recent.length === 0) return undefined;
    return usageOf(recent, recent.at(-1)!.timeMs - recent[0]!.timeMs);
  }

  /** What the last five minutes suggest. */
  recommendations(): readonly string[] {
    const usage = this.summary(5);
    const found: string[] = [];
    if (usage !== undefined) {
      const { avgCpuPercent: cpu, maxMemoryPercent: memory } = usage;
      if (cpu > 80)
        found.push(
          `The processors are ${cpu.toFixed(0)} % busy: lower maxConcurrent, or take a smaller model.`,
        );
      if (cpu < 20)
        found.push(`The processors are ${cpu.toFixed(0)} % busy: there is room for more calls at once.`);
      if (memory > 80) found.push(`Memory is ${memory.toFixed(0)} % used: load fewer or smaller models.`);
    }
    const p95 = this.latencies()?.p95 ?? 0;
    if (p95 > 5000)
      found.push(
        `One call in twenty takes longer than ${(p95 / 1000).toFixed(1)} s: lower maxTokens, or take a smaller model.`,
      );
    return found;
  }
}

function readMachine(): MachineReading {
  let cpuBusyMs = 0;
  let idleMs = 0;
  for (const { times } of cpus()) {
    cpuBusyMs += times.user + times.nice + times.sys + times.irq;
    idleMs += times.idle;
  }
  const { user, system } = process.cpuUsage();
  return {
    cpuBusyMs,
    cpuTotalMs: cpuBusyMs + idleMs,
    memoryUsedBytes: totalmem() - freemem(),
    memoryTotalBytes: totalmem(),
    processCpuMs: (user + system) / 1000,
    processMemoryBytes: process.memoryUsage.rss(),
  };
}

function usageOf(
  samples: readonly (ResourceSample & { readonly processCpuMs: number })[],
  durationMs: number,
): ResourceUsage {
  const all = (value: (sample: (typeof samples)[number]) => number) => samples.map(value);
  const mean = (values: readonly number[]) => sum(values) / values.length;
  return {
    durationMs,
    cpuHours: sum(all(({ processCpuMs }) => processCpuMs)) / MS_PER_HOUR,
    avgCpuPercent: mean(all(({ cpuPercent }) => cpuPercent)),
    maxCpuPercent: Math.max(...all(({ cpuPercent }) => cpuPercent)),
    avgMemoryPercent: mean(all(({ memoryPercent }) => memoryPercent)),
    maxMemoryPercent: Math.max(...all(({ memoryPercent }) => memoryPercent)),
    maxProcessMemoryBytes: Math.max(...all(({ processMemoryBytes }) => processMemoryBytes)),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function keep<T>(values: T[], value: T): void {
  values.push(value);
  if (values.length > KEPT) values.shift();
}
