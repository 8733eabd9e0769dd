// Puts ONNX Runtime's CUDA provider where it belongs: by onnxruntime-node's own installer, or from a folder.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { RunnerError } from '../errors.js';
import { type CudaProviderFiles, missingFiles } from '../runtime/native/cuda-provider.js';
import { usageError } from './failure.js';

/** The script that onnxruntime-node runs when it is installed. */
export function runtimeInstaller(): string {
  const manifest = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
  return join(dirname(manifest), 'script', 'install.js');
}

/**
 * Runs the installer, which downloads some 200 MB. What it prints goes to standard error.
 * @throws RunnerError `INHOUSE_RUNTIME_LOAD` when it fails, or ends without having installed the files
 */
export async function installByScript(script: string, files: CudaProviderFiles): Promise<void> {
  // Said by a variable because a setting of npm's to skip the download would win over a flag.
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'true', ELECTRON_RUN_AS_NODE: '1' };
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 2, 2], env });
  const [code] = (await once(child, 'exit')) as [number | null];
  const missing = missingFiles(files);
  if (code === 0 && missing.length === 0) return;
  const what = code === 0 ? `left out ${missing.join(' and ')}` : `ended with code ${code}`;
  throw new RunnerError(
    'INHOUSE_RUNTIME_LOAD',
    `onnxruntime-node's installer ${what}. Without network, get the files elsewhere: inhouse setup cuda --from FOLDER.`,
    { details: { script, code, missing } },
  );
}

/**
 * Copies the provider's files from a folder; each is complete or not there. Gives the names of those that were copied.
 * @throws InvalidInputError `INHOUSE_INVALID_OPTION` when the folder lacks a file that is needed, before any is copied;
 * RunnerError `INHOUSE_RUNTIME_LOAD` when one cannot be written
 */
export async function installFromFolder(from: string, files: CudaProviderFiles): Promise<readonly string[]> {
  const missing = missingFiles({ ...files, folder: from });
  if (missing.length > 0) throw usageError(`--from ${from} has no ${missing.join(' and no ')}.`);
  const there = [...files.required, ...files.optional].filter((file) => existsSync(join(from, file)));
  for (const file of there) await copyWhole(join(from, file), join(files.folder, file));
  return there;
}

/** A library that a running process has loaded must not change under it: the new one takes its name. */
async function copyWhole(from: string, to: string): Promise<void> {
  const building = `${to}.${process.pid}`;
  try {
    await copyFile(from, building);
    await rename(building, to);
  } catch (cause) {
    await rm(building, { force: true });
    throw new RunnerError(
      'INHOUSE_RUNTIME_LOAD',
      `${to} cannot be written: ${(cause as Error).message}. Run this as the owner of that folder.`,
      { cause, details: { file: to } },
    );
  }
}
