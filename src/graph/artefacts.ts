// A content-addressed folder cache for files derived from a checkpoint: complete and verified, or not there.
//
//   <home>/artefacts/<key>/manifest.json   what was built, and sizes, times and SHA-256 of the files beside it
//   <home>/artefacts/.building-<random>/   being written; renamed to <key> when complete
//
// Builders of the same key may race, in one process or several: each writes its own folder, the first rename wins and
// the others use the winner's, which holds the same bytes.
//
// Weights can be gigabytes, too much to hash at every load: a large file that has the size and the modification time of
// the manifest is taken for intact. Small ones, and those whose time differs, as after a copy, are hashed.
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ArtefactError } from '../errors.js';

const MANIFEST = 'manifest.json';
const BUILDING = '.building-';
const ABANDONED_AFTER_MS = 24 * 60 * 60 * 1000;

const ALWAYS_HASHED_BYTES = 1_000_000;

interface FileRecord {
  readonly name: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  readonly sha256: string;
}

interface Manifest<About> {
  readonly about: About;
  readonly files: readonly FileRecord[];
}

/** One complete artefact. */
export interface Artefact<About> {
  readonly key: string;
  readonly folder: string;
  /** What its builder said of it. */
  readonly about: About;
  readonly sizeBytes: number;
}

/** Hex key for everything that determines an artefact's bytes; the order of object keys matters, so pass literals. */
export function artefactKey(content: unknown): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 32);
}

/** `About` is what a builder says of its artefact, for people: plain JSON. */
export class ArtefactCache<About = unknown> {
  readonly #folder: string;

  constructor(home: string) {
    this.#folder = join(home, 'artefacts');
  }

  /**
   * The folder that holds the artefact, building it with `build(folder)` where it is absent or damaged.
   * Throws an `ArtefactError` (`INHOUSE_CACHE_WRITE`) when the disk refuses; nothing half-written stays behind.
   */
  async obtain(key: string, about: About, build: (folder: string) => Promise<unknown>): Promise<string> {
    const target = join(this.#folder, key);
    if (await isIntact(target)) return target;

    const building = join(this.#folder, `${BUILDING}${randomUUID()}`);
    try {
      await mkdir(building, { recursive: true });
      await this.#removeAbandoned();
      await build(building);
      const manifest: Manifest<About> = { about, files: await describe(building) };
      await writeFile(join(building, MANIFEST), JSON.stringify(manifest));
      await publish(building, target);
    } catch (cause) {
      throw isDiskError(cause) ? cacheWriteError(this.#folder, cause) : cause;
    } finally {
      await rm(building, { recursive: true, force: true }).catch(() => {}); // #removeAbandoned tries again
    }
    return target;
  }

  /** All artefacts there are, by their manifests; their files are not looked at. */
  async list(): Promise<ReadonlyArray<Artefact<About>>> {
    const keys = await readdir(this.#folder).catch(() => []);
    const artefacts = await Promise.all(keys.sort().map((key) => this.#read(key)));
    return artefacts.filter((artefact) => artefact !== undefined);
  }

  /** Does nothing where there is no such artefact. A runner that has it open is not disturbed, except on Windows. */
  async remove(key: string): Promise<void> {
    try {
      await rm(join(this.#folder, key), { recursive: true, force: true });
    } catch (cause) {
      throw isDiskError(cause) ? cacheWriteError(this.#folder, cause) : cause;
    }
  }

  async #read(key: string): Promise<Artefact<About> | undefined> {
    const folder = join(this.#folder, key);
    const manifest = key.startsWith(BUILDING) ? undefined : await readManifest<About>(folder);
    if (manifest?.about === undefined) return undefined; // damaged, or of a version that said nothing
    const sizeBytes = manifest.files.reduce((sum, file) => sum + file.sizeBytes, 0);
    return { key, folder, about: manifest.about, sizeBytes };
  }

  /** A build that was killed leaves its folder; it is removed by a later build. */
  async #removeAbandoned(): Promise<void> {
    for (const name of await readdir(this.#folder)) {
      if (!name.startsWith(BUILDING)) continue;
      const path = join(this.#folder, name);
      const modified = await stat(path).catch(() => undefined);
      if (modified && Date.now() - modified.mtimeMs > ABANDONED_AFTER_MS) {
        await rm(path, { recursive: true, force: true });
      }
    }
  }
}

/** Renames a complete folder into place; where an intact one is already there, keeps that. */
async function publish(building: string, target: string): Promise<void> {
  for (let attemptsLeft = 3; ; attemptsLeft--) {
    try {
      return await rename(building, target);
    } catch (error) {
      if (await isIntact(target)) return;
      if (attemptsLeft === 0) throw error;
    }
    // Something damaged is in the way. It is moved before it is removed, so that no reader sees it half-removed.
    const damaged = `${building}-damaged`;
    await rename(target, damaged).catch(() => {}); // or another builder moved it first: the next rename will tell
    await rm(damaged, { recursive: true, force: true });
  }
}

async function isIntact(folder: string): Promise<boolean> {
  const manifest = await readManifest(folder);
  if (manifest === undefined || manifest.files.length === 0) return false;
  try {
    for (const file of manifest.files) if (!(await isAsBuilt(join(folder, file.name), file))) return false;
    return true;
  } catch {
    return false; // a file is absent or unreadable
  }
}

async function isAsBuilt(path: string, built: FileRecord): Promise<boolean> {
  const { size, mtimeMs } = await stat(path);
  if (size !== built.sizeBytes) return false;
  if (size > ALWAYS_HASHED_BYTES && mtimeMs === built.modifiedMs) return true;
  return (await sha256(path)) === built.sha256;
}

/** Undefined where it is absent, unreadable or not a manifest: all mean "build it". */
async function readManifest<About>(folder: string): Promise<Manifest<About> | undefined> {
  try {
    const manifest = JSON.parse(await readFile(join(folder, MANIFEST), 'utf8')) as Manifest<About>;
    return Array.isArray(manifest.files) ? manifest : undefined;
  } catch {
    return undefined;
  }
}

async function describe(folder: string): Promise<readonly FileRecord[]> {
  const files: FileRecord[] = [];
  for (const name of (await readdir(folder)).sort()) {
    const path = join(folder, name);
    const { size, mtimeMs } = await stat(path);
    files.push({ name, sizeBytes: size, modifiedMs: mtimeMs, sha256: await sha256(path) });
  }
  return files;
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

function errorCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}

const DISK_ERRORS = [
  'ENOSPC',
  'EDQUOT',
  'EFBIG',
  'EROFS',
  'EACCES',
  'EPERM',
  'EIO',
  'ENOTDIR',
  'ENOTEMPTY',
  'EEXIST',
];

function isDiskError(error: unknown): boolean {
  return DISK_ERRORS.includes(errorCode(error) ?? '');
}

function cacheWriteError(folder: string, cause: unknown): ArtefactError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ArtefactError(
    'INHOUSE_CACHE_WRITE',
    `Cannot write the artefact cache in ${folder}: ${reason}. ` +
      'Free some space or make the folder writable, or point INHOUSE_HOME to another folder.',
    { cause, details: { folder, reason: errorCode(cause) } },
  );
}
