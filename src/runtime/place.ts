// Puts a model on the device that was asked for, or, for 'auto', on a GPU where that works and else on the CPU.
import { InhouseError, RunnerError } from '../errors.js';
import {
  type CudaSettings,
  kvObstacle,
  type MemoryNeed,
  memoryObstacle,
  type ParsedDevice,
} from './device.js';
import type { GpuStatistics } from './native/memory.js';
import type { Runner } from './runner.js';

/** What it takes to place a model; `Prepared` is a graph in the form for a kind of device. */
export interface PlaceTools<Prepared> {
  /** Throws where nothing on this machine could run on CUDA, whatever the model: no addon, no provider. */
  readonly requireCuda: () => void;
  /** GPUs of this machine, by the driver's own account. */
  readonly gpus: () => Promise<readonly GpuStatistics[]>;
  readonly prepare: (kind: 'cpu' | 'cuda') => Promise<Prepared>;
  /** Of a model prepared for CUDA. */
  readonly need: (prepared: Prepared) => MemoryNeed;
  /** On the CPU without settings. */
  readonly open: (prepared: Prepared, cuda: CudaSettings | undefined) => Promise<Runner>;
}

export interface Placed<Prepared> {
  readonly prepared: Prepared;
  readonly runner: Runner;
  /** Why 'auto' took the CPU. */
  readonly reason: string | null;
}

/** What a failure to run on CUDA is called; anything else would fail on the CPU too. */
const AGAINST_CUDA: ReadonlySet<string> = new Set([
  'INHOUSE_RUNTIME_LOAD',
  'INHOUSE_RUNTIME_STEP',
  'INHOUSE_INVALID_OPTION', // a precision that only the CPU has
]);

/**
 * A device that was named is the only one tried: what speaks against it is thrown. 'auto' asks the driver for GPUs first,
 * so that without one nothing of CUDA is loaded.
 */
export async function placeModel<Prepared>(
  { kind }: Pick<ParsedDevice, 'kind'>,
  cuda: CudaSettings,
  tools: PlaceTools<Prepared>,
): Promise<Placed<Prepared>> {
  if (kind === 'cpu') return onCpu(tools, null);
  if (kind === 'cuda') return onCuda(cuda, tools);
  const gpus = await tools.gpus();
  if (gpus.length === 0) return onCpu(tools, 'There is no NVIDIA GPU, or no driver for it.');
  try {
    return await onCudaWithRoom(cuda, tools, gpus);
  } catch (error) {
    if (error instanceof InhouseError && AGAINST_CUDA.has(error.code)) return onCpu(tools, error.message);
    throw error;
  }
}

async function onCpu<Prepared>(
  tools: PlaceTools<Prepared>,
  reason: string | null,
): Promise<Placed<Prepared>> {
  const prepared = await tools.prepare('cpu');
  return { prepared, runner: await tools.open(prepared, undefined), reason };
}

async function onCuda<Prepared>(cuda: CudaSettings, tools: PlaceTools<Prepared>): Promise<Placed<Prepared>> {
  tools.requireCuda();
  const prepared = await tools.prepare('cuda');
  return { prepared, runner: await tools.open(prepared, cuda), reason: null };
}

/** Also throws where there is no room: before loading if no GPU has any, after it if CUDA's first has none. */
async function onCudaWithRoom<Prepared>(
  cuda: CudaSettings,
  tools: PlaceTools<Prepared>,
  gpus: readonly GpuStatistics[],
): Promise<Placed<Prepared>> {
  const prepare: typeof tools.prepare = async (kind) => {
    const prepared = await tools.prepare(kind);
    refuseFor(memoryObstacle(gpus, tools.need(prepared)));
    return prepared;
  };
  const placed = await onCuda(cuda, { ...tools, prepare });
  try {
    const { device } = await placed.runner.statistics();
    refuseFor(device && kvObstacle(device, tools.need(placed.prepared)));
  } catch (error) {
    await placed.runner.dispose();
    throw error;
  }
  return placed;
}

function refuseFor(obstacle: string | undefined): void {
  if (obstacle !== undefined) throw new RunnerError('INHOUSE_RUNTIME_LOAD', obstacle);
}
