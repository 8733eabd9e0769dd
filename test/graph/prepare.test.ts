// What preparing a model leaves on disk, when it is reused, and what happens when it cannot be finished.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Checkpoint, openCheckpoint } from '#inhouse/checkpoint/checkpoint.js';
import { ArtefactCache } from '#inhouse/graph/artefacts.js';
import type { PrecisionSpec } from '#inhouse/graph/precision.js';
import { type PreparedAbout, type PrepareOptions, prepareModel } from '#inhouse/graph/prepare.js';
import { graphVersions } from '#inhouse/graph/versions.js';
import { type RandomCheckpoint, writeRandomCheckpoint } from '../support/random-checkpoint.js';

const SHAPE: RandomCheckpoint = {
  seed: 3,
  layers: 2,
  heads: 2,
  headSize: 64,
  vocabularySize: 3000,
  contextLength: 32,
  activation: 'gelu_new',
  dtype: 'F32',
  prefix: true,
};

let root: string;
let home: string;
let checkpoint: Checkpoint;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'inhouse-prepare-'));
  home = join(root, 'home');
  checkpoint = await openCheckpoint(writeRandomCheckpoint(join(root, 'model'), SHAPE));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Prepares; tells whether weights were written, by the progress that was reported. */
async function prepare(options: PrepareOptions = {}, of = checkpoint) {
  const progress: number[] = [];
  const onProgress = ({ writtenBytes, totalBytes }: { writtenBytes: number; totalBytes: number }) =>
    progress.push(writtenBytes / totalBytes);
  const prepared = await prepareModel(of, home, { onProgress, ...options });
  return { ...prepared, progress };
}

const artefacts = () => readdir(join(home, 'artefacts')).catch(() => []);

it('copies no weight at FP32, nor at FP16 where the checkpoint is F16', async () => {
  const half = await openCheckpoint(writeRandomCheckpoint(join(root, 'half'), { ...SHAPE, dtype: 'F16' }));
  for (const [of, precision] of [
    [checkpoint, 'fp32'],
    [half, 'fp32'],
    [half, 'fp16'],
  ] as const) {
    const { graphFile, weightsFolder, weightBytes, progress } = await prepare({ precision }, of);
    expect({ weightsFolder, weightBytes, progress }).toEqual({
      weightsFolder: of.folder,
      weightBytes: of.weightBytes,
      progress: [],
    });
    expect((await stat(graphFile)).size).toBeLessThan(20_000);
  }
});

it.each([
  ['fp16', 0.505],
  ['int8', 0.3],
  ['int4', 0.18],
] as const)('writes weights once at %s, in at most %d of the space', async (precision, share) => {
  const first = await prepare({ precision });
  expect(first.progress.length).toBeGreaterThan(0);
  expect(first.progress.at(-1)).toBe(1);
  expect(first.progress).toEqual(first.progress.toSorted((a, b) => a - b));
  expect((await stat(join(first.weightsFolder, 'weights.bin'))).size).toBe(first.weightBytes);
  expect(first.weightBytes / checkpoint.weightBytes).toBeLessThan(share);

  const again = await prepare({ precision });
  expect(again).toEqual({ ...first, progress: [] });
});

it('keeps precisions, mixes and models apart', async () => {
  const specs: PrecisionSpec[] = [
    'fp32',
    'fp16',
    'int8',
    'int8-channel',
    'int4',
    { default: 'int4', wte: 'int8' },
  ];
  const folders = new Set<string>();
  for (const precision of specs) folders.add((await prepare({ precision })).graphFile);
  const other = await openCheckpoint(writeRandomCheckpoint(join(root, 'other'), { ...SHAPE, seed: 4 }));
  folders.add((await prepare({ precision: 'int4' }, other)).graphFile);
  expect(folders.size).toBe(specs.length + 1);
});

it('writes the weights anew when those of the checkpoint have changed', async () => {
  const before = await prepare({ precision: 'int4' });
  const file = join(checkpoint.folder, 'model.safetensors');
  writeRandomCheckpoint(checkpoint.folder, { ...SHAPE, seed: 9 }); // the same sizes
  await utimes(file, new Date(), new Date(Date.now() + 5000)); // and surely another time
  const after = await prepare({ precision: 'int4' });
  expect(after.progress.length).toBeGreaterThan(0);
  const weights = (folder: string) => readFile(join(folder, 'weights.bin'));
  expect((await weights(after.weightsFolder)).equals(await weights(before.weightsFolder))).toBe(false);
});

it('leaves nothing behind when it is aborted, and can be begun again', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const onProgress = () => controller.abort(reason);
  await expect(prepare({ precision: 'int4', onProgress, signal: controller.signal })).rejects.toBe(reason);
  expect(await artefacts()).toEqual([]);
  expect((await prepare({ precision: 'int4' })).progress.at(-1)).toBe(1);
});

it('refuses a mix that does not fit before it writes anything', async () => {
  const precision = { default: 'int4', 'h.7.*': 'int8' } as const;
  await expect(prepare({ precision })).rejects.toMatchObject({ code: 'INHOUSE_INVALID_OPTION' });
  expect(await artefacts()).toEqual([]);
});

it('passes by what an earlier version left, and still lists it', async () => {
  const cache = new ArtefactCache<PreparedAbout>(home);
  const versions = { graphVersion: 1, runtimeVersion: '1.20.0' };
  const about = { checkpoint: checkpoint.folder, precision: 'int4', ...versions };
  await cache.obtain('of-an-earlier-version', about, (folder) =>
    writeFile(join(folder, 'graph.onnx'), 'old'),
  );
  const { weightsFolder } = await prepare({ precision: 'int4' });
  const listed = (await cache.list()).map(({ folder, about }) => ({ folder, ...about }));
  expect(listed).toContainEqual({ folder: join(home, 'artefacts', 'of-an-earlier-version'), ...about });
  expect(listed).toContainEqual({ folder: weightsFolder, ...about, ...graphVersions() });
});

it('says that the disk is full in the middle of the weights, and keeps what is there', async () => {
  const int8 = await prepare({ precision: 'int8' });
  const script = `
    const { openCheckpoint } = await import(${JSON.stringify(moduleUrl('checkpoint/checkpoint.js'))});
    const { prepareModel } = await import(${JSON.stringify(moduleUrl('graph/prepare.js'))});
    await prepareModel(await openCheckpoint(${JSON.stringify(checkpoint.folder)}), ${JSON.stringify(home)}, { precision: 'int4' })
      .catch((error) => console.log(error.name, error.code, error.details.reason));`;
  // A limit on the size of files stands for the end of the disk; the graph fits, the weights do not.
  const limited = 'ulimit -f 100; exec "$0" --input-type=module -e "$1"';
  const { stdout } = spawnSync('bash', ['-c', limited, process.execPath, script], { encoding: 'utf8' });
  expect(stdout).toBe('ArtefactError INHOUSE_CACHE_WRITE EFBIG\n');
  expect(await artefacts()).toHaveLength(1);
  expect(await prepare({ precision: 'int8' })).toEqual({ ...int8, progress: [] });
});

function moduleUrl(path: string): string {
  return new URL(`../../dist/src/${path}`, import.meta.url).href;
}
