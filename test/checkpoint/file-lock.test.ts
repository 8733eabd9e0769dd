import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withFileLock } from '#inhouse/checkpoint/file-lock.js';

let folder: string;
let lock: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'inhouse-lock-'));
  lock = join(folder, 'lock');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** No process has this id: it is above the highest that Linux, macOS or Windows gives. */
const DEAD = 2 ** 31 - 1;

/** Runs several pieces of work under the lock; returns the most that ever ran at once. */
async function mostAtOnce(count: number): Promise<number> {
  let running = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    most = Math.max(most, ++running);
    await sleep(2);
    running--;
  };
  await Promise.all(Array.from({ length: count }, () => withFileLock(lock, undefined, work)));
  return most;
}

describe('a file lock', () => {
  it('lets one piece of work run at a time, and leaves nothing behind', async () => {
    expect(await mostAtOnce(10)).toBe(1);
    expect(await readdir(folder)).toEqual([]);
  });

  it('passes on what the work returns or throws, and is free afterwards', async () => {
    expect(await withFileLock(lock, undefined, async () => 7)).toBe(7);
    const failure = new Error('work failed');
    await expect(withFileLock(lock, undefined, () => Promise.reject(failure))).rejects.toBe(failure);
    expect(await readdir(folder)).toEqual([]);
  });

  it('of a dead process goes to exactly one of those who wait', async () => {
    await writeFile(lock, `${hostname()} ${DEAD} some-id`);

    expect(await mostAtOnce(10)).toBe(1);
    expect(await readdir(folder)).toEqual([]);
  });

  it('of another machine is respected until its owner has not touched it for long', async () => {
    await writeFile(lock, `another-machine ${DEAD} some-id`);
    let entered = false;
    const waiting = withFileLock(lock, undefined, async () => {
      entered = true;
    });
    await sleep(250);
    expect(entered).toBe(false);

    const longAgo = new Date(Date.now() - 60_000);
    await utimes(lock, longAgo, longAgo);
    await waiting;
    expect(entered).toBe(true);
  });

  it('whose owner died before writing its name is not held for ever', async () => {
    await writeFile(lock, '');
    const longAgo = new Date(Date.now() - 60_000);
    await utimes(lock, longAgo, longAgo);

    expect(await withFileLock(lock, undefined, async () => 'done')).toBe('done');
  });

  it('that another process took over stays when the first owner ends', async () => {
    await withFileLock(lock, undefined, () => writeFile(lock, 'the next owner'));

    expect(await readFile(lock, 'utf8')).toBe('the next owner');
  });

  it('is not waited for once the signal aborts', async () => {
    const reason = new Error('enough');
    const controller = new AbortController();
    await withFileLock(lock, undefined, async () => {
      const waiting = withFileLock(lock, controller.signal, () => expect.fail('the lock was taken'));
      controller.abort(reason);
      await expect(waiting).rejects.toBe(reason);
    });
    expect(existsSync(lock)).toBe(false);
  });

  it('that cannot be created is an error, not a wait', async () => {
    await expect(
      withFileLock(join(folder, 'absent', 'lock'), undefined, async () => 1),
    ).rejects.toMatchObject({
      code: 'ENOENT',
    });
  });
});
