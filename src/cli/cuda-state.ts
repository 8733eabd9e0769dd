// What `inhouse doctor` and `inhouse setup cuda` find out about CUDA, and what to do where it does not work.
import { cudaProviderFiles, missingFiles } from '../runtime/native/cuda-provider.js';
import type { GpuFacts } from './doctor-machine.js';
import { cudaSelfTest, type ProviderState, type SelfTest } from './doctor-runtime.js';

export interface CudaState {
  /** Where the provider's files belong, and which of those that CUDA needs are not there. */
  readonly folder: string;
  readonly missing: readonly string[];
  readonly loads: boolean;
  /** Why the provider does not load, in the loader's own words where a library is missing. */
  readonly reason: string | null;
  /** The embedded model on the first GPU; null where the provider does not load. */
  readonly selfTest: SelfTest | null;
}

/** Null on a platform that has no CUDA provider. */
export async function cudaState(
  provider: Pick<ProviderState, 'loads' | 'reason'>,
): Promise<CudaState | null> {
  try {
    const files = cudaProviderFiles();
    const { loads, reason } = provider;
    const selfTest = loads ? await cudaSelfTest() : null;
    return { folder: files.folder, missing: missingFiles(files), loads, reason, selfTest };
  } catch {
    return null;
  }
}

interface CudaRelease {
  /** Packages that hold all that the provider needs, of NVIDIA's repository and of pip. */
  readonly apt: string;
  readonly pip: string;
  /** The least driver. */
  readonly driver: number;
}

/** By CUDA's major version. CUDA 13's provider is built without cuDNN and cuFFT. */
const RELEASES: Readonly<Record<string, CudaRelease>> = {
  '12': {
    apt: 'cuda-libraries-12-9 libcudnn9-cuda-12',
    pip: 'nvidia-cuda-runtime-cu12 nvidia-cublas-cu12 nvidia-curand-cu12 nvidia-cufft-cu12 nvidia-cudnn-cu12',
    driver: 525,
  },
  '13': { apt: 'cuda-libraries-13-0', pip: 'nvidia-cuda-runtime nvidia-cublas nvidia-curand', driver: 580 },
};

/** Libraries whose version says nothing of CUDA's, and the major that a provider which wants them is built for. */
const OF_CUDA_12 = /lib(cudnn\.so\.9|cufft\.so\.11)/;
const WITH_MAJOR = /(?:libcudart|libcublas|libcublasLt|cudart64_|cublas64_|cublasLt64_)(?:\.so\.)?(\d+)/;
const DRIVER_LIBRARY = /libcuda\.so|nvcuda\.dll/;

/** What to do so that models run on the GPUs, a line each; nothing where they do, or where there is none and never was. */
export function cudaAdvice(
  state: CudaState | null,
  gpus: readonly GpuFacts[],
  runtimeVersion: string,
): readonly string[] {
  if (state === null)
    return gpus.length === 0 ? [] : ['There is a GPU, but ONNX Runtime has no CUDA on this platform.'];
  if (state.missing.length > 0) return gpus.length === 0 ? [] : [notInstalled(state, runtimeVersion)];
  if (!state.loads) return [doesNotLoad(state.reason ?? 'no reason is given')];
  if (state.selfTest?.ok === false)
    return [`CUDA loads, but the embedded model does not run on it: ${state.selfTest.reason}`];
  return [];
}

function notInstalled({ folder, missing }: CudaState, runtimeVersion: string): string {
  return (
    `There is a GPU, but ONNX Runtime's CUDA provider is not installed: ${missing.join(' and ')} not in ${folder}. ` +
    '`inhouse setup cuda` fetches the one built for CUDA 12 (it takes its libraries and cuDNN 9 too); ' +
    `\`inhouse setup cuda --from FOLDER\` takes the files of ONNX Runtime ${runtimeVersion} from a folder, such as those ` +
    'built for CUDA 13.'
  );
}

function doesNotLoad(reason: string): string {
  return `CUDA does not load: ${reason.replace(/\.$/, '')}. ${remedy(reason)}`;
}

/** By what the loader or the driver says. */
function remedy(reason: string): string {
  if (DRIVER_LIBRARY.test(reason)) {
    return 'That library is part of the NVIDIA driver: install it, or give the container access to it (--gpus all).';
  }
  const major = OF_CUDA_12.test(reason) ? '12' : WITH_MAJOR.exec(reason)?.[1];
  const release = RELEASES[major ?? ''];
  if (release !== undefined) {
    return (
      `The installed provider is built for CUDA ${major}. Install its libraries (apt: ${release.apt}; or pip: ${release.pip}) ` +
      'and name their folders in LD_LIBRARY_PATH, or take a provider built for the CUDA that is here: ' +
      '`inhouse setup cuda --from FOLDER`.'
    );
  }
  if (/insufficient for CUDA runtime/.test(reason)) {
    const drivers = Object.entries(RELEASES).map(
      ([name, { driver }]) => `CUDA ${name} takes ${driver} or later`,
    );
    return `The NVIDIA driver is too old: ${drivers.join(', ')}.`;
  }
  return 'Check with nvidia-smi that the driver works and that this user may use the GPU.';
}
