// The native runner on ONNX Runtime's own CUDA provider, over stand-ins for CUDA's libraries in which memory is host memory
// and kernels do nothing (../support/fake-cuda): loading, placing, binding, capturing and failing, without a GPU.
// INHOUSE_TEST_CUDA_PROVIDER names the folder of the provider's files; otherwise they are looked for in onnxruntime-node.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Precision } from '#inhouse/graph/precision.js';
import { onnxRuntimeLibrary } from '#inhouse/runtime/native/library.js';
import type { NativeRunnerOptions } from '#inhouse/runtime/native.js';
import type { DeviceSettings } from '#inhouse/runtime/runner.js';
import { GREEDY, nativeMissing } from '../support/runners.js';
import { MODEL, prepareRandom, script, temporaryFolder } from './support.js';

const providerFolder = process.env.INHOUSE_TEST_CUDA_PROVIDER ?? dirname(onnxRuntimeLibrary());
const PROVIDER = ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so'];
const FAKED = ['libcudart.so.13', 'libcublas.so.13', 'libcublasLt.so.13', 'libcurand.so.10', 'libcuda.so.1'];
const PRECISIONS: readonly Precision[] = ['fp32', 'fp16', 'int8', 'int4'];

describe.skipIf(nativeMissing ?? missing())('on ONNX Runtime’s CUDA provider', () => {
  const folder = temporaryFolder();
  const libraries = join(folder, 'cuda');
  const options = new Map<Precision, NativeRunnerOptions>();
  let cpuOptions: NativeRunnerOptions;
  let libraryFile: string;

  beforeAll(async () => {
    mkdirSync(libraries);
    buildFakeCuda(libraries);
    libraryFile = join(folder, basename(onnxRuntimeLibrary()));
    symlinkSync(onnxRuntimeLibrary(), libraryFile);
    for (const file of PROVIDER) symlinkSync(join(providerFolder, file), join(folder, file));
    for (const precision of PRECISIONS) {
      const prepared = await prepareRandom(folder, MODEL, { device: 'cuda', precision });
      options.set(precision, { ...prepared, libraryFile });
    }
    cpuOptions = { ...(await prepareRandom(folder)), libraryFile };
  });

  interface Run {
    readonly precision?: Precision;
    readonly changes?: Partial<DeviceSettings & { kind: 'cuda' }>;
    readonly environment?: Readonly<Record<string, string>>;
    readonly profilePrefix?: string;
  }
  /** What the task tells, and how often it called what. */
  const run = (task: string, { precision = 'fp16', changes, environment, profilePrefix }: Run = {}) => {
    const counts = join(folder, 'counts');
    rmSync(counts, { force: true });
    const argument = {
      task,
      options: { ...options.get(precision), ...(profilePrefix && { profilePrefix }) },
      cpuOptions,
      changes,
      sampling: GREEDY,
    };
    const child = spawnSync(process.execPath, [script('fake-cuda.mjs'), JSON.stringify(argument)], {
      encoding: 'utf8',
      timeout: 60_000,
      env: { ...process.env, LD_LIBRARY_PATH: libraries, FAKE_CUDA_COUNTS: counts, ...environment },
    });
    expect(child.status, child.stderr).toBe(0);
    const calls = (existsSync(counts) ? readFileSync(counts, 'utf8') : '').trimEnd().split('\n');
    return {
      told: JSON.parse(child.stdout),
      calls: Object.fromEntries(calls.map((line) => [line.split(' ')[0], Number(line.split(' ')[1])])),
    };
  };

  it.each(PRECISIONS)('%s computes every node there', (precision) => {
    const profiles = join(folder, `profile-${precision}`);
    mkdirSync(profiles);
    run('exercise', { precision, profilePrefix: join(profiles, 'p') });
    const [profile] = readdirSync(profiles);
    const events = JSON.parse(readFileSync(join(profiles, profile!), 'utf8')) as {
      args?: { provider?: string; op_name?: string };
    }[];
    const providers = new Set(events.flatMap(({ args }) => args?.provider ?? []));
    expect([...providers]).toEqual(['CUDAExecutionProvider']);
    expect(events.filter(({ args }) => args?.op_name?.startsWith('Memcpy'))).toEqual([]);
  });

  it('copies in once per run, leaves nothing on the device, and tells of it', () => {
    const { told, calls } = run('exercise');
    const runs = 3 + 160 + 2;
    expect(told.info.device).toBe('cuda:0');
    expect(told.statistics).toMatchObject({ decodeSteps: 160, kv: { tokensHeld: 165 + 155 } });
    expect(told.statistics.device).toMatchObject({
      name: 'Fake GPU',
      totalBytes: 8 * 2 ** 30,
      cudaGraphs: 'off',
    });
    expect(told.statistics.device.usedBytes).toBeGreaterThanOrEqual(told.statistics.device.inUseBytes);
    expect(calls).toMatchObject({ cuMemcpyHtoD_v2: runs, usedBytes: 0 });
    expect(calls).not.toHaveProperty('cudaMemcpyAsync');
  });

  it('keeps to its memory limit, and a call that goes beyond it changes nothing', () => {
    const { weightBytes } = run('exercise').told.statistics.device;
    const changes = { memoryLimitBytes: weightBytes + 4e6 };
    const { told } = run('run out of memory', { changes });
    expect(told.failed).toMatchObject({ name: 'RunnerError', code: 'INHOUSE_RUNTIME_STEP' });
    expect(told.failed.message).toMatch(/^Cannot get \d+ bytes of the device's memory: /);
    expect(told.after.kv).toMatchObject({
      tokensHeld: told.before.kv.tokensHeld,
      committedBytes: told.before.kv.committedBytes,
    });
    expect(told.goesOn).toBe(20);
    expect(told.before.device.limitBytes).toBe(changes.memoryLimitBytes);
  });

  it('does not load what is too large for the device, and the CPU is not affected', () => {
    const { told } = run('open', { environment: { FAKE_CUDA_MEMORY: '1000000' } });
    expect(told.opening).toMatchObject({ code: 'INHOUSE_RUNTIME_LOAD' });
    expect(told.opening.message).toMatch(/Failed to allocate memory/);
    expect(told.cpu).toBe(3);
  });

  it('names the library that is missing, in the loader’s words, and the CPU is not affected', () => {
    const { told } = run('open', { environment: { LD_LIBRARY_PATH: '' } });
    expect(told.opening).toMatchObject({ code: 'INHOUSE_RUNTIME_LOAD' });
    expect(told.opening.message).toMatch(
      /CUDA provider is not usable: .*libcu\w+\.so\.13: cannot open shared object/,
    );
    expect(told.cpu).toBe(3);
  });

  it('says so where there is no GPU, or not that one', () => {
    const { told } = run('open', { environment: { FAKE_CUDA_NO_DEVICE: '1' } });
    expect(told.opening).toMatchObject({ code: 'INHOUSE_RUNTIME_LOAD' });
    expect(told.opening.message).toMatch(/CUDA_ERROR_NO_DEVICE/);
    expect(run('open', { changes: { id: 5 } }).told.opening).toMatchObject({ code: 'INHOUSE_RUNTIME_LOAD' });
  });

  it.each([false, true])('survives the loss of the device (CUDA graphs: %s)', (cudaGraphs) => {
    const lost = join(folder, 'lost');
    rmSync(lost, { force: true });
    const { told } = run('lose the device', {
      changes: { cudaGraphs },
      environment: { FAKE_CUDA_LOST: lost },
    });
    for (const [call, outcome] of Object.entries(told.outcomes))
      expect(outcome, call).toMatchObject({ code: 'INHOUSE_RUNTIME_STEP' });
    expect(told).toMatchObject({ disposal: 'done', cpu: 3 });
  });

  it('measures how fast the device copies, and says why where it cannot', () => {
    const { told } = run('bandwidth');
    expect(told.first).toBeGreaterThan(0);
    expect(told.missing.message).toMatch(/There is no GPU 7/);
    expect(told.tooLarge.message).toMatch(/CUDA_ERROR_OUT_OF_MEMORY/);
  });

  describe('with CUDA graphs', () => {
    const changes = { cudaGraphs: true };

    it.each(PRECISIONS)(
      '%s captures a step per row count and size of the blocks, and replays it',
      (precision) => {
        const { told, calls } = run('exercise', { precision, changes });
        expect(told.statistics.device.cudaGraphs).toBe('on');
        // For 3 rows and a spare one at 128 and at 256 positions, then for 2 and for 1; a capture is followed by a launch.
        expect(calls).toMatchObject({ cudaGraphInstantiate: 4, cudaGraphLaunch: 160, usedBytes: 0 });
      },
    );

    it('goes on without where a step cannot be captured, and says why', () => {
      const { told, calls } = run('exercise', { changes, environment: { FAKE_CUDA_NO_CAPTURE: '1' } });
      expect(told.statistics.device.cudaGraphs).toMatch(/^failed: .*CUDA failure 901/);
      expect(told.statistics.decodeSteps).toBe(160);
      expect(calls).toMatchObject({ cudaStreamBeginCapture: 1 });
    });

    it('a capture is not spoilt by another runner', () => {
      const { told, calls } = run('two at once', { changes });
      expect(told).toEqual(['on', 'on']);
      expect(calls).toMatchObject({ cudaGraphInstantiate: 8, cudaGraphLaunch: 320 });
    });
  });
});

/** Why the provider cannot be tested here, or undefined where it can. */
function missing(): string | undefined {
  if (process.env.INHOUSE_TEST_DEVICE) return 'there is a GPU to be tested';
  const file = PROVIDER.map((name) => join(providerFolder, name)).find((path) => !existsSync(path));
  const reason = file ? `${file} is not there` : compilerMissing();
  if (reason) console.warn(`skipped: ${reason}`);
  return reason;
}

function compilerMissing(): string | undefined {
  return spawnSync('gcc', ['--version']).status === 0
    ? undefined
    : 'there is no gcc to build the fake CUDA with';
}

/** One library under the names of all that the provider asks for. */
function buildFakeCuda(folder: string): void {
  const source = fileURLToPath(new URL('../support/fake-cuda/', import.meta.url));
  const library = join(folder, FAKED[0]!);
  const versions = `-Wl,--version-script=${join(source, 'versions.map')}`;
  execFileSync('gcc', [
    '-shared',
    '-fPIC',
    '-w',
    join(source, 'fake_cuda.c'),
    versions,
    '-o',
    library,
    '-lpthread',
  ]);
  for (const name of FAKED.slice(1)) symlinkSync(library, join(folder, name));
}
