import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { installByScript, installFromFolder, runtimeInstaller } from '#inhouse/cli/setup-cuda.js';
import type { CudaProviderFiles } from '#inhouse/runtime/native/cuda-provider.js';
import { cliSandbox } from './cli-process.js';

const scratch = mkdtempSync(join(tmpdir(), 'inhouse-setup-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

let runs = 0;
let from: string;
let files: CudaProviderFiles;
beforeEach(() => {
  const folder = join(scratch, String(runs++));
  from = join(folder, 'from');
  files = { folder: join(folder, 'runtime'), required: ['shared.so', 'cuda.so'], optional: ['tensorrt.so'] };
  for (const one of [from, files.folder]) mkdirSync(one, { recursive: true });
});

const provide = (...names: readonly string[]) => {
  for (const name of names) writeFileSync(join(from, name), `new ${name}`);
};
const installed = () =>
  Object.fromEntries(
    readdirSync(files.folder).map((name) => [name, readFileSync(join(files.folder, name), 'utf8')]),
  );

describe('the provider from a folder', () => {
  it('takes the place of what was there, with the file that may be absent', async () => {
    provide('shared.so', 'cuda.so', 'tensorrt.so', 'README');
    writeFileSync(join(files.folder, 'cuda.so'), 'old');
    expect(await installFromFolder(from, files)).toEqual(['shared.so', 'cuda.so', 'tensorrt.so']);
    expect(installed()).toEqual({
      'shared.so': 'new shared.so',
      'cuda.so': 'new cuda.so',
      'tensorrt.so': 'new tensorrt.so',
    });
  });

  it('does without the file that may be absent', async () => {
    provide('shared.so', 'cuda.so');
    expect(await installFromFolder(from, files)).toEqual(['shared.so', 'cuda.so']);
  });

  it('is refused whole where a file that is needed is missing', async () => {
    provide('shared.so');
    await expect(installFromFolder(from, files)).rejects.toMatchObject({
      code: 'INHOUSE_INVALID_OPTION',
      message: `--from ${from} has no cuda.so.`,
    });
    expect(installed()).toEqual({});
  });

  it('says which file cannot be written, and leaves nothing half-done', async () => {
    provide('shared.so', 'cuda.so');
    mkdirSync(join(files.folder, 'shared.so', 'in the way'), { recursive: true });
    await expect(installFromFolder(from, files)).rejects.toMatchObject({
      code: 'INHOUSE_RUNTIME_LOAD',
      message: expect.stringContaining(`${join(files.folder, 'shared.so')} cannot be written`),
    });
    expect(readdirSync(files.folder)).toEqual(['shared.so']);
  });
});

describe('the provider by the installer', () => {
  /** An installer that runs this code. */
  const installer = (code: string) => {
    const script = join(from, 'install.cjs');
    writeFileSync(script, code);
    return script;
  };
  const writing = (...names: readonly string[]) =>
    names
      .map((name) => `require('fs').writeFileSync(${JSON.stringify(join(files.folder, name))}, 'fetched');`)
      .join('');

  it('is there when the installer has fetched it, told to do so whatever npm is set to', async () => {
    const told = "if (process.env.ONNXRUNTIME_NODE_INSTALL !== 'true') process.exit(3);";
    await installByScript(installer(told + writing('shared.so', 'cuda.so')), files);
    expect(installed()).toEqual({ 'shared.so': 'fetched', 'cuda.so': 'fetched' });
  });

  it.each([
    { how: 'fails', code: 'process.exit(7)', says: /ended with code 7.*--from FOLDER/ },
    { how: 'leaves files out', code: '', says: /left out shared\.so and cuda\.so/ },
  ])('is an error when the installer $how', async ({ code, says }) => {
    await expect(installByScript(installer(code), files)).rejects.toMatchObject({
      code: 'INHOUSE_RUNTIME_LOAD',
      message: expect.stringMatching(says),
    });
  });

  it("is onnxruntime-node's own script", () => {
    expect(readFileSync(runtimeInstaller(), 'utf8')).toContain('ONNXRUNTIME_NODE_INSTALL');
  });
});

describe.runIf(process.platform === 'linux' && process.arch === 'x64')('inhouse setup cuda', () => {
  const { run, folder } = cliSandbox();

  it('ends with code 2 for a folder without the files', async () => {
    const { code, stderr } = await run(['setup', 'cuda', '--from', folder]);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/--from .* has no libonnxruntime_providers_shared\.so and no libonnx/),
    });
  });
});
