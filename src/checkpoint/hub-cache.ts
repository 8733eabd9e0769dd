// The Hugging Face hub cache on this machine, as far as GPT-2 models go: its layout, what is in it, and removal.
// The layout is the one that Python's huggingface_hub reads and writes too:
//
//   <cache>/models--organisation--name/
//     refs/<revision>                a commit hash
//     blobs/<etag>                   contents
//     snapshots/<commit>/<file>      links to ../../blobs/<etag>, or files where links are refused
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { getHFHubCachePath, getRepoFolderName } from '@huggingface/hub';
import { InvalidInputError } from '../errors.js';
import { findModel } from './registry.js';
import { parseWeightMap } from './weight-map.js';

export const CONFIG_FILE = 'config.json';
export const TOKENIZER_FILE = 'tokenizer.json';
export const WEIGHTS_FILE = 'model.safetensors';
export const INDEX_FILE = 'model.safetensors.index.json';

/** One snapshot of a model: the files of one commit. */
export interface CachedModel {
  /** Registry id where the registry knows the model, else the hub id. */
  readonly id: string;
  readonly hubId: string;
  /** Branches and tags that stood for this commit when they were last asked for. */
  readonly revisions: readonly string[];
  readonly commit: string;
  /** The snapshot folder. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Config, tokenizer and all weights are there. */
  readonly complete: boolean;
}

interface CacheOptions {
  /**
   * Default: the first that is set of HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub and
   * XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub.
   */
  readonly cacheDir?: string | undefined;
}

const REPOSITORY_PREFIX = 'models--';
const COMMIT = /^[0-9a-f]{40}$/;
const HUB_ID = /^(?!.*(--|\.\.))[a-z0-9_][\w.-]*(\/[a-z0-9_][\w.-]*)?$/i;
const REVISION = /^(?!.*\.\.)[\w.+@-]+(\/[\w.+@-]+)*$/;

/** The folder of the hub cache, absolute; the environment is read at each call. */
export function hubCacheFolder(cacheDir?: string): string {
  return resolve(cacheDir ?? getHFHubCachePath());
}

/** A full commit hash: a revision that can never come to mean something else. */
export function isCommit(revision: string): boolean {
  return COMMIT.test(revision);
}

/**
 * The folder of one repository in the cache, always a direct child of it.
 * @throws InvalidInputError `INHOUSE_INVALID_OPTION` for anything but `name` or `organisation/name`.
 */
export function repositoryFolder(cacheFolder: string, hubId: string): string {
  if (HUB_ID.test(hubId)) return join(cacheFolder, getRepoFolderName({ type: 'model', name: hubId }));
  throw new InvalidInputError(
    'INHOUSE_INVALID_OPTION',
    `${JSON.stringify(hubId)} is not the id of a model on the hub; ids look like "openai-community/gpt2".`,
    { details: { hubId } },
  );
}

/** @throws InvalidInputError `INHOUSE_INVALID_OPTION` for what cannot name a branch, tag or commit. */
export function checkRevision(revision: string): void {
  if (REVISION.test(revision)) return;
  throw new InvalidInputError(
    'INHOUSE_INVALID_OPTION',
    `${JSON.stringify(revision)} is not a revision; use a branch, a tag or a commit hash, such as "main".`,
    { details: { revision } },
  );
}

/** Notes which commit a branch or tag stands for, in the repository of that commit's snapshot. */
export async function writeRef(snapshot: string, revision: string, commit: string): Promise<void> {
  const refs = resolve(snapshot, '../../refs');
  await mkdir(refs, { recursive: true }); // other tools expect the folder even if it is empty
  const ref = join(refs, revision);
  if (isCommit(revision) || (await readText(ref))?.trim() === commit) return;
  await mkdir(dirname(ref), { recursive: true });
  const written = `${ref}.${randomUUID()}`;
  await writeFile(written, commit);
  await rename(written, ref);
}

/**
 * The snapshot folder of a model (registry id, alias or hub id) if the cache has all of it, without asking the network.
 * @param revision branch, tag or commit hash; default 'main'
 * @throws InvalidInputError `INHOUSE_INVALID_OPTION` for a malformed id or revision.
 */
export async function cachedModelPath(
  id: string,
  revision = 'main',
  options: CacheOptions = {},
): Promise<string | undefined> {
  checkRevision(revision);
  for (const folder of repositoryFolders(id, options)) {
    const commit = isCommit(revision) ? revision : (await readText(join(folder, 'refs', revision)))?.trim();
    if (commit === undefined || !isCommit(commit)) continue;
    const snapshot = join(folder, 'snapshots', commit);
    if (await isCompleteSnapshot(snapshot)) return snapshot;
  }
  return undefined;
}

/** Every snapshot of a GPT-2 family model in the cache, complete or not, ordered by id. An absent cache is empty. */
export async function listCachedModels(options: CacheOptions = {}): Promise<readonly CachedModel[]> {
  const cache = hubCacheFolder(options.cacheDir);
  const found: CachedModel[] = [];
  for (const name of await entries(cache)) {
    if (!name.startsWith(REPOSITORY_PREFIX)) continue;
    const hubId = name.slice(REPOSITORY_PREFIX.length).replace('--', '/');
    const refs = await readRefs(join(cache, name, 'refs'));
    for (const commit of await entries(join(cache, name, 'snapshots'))) {
      const path = join(cache, name, 'snapshots', commit);
      if (!(await isGpt2(hubId, path))) continue;
      found.push({
        id: findModel(hubId)?.id ?? hubId,
        hubId,
        revisions: refs.filter((ref) => ref.commit === commit).map((ref) => ref.revision),
        commit,
        path,
        sizeBytes: await sizeOf(path),
        complete: await isCompleteSnapshot(path),
      });
    }
  }
  return found.sort((a, b) => a.id.localeCompare(b.id) || a.commit.localeCompare(b.commit));
}

/**
 * Removes all snapshots of a model (registry id, alias or hub id) from the cache, and what an unfinished download left.
 * @returns the repository folders that were removed; none if the model was not cached
 * @throws InvalidInputError `INHOUSE_INVALID_OPTION` for a name that could lead out of the cache.
 */
export async function removeCachedModel(id: string, options: CacheOptions = {}): Promise<readonly string[]> {
  const folders = await cachedRepositories(id, options);
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
  return folders;
}

/** The folders of a model in the cache that exist, whatever they hold. @throws as `removeCachedModel` */
export async function cachedRepositories(id: string, options: CacheOptions = {}): Promise<readonly string[]> {
  const present = new Set(await entries(hubCacheFolder(options.cacheDir)));
  return repositoryFolders(id, options).filter((folder) => present.has(basename(folder)));
}

/** The weight files an index names. @throws CheckpointError `INHOUSE_SAFETENSORS_INDEX` */
export function shardNames(indexJson: string, where: string): readonly string[] {
  return [...new Set(parseWeightMap(parseJson(indexJson), where).values())];
}

/** The hub id, and the id alone under which older downloads of a registry model are cached. */
function repositoryFolders(id: string, options: CacheOptions): readonly string[] {
  const cache = hubCacheFolder(options.cacheDir);
  const model = findModel(id);
  const names = model === undefined ? [id] : [model.hubId, model.id];
  return names.map((name) => repositoryFolder(cache, name));
}

async function isCompleteSnapshot(folder: string): Promise<boolean> {
  if (!(await areFiles(folder, [CONFIG_FILE, TOKENIZER_FILE]))) return false;
  if (await areFiles(folder, [WEIGHTS_FILE])) return true;
  try {
    const index = join(folder, INDEX_FILE);
    return await areFiles(folder, shardNames(await readFile(index, 'utf8'), index));
  } catch {
    return false; // no index, or one that names no shards
  }
}

async function isGpt2(hubId: string, snapshot: string): Promise<boolean> {
  if (findModel(hubId) !== undefined) return true;
  try {
    const config = JSON.parse(await readFile(join(snapshot, CONFIG_FILE), 'utf8')) as {
      model_type?: unknown;
    };
    return config.model_type === 'gpt2';
  } catch {
    return false;
  }
}

/** Follows links, so a link whose content is missing does not count. */
async function areFiles(folder: string, names: readonly string[]): Promise<boolean> {
  const found = await Promise.all(names.map((name) => stat(join(folder, name)).catch(() => undefined)));
  return found.every((file) => file?.isFile() === true);
}

async function readRefs(folder: string): Promise<ReadonlyArray<{ revision: string; commit: string }>> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const refs = names.map(async (name) => ({
    revision: name.replaceAll('\\', '/'),
    commit: (await readText(join(folder, name)))?.trim() ?? '',
  }));
  return Promise.all(refs);
}

async function sizeOf(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const files = await Promise.all(names.map((name) => stat(join(folder, name)).catch(() => undefined)));
  return files.reduce((total, file) => total + (file?.isFile() === true ? file.size : 0), 0);
}

async function entries(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(() => []);
}

/** Undefined for what is not JSON: the reader of the content then says what it misses. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function readText(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined);
}
