import { describe, expect, it } from 'vitest';
import { type CudaState, cudaAdvice } from '#inhouse/cli/cuda-state.js';

const GPU = { name: 'A GPU', driver: '550.54', memoryBytes: 8e9, freeBytes: 7e9 };
const WORKING: CudaState = {
  folder: '/runtime',
  missing: [],
  loads: true,
  reason: null,
  selfTest: { ok: true, loadMs: 1, generateMs: 1, tokens: 4 },
};
const failing = (reason: string): CudaState => ({ ...WORKING, loads: false, reason, selfTest: null });
const missing = (library: string) =>
  failing(`${library}: cannot open shared object file: No such file or directory`);

describe('the advice on CUDA', () => {
  it('is nothing to say where it works, and where there is no GPU and no provider', () => {
    expect(cudaAdvice(WORKING, [GPU], '1.29.0')).toEqual([]);
    expect(cudaAdvice(null, [], '1.29.0')).toEqual([]);
    expect(cudaAdvice({ ...failing('none'), missing: ['provider.so'] }, [], '1.29.0')).toEqual([]);
  });

  it('says of a GPU on a platform without CUDA that it is of no use', () => {
    expect(cudaAdvice(null, [GPU], '1.29.0')).toEqual([expect.stringMatching(/no CUDA on this platform/)]);
  });

  it('says how to install the provider, for CUDA 12 and for CUDA 13', () => {
    const [advice] = cudaAdvice({ ...failing('none'), missing: ['provider.so'] }, [GPU], '1.29.0');
    expect(advice).toMatch(/provider\.so not in \/runtime/);
    expect(advice).toMatch(/`inhouse setup cuda` fetches the one built for CUDA 12/);
    expect(advice).toMatch(/--from FOLDER` takes the files of ONNX Runtime 1\.29\.0 .* CUDA 13/);
  });

  it.each([
    { library: 'libcublasLt.so.12', major: 12 },
    { library: 'libcudart.so.12', major: 12 },
    { library: 'libcudnn.so.9', major: 12 },
    { library: 'libcufft.so.11', major: 12 },
    { library: 'cublas64_12.dll', major: 12 },
    { library: 'libcublasLt.so.13', major: 13 },
    { library: 'libcudart.so.13', major: 13 },
  ])(
    'keeps what the loader says of $library, and names what to install for CUDA $major',
    ({ library, major }) => {
      const [advice] = cudaAdvice(missing(library), [GPU], '1.29.0');
      expect(advice).toContain(`CUDA does not load: ${library}: cannot open shared object file`);
      expect(advice).toContain(`built for CUDA ${major}`);
      expect(advice).toContain(`cuda-libraries-${major}-`);
      expect(advice).toMatch(major === 12 ? /nvidia-cublas-cu12/ : /nvidia-cublas(?!-cu)/);
      expect(advice).toContain('LD_LIBRARY_PATH');
    },
  );

  it('asks for the driver where its library is missing', () => {
    expect(cudaAdvice(missing('libcuda.so.1'), [], '1.29.0')[0]).toMatch(
      /NVIDIA driver: install it.*--gpus all/,
    );
  });

  it('says which driver a release takes where it is too old', () => {
    const reason = 'CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version';
    expect(cudaAdvice(failing(reason), [GPU], '1.29.0')[0]).toMatch(
      /12 takes 525 or later, CUDA 13 takes 580/,
    );
  });

  it('sends any other failure to nvidia-smi', () => {
    const [advice] = cudaAdvice(
      failing('CUDA failure 100: no CUDA-capable device is detected.'),
      [GPU],
      '1.29.0',
    );
    expect(advice).toMatch(/device is detected\. Check with nvidia-smi/);
  });

  it('says why the embedded model does not run on a GPU that loads', () => {
    const state: CudaState = { ...WORKING, selfTest: { ok: false, reason: 'out of memory' } };
    expect(cudaAdvice(state, [GPU], '1.29.0')).toEqual([
      expect.stringMatching(/does not run on it: out of memory/),
    ]);
  });
});
