import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parityPage, testsIn } from '#bench/governance/parity.js';
import type { GovernanceReport } from '#bench/governance/report.js';
import { judged, type Row } from '#bench/governance/row.js';
import { machine } from '#bench/machine.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const ROWS = [
  { id: 'C-01', capability: 'First', target: 'a <b>' },
  { id: 'C-02', capability: 'Second', target: 'x', benchmark: 'budget' },
  { id: 'G-01', capability: 'Third', target: 'y' },
];

describe('the parity page', () => {
  it('is what the tests and benchmarks say', () => {
    const { status, stderr } = spawnSync(process.execPath, ['scripts/parity.mjs', '--check'], {
      cwd: root,
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it('finds the rows that a title names, whatever its quotes', () => {
    const text = [
      `it('C-${'01'} D-07: holds', f)`,
      `it("C-${'01'}, G-${'01'}: isn't | it", f)`,
      "it('no row', f)",
    ];
    const tests = testsIn([['test/a.test.ts', text.join('\n')]]);
    expect(tests.get('C-01')).toEqual([
      { file: 'test/a.test.ts', title: 'holds' },
      { file: 'test/a.test.ts', title: "isn't | it" },
    ]);
    expect([...tests.keys()]).toEqual(['C-01', 'D-07', 'G-01']);
  });

  it('puts each row beside its tests and its benchmark, and says what is open', () => {
    const { text, open } = parityPage(ROWS, testsIn([['test/a.test.ts', `it('C-${'01'}: a|b', f)`]]));
    expect(text).toContain('| C-01 | First | a \\<b\\> | [a.test.ts](../test/a.test.ts): a\\|b |');
    expect(text).toContain('| C-02 | Second | x | benchmark `budget`: no result kept |');
    expect(text).toContain('| G-01 | Third | y | open |');
    expect(text).toContain('3 promises: 1 by benchmarks');
    expect(text).toContain('Open: G-01.');
    expect(open).toEqual(['G-01']);
  });

  it('says of a benchmark what its last result was that is kept: the worst of its rows', () => {
    const row = (name: string, ours: number, atMost: number) =>
      judged({ id: 'C-02', name, plane: 'G', ours, unit: 'µs', target: { atMost } });
    const result = (...rows: Row[]): GovernanceReport => ({
      machine: { ...machine(), cpu: 'Abacus', cores: 2 },
      startedAt: '2026-01-13T10:00:00.000Z',
      effort: 'realistic',
      rows,
    });
    const met = parityPage(ROWS, new Map(), result(row('one', 1, 2))).text;
    expect(met).toContain('realistic, 2026-01-13, Abacus, 2 cores');
    expect(met).toContain('worst of its rows: 0 no target, 1 met, 0 acceptable, 0 not met.');
    expect(met).toContain('benchmark `budget`: met |');
    const missed = parityPage(ROWS, new Map(), result(row('one', 1, 2), row('two', 4.5678, 2))).text;
    expect(missed).toContain('benchmark `budget`: **not met** in 1 of 2: two 4.57 µs (≤ 2) |');
  });
});
