import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ArtefactError } from '#inhouse/errors.js';
import { ArtefactCache, artefactKey } from '#inhouse/graph/artefacts.js';

const ABOUT = { precision: 'int4' };

let home: string;
let cache: ArtefactCache;
let builds: number;

const build = async (folder: string): Promise<void> => {
  builds++;
  await writeFile(join(folder, 'graph.onnx'), 'the graph');
};
const artefacts = () => readdir(join(home, 'artefacts'));

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'inhouse-artefacts-'));
  cache = new ArtefactCache(home);
  builds = 0;
});
afterEach(() => rm(home, { recursive: true, force: true }));

describe('the artefact cache', () => {
  it('builds once and reuses', async () => {
    const folder = await cache.obtain('key', ABOUT, build);
    expect(await readFile(join(folder, 'graph.onnx'), 'utf8')).toBe('the graph');
    expect(await cache.obtain('key', ABOUT, build)).toBe(folder);
    expect(builds).toBe(1);
    expect(await artefacts()).toEqual(['key']);
  });

  it.each([
    ['a truncated file', (folder: string) => truncate(join(folder, 'graph.onnx'), 3)],
    ['a changed byte', (folder: string) => writeFile(join(folder, 'graph.onnx'), 'the_graph')],
    ['a missing file', (folder: string) => rm(join(folder, 'graph.onnx'))],
    ['a missing manifest', (folder: string) => rm(join(folder, 'manifest.json'))],
    ['a damaged manifest', (folder: string) => writeFile(join(folder, 'manifest.json'), '{"files":')],
    ['an empty manifest', (folder: string) => writeFile(join(folder, 'manifest.json'), '{"files":[]}')],
  ])('rebuilds after %s', async (_what, damage) => {
    const folder = await cache.obtain('key', ABOUT, build);
    await damage(folder);
    await cache.obtain('key', ABOUT, build);
    expect(builds).toBe(2);
    expect(await readFile(join(folder, 'graph.onnx'), 'utf8')).toBe('the graph');
    expect(await artefacts()).toEqual(['key']);
  });

  it('finds damage of a large file by its size or time, and takes one that was only copied for intact', async () => {
    const large = Buffer.alloc(2_000_000, 'weights');
    const buildLarge = (folder: string) => {
      builds++;
      return writeFile(join(folder, 'weights.bin'), large);
    };
    const file = join(await cache.obtain('key', ABOUT, buildLarge), 'weights.bin');
    const { mtime } = await stat(file);

    await utimes(file, new Date(0), new Date(0));
    await cache.obtain('key', ABOUT, buildLarge);
    expect(builds).toBe(1);

    await writeFile(file, Buffer.alloc(large.length, 'wejghts'));
    await utimes(file, new Date(0), new Date(0));
    await cache.obtain('key', ABOUT, buildLarge);
    expect(builds).toBe(2);

    await truncate(file, 1_999_999);
    await utimes(file, mtime, mtime);
    await cache.obtain('key', ABOUT, buildLarge);
    expect(builds).toBe(3);
    expect((await readFile(file)).equals(large)).toBe(true);
  });

  it('lists what is complete, with what was said of it, and removes it', async () => {
    expect(await cache.list()).toEqual([]);
    const folder = await cache.obtain('one', ABOUT, build);
    await cache.obtain('other', { precision: 'int8' }, build);
    await mkdir(join(home, 'artefacts', '.building-now'));
    await mkdir(join(home, 'artefacts', 'damaged'));
    await mkdir(join(home, 'artefacts', 'ancient'));
    await writeFile(join(home, 'artefacts', 'ancient', 'manifest.json'), '{"files":[]}');
    const listed = await cache.list();
    expect(listed).toHaveLength(2);
    expect(listed[0]).toEqual({ key: 'one', folder, about: ABOUT, sizeBytes: 'the graph'.length });
    await cache.remove('one');
    await cache.remove('never-there');
    expect((await cache.list()).map(({ key }) => key)).toEqual(['other']);
  });

  it('replaces a file that stands where the folder belongs', async () => {
    await mkdir(join(home, 'artefacts'));
    await writeFile(join(home, 'artefacts', 'key'), 'in the way');
    const folder = await cache.obtain('key', ABOUT, build);
    expect(await readFile(join(folder, 'graph.onnx'), 'utf8')).toBe('the graph');
  });

  it('leaves nothing behind when a build fails, and passes the error on', async () => {
    const failure = new Error('no weights');
    const failing = async (folder: string) => {
      await build(folder);
      throw failure;
    };
    await expect(cache.obtain('key', ABOUT, failing)).rejects.toBe(failure);
    expect(await artefacts()).toEqual([]);
  });

  it('lets builders of the same key in one process end with one artefact', async () => {
    const folders = await Promise.all(Array.from({ length: 8 }, () => cache.obtain('key', ABOUT, build)));
    expect(new Set(folders).size).toBe(1);
    expect(await artefacts()).toEqual(['key']);
    expect(await cache.obtain('key', ABOUT, () => Promise.reject(new Error('not intact')))).toBe(folders[0]);
  });

  it('lets several processes build the same key at once', async () => {
    const module = new URL('../../dist/src/graph/artefacts.js', import.meta.url).href;
    const script = `
      const { ArtefactCache } = await import(${JSON.stringify(module)});
      const { writeFile } = await import('node:fs/promises');
      const folder = await new ArtefactCache(${JSON.stringify(home)}).obtain('key', {}, (building) =>
        writeFile(building + '/graph.onnx', 'x'.repeat(1_000_000)));
      console.log(folder);`;
    const runs = await Promise.all(
      Array.from({ length: 4 }, () => runNode(['--input-type=module', '-e', script])),
    );
    expect(runs.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    expect(new Set(runs.map(({ stdout }) => stdout)).size).toBe(1);
    expect(await artefacts()).toEqual(['key']);
  });

  it('removes what a killed build left a day ago, and nothing younger', async () => {
    const old = join(home, 'artefacts', '.building-old');
    const young = join(home, 'artefacts', '.building-young');
    await mkdir(old, { recursive: true });
    await mkdir(young);
    await utimes(old, new Date(0), new Date(0));
    await cache.obtain('key', ABOUT, build);
    expect((await artefacts()).sort()).toEqual(['.building-young', 'key']);
  });

  it('says that the disk is full, and leaves nothing half-written', async () => {
    const full = async (folder: string) => {
      await build(folder);
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    };
    const error = await cache.obtain('key', ABOUT, full).catch((reason) => reason);
    expect(error).toBeInstanceOf(ArtefactError);
    expect(error).toMatchObject({ code: 'INHOUSE_CACHE_WRITE', details: { reason: 'ENOSPC' } });
    expect(error.message).toContain('INHOUSE_HOME');
    expect(await artefacts()).toEqual([]);
    await cache.obtain('key', ABOUT, build);
  });

  it('turns a write beyond the file size limit of the process into the same error', async () => {
    const module = new URL('../../dist/src/graph/artefacts.js', import.meta.url).href;
    const script = `
      const { ArtefactCache } = await import(${JSON.stringify(module)});
      const { writeFile } = await import('node:fs/promises');
      await new ArtefactCache(${JSON.stringify(home)})
        .obtain('key', {}, (building) => writeFile(building + '/graph.onnx', Buffer.alloc(4_000_000)))
        .catch((error) => console.log(error.code, error.details.reason));`;
    const command = `ulimit -f 1000; exec "$0" --input-type=module -e "$1"`;
    const { stdout } = await run('bash', ['-c', command, process.execPath, script]);
    expect(stdout).toBe('INHOUSE_CACHE_WRITE EFBIG\n');
    expect(await artefacts()).toEqual([]);
  });

  it('says that the home is not a folder', async () => {
    const file = join(home, 'a-file');
    await writeFile(file, '');
    await expect(new ArtefactCache(file).obtain('key', ABOUT, build)).rejects.toMatchObject({
      code: 'INHOUSE_CACHE_WRITE',
    });
  });

  it('keys differ when anything in them does', () => {
    const keys = [{ a: 1 }, { a: 2 }, { b: 1 }, { a: '1' }, { a: [1] }].map(artefactKey);
    expect(new Set(keys).size).toBe(keys.length);
    expect(artefactKey({ a: 1 })).toBe(keys[0]);
  });
});

function runNode(args: readonly string[]): Promise<{ code: number | null; stdout: string }> {
  return run(process.execPath, args);
}

function run(command: string, args: readonly string[]): Promise<{ code: number | null; stdout: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let stdout = '';
    child.stdout.on('data', (data) => {
      stdout += data;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout }));
  });
}
