// What samples of the machine add up to, and what they suggest. Pure.
import type { GpuReading, Traffic } from './machine.js';

export interface ResourceSample {
  /** Milliseconds since the epoch. */
  readonly timeMs: number;
  /** Of all processors, since the sample before. */
  readonly cpuPercent: number;
  /** Of this process, since the sample before. */
  readonly processCpuMs: number;
  readonly memoryUsedBytes: number;
  readonly memoryAvailableBytes: number;
  readonly memoryPercent: number;
  readonly processMemoryBytes: number;
  /** Since the sample before; undefined where the system does not tell. */
  readonly disk: Traffic | undefined;
  readonly network: Traffic | undefined;
  /** As they were last read; empty without GPUs, or without a way to read them. */
  readonly gpus: readonly GpuReading[];
}

export interface GpuUsage {
  /** Of all GPUs, over the samples that tell it; 0 where none does. */
  readonly avgPercent: number;
  readonly maxPercent: number;
  readonly maxMemoryBytes: number;
  /** Time of all GPUs at work. */
  readonly hours: number;
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
  /** Altogether; undefined where the system does not tell. */
  readonly disk: Traffic | undefined;
  readonly network: Traffic | undefined;
  /** Undefined without a GPU. */
  readonly gpu: GpuUsage | undefined;
}

const MS_PER_HOUR = 3_600_000;

/** Of samples, of which there is at least one. */
export function usageOf(samples: readonly ResourceSample[], durationMs: number): ResourceUsage {
  const cpu = samples.map(({ cpuPercent }) => cpuPercent);
  const memory = samples.map(({ memoryPercent }) => memoryPercent);
  return {
    durationMs,
    cpuHours: sum(samples.map(({ processCpuMs }) => processCpuMs)) / MS_PER_HOUR,
    avgCpuPercent: mean(cpu),
    maxCpuPercent: Math.max(...cpu),
    avgMemoryPercent: mean(memory),
    maxMemoryPercent: Math.max(...memory),
    maxProcessMemoryBytes: Math.max(...samples.map(({ processMemoryBytes }) => processMemoryBytes)),
    disk: trafficOf(samples.map(({ disk }) => disk)),
    network: trafficOf(samples.map(({ network }) => network)),
    gpu: gpuUsage(samples, durationMs),
  };
}

/** Since a reading before; undefined where either is. */
export function trafficSince(before: Traffic | undefined, now: Traffic | undefined): Traffic | undefined {
  if (!before || !now) return undefined;
  return { inBytes: now.inBytes - before.inBytes, outBytes: now.outBytes - before.outBytes };
}

/** At most five. `usage` is of the last minutes, the others of the latest calls; undefined where nothing is known. */
export function recommendationsOf(
  usage: ResourceUsage | undefined,
  p95Ms: number | undefined,
  tokensPerSecond: number | undefined,
): readonly string[] {
  const found: string[] = [];
  if (p95Ms !== undefined && p95Ms > 5000) {
    const seconds = (p95Ms / 1000).toFixed(1);
    found.push(
      `One call in twenty takes longer than ${seconds} s: lower maxTokens, or take a smaller model.`,
    );
  }
  if (tokensPerSecond !== undefined && tokensPerSecond < 10) {
    const rate = tokensPerSecond.toFixed(1);
    found.push(`Calls write ${rate} tokens per second: take a smaller model, or a lower precision.`);
  }
  if (usage === undefined) return found;
  const { avgCpuPercent: cpu, maxMemoryPercent: memory, gpu } = usage;
  if (memory > 80) found.push(`Memory is ${memory.toFixed(0)} % used: load fewer or smaller models.`);
  if (cpu > 80) {
    found.push(`The processors are ${cpu.toFixed(0)} % busy: lower maxConcurrent, or take a smaller model.`);
  }
  if (cpu < 20)
    found.push(`The processors are ${cpu.toFixed(0)} % busy: there is room for more calls at once.`);
  if (gpu !== undefined && gpu.avgPercent > 90) {
    found.push(`The GPUs are ${gpu.avgPercent.toFixed(0)} % busy: lower maxConcurrent, or add one.`);
  }
  if (gpu !== undefined && gpu.avgPercent < 30) {
    found.push(`The GPUs are ${gpu.avgPercent.toFixed(0)} % busy: there is room for more calls at once.`);
  }
  return found.slice(0, 5);
}

function gpuUsage(samples: readonly ResourceSample[], durationMs: number): GpuUsage | undefined {
  const withGpus = samples.filter(({ gpus }) => gpus.length > 0);
  if (withGpus.length === 0) return undefined;
  const readings = withGpus.flatMap(({ gpus }) => gpus);
  const percents = readings.flatMap(({ utilisationPercent }) => utilisationPercent ?? []);
  const avgPercent = percents.length === 0 ? 0 : mean(percents);
  return {
    avgPercent,
    maxPercent: Math.max(0, ...percents),
    maxMemoryBytes: Math.max(...withGpus.map(({ gpus }) => sum(gpus.map(({ usedBytes }) => usedBytes)))),
    hours: ((avgPercent / 100) * durationMs * (readings.length / withGpus.length)) / MS_PER_HOUR,
  };
}

function trafficOf(traffic: readonly (Traffic | undefined)[]): Traffic | undefined {
  const known = traffic.filter((each) => each !== undefined);
  if (known.length === 0) return undefined;
  return {
    inBytes: sum(known.map(({ inBytes }) => inBytes)),
    outBytes: sum(known.map(({ outBytes }) => outBytes)),
  };
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
