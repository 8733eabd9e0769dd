// What `bench/gpu/verify.sh` does on a CUDA machine, in which order, and what it holds the figures against. Data only.
import type { BenchOptions } from '../run/plan.js';

/** Parts in the order in which they run: what the targets are about comes before what takes long. */
export const PARTS = [
  'environment',
  'agreement',
  'speed',
  'engine',
  'torch',
  'contract',
  'more-speed',
] as const;
export type PartName = (typeof PARTS)[number];

export const PRECISIONS = ['fp16', 'fp32', 'int8', 'int4'] as const;
export type VerifiedPrecision = (typeof PRECISIONS)[number];

/** What a device is held against: the CPU as users have it, or the device's own graph computed by the CPU. */
export type Reference = 'cpu' | 'cpu-as-device';
export const REFERENCES: readonly Reference[] = ['cpu', 'cpu-as-device'];

/** Of log-probabilities over the same text: mean and largest difference in nats, and share of equal first choices. */
export interface Tolerance {
  readonly mean: number;
  readonly most: number;
  readonly sameChoice: number;
}

/** Float32 on both sides: only the order of additions differs. */
const SAME_NUMBERS: Tolerance = { mean: 1e-4, most: 2e-3, sameChoice: 0.998 };
/** Activations and KV rounded to float16, or rounded in another order: the CPU alone differs by 0.0026, 0.038 and 0.998. */
const ROUNDED: Tolerance = { mean: 0.01, most: 0.15, sameChoice: 0.98 };
/** The CPU also rounds activations to 8 bits where weights are quantized, which is most of it: 0.043, 0.48 and 0.969. */
const QUANTIZED: Tolerance = { mean: 0.08, most: 1, sameChoice: 0.94 };

export function toleranceOf(precision: VerifiedPrecision, reference: Reference): Tolerance {
  if (precision === 'fp32') return SAME_NUMBERS;
  return precision === 'fp16' || reference === 'cpu-as-device' ? ROUNDED : QUANTIZED;
}

/** Sizes of the measurements. */
export interface Sizes {
  /** Shape of the random weights that are measured. */
  readonly shape: string;
  readonly batches: readonly number[];
  readonly depths: readonly number[];
  /** The first is the target's prompt for the time to the first token. */
  readonly prompts: readonly number[];
  readonly newTokens: number;
  readonly repetitions: number;
  /** Tokens of the text that is scored, at most, and of its greedy continuation. */
  readonly text: { readonly tokens: number; readonly continued: number };
  readonly engine: {
    readonly concurrency: readonly number[];
    readonly promptTokens: number;
    readonly outputTokens: number;
    readonly seconds: number;
  };
}

export const SIZES: Sizes = {
  shape: 'gpt2',
  batches: [1, 8, 32, 64, 128],
  depths: [64, 512],
  prompts: [128, 512],
  newTokens: 64,
  repetitions: 5,
  text: { tokens: 1024, continued: 64 },
  engine: { concurrency: [1, 64, 128], promptTokens: 64, outputTokens: 100, seconds: 6 },
};

/** Of a dry run: the same steps, in a minute on two cores. */
export const DRY_SIZES: Sizes = {
  shape: 'tiny',
  batches: [1, 4],
  depths: [8, 32],
  prompts: [16, 64],
  newTokens: 8,
  repetitions: 1,
  text: { tokens: 128, continued: 12 },
  engine: { concurrency: [1, 4], promptTokens: 8, outputTokens: 10, seconds: 0.3 },
};

export function benchOptions(
  { prompts, newTokens, batches, depths, repetitions }: Sizes,
  precision: VerifiedPrecision,
  device: string,
): BenchOptions {
  return {
    runners: ['native'],
    precisions: [precision],
    devices: [device],
    threads: [1],
    nPrompt: prompts,
    nGen: newTokens,
    batchSize: batches,
    depth: depths,
    repetitions,
  };
}
