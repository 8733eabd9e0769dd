// What can be wrong with a library, a graph or its weights ends in a typed error that names it.
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { RunnerError } from '#inhouse/errors.js';
import { addonFiles, findAddon } from '#inhouse/runtime/native/addon.js';
import { type NativeRunnerOptions, openNativeRunner } from '#inhouse/runtime/native.js';
import { nativeMissing } from '../support/runners.js';
import { buildLibrary, prepareRandom, temporaryFolder } from './support.js';

const folder = temporaryFolder();

describe('finding the addon', () => {
  it('says where it looked when there is none', () => {
    const empty = join(folder, 'empty');
    const native = findAddon(empty);
    expect(native).toMatchObject({ loaded: false });
    for (const file of addonFiles(empty))
      expect(native).toHaveProperty('reason', expect.stringContaining(file));
  });

  it('passes on why a file does not load', () => {
    const broken = join(folder, 'broken');
    mkdirSync(join(broken, 'build', 'Release'), { recursive: true });
    writeFileSync(join(broken, 'build', 'Release', 'inhouse.node'), 'not a library');
    expect(findAddon(broken)).toMatchObject({
      loaded: false,
      reason: expect.stringMatching(/does not load: /),
    });
  });

  it.skipIf(nativeMissing)('takes the next one when a prebuilt one does not load', () => {
    const [prebuilt, built] = addonFiles(join(folder, 'both'));
    const [, real] = addonFiles(join(import.meta.dirname, '..', '..'));
    mkdirSync(join(prebuilt!, '..'), { recursive: true });
    mkdirSync(join(built!, '..'), { recursive: true });
    writeFileSync(prebuilt!, 'made for another machine');
    copyFileSync(real!, built!);
    expect(findAddon(join(folder, 'both'))).toMatchObject({ loaded: true, file: built });
  });
});

describe.skipIf(nativeMissing)('opening a native runner', () => {
  let options: NativeRunnerOptions;
  beforeAll(async () => {
    options = await prepareRandom(folder);
  });

  const refusal = async (changed: Partial<NativeRunnerOptions>): Promise<RunnerError> => {
    const error: unknown = await openNativeRunner({ ...options, ...changed }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(RunnerError);
    expect(error).toMatchObject({ code: 'INHOUSE_RUNTIME_LOAD' });
    return error as RunnerError;
  };

  it('refuses a library that is not there', async () => {
    const { message } = await refusal({ libraryFile: '/nowhere/libonnxruntime.so.1' });
    expect(message).toContain('/nowhere/libonnxruntime.so.1');
  });

  it.runIf(process.platform === 'linux')('refuses a library that is something else', async () => {
    const { message } = await refusal({ libraryFile: 'libm.so.6' });
    expect(message).toMatch(/libm\.so\.6 is not ONNX Runtime's library/);
  });

  it('refuses a library that is too old, and names both versions', async (context) => {
    const old = buildLibrary(
      folder,
      'old-onnxruntime',
      `typedef struct { const void *(*get_api)(unsigned); const char *(*get_version)(void); } Base;
       static const void *get_api(unsigned version) { return 0; }
       static const char *get_version(void) { return "1.9.0"; }
       static const Base base = {get_api, get_version};
       const Base *OrtGetApiBase(void) { return &base; }`,
    );
    if (old === undefined) return context.skip();
    const { message } = await refusal({ libraryFile: old });
    expect(message).toMatch(/ONNX Runtime 1\.9\.0 .* is too old: 1\.\d+ or newer is needed/);
  });

  it('refuses a file that is not a graph, with ONNX Runtime’s message and code', async () => {
    const graphFile = join(folder, 'corrupt.onnx');
    writeFileSync(graphFile, 'this is not protobuf');
    const error = await refusal({ graphFile });
    expect(error.message).toContain(graphFile);
    expect(error.details).toMatchObject({ ortCode: 7 }); // INVALID_PROTOBUF
  });

  it('refuses a graph that is not there', async () => {
    const error = await refusal({ graphFile: join(folder, 'absent.onnx') });
    expect(error.details).toMatchObject({ ortCode: 3 }); // NO_SUCHFILE
  });

  it('refuses a graph whose weights are not there', async () => {
    const weightsFolder = join(folder, 'no-weights');
    mkdirSync(weightsFolder);
    expect((await refusal({ weightsFolder })).message).toMatch(/model\.safetensors/);
  });

  it('refuses an execution provider that the library does not have', async () => {
    const { message } = await refusal({ executionProvider: { name: 'Abacus', options: { beads: '10' } } });
    expect(message).toMatch(/Abacus/);
  });

  it('works after all these refusals', async () => {
    const runner = await openNativeRunner(options);
    expect((await runner.score([1, 2, 3])).logprobs).toHaveLength(2);
    await runner.dispose();
  });
});
