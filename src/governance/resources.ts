// What local models use of the machine: processor, memory, disk, network and GPUs, and the latencies of calls, over the
// last minutes. Reading the machine and its GPUs are functions that tests replace.
import { checkOptions, rule } from '../options.js';
import { LONGEST_TIMER_MS } from '../providers/request.js';
import { type Clock, clockRule, systemClock } from './clock.js';
import { type GpuReading, type MachineReading, readMachine } from './machine.js';
import {
  type ResourceSample,
  type ResourceUsage,
  recommendationsOf,
  trafficSince,
  usageOf,
} from './resource-usage.js';
import { telemetryFaults } from './telemetry/faults.js';

export type { GpuReading, MachineReading, Traffic } from './machine.js';
export type { GpuUsage, ResourceSample, ResourceUsage } from './resource-usage.js';

export interface ResourceMonitorOptions {
  readonly clock?: Clock;
  readonly read?: () => MachineReading;
  /** Reads the GPUs, such as `gpuStatistics`. Default: they are not looked at. */
  readonly gpus?: () => Promise<readonly GpuReading[]>;
  /** Default 1000. */
  readonly intervalMs?: number;
}

/** Samples and latencies that are kept. */
const KEPT = 1000;
/** Minutes that recommendations look back. */
const RECENT = 5;

const RULES = {
  clock: clockRule,
  read: rule.function,
  gpus: rule.function,
  intervalMs: rule.number(1, LONGEST_TIMER_MS),
};

export class ResourceMonitor {
  readonly #clock: Clock;
  readonly #read: () => MachineReading;
  readonly #readGpus: (() => Promise<readonly GpuReading[]>) | undefined;
  readonly #intervalMs: number;
  readonly #samples: ResourceSample[] = [];
  readonly #latenciesMs: number[] = [];
  readonly #tokensPerSecond: number[] = [];
  #last: MachineReading;
  #gpus: readonly GpuReading[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** @throws InvalidInputError for an option that is unknown or cannot be meant */
  constructor(options: ResourceMonitorOptions = {}) {
    checkOptions('ResourceMonitor', options, RULES);
    this.#clock = options.clock ?? systemClock;
    this.#read = options.read ?? readMachine;
    this.#readGpus = options.gpus;
    this.#intervalMs = options.intervalMs ?? 1000;
    this.#last = this.#read();
  }

  /** Oldest first. */
  get samples(): readonly ResourceSample[] {
    return this.#samples;
  }

  /** Samples by itself from here on, without keeping the process alive. Starting again does nothing. */
  start(): void {
    this.#timer ??= this.#sampleRepeatedly();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** GPUs that cannot be read keep their last figures. */
  async sample(): Promise<ResourceSample> {
    if (this.#readGpus) this.#gpus = await this.#gpusNow(this.#readGpus);
    const before = this.#last;
    const now = this.#read();
    this.#last = now;
    const elapsed = now.cpuTotalMs - before.cpuTotalMs;
    const sample: ResourceSample = {
      timeMs: this.#clock.now(),
      cpuPercent: elapsed > 0 ? ((now.cpuBusyMs - before.cpuBusyMs) / elapsed) * 100 : 0,
      processCpuMs: now.processCpuMs - before.processCpuMs,
      memoryUsedBytes: now.memoryUsedBytes,
      memoryAvailableBytes: now.memoryTotalBytes - now.memoryUsedBytes,
      memoryPercent: (now.memoryUsedBytes / now.memoryTotalBytes) * 100,
      processMemoryBytes: now.processMemoryBytes,
      disk: trafficSince(before.disk, now.disk),
      network: trafficSince(before.network, now.network),
      gpus: this.#gpus,
    };
    keep(this.#samples, sample);
    return sample;
  }

  async #gpusNow(read: () => Promise<readonly GpuReading[]>): Promise<readonly GpuReading[]> {
    try {
      return await read();
    } catch {
      return this.#gpus;
    }
  }

  /** Nobody waits for these samples: a machine that cannot be read is counted, and read again the next time. */
  #sampleRepeatedly(): NodeJS.Timeout {
    const sample = () => this.sample().catch((error) => telemetryFaults.record('callback', error));
    return setInterval(sample, this.#intervalMs).unref();
  }

  /** Runs `body`, sampling meanwhile, and tells what the machine did. Its time counts among the latencies. */
  async monitor<T>(
    body: () => T | Promise<T>,
  ): Promise<{ readonly result: T; readonly usage: ResourceUsage }> {
    const before = await this.sample();
    const startedMs = this.#clock.monotonic();
    const timer = this.#sampleRepeatedly();
    try {
      const result = await body();
      const durationMs = this.#clock.monotonic() - startedMs;
      this.recordLatency(durationMs);
      await this.sample();
      const meanwhile = this.#samples.slice(this.#samples.lastIndexOf(before) + 1);
      return { result, usage: usageOf(meanwhile, durationMs) };
    } finally {
      clearInterval(timer);
    }
  }

  /** Of a call, and the tokens that it wrote meanwhile. */
  recordLatency(ms: number, tokens?: number): void {
    keep(this.#latenciesMs, ms);
    if (tokens !== undefined && ms > 0) keep(this.#tokensPerSecond, (tokens / ms) * 1000);
  }

  /** Milliseconds, of the latencies that are kept; undefined while there are none. */
  latencies(): { readonly p50: number; readonly p95: number; readonly p99: number } | undefined {
    if (this.#latenciesMs.length === 0) return undefined;
    const sorted = this.#latenciesMs.toSorted((a, b) => a - b);
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

  /** What the last five minutes and the latest calls suggest. */
  recommendations(): readonly string[] {
    const rates = this.#tokensPerSecond;
    const meanRate = rates.length === 0 ? undefined : rates.reduce((a, b) => a + b) / rates.length;
    return recommendationsOf(this.summary(RECENT), this.latencies()?.p95, meanRate);
  }
}

function keep<T>(values: T[], value: T): void {
  values.push(value);
  if (values.length > KEPT) values.shift();
}
