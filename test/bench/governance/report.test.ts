import { describe, expect, it } from 'vitest';
import { csv, type GovernanceReport, printedReport } from '#bench/governance/report.js';
import { judged, type Row } from '#bench/governance/row.js';

const ROWS: readonly Row[] = [
  judged({
    id: 'A-36',
    name: 'check, "one" period',
    plane: 'G',
    seed: 8.2,
    ours: 0.123456,
    unit: 'µs',
    target: { atMost: 8.2 },
  }),
  judged({
    id: 'C-45',
    name: 'added',
    plane: 'G',
    ours: 60,
    unit: 'µs',
    target: { atMost: 50 },
    reason: 'Busy.',
  }),
];
const REPORT: GovernanceReport = {
  machine: {
    cpu: 'Abacus',
    cores: 2,
    memoryBytes: 1e9,
    platform: 'linux-x64',
    node: 'v20.0.0',
    loadAverage: 0.5,
  },
  startedAt: '2026-01-01T00:00:00.000Z',
  effort: 'quick',
  rows: ROWS,
};

describe('a governance report', () => {
  it('as CSV has a line per row, quoted where that is needed', () => {
    expect(csv(REPORT)).toBe(
      'id,name,plane,seed,ours,unit,target,verdict,reason\r\n' +
        'A-36,"check, ""one"" period",G,8.2,0.123456,µs,≤ 8.2,met,\r\n' +
        'C-45,added,G,,60,µs,≤ 50,not met,Busy.\r\n',
    );
  });

  it('for people has the published number beside ours, why what is not met is not, and counts', () => {
    expect(printedReport(REPORT).split('\n')).toEqual([
      'Abacus, 2 cores, linux-x64, Node v20.0.0, load 0.5 before the run, quick',
      '',
      'id    name                 plane  seed  ours   unit  target  verdict',
      'A-36  check, "one" period  G      8.2   0.123  µs    ≤ 8.2   met',
      'C-45  added                G      -     60     µs    ≤ 50    not met',
      '',
      'C-45 added: Busy.',
      '',
      '1 met, 0 acceptable, 1 not met, 0 no target',
    ]);
  });

  it('G-40: ends with the two lines of the gateway where it was measured', () => {
    const row = (name: string, ours: number) =>
      judged({ id: 'G-40', name, plane: 'G', ours, unit: 'µs', target: { atMost: 22 } });
    expect(printedReport({ ...REPORT, rows: [row('production', 0.123), row('debug', 18.2)] })).toContain(
      '\n\nProduction (INFO): 0.12 µs per call\nDebug (DEBUG): 18.2 µs per call\n\n',
    );
  });
});
