// What a setup computes on, as a label: of reports, and of options where it names a device of its own.
import { invalidOption } from '../../src/options.js';
import { type CudaOptions, cudaSettings, parseDevice } from '../../src/runtime/device.js';
import type { DeviceSettings } from '../../src/runtime/runner.js';

/** 'cpu', 'cuda:0', 'cuda:0+graphs' (decode steps replayed as CUDA graphs), or 'cpu-as-device', for tests. */
export type DeviceLabel = string;

const GRAPHS = '+graphs';

/** Of what the user wrote. Throws `INHOUSE_INVALID_OPTION` for what names no device; 'auto' names none. */
export function deviceLabel(word: string): DeviceLabel {
  const graphs = word.endsWith(GRAPHS);
  const parsed = parseDevice(graphs ? word.slice(0, -GRAPHS.length) : word);
  if (parsed?.kind === 'cpu' && !graphs) return 'cpu';
  if (parsed?.kind === 'cuda') return `cuda:${parsed.id}${graphs ? GRAPHS : ''}`;
  throw invalidOption('bench', 'device', word, "'cpu', 'cuda', 'cuda:<number>' or 'cuda+graphs'");
}

/** Undefined for the CPU. */
export function deviceSettings(label: DeviceLabel): DeviceSettings | undefined {
  if (label === 'cpu') return undefined;
  if (label === 'cpu-as-device') return { kind: 'cpu-as-device' };
  return cudaSettings(gpuNumber(label), cudaOptions(label));
}

/** For `load()`. */
export function cudaOptions(label: DeviceLabel): CudaOptions {
  return { cudaGraphs: label.endsWith(GRAPHS) };
}

/** CUDA's number of the GPU of such a label. */
export function gpuNumber(label: DeviceLabel): number {
  return Number(/^cuda:(\d+)/.exec(label)?.[1]);
}

/** What `prepareModel` builds the graph for. */
export function graphDevice(label: DeviceLabel): 'cpu' | 'cuda' {
  return label === 'cpu' ? 'cpu' : 'cuda';
}
