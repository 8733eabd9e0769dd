// What there is to verify with: the GPU, the provider, and the tools that some parts take. What is missing is said, and
// leaves out no more than the parts that need it.
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { arch } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../../src/package-root.js';
import { type GpuStatistics, gpuStatistics } from '../../src/runtime/native/memory.js';
import { nativeAddon } from '../../src/runtime/native.js';

export interface Environment {
  readonly arch: string;
  readonly gpus: readonly GpuStatistics[];
  /** What `inhouse doctor` says of CUDA: the provider, the loader's words, the embedded model on the GPU. */
  readonly cuda: unknown;
  /** As `python3` tells of torch, transformers and CUDA; null without it. */
  readonly python: unknown;
  /** What is not there, and what is left out for it. */
  readonly missing: readonly string[];
}

const DOCTOR_TIMEOUT_MS = 150_000;
const PYTHON_TIMEOUT_MS = 60_000;
const run = promisify(execFile);

export async function environment(python: string): Promise<Environment> {
  const [gpus, cuda, versions] = await Promise.all([gpuStatistics(), cudaByDoctor(), pythonVersions(python)]);
  const native = nativeAddon();
  return {
    arch: arch(),
    gpus,
    cuda,
    python: versions,
    missing: [
      ...(native.loaded ? [] : [`the native addon (${native.reason}): nothing can be measured`]),
      ...(gpus.length > 0 ? [] : ['a GPU, or NVML: only a dry run is possible']),
      ...(versions === null ? ['torch and transformers: no comparison with PyTorch'] : []),
      ...(vitestFile() === undefined ? ['vitest in node_modules: no contract suite'] : []),
    ],
  };
}

/** The file that runs tests, where vitest is installed. */
export function vitestFile(): string | undefined {
  try {
    const manifest = createRequire(join(packageRoot(), 'package.json')).resolve('vitest/package.json');
    return join(manifest, '..', 'vitest.mjs');
  } catch {
    return undefined;
  }
}

/** In a process of its own: a driver that misbehaves can take the whole process down. */
async function cudaByDoctor(): Promise<unknown> {
  const main = join(packageRoot(), 'dist', 'src', 'cli', 'main.js');
  const ended = await run(process.execPath, [main, 'doctor', '--json'], { timeout: DOCTOR_TIMEOUT_MS }).catch(
    (failure: { readonly stdout?: string; readonly message: string }) => failure, // exit code 1 has a report too
  );
  try {
    return (JSON.parse(ended.stdout ?? '') as { readonly cuda: unknown }).cuda;
  } catch {
    return { error: 'message' in ended ? ended.message : 'no report' };
  }
}

async function pythonVersions(python: string): Promise<unknown> {
  const script = join(packageRoot(), 'bench', 'gpu', 'torch_reference.py');
  const ended = await run(python, [script, '--versions'], { timeout: PYTHON_TIMEOUT_MS }).catch(
    () => undefined,
  );
  return ended === undefined ? null : (JSON.parse(ended.stdout) as unknown);
}
