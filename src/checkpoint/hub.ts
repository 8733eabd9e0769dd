// A model from the Hugging Face hub, in the cache that Python's tools share: fetch what is missing, return the folder.
//
// Which files are used: online, one request asks which commit the revision is; if the cache has that commit complete,
// nothing is downloaded. If the hub cannot say (unreachable, overloaded, failing), or HF_HUB_OFFLINE is set, the commit
// that the revision last stood for is used, provided it is complete. A commit hash that is cached is never asked about.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HUB_URL } from '@huggingface/hub';
import { ArtefactError, CheckpointError, HubError, InvalidInputError } from '../errors.js';
import {
  CONFIG_FILE,
  cachedModelPath,
  checkRevision,
  hubCacheFolder,
  INDEX_FILE,
  isCommit,
  repositoryFolder,
  shardNames,
  TOKENIZER_FILE,
  WEIGHTS_FILE,
  writeRef,
} from './hub-cache.js';
import { DEFAULT_NETWORK_POLICY, HubClient, type NetworkPolicy, type RemoteFile } from './hub-client.js';
import { storeFile } from './hub-transfer.js';
import { findModel } from './registry.js';

export interface DownloadProgress {
  readonly file: string;
  /** 0-based, in 0..fileCount-1. */
  readonly fileIndex: number;
  readonly fileCount: number;
  /** Of this file, with what earlier attempts left. */
  readonly receivedBytes: number;
  readonly totalBytes: number;
}

export interface DownloadOptions {
  /** Branch, tag or commit hash; default 'main'. */
  readonly revision?: string | undefined;
  /**
   * Default: the first that is set of HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub and
   * XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub.
   */
  readonly cacheDir?: string | undefined;
  /** Default: HF_ENDPOINT, or the public hub. */
  readonly endpoint?: string | undefined;
  /** Default: HF_TOKEN, or none. */
  readonly token?: string | undefined;
  /** Use the cache only. Default: HF_HUB_OFFLINE is 1, true, yes or on. */
  readonly offline?: boolean | undefined;
  /** Called when a file starts and ends, and at most ten times a second between. */
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Aborting rejects with the signal's reason; what has arrived is kept for the next download. */
  readonly signal?: AbortSignal | undefined;
  readonly network?:
    | { readonly [Setting in keyof NetworkPolicy]?: NetworkPolicy[Setting] | undefined }
    | undefined;
}

/** Options with every default filled in. */
interface Download {
  readonly hubId: string;
  readonly revision: string;
  readonly cache: string;
  /** The model's folder in the cache. */
  readonly repository: string;
  readonly offline: boolean;
  readonly policy: NetworkPolicy;
  readonly onProgress: ((progress: DownloadProgress) => void) | undefined;
  readonly signal: AbortSignal | undefined;
}

const OPTIONAL_FILES = ['generation_config.json', 'tokenizer_config.json', 'vocab.json', 'merges.txt'];
/** Failures that say nothing about the model, so that the cache may answer instead. */
const HUB_TROUBLE: readonly string[] = [
  'INHOUSE_HUB_UNREACHABLE',
  'INHOUSE_HUB_RATE_LIMITED',
  'INHOUSE_HUB_FAILED',
];

/**
 * Makes a model of the hub available on this machine and returns its snapshot folder, which holds `config.json`,
 * `tokenizer.json`, and `model.safetensors` or `model.safetensors.index.json` with its shards.
 * Downloads resume where an earlier one stopped, and every file is verified before it gets its name. Several processes
 * may ask for the same model at once; one downloads, the others wait.
 * @param hubId `organisation/name`
 * @throws HubError `INHOUSE_HUB_*`; CheckpointError `INHOUSE_CHECKPOINT_FILE_MISSING` where the repository lacks a
 * file, `INHOUSE_SAFETENSORS_INDEX`; ArtefactError `INHOUSE_CACHE_WRITE`; InvalidInputError `INHOUSE_INVALID_OPTION`; the
 * reason of the aborted signal.
 */
export async function downloadModel(hubId: string, options: DownloadOptions = {}): Promise<string> {
  options.signal?.throwIfAborted();
  const download = withDefaults(hubId, options);
  try {
    if (download.offline) return await fromCache(download);
    return await fromHub(download, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    throw isFileSystemError(error) ? cacheWriteError(download, error) : error;
  }
}

async function fromCache(download: Download): Promise<string> {
  const { hubId, revision, cache } = download;
  const cached = await cachedModelPath(hubId, revision, { cacheDir: cache });
  if (cached !== undefined) return cached;
  throw new HubError(
    'INHOUSE_HUB_OFFLINE',
    `${hubId} (revision ${revision}) is not in the cache, and downloads are off (HF_HUB_OFFLINE). ` +
      offlineAdvice(download),
    { details: { hubId, revision, expectedFolder: download.repository } },
  );
}

async function fromHub(download: Download, options: DownloadOptions): Promise<string> {
  const { hubId, revision, cache, policy, signal } = download;
  const cached = await cachedModelPath(hubId, revision, { cacheDir: cache });
  if (cached !== undefined && isCommit(revision)) return cached;

  const client = new HubClient({
    hubId,
    endpoint: endpointOf(options.endpoint ?? process.env.HF_ENDPOINT),
    token: tokenOf(options.token ?? process.env.HF_TOKEN),
    policy,
    signal,
    offlineAdvice: offlineAdvice(download),
  });
  let commit: string;
  try {
    // With something to fall back on, there is no point in waiting for a hub in trouble.
    commit = await client.commitOf(revision, cached === undefined ? policy.attempts : 1);
  } catch (error) {
    if (cached !== undefined && error instanceof HubError && HUB_TROUBLE.includes(error.code)) return cached;
    throw error;
  }
  const snapshot =
    (await cachedModelPath(hubId, commit, { cacheDir: cache })) ??
    (await fetchSnapshot(download, client, commit));
  await writeRef(snapshot, revision, commit);
  return snapshot;
}

/** Weights come last, so a snapshot that has them has everything the repository offers. */
async function fetchSnapshot(download: Download, client: HubClient, commit: string): Promise<string> {
  const { repository, policy, signal, onProgress } = download;
  const snapshot = join(repository, 'snapshots', commit);
  const store = (file: RemoteFile, onReceived: (receivedBytes: number) => void): Promise<void> =>
    storeFile({
      client,
      commit,
      file,
      blob: join(repository, 'blobs', file.etag),
      link: join(snapshot, file.path),
      policy,
      signal,
      onReceived,
    });

  const offered = await client.filesAt(commit, [
    CONFIG_FILE,
    TOKENIZER_FILE,
    ...OPTIONAL_FILES,
    WEIGHTS_FILE,
    INDEX_FILE,
  ]);
  const files = offered.filter(({ path }) => path !== INDEX_FILE);
  requireFiles(download, files, [CONFIG_FILE, TOKENIZER_FILE]);
  const index = offered.find(({ path }) => path === INDEX_FILE);
  if (!files.some(({ path }) => path === WEIGHTS_FILE) && index !== undefined) {
    await store(index, () => {}); // needed to know what there is to fetch; reported with the rest below
    const indexPath = join(snapshot, INDEX_FILE);
    const shards = shardNames(await readFile(indexPath, 'utf8'), indexPath);
    files.push(index, ...(await client.filesAt(commit, shards)));
    requireFiles(download, files, shards);
  } else {
    requireFiles(download, files, [WEIGHTS_FILE]);
  }

  for (const [fileIndex, file] of files.entries()) {
    await store(file, (receivedBytes) =>
      onProgress?.({
        file: file.path,
        fileIndex,
        fileCount: files.length,
        receivedBytes,
        totalBytes: file.sizeBytes,
      }),
    );
  }
  return snapshot;
}

function requireFiles(
  { hubId, revision }: Download,
  files: readonly RemoteFile[],
  required: readonly string[],
): void {
  const missing = required.filter((path) => !files.some((file) => file.path === path));
  if (missing.length === 0) return;
  throw new CheckpointError(
    'INHOUSE_CHECKPOINT_FILE_MISSING',
    `${hubId} (revision ${revision}) on the hub has no ${missing.join(', ')}. ` +
      'Only GPT-2 checkpoints with safetensors weights and a tokenizer.json can be loaded.',
    { details: { hubId, revision, missing } },
  );
}

function withDefaults(hubId: string, options: DownloadOptions): Download {
  const cache = hubCacheFolder(options.cacheDir);
  const revision = options.revision ?? 'main';
  const network = Object.entries(options.network ?? {}).filter(([, value]) => value !== undefined);
  checkRevision(revision);
  return {
    hubId,
    revision,
    cache,
    repository: repositoryFolder(cache, hubId),
    offline: options.offline ?? /^(1|true|yes|on)$/i.test(process.env.HF_HUB_OFFLINE ?? ''),
    policy: { ...DEFAULT_NETWORK_POLICY, ...Object.fromEntries(network) },
    onProgress: options.onProgress,
    signal: options.signal,
  };
}

function endpointOf(value: string | undefined): string {
  const address = value || HUB_URL;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '') {
    return (url.origin + url.pathname).replace(/\/+$/, '');
  }
  throw new InvalidInputError(
    'INHOUSE_INVALID_OPTION',
    'The endpoint of the hub (HF_ENDPOINT) must be an http or https address without a user name or password, ' +
      `such as ${HUB_URL}.`,
  );
}

/** The value is not repeated in the error, nor anywhere else. */
function tokenOf(value: string | undefined): string | undefined {
  const token = value?.trim();
  if (token === undefined || token === '') return undefined;
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new InvalidInputError(
    'INHOUSE_INVALID_OPTION',
    'The hub token (HF_TOKEN) holds characters that no token has, such as spaces or line breaks. Copy it again.',
  );
}

function offlineAdvice({ hubId, repository }: Download): string {
  const name = findModel(hubId)?.id ?? hubId;
  return (
    `The files of ${hubId} are expected in ${repository}. Without a connection: run \`inhouse models pull ${name}\` ` +
    'on a machine that has one and copy that folder here (HF_HOME or HF_HUB_CACHE says where the cache is), ' +
    `load a folder that holds ${CONFIG_FILE}, ${WEIGHTS_FILE} and ${TOKENIZER_FILE}, ` +
    "or load 'embedded', which needs no download."
  );
}

function isFileSystemError(error: unknown): error is NodeJS.ErrnoException {
  const { code, syscall } = error as NodeJS.ErrnoException;
  return error instanceof Error && typeof code === 'string' && typeof syscall === 'string';
}

function cacheWriteError({ cache }: Download, cause: NodeJS.ErrnoException): ArtefactError {
  return new ArtefactError(
    'INHOUSE_CACHE_WRITE',
    `The download cannot be written to the cache ${cache}: ${cause.message}. What has arrived is kept. ` +
      'Free some space or make the folder writable, or point HF_HOME to another folder, then run it again.',
    { cause, details: { folder: cache, reason: cause.code } },
  );
}
