import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ClassicLevel } from 'classic-level';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { InvalidInputError, LedgerError } from '#inhouse/errors.js';
import { BudgetManager } from '#inhouse/governance/budget.js';
import type { CostEntry, LedgerEntry } from '#inhouse/governance/ledger.js';
import { FileLedger } from '#inhouse/governance/ledger-file.js';
import { FakeClock } from '../support/fake-clock.js';
import { bench, REQUEST } from './support/governed.js';

const child = fileURLToPath(new URL('support/ledger-child.mjs', import.meta.url));

let folder: string;
const opened: FileLedger[] = [];

beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'ledger-')), 'ledger');
});

afterEach(async () => {
  vi.restoreAllMocks();
  for (const ledger of opened.splice(0)) await ledger.close().catch(() => {});
  await rm(join(folder, '..'), { recursive: true, force: true });
});

async function open(options?: Parameters<typeof FileLedger.open>[1]): Promise<FileLedger> {
  const ledger = await FileLedger.open(folder, options);
  opened.push(ledger);
  return ledger;
}

function cost(operationId: string, costUsd = 0.01, timeMs = Date.now()): CostEntry {
  return {
    type: 'cost',
    operationId,
    timeMs,
    costUsd,
    provider: 'gpt2',
    operation: 'completion',
    durationMs: 5,
    success: true,
    model: 'gpt2',
    promptTokens: 3,
    completionTokens: 5,
    scopes: { team: 'search' },
  };
}

function idsOf(entries: readonly LedgerEntry[]): string[] {
  return entries.map((entry) => (entry.type === 'cost' ? entry.operationId : entry.period));
}

it.each<unknown>([null, 5, { readOnly: true }, { onlyToRead: 'yes' }, { clock: {} }, { onFault: 'log' }])(
  'is not opened with %j',
  async (options) => {
    await expect(open(options as never)).rejects.toThrow(InvalidInputError);
    expect(existsSync(folder)).toBe(false);
  },
);

it.each<unknown>([undefined, null, '', 5])('is not opened in %j', async (place) => {
  await expect(FileLedger.open(place as string)).rejects.toThrow(/folder is .*a string that is not empty/);
});

it('keeps entries in the order of their appends, over closing and opening', async () => {
  const first = await open();
  for (let i = 0; i < 300; i++) first.append(cost(`a${i}`));
  await first.close();
  const second = await open();
  second.append(cost('b'));
  expect(idsOf(await second.load())).toEqual([...Array.from({ length: 300 }, (_, i) => `a${i}`), 'b']);
  expect(second.status()).toEqual({ stored: 1, pending: 0, faults: 0, lost: 0 });
});

it('an operation that is recorded again, before or after reopening, is there once', async () => {
  const first = await open();
  first.append(cost('same'));
  first.append(cost('same'));
  await first.close();
  const second = await open();
  second.append(cost('same'));
  second.append(cost('other'));
  expect(idsOf(await second.load())).toEqual(['same', 'other']);
});

describe('kill -9 in the middle of 10 000 recorded costs', () => {
  // Numbers of costs after which the child is killed, as it reports them.
  it.each([100, 700, 2500, 6100, 9900])(
    'after %i: at most the write under way is lost, and nothing is counted twice',
    async (killAfter) => {
      const promised = await recordAndKill(killAfter);
      const ledger = await open();
      const entries = await ledger.load();
      const ids = idsOf(entries);

      expect(promised).toBeGreaterThanOrEqual(killAfter);
      expect(ids.length).toBeGreaterThanOrEqual(promised);
      expect(ids.length).toBeLessThanOrEqual(Math.min(10_000, promised + 200)); // what the child had begun by then
      expect(ids).toEqual(ids.map((_, i) => `operation-${i}`)); // no hole, no repetition

      const budgets = new BudgetManager({
        budgets: [{ limitsUsd: { monthly: 100 } }],
        clock: new FakeClock(Date.now()),
      });
      budgets.restore(entries);
      expect(budgets.status().totalRequests).toBe(ids.length);
      expect(budgets.status().budgets[0]!.periods[0]!.currentUsageUsd).toBeCloseTo(ids.length * 0.001, 12);
    },
    60_000,
  );

  async function recordAndKill(killAfter: number): Promise<number> {
    const process = spawn(globalThis.process.execPath, [child, folder, '10000'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 50_000, // should the test go wrong
    });
    const ended = new Promise((resolve) => process.once('exit', (_, signal) => resolve(signal)));
    let promised = 0;
    for await (const line of createInterface({ input: process.stdout })) {
      promised = Number(line);
      if (promised >= killAfter) process.kill('SIGKILL');
    }
    expect(await ended).toBe('SIGKILL');
    return promised;
  }
});

describe('a ledger that cannot be used', () => {
  it('a second one on the same folder is refused with a typed error, and works after the first is closed', async () => {
    const first = await open();
    const refusal = await FileLedger.open(folder).catch((error) => error);
    expect(refusal).toBeInstanceOf(LedgerError);
    expect(refusal).toMatchObject({ code: 'INHOUSE_LEDGER_LOCKED', retryable: true });
    first.append(cost('first'));
    await first.close();
    expect(idsOf(await (await open()).load())).toEqual(['first']);
  });

  it.each([
    ['a manifest of garbage', async () => writeFile(await fileLike(/^MANIFEST/), 'garbage')],
    ['a manifest cut short', async () => truncate(await fileLike(/^MANIFEST/), 10)],
    ['no CURRENT file', () => rm(join(folder, 'CURRENT'))],
  ])('%s is a typed error that says what to do', async (_, damage) => {
    const ledger = await open();
    for (let i = 0; i < 100; i++) ledger.append(cost(`a${i}`));
    await ledger.close();
    await damage();
    const refusal = await FileLedger.open(folder).catch((error) => error);
    expect(refusal).toBeInstanceOf(LedgerError);
    expect(refusal.code).toBe('INHOUSE_LEDGER_CORRUPT');
    expect(refusal.message).toContain('move the folder away');
  });

  it('damage in the middle of the log is an error, not a silent loss', async () => {
    const ledger = await open();
    for (let i = 0; i < 1000; i++) {
      ledger.append(cost(`a${i}`));
      if (i % 50 === 0) await ledger.flush();
    }
    await ledger.close();
    const log = await fileLike(/^\d+\.log$/);
    const bytes = await readFile(log);
    bytes.fill(0xff, 33_000, 33_200);
    await writeFile(log, bytes);
    await expect((await open()).load()).rejects.toMatchObject({ code: 'INHOUSE_LEDGER_CORRUPT' });
  });

  it('a value that is not an entry is an error', async () => {
    const database = new ClassicLevel(folder);
    await database.put('0000000000000000', '{"type":');
    await database.close();
    await expect(open()).rejects.toMatchObject({ code: 'INHOUSE_LEDGER_CORRUPT' });
  });

  async function fileLike(pattern: RegExp): Promise<string> {
    const name = (await readdir(folder)).find((each) => pattern.test(each));
    expect(name).toBeDefined();
    return join(folder, name!);
  }
});

describe('a disk that fails', () => {
  it('is counted and reported, never thrown at the caller; the entries are stored once it works', async () => {
    const faults: unknown[] = [];
    const ledger = await open({ onFault: (where, error) => faults.push([where, String(error)]) });
    const put = vi.spyOn(ClassicLevel.prototype, 'put').mockRejectedValue(new Error('no space left'));
    ledger.append(cost('first'));
    await expect(ledger.flush()).rejects.toMatchObject({ code: 'INHOUSE_LEDGER_FAILED' });
    expect(ledger.status()).toEqual({ stored: 0, pending: 1, faults: 1, lost: 0 });
    expect(faults).toEqual([['ledger', 'Error: no space left']]);
    // LevelDB takes no more writes after one failed, until it is opened anew.
    const reallyOpen = ClassicLevel.prototype.open;
    vi.spyOn(ClassicLevel.prototype, 'open').mockImplementation(function (this: ClassicLevel) {
      put.mockRestore();
      return Reflect.apply(reallyOpen, this, []);
    });
    ledger.append(cost('second'));
    await ledger.flush();
    expect(ledger.status()).toEqual({ stored: 2, pending: 0, faults: 1, lost: 0 });
    expect(idsOf(await ledger.load())).toEqual(['first', 'second']);
  });

  it('a batch that was stored although it is said to have failed is not stored twice', async () => {
    const ledger = await open();
    const really = ClassicLevel.prototype.put;
    const answerIsLost = async function (this: ClassicLevel, ...given: unknown[]): Promise<void> {
      await Reflect.apply(really, this, given);
      throw new Error('the answer was lost');
    };
    vi.spyOn(ClassicLevel.prototype, 'put').mockImplementationOnce(answerIsLost);
    const [cost1, cost2] = [cost('first'), cost('second')];
    ledger.append(cost1);
    await expect(ledger.flush()).rejects.toThrow('the answer was lost');
    ledger.append(cost2);
    await ledger.close();
    const database = new ClassicLevel<string, unknown[]>(folder, { valueEncoding: 'json' });
    expect((await database.values().all()).flat()).toEqual([cost1, cost2]);
    await database.close();
  });

  it('an entry after closing is not taken: counted and reported, not thrown', async () => {
    const faults: string[] = [];
    const ledger = await open({ onFault: (_, error) => faults.push(String(error)) });
    await ledger.close();
    await ledger.close();
    ledger.append(cost('late'));
    expect(ledger.status().lost).toBe(1);
    expect(faults).toEqual([expect.stringContaining('the ledger is closed')]);
  });

  it('is in the status of what is governed with it, whether a write fails or an entry is not taken', async () => {
    const ledger = await open();
    const { governed } = bench({ ledger });
    vi.spyOn(ClassicLevel.prototype, 'put').mockRejectedValueOnce(new Error('no space left'));
    await governed.complete(REQUEST);
    await expect(ledger.flush()).rejects.toThrow('no space left');
    expect(governed.status()).toMatchObject({ faults: 1, lastFault: { message: 'no space left' } });
    await governed.close();
    await governed.complete(REQUEST);
    expect(governed.status().faults).toBe(2);
  });

  it('an onFault that fails itself ends neither the ledger nor the process', async () => {
    const onFault = vi.fn(() => {
      throw new Error('pager is down');
    });
    const ledger = await open({ onFault });
    vi.spyOn(ClassicLevel.prototype, 'put').mockRejectedValueOnce(new Error('no space left'));
    ledger.append(cost('first'));
    await expect(ledger.flush()).rejects.toThrow('no space left');
    await ledger.flush();
    expect(onFault).toHaveBeenCalledTimes(1);
    expect(idsOf(await ledger.load())).toEqual(['first']);
  });
});

it('flush does not wait for entries that keep coming after it was called', async () => {
  const ledger = await open();
  let comes = true;
  const coming = (async () => {
    for (let i = 0; comes && i < 100_000; i++) {
      ledger.append(cost(`later${i}`));
      await new Promise(setImmediate);
    }
  })();
  ledger.append(cost('first'));
  await ledger.flush();
  comes = false;
  await coming;
  expect(idsOf(await ledger.load())).toContain('first');
});

it('drops what is older than any budget window', async () => {
  const clock = new FakeClock(Date.UTC(2026, 5, 1));
  const day = 24 * 3_600_000;
  const first = await open({ clock });
  first.append(cost('ancient', 1, clock.now() - 63 * day));
  await first.flush();
  first.append(cost('old', 1, clock.now() - 61 * day));
  first.append(cost('new', 1, clock.now()));
  expect(idsOf(await first.load())).toEqual(['old', 'new']);
  await first.close();
  const second = await open({ clock });
  second.append(cost('newest', 1, clock.now()));
  expect(idsOf(await second.load())).toEqual(['old', 'new', 'newest']);
});

it('waits until the disk has each batch, not only the operating system', async () => {
  const put = vi.spyOn(ClassicLevel.prototype, 'put');
  const ledger = await open();
  ledger.append(cost('a'));
  await ledger.flush();
  expect(put.mock.calls.map((given) => given[2])).toEqual([{ sync: true }]);
});

it('opened only to read, it makes no folder and keeps on disk what is old', async () => {
  await expect(open({ onlyToRead: true })).rejects.toBeInstanceOf(LedgerError);
  const clock = new FakeClock();
  const first = await open({ clock });
  first.append(cost('old', 1, clock.now()));
  await first.flush();
  clock.advance(63 * 24 * 3_600_000);
  first.append(cost('new', 1, clock.now()));
  await first.close();
  const reader = await open({ clock, onlyToRead: true });
  expect(idsOf(await reader.load())).toEqual(['new']);
  await reader.close();
  const earlier = await open({ clock: new FakeClock() });
  expect(idsOf(await earlier.load())).toEqual(['old', 'new']);
});

it('makes its folder, and leaves it to the next one', async () => {
  expect(existsSync(folder)).toBe(false);
  await (await open()).close();
  expect(existsSync(join(folder, 'CURRENT'))).toBe(true);
});
