// Counters of the machine and of this process at one moment, as the system tells them. What it does not tell is absent:
// Linux tells all of it, other systems neither disk nor network. GPUs are read by whoever has a way to.
import { readFileSync } from 'node:fs';
import { cpus, freemem, totalmem } from 'node:os';

/** Bytes that went either way, since the process or the machine started. */
export interface Traffic {
  readonly inBytes: number;
  readonly outBytes: number;
}

export interface MachineReading {
  /** Milliseconds of all processors since they started: at work, and altogether. */
  readonly cpuBusyMs: number;
  readonly cpuTotalMs: number;
  readonly memoryUsedBytes: number;
  readonly memoryTotalBytes: number;
  /** Of this process: processor time, and resident memory. */
  readonly processCpuMs: number;
  readonly processMemoryBytes: number;
  /** What this process read from storage and wrote to it; caches are no storage. */
  readonly disk?: Traffic | undefined;
  /** What the machine received and sent, without what it sent to itself; no process is told its own. */
  readonly network?: Traffic | undefined;
}

/** One GPU, as NVML tells; figures that it does not tell are absent. `gpuStatistics` reads them. */
export interface GpuReading {
  readonly name: string;
  readonly totalBytes: number;
  readonly usedBytes: number;
  /** Held by this process. */
  readonly processBytes?: number;
  readonly utilisationPercent?: number;
  readonly temperatureCelsius?: number;
  readonly powerMilliwatts?: number;
}

export function readMachine(): MachineReading {
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
    disk: diskTraffic(textOf('/proc/self/io')),
    network: networkTraffic(textOf('/proc/net/dev')),
  };
}

/** Of the text of /proc/self/io; undefined where it is something else. See proc(5). */
export function diskTraffic(text: string): Traffic | undefined {
  const read = /^read_bytes: (\d+)$/m.exec(text);
  const written = /^write_bytes: (\d+)$/m.exec(text);
  return read && written ? { inBytes: Number(read[1]), outBytes: Number(written[1]) } : undefined;
}

/** Of the text of /proc/net/dev: a line per interface, eight figures of what it received, then eight of what it sent. */
export function networkTraffic(text: string): Traffic | undefined {
  let inBytes = 0;
  let outBytes = 0;
  let interfaces = 0;
  for (const [, name, figures] of text.matchAll(/^ *([^\s:]+): *(\d[\d ]*)$/gm)) {
    const numbers = figures!.trim().split(/ +/).map(Number);
    if (numbers.length < 9) continue;
    interfaces++;
    if (name === 'lo') continue;
    inBytes += numbers[0]!;
    outBytes += numbers[8]!;
  }
  return interfaces === 0 ? undefined : { inBytes, outBytes };
}

/** Empty where there is no such file. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
