// From what a user calls a model to a folder on this machine. It opens no file of the model.
import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, resolve } from 'node:path';
import { CheckpointError, InvalidInputError } from '../errors.js';
import { EMBEDDED_MODEL, embeddedModelFolder } from './embedded.js';
import type { DownloadOptions } from './hub.js';
import { findModel, unknownModel } from './registry.js';

export interface ResolvedModel {
  /** 'embedded', the registry id, the hub id, or the folder's own name. */
  readonly id: string;
  /** Absolute. */
  readonly folder: string;
  readonly source: 'embedded' | 'folder' | 'hub';
}

/**
 * Finds the folder of a model, downloading it where needed. In this order, the name is
 * 1. 'embedded', the model that ships with the package;
 * 2. a folder that exists, or anything written like a path (`./`, `../`, `/`, `~`, a drive letter, a backslash);
 * 3. an id or alias of the registry, letter case ignored;
 * 4. `organisation/name` on the Hugging Face hub.
 * @param options for downloads
 * @throws InvalidInputError for a name that is no string; CheckpointError `INHOUSE_CHECKPOINT_UNREADABLE` for a path
 * without a folder, `INHOUSE_MODEL_UNKNOWN` for anything else; and what {@link downloadModel} throws.
 */
export async function resolveModel(name: string, options: DownloadOptions = {}): Promise<ResolvedModel> {
  if (typeof name !== 'string') {
    throw new InvalidInputError(
      'INHOUSE_INVALID_OPTION',
      `load: the model is ${name === null ? 'null' : typeof name}; it must be a string, such as 'embedded', 'gpt2' or a folder.`,
    );
  }
  if (name === EMBEDDED_MODEL) {
    return { id: name, folder: await existingFolder(embeddedModelFolder()), source: 'embedded' };
  }
  const path = resolve(name.replace(/^~(?=$|[/\\])/, homedir()));
  if (looksLikePath(name) || (name !== '' && (await isFolder(path)))) {
    return { id: basename(path), folder: await existingFolder(path), source: 'folder' };
  }
  const model = findModel(name);
  const hubId = model?.hubId ?? name;
  if (!/^[^/\s]+\/[^/\s]+$/.test(hubId)) throw unknownModel(name);
  const { downloadModel } = await import('./hub.js'); // only who needs the hub waits for its client to load
  return { id: model?.id ?? hubId, folder: await downloadModel(hubId, options), source: 'hub' };
}

function looksLikePath(name: string): boolean {
  return /^(\.{0,2}\/|\.{1,2}$|~|[a-z]:)|\\/i.test(name);
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

async function existingFolder(path: string): Promise<string> {
  if (await isFolder(path)) return path;
  const problem = await stat(path).then(
    () => 'it is a file; give the folder that holds it',
    (cause: Error) => cause.message,
  );
  throw new CheckpointError(
    'INHOUSE_CHECKPOINT_UNREADABLE',
    `${path} is not a readable folder: ${problem}. A checkpoint is a folder with config.json and model.safetensors; ` +
      'models of the hub are named without "./", such as gpt2.',
    { details: { path } },
  );
}
