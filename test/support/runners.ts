// Opens the runners under test from a checkpoint folder, says how exact they are, and has the settings of their rows unless
// a test says more.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Checkpoint, openCheckpoint } from '#inhouse/checkpoint/checkpoint.js';
import type { Precision } from '#inhouse/graph/precision.js';
import { type PreparedModel, prepareModel } from '#inhouse/graph/prepare.js';
import { nativeAddon, openNativeRunner } from '#inhouse/runtime/native.js';
import { openPortableRunner } from '#inhouse/runtime/portable.js';
import type { DeviceSettings, Runner, RunnerOptions, SamplingSettings } from '#inhouse/runtime/runner.js';
import { writeDequantized } from './dequantized-checkpoint.js';
import { ReferenceGpt2 } from './reference-gpt2.js';

export interface OpenOptions {
  /** Default 4. */
  readonly maxRows?: number;
  /** Default 1. */
  readonly threads?: number;
}

/** How exact a runner's numbers are. */
export interface Exactness {
  /** Largest error of a log-probability, and of a hidden state, against the float64 reference, in nats. */
  readonly logprob: number;
  /** Largest difference of log-probabilities when the same is computed in other shapes: chunks, batches. */
  readonly rounding: number;
  /** Whether that is too little to change which token is drawn, in tests that draw a few hundred. */
  readonly sameTokens: boolean;
}

const EXACTNESS: Readonly<Record<'float32' | 'float16', Exactness>> = {
  float32: { logprob: 2e-4, rounding: 5e-5, sameTokens: true },
  /** Seen with the kernels of the CPU: 0.01. GPUs round in more places. */
  float16: { logprob: 0.05, rounding: 0.05, sameTokens: false },
};

/** A way to open one kind of runner in one precision. */
export interface OpenRunner {
  (checkpointFolder: string, options?: OpenOptions): Promise<Runner>;
  readonly precision: Precision;
  /** Of what it computes in, and of its KV cache. */
  readonly elementType: 'float32' | 'float16';
  readonly exactness: Exactness;
  /** The model over the weights as the runner has them. */
  readonly reference: (checkpointFolder: string) => Promise<ReferenceGpt2>;
}

export const openPortable = opening(openPortableRunner);
export const openNative = opening(openNativeRunner);

/**
 * The device of the tests of device runners: the GPU that INHOUSE_TEST_DEVICE names ('cuda', 'cuda:1'), or else host memory
 * in the place of one.
 */
export const testDevice: DeviceSettings = deviceOf(process.env.INHOUSE_TEST_DEVICE);

/** A native runner whose rows are on that device. */
export function openOnDevice(precision: Precision): OpenRunner {
  return opening((options) => openNativeRunner({ ...options, device: testDevice }), precision, 'cuda');
}

/** Why the native runner cannot be tested on this machine, or undefined where it can. */
export const nativeMissing = missingReason();

/** Every runner this machine has, for tests that hold all of them to the same numbers. */
export const RUNNERS: ReadonlyArray<readonly [name: string, open: OpenRunner]> = [
  ['portable', openPortable],
  ...(nativeMissing === undefined ? [['native', openNative] as const] : []),
];

/** Opens runners with an artefact cache of their own, which is deleted once the graph is loaded. */
function opening(
  open: (options: RunnerOptions) => Promise<Runner>,
  precision: Precision = 'fp32',
  device: 'cpu' | 'cuda' = 'cpu',
): OpenRunner {
  const prepared = async <Result>(
    folder: string,
    use: (checkpoint: Checkpoint, prepared: PreparedModel, home: string) => Promise<Result> | Result,
  ): Promise<Result> => {
    const home = mkdtempSync(join(tmpdir(), 'inhouse-test-home-'));
    try {
      const checkpoint = await openCheckpoint(folder);
      return await use(checkpoint, await prepareModel(checkpoint, home, { precision, device }), home);
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  };
  const openFolder = (folder: string, { maxRows = 4, threads = 1 }: OpenOptions = {}) =>
    prepared(folder, ({ config }, model) => open({ config, ...model, maxRows, threads }));
  const reference = (folder: string) =>
    prepared(folder, (checkpoint, model, home) =>
      ReferenceGpt2.open(
        model.weightsFolder === checkpoint.folder
          ? folder
          : writeDequantized(join(home, 'dequantized'), checkpoint, model, precision),
      ),
    );
  const elementType: OpenRunner['elementType'] =
    device === 'cuda' && precision !== 'fp32' ? 'float16' : 'float32';
  return Object.assign(openFolder, { precision, elementType, exactness: EXACTNESS[elementType], reference });
}

function deviceOf(name: string | undefined): DeviceSettings {
  if (name === undefined || name === '') return { kind: 'cpu-as-device' };
  const id = Number(/^cuda(?::(\d+))?$/.exec(name)?.[1] ?? 0);
  return { kind: 'cuda', id, arenaStrategy: 'same-as-requested', tf32: false, cudaGraphs: false };
}

function missingReason(): string | undefined {
  const native = nativeAddon();
  if (native.loaded) return undefined;
  console.warn(`skipped: ${native.reason}; node scripts/build-native.mjs builds it`);
  return native.reason;
}

/** Greedy, no log-probabilities, nothing else in play. */
export const GREEDY: SamplingSettings = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  logitBias: { ids: [], values: [] },
  seed: 0,
  stream: 0,
  stopTokenIds: [],
  minTokens: 0,
  logprobs: undefined,
};
