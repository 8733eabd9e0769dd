import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { embeddedModelFolder } from '#inhouse/checkpoint/embedded.js';
import { resolveModel } from '#inhouse/checkpoint/resolve.js';
import { packageRoot } from '#inhouse/package-root.js';
import { COMMIT, hubSandbox, MODEL, modelFiles } from '../support/hub-sandbox.js';

const sandbox = hubSandbox();
const projectRoot = fileURLToPath(new URL('../..', import.meta.url)).replace(/[/\\]$/, '');
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'inhouse-model-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('the package', () => {
  it('is found from its own code', () => {
    expect(packageRoot()).toBe(projectRoot);
    expect(embeddedModelFolder()).toBe(join(projectRoot, 'models', 'embedded'));
  });

  it('is not mistaken for another package above the code', async () => {
    await writeFile(join(folder, 'package.json'), '{"name":"an-app-that-bundles-inhouse"}');

    expect(() => packageRoot(folder)).toThrow(
      expect.objectContaining({ code: 'INHOUSE_CHECKPOINT_UNREADABLE' }),
    );
  });
});

describe('the name of a model', () => {
  it("'embedded' is the model of the package", async () => {
    expect(await resolveModel('embedded')).toEqual({
      id: 'embedded',
      folder: join(projectRoot, 'models', 'embedded'),
      source: 'embedded',
    });
  });

  it.each([null, 5, {}, ['gpt2']])('must be a string: %j is refused', async (name) => {
    await expect(resolveModel(name as never)).rejects.toMatchObject({ code: 'INHOUSE_INVALID_OPTION' });
  });

  it('may be the path of a folder', async () => {
    expect(await resolveModel(folder)).toEqual({ id: basename(folder), folder, source: 'folder' });
  });

  it('may be a relative folder, with or without a dot', async () => {
    const cwd = process.cwd();
    vi.spyOn(process, 'cwd').mockReturnValue(folder);
    try {
      await mkdir(join(folder, 'org', 'my-model'), { recursive: true });
      const expected = { id: 'my-model', folder: join(folder, 'org', 'my-model'), source: 'folder' };
      // stat resolves relative paths by the real working folder, so the code must have made them absolute itself
      expect(await resolveModel('./org/my-model')).toEqual(expected);
      expect(await resolveModel('org/my-model')).toEqual(expected);
    } finally {
      vi.mocked(process.cwd).mockRestore();
      expect(process.cwd()).toBe(cwd);
    }
  });

  it("may start with the user's home", async () => {
    expect(await resolveModel('~')).toMatchObject({ folder: resolve(homedir()), source: 'folder' });
  });

  it.each([
    './absent',
    '../absent',
    '/absent/model',
    '~/absent-model',
    'C:\\models\\absent',
    'absent\\model',
    './gpt2',
  ])('is a folder that must exist when written like a path: %s', async (name) => {
    await expect(resolveModel(name, sandbox.options)).rejects.toMatchObject({
      code: 'INHOUSE_CHECKPOINT_UNREADABLE',
      message: expect.stringContaining(basename(name)),
    });
    expect(sandbox.server.requests).toEqual([]);
  });

  it('is refused when it is a file', async () => {
    await writeFile(join(folder, 'model.safetensors'), '');

    await expect(resolveModel(join(folder, 'model.safetensors'))).rejects.toMatchObject({
      code: 'INHOUSE_CHECKPOINT_UNREADABLE',
      message: expect.stringContaining('is a file'),
    });
  });

  it.each(['gpt2', 'GPT2-small', MODEL])('may be known to the registry: %s', async (name) => {
    expect(await resolveModel(name, sandbox.options)).toEqual({
      id: 'gpt2',
      folder: join(sandbox.repository, 'snapshots', COMMIT),
      source: 'hub',
    });
  });

  it('may be any repository of the hub', async () => {
    sandbox.server.repositories.set('Someone/My-GPT2', { commit: COMMIT, files: modelFiles });

    expect(await resolveModel('Someone/My-GPT2', sandbox.options)).toMatchObject({
      id: 'Someone/My-GPT2',
      folder: join(sandbox.cacheDir, 'models--Someone--My-GPT2', 'snapshots', COMMIT),
      source: 'hub',
    });
  });

  it.each(['', 'gtp2', 'no-such-model', 'a/b/c', 'two words', 'org /name'])(
    'is unknown otherwise: %j',
    async (name) => {
      await expect(resolveModel(name, sandbox.options)).rejects.toMatchObject({
        code: 'INHOUSE_MODEL_UNKNOWN',
      });
      expect(sandbox.server.requests).toEqual([]);
    },
  );
});
