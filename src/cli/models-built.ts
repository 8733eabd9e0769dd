// What was prepared from models: graphs and weights in some precision, in the cache of derived files.
import { realpath } from 'node:fs/promises';
import { sep } from 'node:path';
import { type Artefact, ArtefactCache } from '../graph/artefacts.js';
import type { PreparedAbout } from '../graph/prepare.js';
import { graphVersions } from '../graph/versions.js';
import { inhouseHome } from '../home.js';

/** One model in one precision, ready to be loaded. */
export interface BuiltModel extends PreparedAbout {
  readonly folder: string;
  /** 0.02 MB where the weights are the checkpoint's own. */
  readonly sizeBytes: number;
  /** False for what an earlier version left: it is not used any more, and may be removed. */
  readonly current: boolean;
}

/** By checkpoint and precision. */
export async function listBuilt(): Promise<readonly BuiltModel[]> {
  const found = await cache().list();
  return found
    .map(toBuilt)
    .sort((a, b) => a.checkpoint.localeCompare(b.checkpoint) || a.precision.localeCompare(b.precision));
}

/** Those built from checkpoints in or below these folders. */
export async function builtFrom(folders: readonly string[]): Promise<readonly BuiltModel[]> {
  const places = await Promise.all(folders.map((folder) => realpath(folder).catch(() => folder)));
  const isInside = (path: string) =>
    places.some((place) => path === place || path.startsWith(`${place}${sep}`));
  return (await listBuilt()).filter(({ checkpoint }) => isInside(checkpoint));
}

export async function removeBuilt(models: readonly BuiltModel[]): Promise<void> {
  const folders = new Set(models.map(({ folder }) => folder));
  for (const { key, folder } of await cache().list()) if (folders.has(folder)) await cache().remove(key);
}

function cache(): ArtefactCache<PreparedAbout> {
  return new ArtefactCache(inhouseHome());
}

function toBuilt({ folder, about, sizeBytes }: Artefact<PreparedAbout>): BuiltModel {
  const { graphVersion, runtimeVersion } = graphVersions();
  const current = about.graphVersion === graphVersion && about.runtimeVersion === runtimeVersion;
  return { ...about, folder, sizeBytes, current };
}
