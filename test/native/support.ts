// What the tests of the native addon share: folders, a prepared model, small C libraries.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import { openCheckpoint } from '#inhouse/checkpoint/checkpoint.js';
import { type PrepareOptions, prepareModel } from '#inhouse/graph/prepare.js';
import type { NativeRunnerOptions } from '#inhouse/runtime/native.js';
import { type RandomCheckpoint, writeRandomCheckpoint } from '../support/random-checkpoint.js';
import type { OpenOptions } from '../support/runners.js';

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
  { maxRows = 4, threads = 1, ...prepare }: OpenOptions & PrepareOptions = {},
): Promise<NativeRunnerOptions> {
  const opened = await openCheckpoint(writeRandomCheckpoint(join(folder, 'checkpoint'), checkpoint));
  const prepared = await prepareModel(opened, join(folder, 'home'), prepare);
  return { config: opened.config, ...prepared, maxRows, threads };
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
