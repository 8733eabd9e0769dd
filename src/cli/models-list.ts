// The models that can be named: the embedded one, those of the registry, and whatever else the hub cache holds.
import { openCheckpoint } from '../checkpoint/checkpoint.js';
import { EMBEDDED_MODEL, embeddedModelFolder } from '../checkpoint/embedded.js';
import { type CachedModel, hubCacheFolder, listCachedModels } from '../checkpoint/hub-cache.js';
import { type RegistryModel, registryModels } from '../checkpoint/registry.js';
import { folderSizeBytes } from './folders.js';
import { type BuiltModel, builtFrom, listBuilt } from './models-built.js';

/** Files of one revision on this machine. */
export interface Snapshot {
  readonly path: string;
  /** Null for the embedded model, which is part of the package. */
  readonly commit: string | null;
  /** Branches and tags that stand for the commit. */
  readonly revisions: readonly string[];
  readonly sizeBytes: number;
  readonly complete: boolean;
  /** What was prepared from these files. */
  readonly built: readonly BuiltModel[];
}

/** Null is what this machine cannot know without a download, or what does not apply. */
export interface ListedModel {
  readonly id: string;
  readonly hubId: string | null;
  readonly aliases: readonly string[];
  readonly parameters: number | null;
  /** In tokens. */
  readonly contextLength: number | null;
  /** SPDX identifier. */
  readonly license: string | null;
  readonly snapshots: readonly Snapshot[];
}

export interface ModelList {
  readonly cacheFolder: string;
  readonly models: readonly ListedModel[];
  /** Prepared from other folders. */
  readonly builtElsewhere: readonly BuiltModel[];
}

/** Asks nobody: what the registry and the disk say. */
export async function listModels(): Promise<ModelList> {
  const cached = await listCachedModels();
  const registered = registryModels();
  const known = new Set(registered.map(({ id }) => id));
  const others = [...new Set(cached.map(({ id }) => id))].filter((id) => !known.has(id));
  const models = [
    await embedded(),
    ...(await Promise.all(registered.map(async (m) => fromRegistry(m, await snapshotsOf(m.id, cached))))),
    ...(await Promise.all(others.map(async (id) => unregistered(id, await snapshotsOf(id, cached))))),
  ];
  const listed = new Set(
    models.flatMap(({ snapshots }) => snapshots.flatMap(({ built }) => built)).map(folderOf),
  );
  const builtElsewhere = (await listBuilt()).filter((built) => !listed.has(folderOf(built)));
  return { cacheFolder: hubCacheFolder(), models, builtElsewhere };
}

const folderOf = ({ folder }: BuiltModel): string => folder;

async function embedded(): Promise<ListedModel> {
  const path = embeddedModelFolder();
  const { parameterCount, config } = await openCheckpoint(path);
  const sizeBytes = await folderSizeBytes(path);
  const built = await builtFrom([path]);
  return {
    ...unregistered(EMBEDDED_MODEL, [
      { path, commit: null, revisions: [], sizeBytes, complete: true, built },
    ]),
    hubId: null,
    parameters: parameterCount,
    contextLength: config.contextLength,
  };
}

function fromRegistry(model: RegistryModel, snapshots: readonly Snapshot[]): ListedModel {
  const { id, hubId, aliases, parameters, contextLength, license } = model;
  return { id, hubId, aliases, parameters, contextLength, license, snapshots };
}

function unregistered(id: string, snapshots: readonly Snapshot[]): ListedModel {
  return { id, hubId: id, aliases: [], parameters: null, contextLength: null, license: null, snapshots };
}

function snapshotsOf(id: string, cached: readonly CachedModel[]): Promise<readonly Snapshot[]> {
  const own = cached.filter((model) => model.id === id);
  return Promise.all(
    own.map(async ({ path, commit, revisions, sizeBytes, complete }) => ({
      path,
      commit,
      revisions,
      sizeBytes,
      complete,
      built: await builtFrom([path]),
    })),
  );
}
