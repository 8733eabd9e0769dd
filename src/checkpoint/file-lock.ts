// One owner at a time among all processes on this machine: a file that only one of them can create.
// Node has no advisory locks, so an owner shows that it lives by touching the file. One that is dead, or that was
// suspended for too long, is replaced; should the latter wake up, there are two for a while, and what the lock guards
// must be harmless even then.
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

const TOUCH_EVERY_MS = 5_000;
const ABANDONED_AFTER_MS = 30_000;
const POLL_EVERY_MS = 100;

/**
 * Runs `work` while holding the lock file at `path`; waits for another owner, in this process or any other.
 * The file is removed afterwards, whether `work` fulfils or rejects.
 * Rejects with the signal's reason when it aborts while waiting, and with file system errors as they come.
 */
export async function withFileLock<T>(
  path: string,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const owner = `${hostname()} ${process.pid} ${randomUUID()}`;
  while (!(await tryCreate(path, owner))) {
    signal?.throwIfAborted();
    if (await isAbandoned(path)) await removeAbandoned(path, signal);
    else await sleep(POLL_EVERY_MS);
  }
  const touching = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {}); // gone: another process took us for dead
  }, TOUCH_EVERY_MS).unref();
  try {
    return await work();
  } finally {
    clearInterval(touching);
    if ((await ownerOf(path)) === owner) await rm(path, { force: true });
  }
}

async function tryCreate(path: string, owner: string): Promise<boolean> {
  let created: FileHandle;
  try {
    created = await open(path, 'wx');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  try {
    await created.writeFile(owner);
  } catch (error) {
    await rm(path, { force: true }); // the disk is full; without a name in it the lock would look taken
    throw error;
  } finally {
    await created.close();
  }
  return true;
}

/** Under a lock of its own: otherwise a second waiter could remove the lock that a third took meanwhile. */
async function removeAbandoned(path: string, signal: AbortSignal | undefined): Promise<void> {
  await withFileLock(`${path}.removal`, signal, async () => {
    if (await isAbandoned(path)) await rm(path, { force: true });
  });
}

async function isAbandoned(path: string): Promise<boolean> {
  const [host, pid] = (await ownerOf(path))?.split(' ') ?? [];
  if (host === hostname() && !isRunning(Number(pid))) return true;
  const touched = await stat(path).catch(() => undefined);
  return touched !== undefined && Date.now() - touched.mtimeMs > ABANDONED_AFTER_MS;
}

async function ownerOf(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // running, under another user
  }
}
