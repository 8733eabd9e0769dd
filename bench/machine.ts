// What a figure was measured on: printed with every result.
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly platform: string;
  readonly node: string;
  /** Processes that wanted a core in the last minute, on average; null where the platform does not tell. */
  readonly loadAverage: number | null;
}

export function machine(): Machine {
  const platform = `${process.platform}-${process.arch}`;
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    platform,
    node: process.version,
    loadAverage: process.platform === 'win32' ? null : loadavg()[0]!,
  };
}
