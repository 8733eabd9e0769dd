// Opens the runners under test from a checkpoint folder, and the settings their rows have unless a test says more.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCheckpoint } from '#inhouse/checkpoint/checkpoint.js';
import { prepareModel } from '#inhouse/graph/prepare.js';
import { nativeAddon, openNativeRunner } from '#inhouse/runtime/native.js';
import { openPortableRunner } from '#inhouse/runtime/portable.js';
import type { Runner, RunnerOptions, SamplingSettings } from '#inhouse/runtime/runner.js';

export interface OpenOptions {
  /** Default 4. */
  readonly maxRows?: number;
  /** Default 1. */
  readonly threads?: number;
}

export type OpenRunner = (checkpointFolder: string, options?: OpenOptions) => Promise<Runner>;

export const openPortable = opening(openPortableRunner);
export const openNative = opening(openNativeRunner);

/** Why the native runner cannot be tested on this machine, or undefined where it can. */
export const nativeMissing = missingReason();

/** Every runner this machine has, for tests that hold all of them to the same numbers. */
export const RUNNERS: ReadonlyArray<readonly [name: string, open: OpenRunner]> = [
  ['portable', openPortable],
  ...(nativeMissing === undefined ? [['native', openNative] as const] : []),
];

/** Opens a runner with an artefact cache of its own, which is deleted once the graph is loaded. */
function opening(open: (options: RunnerOptions) => Promise<Runner>): OpenRunner {
  return async (folder, { maxRows = 4, threads = 1 } = {}) => {
    const home = mkdtempSync(join(tmpdir(), 'inhouse-test-home-'));
    try {
      const checkpoint = await openCheckpoint(folder);
      const prepared = await prepareModel(checkpoint, home);
      return await open({ config: checkpoint.config, ...prepared, maxRows, threads });
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  };
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
