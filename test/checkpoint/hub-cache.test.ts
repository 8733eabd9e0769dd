import { existsSync } from 'node:fs';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { downloadModel } from '#inhouse/checkpoint/hub.js';
import { cachedModelPath, listCachedModels, removeCachedModel } from '#inhouse/checkpoint/hub-cache.js';
import { COMMIT, etagOf, hubSandbox, MODEL, modelFiles, WEIGHTS } from '../support/hub-sandbox.js';

const sandbox = hubSandbox();

/** A snapshot as another tool might leave it: plain files, no blobs. */
async function addSnapshot(
  repository: string,
  files: Readonly<Record<string, Buffer | string>>,
): Promise<string> {
  const snapshot = join(sandbox.cacheDir, repository, 'snapshots', COMMIT);
  await mkdir(snapshot, { recursive: true });
  for (const [name, content] of Object.entries(files)) await writeFile(join(snapshot, name), content);
  return snapshot;
}

describe('the list of cached models', () => {
  it('has registry models by id, with revision, commit, size and folder', async () => {
    const path = await downloadModel(MODEL, sandbox.options);
    const sizeBytes = Object.values(modelFiles).reduce((total, content) => total + content.length, 0);

    expect(await listCachedModels(sandbox.options)).toEqual([
      { id: 'gpt2', hubId: MODEL, revisions: ['main'], commit: COMMIT, path, sizeBytes, complete: true },
    ]);
  });

  it('has other GPT-2 models by hub id and leaves out what is not GPT-2', async () => {
    await addSnapshot('models--someone--my-gpt2', modelFiles);
    await addSnapshot('models--someone--bert', { ...modelFiles, 'config.json': '{"model_type":"bert"}' });
    await addSnapshot('models--someone--broken', { 'config.json': '{' });
    await addSnapshot('datasets--someone--my-gpt2', modelFiles);

    const listed = await listCachedModels(sandbox.options);

    expect(listed.map(({ id, revisions, complete }) => ({ id, revisions, complete }))).toEqual([
      { id: 'someone/my-gpt2', revisions: [], complete: true },
    ]);
  });

  it('says which are incomplete: no weights, a link that leads nowhere, a shard missing', async () => {
    const snapshot = await downloadModel(MODEL, sandbox.options);
    await rm(join(sandbox.repository, 'blobs', etagOf(WEIGHTS)));
    const { [WEIGHTS]: _, ...small } = modelFiles;
    await addSnapshot('models--openai-community--gpt2-xl', small);
    await addSnapshot('models--distilbert--distilgpt2', {
      ...small,
      'model.safetensors.index.json': '{"weight_map":{"a":"model-1.safetensors","b":"model-2.safetensors"}}',
      'model-1.safetensors': 'x',
    });

    const listed = await listCachedModels(sandbox.options);

    expect(listed.map(({ id, complete }) => [id, complete])).toEqual([
      ['distilgpt2', false],
      ['gpt2', false],
      ['gpt2-xl', false],
    ]);
    expect(listed[1]?.path).toBe(snapshot);
  });

  it('is empty where there is no cache', async () => {
    expect(await listCachedModels({ cacheDir: join(sandbox.cacheDir, 'absent') })).toEqual([]);
  });

  it('reads the cache that the environment names', async () => {
    await downloadModel(MODEL, sandbox.options);
    vi.stubEnv('HF_HUB_CACHE', sandbox.cacheDir);

    expect((await listCachedModels()).map(({ id }) => id)).toEqual(['gpt2']);
  });
});

describe('the path of a cached model', () => {
  it.each(['gpt2', 'GPT2-Small', MODEL])('is found by %s, by branch and by commit', async (id) => {
    const snapshot = await downloadModel(MODEL, sandbox.options);

    expect(await cachedModelPath(id, 'main', sandbox.options)).toBe(snapshot);
    expect(await cachedModelPath(id, COMMIT, sandbox.options)).toBe(snapshot);
  });

  it('is undefined for a model, a revision or a commit that is not there', async () => {
    await downloadModel(MODEL, sandbox.options);

    expect(await cachedModelPath('gpt2-xl', 'main', sandbox.options)).toBeUndefined();
    expect(await cachedModelPath('gpt2', 'v2', sandbox.options)).toBeUndefined();
    expect(await cachedModelPath('gpt2', 'f'.repeat(40), sandbox.options)).toBeUndefined();
  });

  it('does not follow a ref that holds no commit', async () => {
    await downloadModel(MODEL, sandbox.options);
    await writeFile(join(sandbox.repository, 'refs', 'main'), '../../..');

    expect(await cachedModelPath('gpt2', 'main', sandbox.options)).toBeUndefined();
  });
});

describe('removing a cached model', () => {
  it('removes its folder and nothing else', async () => {
    await downloadModel(MODEL, sandbox.options);
    const other = await addSnapshot('models--someone--my-gpt2', modelFiles);

    expect(await removeCachedModel('gpt2-small', sandbox.options)).toEqual([sandbox.repository]);

    expect(existsSync(sandbox.repository)).toBe(false);
    expect(existsSync(other)).toBe(true);
    expect(await removeCachedModel('gpt2', sandbox.options)).toEqual([]);
  });

  it('includes the folder of the name it had before it moved', async () => {
    await downloadModel(MODEL, sandbox.options);
    const former = await addSnapshot('models--gpt2', modelFiles);

    expect(await removeCachedModel('gpt2', sandbox.options)).toHaveLength(2);
    expect(existsSync(former)).toBe(false);
  });

  it('removes a link to a folder elsewhere, and not that folder', async () => {
    const elsewhere = join(sandbox.cacheDir, 'elsewhere');
    await mkdir(elsewhere);
    await symlink(elsewhere, join(sandbox.cacheDir, 'models--someone--linked'));

    expect(await removeCachedModel('someone/linked', sandbox.options)).toHaveLength(1);
    expect(existsSync(elsewhere)).toBe(true);
  });

  it.each(['..', '../x', '/', 'a/../..', 'a/..', '.', '', 'a\\..\\b'])('refuses %j', async (id) => {
    await expect(removeCachedModel(id, sandbox.options)).rejects.toMatchObject({
      code: 'INHOUSE_INVALID_OPTION',
    });
    expect(existsSync(sandbox.cacheDir)).toBe(true);
  });
});
