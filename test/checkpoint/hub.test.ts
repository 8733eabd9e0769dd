import { lstat, mkdir, readdir, readFile, readlink, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { scanCacheDir } from '@huggingface/hub';
import { describe, expect, it, vi } from 'vitest';
import { type DownloadProgress, downloadModel } from '#inhouse/checkpoint/hub.js';
import {
  bytes,
  COMMIT,
  closedEndpoint,
  etagOf,
  expectFiles,
  hubSandbox,
  MODEL,
  modelFiles,
  WEIGHTS,
  weights,
} from '../support/hub-sandbox.js';

const sandbox = hubSandbox();
const OTHER_COMMIT = 'beef'.padEnd(40, '0');

async function download(options = {}): Promise<string> {
  return downloadModel(MODEL, { ...sandbox.options, ...options });
}

describe('what a download leaves in the cache', () => {
  it('is the layout of the hub cache: refs, blobs by hash, snapshots of links', async () => {
    const snapshot = await download();

    expect(snapshot).toBe(join(sandbox.repository, 'snapshots', COMMIT));
    expect(await readFile(join(sandbox.repository, 'refs', 'main'), 'utf8')).toBe(COMMIT);
    await expectFiles(snapshot);
    const etags = Object.keys(modelFiles).map((name) => etagOf(name));
    expect((await readdir(join(sandbox.repository, 'blobs'))).sort()).toEqual(etags.sort());
    expect(await readlink(join(snapshot, WEIGHTS))).toBe(join('..', '..', 'blobs', etagOf(WEIGHTS)));
  });

  it('is readable by other tools of the hub', async () => {
    await download();

    const { repos, warnings } = await scanCacheDir(sandbox.cacheDir);

    expect(warnings).toEqual([]);
    expect(repos.map(({ id }) => id.name)).toEqual([MODEL]);
    expect(repos[0]?.revisions.map(({ commitOid, refs }) => ({ commitOid, refs }))).toEqual([
      { commitOid: COMMIT, refs: ['main'] },
    ]);
  });

  it('leaves out files that GPT-2 does not need', async () => {
    const files = {
      ...modelFiles,
      'pytorch_model.bin': Buffer.from('pickle'),
      'README.md': Buffer.from('#'),
    };
    sandbox.server.repositories.set(MODEL, { commit: COMMIT, files });

    const snapshot = await download();

    expect((await readdir(snapshot)).sort()).toEqual(Object.keys(modelFiles).sort());
  });

  it('includes every shard that the index names', async () => {
    const { [WEIGHTS]: _, ...small } = modelFiles;
    const shards = {
      'model-00001-of-00002.safetensors': bytes('first', 5000),
      'model-00002-of-00002.safetensors': bytes('second', 3000),
    };
    const map = {
      'wte.weight': Object.keys(shards)[0],
      'h.0.a': Object.keys(shards)[1],
      'h.0.b': Object.keys(shards)[1],
    };
    const index = Buffer.from(JSON.stringify({ weight_map: map }));
    const files = { ...small, 'model.safetensors.index.json': index, ...shards };
    sandbox.server.repositories.set(MODEL, { commit: COMMIT, files });

    const snapshot = await download();

    await expectFiles(snapshot, files);
  });

  it('refuses an index that names files elsewhere', async () => {
    const { [WEIGHTS]: _, ...small } = modelFiles;
    const index = Buffer.from(JSON.stringify({ weight_map: { 'wte.weight': '../../../evil.safetensors' } }));
    const files = { ...small, 'model.safetensors.index.json': index };
    sandbox.server.repositories.set(MODEL, { commit: COMMIT, files });

    await expect(download()).rejects.toMatchObject({ code: 'INHOUSE_SAFETENSORS_INDEX' });
  });

  it('has the files themselves where links are refused', async () => {
    // Patched in the module that the code under test imports; Windows without developer mode answers like this.
    const fs = await import('node:fs');
    const { syncBuiltinESMExports } = await import('node:module');
    const { symlink } = fs.default.promises;
    fs.default.promises.symlink = async () => {
      throw Object.assign(new Error('operation not permitted'), { code: 'EPERM', syscall: 'symlink' });
    };
    syncBuiltinESMExports();
    try {
      const snapshot = await download();

      expect((await lstat(join(snapshot, WEIGHTS))).isSymbolicLink()).toBe(false);
      await expectFiles(snapshot);
      const before = sandbox.server.contentRequests.length;
      await download();
      expect(sandbox.server.contentRequests).toHaveLength(before);
    } finally {
      fs.default.promises.symlink = symlink;
      syncBuiltinESMExports();
    }
  });

  it.each(['config.json', 'tokenizer.json', WEIGHTS])(
    'is nothing when the repository has no %s',
    async (name) => {
      const { [name]: _, ...files } = modelFiles;
      sandbox.server.repositories.set(MODEL, { commit: COMMIT, files });

      await expect(download()).rejects.toMatchObject({
        code: 'INHOUSE_CHECKPOINT_FILE_MISSING',
        message: expect.stringContaining(name),
      });
      expect(sandbox.server.contentRequests).toEqual([]);
    },
  );
});

describe('a model that is cached', () => {
  it('costs one request while its revision stands for the same commit', async () => {
    const first = await download();
    sandbox.server.requests.length = 0;

    expect(await download()).toBe(first);

    expect(sandbox.server.requests.map(({ path }) => path)).toEqual([`/api/models/${MODEL}/revision/main`]);
  });

  it('costs no request when asked for by commit', async () => {
    const first = await download({ revision: COMMIT });
    sandbox.server.requests.length = 0;

    expect(await download({ revision: COMMIT })).toBe(first);
    expect(sandbox.server.requests).toEqual([]);
  });

  it('is completed when a file of its snapshot is missing', async () => {
    const snapshot = await download();
    await rm(join(sandbox.repository, 'blobs', etagOf(WEIGHTS)));
    sandbox.server.requests.length = 0;

    await download();

    await expectFiles(snapshot);
    expect(sandbox.server.contentRequests.every(({ path }) => path.endsWith(WEIGHTS))).toBe(true);
  });

  it('gets a new commit by fetching only the files that changed', async () => {
    const old = await download();
    const files = { ...modelFiles, 'config.json': Buffer.from('{"model_type":"gpt2","n_layer":1}') };
    sandbox.server.repositories.set(MODEL, { commit: OTHER_COMMIT, files });
    sandbox.server.requests.length = 0;

    const snapshot = await download();

    expect(snapshot).toBe(join(sandbox.repository, 'snapshots', OTHER_COMMIT));
    await expectFiles(snapshot, files);
    await expectFiles(old);
    expect(sandbox.server.contentRequests.map(({ path }) => path)).toEqual([
      `/${MODEL}/resolve/${OTHER_COMMIT}/config.json`,
    ]);
  });

  it('is kept apart by revision, slashes included', async () => {
    await download({ revision: 'v/1' });

    expect(await readFile(join(sandbox.repository, 'refs', 'v', '1'), 'utf8')).toBe(COMMIT);
    expect(await download({ revision: 'v/1', offline: true })).toContain(COMMIT);
    await expect(download({ revision: 'main', offline: true })).rejects.toThrow('revision main');
  });

  it('is found under the name the repository had before it moved', async () => {
    const snapshot = await download();
    await rename(sandbox.repository, join(sandbox.cacheDir, 'models--gpt2'));

    expect(await download({ offline: true })).toBe(snapshot.replace('openai-community--', ''));
  });

  it('is used as it is when the hub cannot be reached', async () => {
    const snapshot = await download();

    expect(await download({ endpoint: await closedEndpoint() })).toBe(snapshot);
  });

  it.each([429, 500, 503])('is used as it is, without waiting, when the hub answers %i', async (status) => {
    const snapshot = await download();
    sandbox.server.requests.length = 0;
    sandbox.server.faults.refuse = { status, on: '/api/', times: 99 };

    expect(await download()).toBe(snapshot);
    expect(sandbox.server.requests).toHaveLength(1);
  });

  it('does not hide that access was withdrawn', async () => {
    await download();
    sandbox.server.faults.refuse = { status: 403, on: '/api/', times: 1 };

    await expect(download()).rejects.toMatchObject({ code: 'INHOUSE_HUB_UNAUTHORIZED' });
  });
});

describe('offline', () => {
  it.each(['1', 'true', 'YES', 'on'])('HF_HUB_OFFLINE=%s uses the cache and asks nobody', async (value) => {
    const snapshot = await download();
    sandbox.server.requests.length = 0;
    vi.stubEnv('HF_HUB_OFFLINE', value);

    expect(await download()).toBe(snapshot);
    expect(sandbox.server.requests).toEqual([]);
  });

  it.each(['0', 'false', ''])('HF_HUB_OFFLINE=%j is online', async (value) => {
    vi.stubEnv('HF_HUB_OFFLINE', value);

    await expectFiles(await download());
  });

  it('says what to do when the model is not cached', async () => {
    const failure = await download({ offline: true }).catch((error: unknown) => error);

    expect(failure).toMatchObject({
      code: 'INHOUSE_HUB_OFFLINE',
      details: { expectedFolder: sandbox.repository },
    });
    for (const hint of [
      sandbox.repository,
      'inhouse models pull gpt2',
      'HF_HOME',
      'config.json',
      "'embedded'",
    ]) {
      expect((failure as Error).message).toContain(hint);
    }
    expect(sandbox.server.requests).toEqual([]);
  });

  it('does not take a half-downloaded model for a cached one', async () => {
    sandbox.server.faults.refuse = { status: 404, on: `/${WEIGHTS}`, times: 1 };
    await expect(download()).rejects.toMatchObject({ code: 'INHOUSE_HUB_NOT_FOUND' });

    await expect(download({ offline: true })).rejects.toMatchObject({ code: 'INHOUSE_HUB_OFFLINE' });
    await expect(download({ offline: true, revision: COMMIT })).rejects.toMatchObject({
      code: 'INHOUSE_HUB_OFFLINE',
    });
  });

  it('gives the same advice when the hub is out of reach', async () => {
    await expect(download({ endpoint: await closedEndpoint() })).rejects.toMatchObject({
      code: 'INHOUSE_HUB_UNREACHABLE',
      message: expect.stringMatching(/ECONNREFUSED.*inhouse models pull gpt2.*'embedded'/s),
    });
  });
});

describe('settings', () => {
  it('come from the environment at each call', async () => {
    vi.stubEnv('HF_ENDPOINT', `${sandbox.server.endpoint}/`);
    vi.stubEnv('HF_TOKEN', 'secret');
    vi.stubEnv('HF_HUB_CACHE', sandbox.cacheDir);
    sandbox.server.faults.requiredToken = 'secret';

    expect(await downloadModel(MODEL)).toBe(join(sandbox.repository, 'snapshots', COMMIT));
  });

  it.each([
    ['HF_HUB_CACHE', 'a', 'a'],
    ['HUGGINGFACE_HUB_CACHE', 'b', 'b'],
    ['HF_HOME', 'c', 'c/hub'],
    ['XDG_CACHE_HOME', 'd', 'd/huggingface/hub'],
  ])('%s places the cache', async (variable, folder, expected) => {
    vi.stubEnv(variable, join(sandbox.cacheDir, folder));

    const snapshot = await downloadModel(MODEL, { ...sandbox.options, cacheDir: undefined });

    expect(snapshot.startsWith(join(sandbox.cacheDir, expected, 'models--'))).toBe(true);
  });

  it.each(['', '../up', 'a/b/c', 'a b', 'x/../y', '/abs', 'a--b/c', 'C:\\x'])(
    'refuse %j as a hub id',
    async (id) => {
      await expect(downloadModel(id, sandbox.options)).rejects.toMatchObject({
        code: 'INHOUSE_INVALID_OPTION',
      });
    },
  );

  it.each(['', '../../x', '/etc', 'a//b', 'a\\b', 'a b'])('refuse %j as a revision', async (revision) => {
    await expect(download({ revision })).rejects.toMatchObject({ code: 'INHOUSE_INVALID_OPTION' });
  });

  it.each(['huggingface', 'file:///etc', 'http://user:secret@host'])(
    'refuse %j as an endpoint',
    async (endpoint) => {
      const failure = await download({ endpoint }).catch((error: unknown) => error);

      expect(failure).toMatchObject({
        code: 'INHOUSE_INVALID_OPTION',
        message: expect.stringContaining('HF_ENDPOINT'),
      });
      expect((failure as Error).message).not.toContain('secret');
    },
  );
});

describe('progress', () => {
  it('tells the start and the end of each file, and not every chunk between', async () => {
    sandbox.server.faults.pieceDelayMs = 4;
    const calls: DownloadProgress[] = [];

    await download({ onProgress: (progress: DownloadProgress) => calls.push(progress) });

    const names = Object.keys(modelFiles);
    for (const [fileIndex, name] of names.entries()) {
      const ofFile = calls.filter(({ file }) => file === name);
      const common = {
        file: name,
        fileIndex: expect.any(Number),
        fileCount: names.length,
        totalBytes: modelFiles[name]!.length,
      };
      expect(ofFile[0]).toEqual({ ...common, receivedBytes: 0 });
      expect(ofFile.at(-1)).toEqual({ ...common, receivedBytes: modelFiles[name]!.length });
      expect(new Set(ofFile.map((call) => call.fileIndex)).size, `${fileIndex}`).toBe(1);
    }
    expect(new Set(calls.map(({ fileIndex }) => fileIndex))).toEqual(new Set(names.keys()));
    const received = calls.filter(({ file }) => file === WEIGHTS).map(({ receivedBytes }) => receivedBytes);
    expect(received).toEqual([...received].sort((a, b) => a - b));
    expect(received.length).toBeGreaterThan(2);
    expect(received.length).toBeLessThan(weights.length / 4096 / 2);
  });

  it('starts from what an earlier download left', async () => {
    const blobs = join(sandbox.repository, 'blobs');
    await mkdir(blobs, { recursive: true });
    await writeFile(join(blobs, `${etagOf(WEIGHTS)}.incomplete`), weights.subarray(0, 120_000));
    const received: number[] = [];

    await download({
      onProgress: ({ file, receivedBytes }: DownloadProgress) =>
        file === WEIGHTS && received.push(receivedBytes),
    });

    expect(received[0]).toBe(120_000);
    expect(received.at(-1)).toBe(weights.length);
  });
});
