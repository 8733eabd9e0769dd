// Opens native runners for tests, as test/support/runners.ts opens portable ones, and builds small C libraries.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import { openCheckpoint } from '#inhouse/checkpoint/checkpoint.js';
import { prepareModel } from '#inhouse/graph/prepare.js';
import {
  type NativeRunner,
  type NativeRunnerOptions,
  nativeAddon,
  openNativeRunner,
} from '#inhouse/runtime/native.js';
import { type RandomCheckpoint, writeRandomCheckpoint } from '../support/random-checkpoint.js';
import type { OpenOptions } from '../support/runners.js';

/** Why native tests are skipped on this machine, or undefined where they run. */
export const skipped = skipReason();

function skipReason(): string | undefined {
  const native = nativeAddon();
  if (native.loaded) return undefined;
  console.warn(`skipped: ${native.reason}; node scripts/build-native.mjs builds it`);
  return native.reason;
}

/** A folder that lasts as long as the test file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'inhouse-native-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** 8 KiB of KV per token. */
export const MODEL: RandomCheckpoint = {
  seed: 7,
  layers: 4,
  heads: 4,
  headSize: 64,
  vocabularySize: 1_500,
  contextLength: 500,
  activation: 'gelu_new',
  dtype: 'F32',
  prefix: false,
};

/** Prepares a random checkpoint in `folder`; gives the options of a runner for it. */
export async function prepareRandom(
  folder: string,
  checkpoint: RandomCheckpoint = MODEL,
  { maxRows = 4, threads = 1 }: OpenOptions = {},
): Promise<NativeRunnerOptions> {
  const opened = await openCheckpoint(writeRandomCheckpoint(join(folder, 'checkpoint'), checkpoint));
  const prepared = await prepareModel(opened, join(folder, 'home'));
  return { config: opened.config, ...prepared, maxRows, threads };
}

/** For the contract suite: a runner with an artefact cache of its own, which is deleted once the graph is loaded. */
export async function openNative(
  folder: string,
  { maxRows = 4, threads = 1 }: OpenOptions = {},
): Promise<NativeRunner> {
  const home = mkdtempSync(join(tmpdir(), 'inhouse-test-home-'));
  try {
    const checkpoint = await openCheckpoint(folder);
    const prepared = await prepareModel(checkpoint, home);
    return await openNativeRunner({ config: checkpoint.config, ...prepared, maxRows, threads });
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** Compiles C source to a shared library in `folder`; undefined, with a message, where there is no compiler. */
export function buildLibrary(folder: string, name: string, source: string): string | undefined {
  const library = join(folder, `lib${name}.so`);
  writeFileSync(join(folder, `${name}.c`), source);
  try {
    execFileSync('cc', ['-shared', '-fPIC', '-o', library, join(folder, `${name}.c`)], { stdio: 'pipe' });
    return library;
  } catch (error) {
    console.warn(`skipped: cannot build a library here: ${(error as Error).message}`);
    return undefined;
  }
}

/** A script of this folder. */
export const script = (name: string) => fileURLToPath(new URL(name, import.meta.url));
