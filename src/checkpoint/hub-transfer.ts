// One file of a model on its way into the hub cache: resumed where it stopped, verified, and only then given its name.
//
//   blobs/<etag>.incomplete        what has arrived, kept when a transfer ends early
//   blobs/<etag>.incomplete.lock   held by the process that fetches the file
//   blobs/<etag>                   the verified file
//   snapshots/<commit>/<path>      a link to it
//
// Bytes are written at their own position and the whole file is hashed from disk before it is renamed. So even if two
// processes should hold the lock at once, both write the same bytes to the same places.
import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, relative } from 'node:path';
import { HubError } from '../errors.js';
import { withFileLock } from './file-lock.js';
import { type HubClient, type NetworkPolicy, type RemoteFile, withRetries } from './hub-client.js';

export interface Transfer {
  readonly client: HubClient;
  readonly commit: string;
  readonly file: RemoteFile;
  /** Where the content goes. */
  readonly blob: string;
  /** Where the snapshot shows it. */
  readonly link: string;
  readonly policy: NetworkPolicy;
  readonly signal: AbortSignal | undefined;
  /** Called with the bytes of the file at hand: where the transfer starts, now and then, and at the end. */
  readonly onReceived: (receivedBytes: number) => void;
}

const PROGRESS_EVERY_MS = 100;
const HASH_CHUNK_BYTES = 2 ** 20;

/**
 * Makes the file available at `link`; does nothing where it is already.
 * Rejects with a HubError (`INHOUSE_HUB_INTEGRITY` after removing what arrived), the reason of the aborted signal, or a
 * file system error; what arrived is kept for the next attempt in both of the latter.
 */
export async function storeFile(transfer: Transfer): Promise<void> {
  const { file, blob, link, signal } = transfer;
  const received = throttled(transfer.onReceived, file.sizeBytes);
  await mkdir(dirname(blob), { recursive: true });
  await mkdir(dirname(link), { recursive: true });
  await withFileLock(`${blob}.incomplete.lock`, signal, async () => {
    if (await isComplete(link, file)) return received(file.sizeBytes);
    if (await isComplete(blob, file)) received(file.sizeBytes);
    else await fetchBlob(transfer, received);
    await linkBlob(blob, link);
  });
}

async function fetchBlob(transfer: Transfer, received: (bytes: number) => void): Promise<void> {
  const { file, blob, signal } = transfer;
  const incomplete = `${blob}.incomplete`;
  const handle = await open(incomplete, constants.O_RDWR | constants.O_CREAT);
  try {
    await receive(transfer, handle, received);
  } finally {
    await handle.close();
  }
  await verify(incomplete, file, signal);
  await rename(incomplete, blob);
}

async function receive(
  { client, commit, file, policy, signal }: Transfer,
  handle: FileHandle,
  received: (bytes: number) => void,
): Promise<void> {
  let have = (await handle.stat()).size;
  let haveBefore = have;
  received(have);
  if (have >= file.sizeBytes) return;
  const attempt = async (): Promise<void> => {
    for await (const { position, bytes } of client.read(commit, file, have)) {
      await writeAt(handle, bytes, position);
      const end = position + bytes.length;
      have = Math.max(have, end);
      received(end);
      if (end > file.sizeBytes) return; // not our file: verification will say so
    }
  };
  const advanced = (): boolean => {
    const gained = have > haveBefore;
    haveBefore = have;
    return gained;
  };
  await withRetries(policy, signal, attempt, advanced);
}

async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

async function verify(path: string, file: RemoteFile, signal: AbortSignal | undefined): Promise<void> {
  const { size } = await stat(path);
  const problem =
    size !== file.sizeBytes
      ? `it has ${size} bytes instead of ${file.sizeBytes}`
      : (await hashOf(path, file, signal)) !== file.etag
        ? `its ${file.hash === 'git' ? 'git hash' : 'SHA-256'} is not ${file.etag}`
        : undefined;
  if (problem === undefined) return;
  await rm(path, { force: true });
  throw new HubError(
    'INHOUSE_HUB_INTEGRITY',
    `${file.path} arrived damaged: ${problem}. It was removed; run the download again, and if this repeats, ` +
      'look for a proxy that alters downloads.',
    { details: { file: file.path, etag: file.etag, sizeBytes: file.sizeBytes } },
  );
}

async function hashOf(path: string, file: RemoteFile, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash(file.hash === 'git' ? 'sha1' : 'sha256');
  if (file.hash === 'git') hash.update(`blob ${file.sizeBytes}\0`);
  for await (const chunk of createReadStream(path, { highWaterMark: HASH_CHUNK_BYTES })) {
    signal?.throwIfAborted();
    hash.update(chunk as Buffer);
  }
  return hash.digest('hex');
}

/** Where links are refused (Windows without developer mode) the blob itself moves into the snapshot. */
async function linkBlob(blob: string, link: string): Promise<void> {
  await rm(link, { force: true }); // an older link may lead nowhere
  try {
    await symlink(relative(dirname(link), blob), link);
  } catch {
    await rename(blob, link);
  }
}

async function isComplete(path: string, file: RemoteFile): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() === true && found.size === file.sizeBytes;
}

/** Passes on the first value, the total, and no more than one value per tenth of a second between them. */
function throttled(report: (bytes: number) => void, total: number): (bytes: number) => void {
  let reportedAt = Number.NEGATIVE_INFINITY;
  return (bytes) => {
    const now = performance.now();
    if (bytes !== total && now - reportedAt < PROGRESS_EVERY_MS) return;
    reportedAt = now;
    report(bytes);
  };
}
