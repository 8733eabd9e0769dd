// The files of ONNX Runtime's CUDA provider. onnxruntime-node does not bundle them: they come by `inhouse setup cuda`.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { RunnerError } from '../../errors.js';
import { onnxRuntimeLibrary } from './library.js';

export interface CudaProviderFiles {
  /** Where ONNX Runtime looks for them: beside its own library. */
  readonly folder: string;
  /** Without these CUDA does not load. */
  readonly required: readonly string[];
  /** Comes with them, and is not used. */
  readonly optional: readonly string[];
}

/** Undefined where ONNX Runtime has no CUDA provider: everywhere but on x64 Linux and Windows. */
const FILES: Readonly<Record<string, Omit<CudaProviderFiles, 'folder'>>> = {
  'linux-x64': {
    required: ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so'],
    optional: ['libonnxruntime_providers_tensorrt.so'],
  },
  'win32-x64': {
    required: ['onnxruntime_providers_shared.dll', 'onnxruntime_providers_cuda.dll'],
    optional: ['onnxruntime_providers_tensorrt.dll'],
  },
};

/** @throws RunnerError `INHOUSE_RUNTIME_LOAD` on a platform without a CUDA provider, and without onnxruntime-node */
export function cudaProviderFiles(): CudaProviderFiles {
  const platform = `${process.platform}-${process.arch}`;
  const files = FILES[platform];
  if (files !== undefined) return { folder: dirname(onnxRuntimeLibrary()), ...files };
  throw new RunnerError(
    'INHOUSE_RUNTIME_LOAD',
    `ONNX Runtime has no CUDA provider for ${platform}: there is one for ${Object.keys(FILES).join(' and ')}.`,
    { details: { platform } },
  );
}

/** The required files that are not in the folder; with all there, the provider may still want libraries of CUDA's. */
export function missingFiles({ folder, required }: CudaProviderFiles): readonly string[] {
  return required.filter((file) => !existsSync(join(folder, file)));
}

/** Throws a RunnerError (`INHOUSE_RUNTIME_LOAD`) that says how to get the provider where it is not installed. */
export function requireCudaProvider(): void {
  const files = cudaProviderFiles();
  const missing = missingFiles(files);
  if (missing.length === 0) return;
  throw new RunnerError(
    'INHOUSE_RUNTIME_LOAD',
    `ONNX Runtime's CUDA provider is not installed: ${missing.join(' and ')} not in ${files.folder}. ` +
      '`inhouse setup cuda` fetches it.',
    { details: { folder: files.folder, missing } },
  );
}
