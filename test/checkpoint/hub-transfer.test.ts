import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { downloadModel } from '#inhouse/checkpoint/hub.js';
import { etagOf, expectFiles, hubSandbox, MODEL, WEIGHTS, weights } from '../support/hub-sandbox.js';

const sandbox = hubSandbox();
const projectRoot = fileURLToPath(new URL('../..', import.meta.url));

async function download(options = {}): Promise<string> {
  return downloadModel(MODEL, { ...sandbox.options, ...options });
}

function blobPath(name: string): string {
  return join(sandbox.repository, 'blobs', etagOf(name));
}

function partial(name = WEIGHTS): string {
  return `${blobPath(name)}.incomplete`;
}

async function leavePartial(content: Buffer): Promise<void> {
  await mkdir(join(sandbox.repository, 'blobs'), { recursive: true });
  await writeFile(partial(), content);
}

/** Where the last request for the weights started. How much of a broken answer arrives is not certain. */
function resumedAt(): number {
  return Number(/^bytes=(\d+)-$/.exec(ranges().at(-1) ?? '')?.[1]);
}

/** Range headers of the requests for the weights that reached the storage. */
function ranges(): ReadonlyArray<string | undefined> {
  return sandbox.server.requests.filter(({ origin }) => origin === 'storage').map(({ range }) => range);
}

describe('a connection that breaks', () => {
  it('is made again within the call, from the byte where it broke', async () => {
    sandbox.server.faults.cut = { file: WEIGHTS, afterBytes: 70_000, times: 1 };

    await expectFiles(await download());

    expect(ranges()).toHaveLength(2);
    expect(resumedAt()).toBeGreaterThan(0);
    expect(resumedAt()).toBeLessThanOrEqual(70_000);
  });

  it('may break any number of times as long as each attempt brings something', async () => {
    sandbox.server.faults.cut = { file: WEIGHTS, afterBytes: 20_000, times: 9 };

    await expectFiles(await download());
    expect(ranges()).toHaveLength(10);
  });

  it('is given up after some attempts that brought nothing', async () => {
    sandbox.server.faults.cut = { file: WEIGHTS, afterBytes: 0, times: 99 };

    await expect(download()).rejects.toMatchObject({ code: 'INHOUSE_HUB_UNREACHABLE', retryable: true });
    expect(ranges()).toHaveLength(3);
  });

  it('is tried as often as by default where a setting is undefined', async () => {
    sandbox.server.faults.cut = { file: WEIGHTS, afterBytes: 0, times: 2 };
    const network = { attempts: undefined, firstDelayMs: 1, silenceTimeoutMs: undefined };
    await expectFiles(await download({ network }));
    expect(ranges()).toHaveLength(3);
  });

  it('leaves what arrived for the next download', async () => {
    sandbox.server.faults.cut = { file: WEIGHTS, afterBytes: 70_000, times: 1 };
    await expect(download({ network: { attempts: 1 } })).rejects.toMatchObject({
      code: 'INHOUSE_HUB_UNREACHABLE',
    });
    const arrived = await readFile(partial());
    expect(arrived.length).toBeGreaterThan(0);
    expect(arrived.equals(weights.subarray(0, arrived.length))).toBe(true);
    expect(existsSync(blobPath(WEIGHTS))).toBe(false);

    await expectFiles(await download());

    expect(ranges()).toHaveLength(2);
    expect(resumedAt()).toBe(arrived.length);
    expect(existsSync(partial())).toBe(false);
  });

  it('counts as broken when it stays silent', async () => {
    sandbox.server.faults.stall = { file: WEIGHTS, afterBytes: 50_000, times: 1 };

    const snapshot = await download({ network: { attempts: 3, firstDelayMs: 1, silenceTimeoutMs: 300 } });

    await expectFiles(snapshot);
    expect(ranges()).toHaveLength(2);
    expect(resumedAt()).toBe(50_000);
  });

  it('does not count as broken because the whole takes longer than that', async () => {
    sandbox.server.faults.pieceDelayMs = 20;

    const snapshot = await download({ network: { attempts: 1, silenceTimeoutMs: 400 } });

    await expectFiles(snapshot);
  });

  it('is made again from the start where the server knows no ranges', async () => {
    sandbox.server.faults = { ignoreRanges: true, cut: { file: WEIGHTS, afterBytes: 70_000, times: 1 } };

    await expectFiles(await download());
  });

  it('is made again after a server error in the middle of a model', async () => {
    sandbox.server.faults.refuse = { status: 502, on: `/content/${MODEL}/${WEIGHTS}`, times: 2 };

    await expectFiles(await download());
    expect(ranges()).toHaveLength(3);
  });
});

describe('what arrives damaged', () => {
  it.each([
    ['corrupt', WEIGHTS, 'SHA-256'],
    ['corrupt', 'config.json', 'git hash'],
    ['overlong', WEIGHTS, 'bytes instead of 200000'],
  ] as const)('is removed and never gets its name: %s %s', async (fault, file, reason) => {
    sandbox.server.faults[fault] = file;

    await expect(download()).rejects.toMatchObject({
      code: 'INHOUSE_HUB_INTEGRITY',
      message: expect.stringMatching(new RegExp(`${file}.*${reason}`, 's')),
    });
    expect(existsSync(blobPath(file))).toBe(false);
    expect(existsSync(partial(file))).toBe(false);

    sandbox.server.faults = {};
    await expectFiles(await download());
  });

  it('is found even if it is the part that an earlier download left', async () => {
    await leavePartial(Buffer.alloc(1000));

    await expect(download()).rejects.toMatchObject({ code: 'INHOUSE_HUB_INTEGRITY' });
    expect(existsSync(partial())).toBe(false);
  });

  it('is not fetched again when all of it had arrived whole', async () => {
    await leavePartial(weights);

    await expectFiles(await download());
    expect(ranges()).toEqual([]);
  });
});

describe('aborting', () => {
  const reason = new Error('the user changed their mind');

  it('rejects with the reason, keeps what arrived, and the next download continues', async () => {
    sandbox.server.faults.pieceDelayMs = 5;
    const controller = new AbortController();
    const onProgress = ({ receivedBytes }: { receivedBytes: number }): void => {
      if (receivedBytes > 10_000) controller.abort(reason);
    };

    await expect(download({ signal: controller.signal, onProgress })).rejects.toBe(reason);

    const arrived = await readFile(partial());
    expect(arrived.length).toBeGreaterThan(10_000);
    expect(arrived.equals(weights.subarray(0, arrived.length))).toBe(true);
    sandbox.server.faults = {};
    await expectFiles(await download());
    expect(ranges().at(-1)).toBe(`bytes=${arrived.length}-`);
  });

  it('does nothing at all when the signal is aborted already', async () => {
    await expect(download({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(sandbox.server.requests).toEqual([]);
  });

  it('ends the pause before another attempt', async () => {
    sandbox.server.faults.refuse = { status: 429, on: '/api/', times: 99, retryAfter: '25' };
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 100);

    await expect(download({ signal: controller.signal })).rejects.toBe(reason);
  });

  it('ends the wait for another process', async () => {
    await leavePartial(Buffer.alloc(0));
    await writeFile(`${partial()}.lock`, `${hostname()} ${process.pid} somebody-else`);
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 300);

    await expect(download({ signal: controller.signal })).rejects.toBe(reason);
    expect(await readFile(`${partial()}.lock`, 'utf8')).toContain('somebody-else');
  });
});

describe('two downloads of the same model at once', () => {
  it('fetch each file once when both run in one process', async () => {
    sandbox.server.faults.pieceDelayMs = 2;

    const snapshots = await Promise.all([download(), download(), download()]);

    expect(new Set(snapshots).size).toBe(1);
    await expectFiles(snapshots[0]!);
    expect(ranges()).toHaveLength(1);
    expect(await leftovers()).toEqual([]);
  });

  it('fetch each file once when they run in two processes', async () => {
    sandbox.server.faults.pieceDelayMs = 2;

    const snapshots = await Promise.all([downloadInChild(), downloadInChild()]);

    expect(snapshots[0]).toBe(snapshots[1]);
    await expectFiles(snapshots[0]!);
    expect(ranges()).toHaveLength(1);
    expect(await leftovers()).toEqual([]);
  });

  it('go on with what a killed process left, without waiting for it', async () => {
    sandbox.server.faults.stall = { file: WEIGHTS, afterBytes: 90_000, times: 1 };
    const killed = startChild();
    await expect.poll(() => ranges().length).toBe(1);
    await expect.poll(() => readFile(partial()).then((part) => part.length)).toBe(90_000);
    killed.kill('SIGKILL');
    await new Promise((resolve) => killed.once('close', resolve));
    expect(existsSync(`${partial()}.lock`)).toBe(true);

    const snapshots = await Promise.all([download(), downloadInChild()]);

    await expectFiles(snapshots[0]!);
    expect(ranges()).toEqual([undefined, 'bytes=90000-']);
    expect(await leftovers()).toEqual([]);
  });
});

describe('a disk that refuses', () => {
  it.skipIf(!existsSync('/dev/full'))(
    'because it is full is a typed error, and no file is wrong',
    async () => {
      await mkdir(join(sandbox.repository, 'blobs'), { recursive: true });
      await symlink('/dev/full', partial());

      await expect(download()).rejects.toMatchObject({
        code: 'INHOUSE_CACHE_WRITE',
        details: { reason: 'ENOSPC' },
        message: expect.stringContaining(sandbox.cacheDir),
      });
      expect(existsSync(blobPath(WEIGHTS))).toBe(false);
    },
  );

  it('because a file is in the way is a typed error', async () => {
    await writeFile(sandbox.repository, 'not a folder');

    await expect(download()).rejects.toMatchObject({ code: 'INHOUSE_CACHE_WRITE' });
  });
});

/** Whatever is in `blobs/` beside finished files. */
async function leftovers(): Promise<readonly string[]> {
  return (await readdir(join(sandbox.repository, 'blobs'))).filter((name) => !/^[0-9a-f]+$/.test(name));
}

/** A process of its own that downloads the model and prints the snapshot folder. */
function startChild(): ReturnType<typeof spawn> {
  const { cacheDir, endpoint } = sandbox.options;
  const script = `
    import { downloadModel } from '#inhouse/checkpoint/hub.js';
    const options = ${JSON.stringify({ cacheDir, endpoint })};
    process.stdout.write(await downloadModel(${JSON.stringify(MODEL)}, options));
  `;
  return spawn(process.execPath, ['--input-type=module', '--eval', script], { cwd: projectRoot });
}

async function downloadInChild(): Promise<string> {
  const child = startChild();
  const output: string[] = [];
  const errors: string[] = [];
  child.stdout?.on('data', (chunk: Buffer) => output.push(String(chunk)));
  child.stderr?.on('data', (chunk: Buffer) => errors.push(String(chunk)));
  const status = await new Promise((resolve) => child.once('close', resolve));
  expect(status, errors.join('')).toBe(0);
  return output.join('');
}
