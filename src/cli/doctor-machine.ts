// What `inhouse doctor` finds out about the machine: processor, memory, GPUs.
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type GpuStatistics, gpuStatistics } from '../runtime/native/memory.js';

export interface CpuFacts {
  readonly model: string;
  /** Cores that this process may use. */
  readonly available: number;
  /** Of those that matter for speed, the ones it has; null where the platform does not tell. */
  readonly features: readonly string[] | null;
}

export interface MemoryFacts {
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** What the container or control group allows this process; null without such a limit. */
  readonly limitBytes: number | null;
}

export interface GpuFacts {
  readonly name: string;
  readonly driver: string | null;
  readonly memoryBytes: number | null;
  readonly freeBytes: number | null;
}

const TELLING_FEATURES = [
  ...['avx2', 'fma', 'f16c', 'avx512f', 'avx512_vnni', 'avx_vnni', 'amx_int8'], // x64
  ...['asimddp', 'i8mm', 'bf16', 'sve'], // arm64
];
const NVIDIA_SMI_TIMEOUT_MS = 5000;
const NVIDIA_FOLDER = '/proc/driver/nvidia/gpus';

export async function cpuFacts(): Promise<CpuFacts> {
  const cpuinfo = await readFile('/proc/cpuinfo', 'utf8').catch(() => undefined);
  return {
    model: cpus()[0]?.model.trim() || 'unknown',
    available: availableParallelism(),
    features: cpuinfo === undefined ? null : featuresOf(cpuinfo),
  };
}

/** The features worth telling in the text of Linux's /proc/cpuinfo; null where it lists none at all. */
export function featuresOf(cpuinfo: string): readonly string[] | null {
  const listed = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuinfo)?.[1]?.split(/\s+/);
  return listed === undefined ? null : TELLING_FEATURES.filter((feature) => listed.includes(feature));
}

export function memoryFacts(): MemoryFacts {
  const totalBytes = totalmem();
  const limitBytes = process.constrainedMemory() ?? 0; // 0, or more than there is, without a limit
  return {
    totalBytes,
    freeBytes: freemem(),
    limitBytes: limitBytes > 0 && limitBytes < totalBytes ? limitBytes : null,
  };
}

/** NVIDIA's only; asks its tool, where that is not installed its library, and without that the driver's own files. */
export async function gpuFacts(nvmlFile = ''): Promise<readonly GpuFacts[]> {
  const query = ['--query-gpu=name,driver_version,memory.total,memory.free', '--format=csv,noheader,nounits'];
  const answer = await promisify(execFile)('nvidia-smi', query, { timeout: NVIDIA_SMI_TIMEOUT_MS }).catch(
    () => undefined,
  );
  if (answer !== undefined) return gpusOfTool(answer.stdout);
  const gpus = await gpuStatistics(nvmlFile);
  return gpus.length > 0 ? gpus.map(gpuOfLibrary) : gpusOfDriver();
}

/** One GPU a line: name, driver version, memory and what of it is free, in MiB or a word such as [N/A]. */
export function gpusOfTool(csv: string): readonly GpuFacts[] {
  const lines = csv.split('\n').filter((line) => line.includes(','));
  return lines.map((line) => {
    const [name = 'unknown', driver = null, memory, free] = line.split(',').map((cell) => cell.trim());
    return { name, driver, memoryBytes: bytesOfMib(memory), freeBytes: bytesOfMib(free) };
  });
}

function bytesOfMib(cell: string | undefined): number | null {
  const mib = Number(cell);
  return Number.isNaN(mib) ? null : mib * 2 ** 20;
}

function gpuOfLibrary({ name, totalBytes, freeBytes }: GpuStatistics): GpuFacts {
  return { name, driver: null, memoryBytes: totalBytes, freeBytes };
}

async function gpusOfDriver(): Promise<readonly GpuFacts[]> {
  const folders = await readdir(NVIDIA_FOLDER).catch(() => []);
  const texts = folders.map((folder) =>
    readFile(join(NVIDIA_FOLDER, folder, 'information'), 'utf8').catch(() => ''),
  );
  return (await Promise.all(texts)).map((text) => ({
    name: /^Model:\s*(.+)$/m.exec(text)?.[1] ?? 'unknown',
    driver: null,
    memoryBytes: null,
    freeBytes: null,
  }));
}
