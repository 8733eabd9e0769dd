import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { requireWritable, writeReport } from '#bench/compare/files.js';
import { report } from './fixture.js';

const folder = mkdtempSync(join(tmpdir(), 'inhouse-compare-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const NAMES = ['compare.csv', 'compare.html', 'compare.json', 'compare.md'];

describe('writeReport', () => {
  it('writes every form, in place of an earlier report, and nothing else', async () => {
    const target = join(folder, 'report');
    await requireWritable(target);
    expect(existsSync(target)).toBe(false);
    await writeReport(target, report({ command: 'earlier' }));
    const files = await writeReport(target, report());
    expect(files.toSorted()).toEqual(NAMES.map((name) => join(target, name)));
    expect(readdirSync(target).toSorted()).toEqual(NAMES);
    expect(JSON.parse(readFileSync(join(target, 'compare.json'), 'utf8'))).toEqual(report());
  });

  it('leaves nothing half-written where a file cannot be replaced', async () => {
    const target = join(folder, 'blocked');
    mkdirSync(join(target, 'compare.csv', 'in the way'), { recursive: true });
    await expect(writeReport(target, report())).rejects.toMatchObject({ code: 'INHOUSE_INVALID_OPTION' });
    expect(readdirSync(target).toSorted()).toEqual(['compare.csv', 'compare.json']);
  });
});

describe('requireWritable', () => {
  it('refuses a path below a file', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    await expect(requireWritable(join(file, 'report'))).rejects.toMatchObject({
      code: 'INHOUSE_INVALID_OPTION',
      message: expect.stringContaining('--out'),
    });
    expect(existsSync(join(file, 'report'))).toBe(false);
  });
});
