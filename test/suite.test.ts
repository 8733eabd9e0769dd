// The tests of governance themselves: that there are enough of each kind, and how they are run by category.
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import * as everything from '#inhouse/index.js';
import * as telemetry from '#inhouse/telemetry.js';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Runs the script; rejects with what it writes where it fails. */
async function suite(...args: readonly string[]): Promise<string> {
  const script = join(root, 'scripts/test-governance.mjs');
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...args], { cwd: root });
  return stdout;
}

const listed = async (...args: readonly string[]) => (await suite(...args, '--list')).trim().split('\n');

/** Tests as they are written; a table of cases is one. */
function testsIn(files: readonly string[]): number {
  const texts = files.map((file) => readFileSync(join(root, file), 'utf8'));
  return texts.reduce((sum, text) => sum + (text.match(/^\s+it(\.each|\.skipIf|\()/gm)?.length ?? 0), 0);
}

describe('the tests of governance', () => {
  it('T-41: are in four categories that make up all of them', async () => {
    const categories = ['unit', 'integration', 'performance', 'cross_provider'];
    const files = (await Promise.all(categories.map((category) => listed(category)))).flat();
    expect(files.toSorted()).toEqual(await listed('all'));
    const there = ['governance', 'providers', 'telemetry', 'bench/governance'].flatMap((folder) =>
      readdirSync(join(root, 'test', folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.test.ts'))
        .map((name) => `test/${folder}/${name.replaceAll('\\', '/')}`),
    );
    expect(files.toSorted()).toEqual(there.sort());
  });

  it('T-41: run by category, in parallel, without the slow ones and name by name where they are told to', async () => {
    const output = await suite('performance', '--fast', '--parallel', '--verbose');
    expect(output).toContain('trims one percent off either end');
    expect(output).not.toContain('checklist');
    expect(output).toMatch(/Test Files .*passed/);
  });

  it('T-41: an unknown category fails, and says which there are', async () => {
    const refused = suite('together');
    await expect(refused).rejects.toMatchObject({ code: 1 });
    await expect(refused).rejects.toThrow('unit, integration, performance, cross_provider, all');
  });

  it('C-111: are 75 and more: 35 of units, 17 of integration, 24 across providers', async () => {
    const [unit, integration, across] = await Promise.all(
      ['unit', 'integration', 'cross_provider'].map(async (category) => testsIn(await listed(category))),
    );
    expect(unit).toBeGreaterThanOrEqual(35);
    expect(integration).toBeGreaterThanOrEqual(17);
    expect(across).toBeGreaterThanOrEqual(24);
  });

  it('C-111: every public function and class is in a test', () => {
    const texts = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && name !== 'suite.test.ts')
      .map((name) => readFileSync(join(root, 'test', name), 'utf8'))
      .join('\n');
    const functions = Object.entries({ ...everything, ...telemetry }).filter(
      ([, it]) => typeof it === 'function',
    );
    const untested = functions.filter(([name]) => !new RegExp(`\\b${name}\\b`).test(texts));
    expect(functions.length).toBeGreaterThan(50);
    expect(untested.map(([name]) => name)).toEqual([]);
  });
});
