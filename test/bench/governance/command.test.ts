import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BENCHMARK_NAMES } from '#inhouse/cli/bench-governance.js';
import { cliSandbox } from '../../cli/cli-process.js';

const { run, folder } = cliSandbox();
const COMMAND = ['bench', 'governance'];

describe('inhouse bench governance', () => {
  it('prints a table, and writes the same rows as JSON and CSV', async () => {
    const [json, csv] = [join(folder, 'rows.json'), join(folder, 'rows.csv')];
    const { code, stdout, stderr } = await run([
      ...COMMAND,
      '--benchmark',
      'budget',
      '--quick',
      '--json',
      json,
      '--csv',
      csv,
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/^budget: .*\n$/) });
    expect(stdout).toMatch(/^A-36 +check, 1 period, mean +G +8\.2 +\d/m);
    expect(stdout).toMatch(/\n\d+ met, \d+ acceptable, \d+ not met, \d+ no target\n$/);
    const report = JSON.parse(readFileSync(json, 'utf8'));
    expect(report).toMatchObject({
      machine: { cores: expect.any(Number), node: process.version },
      startedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      effort: 'quick',
    });
    for (const row of report.rows) {
      expect(row).toMatchObject({
        id: expect.stringMatching(/^A-(3[6-9]|4[01])$/),
        name: expect.any(String),
        plane: 'G',
        seed: expect.any(Number),
        ours: expect.any(Number),
        unit: expect.any(String),
        verdict: expect.stringMatching(/^(met|acceptable|not met)$/),
      });
    }
    expect(readFileSync(csv, 'utf8').trim().split('\r\n').length).toBe(1 + report.rows.length);
  });

  it('A-55: takes each of the seven published names, and all', async () => {
    const { code, stdout } = await run([...COMMAND, '--help']);
    expect(code).toBe(0);
    const published = [
      'telemetry_overhead',
      'cost_calculation',
      'throughput',
      'memory',
      'budget',
      'circuit_breaker',
      'retry',
    ];
    for (const name of ['all', ...published]) expect(stdout).toContain(`"${name}"`);
    expect(BENCHMARK_NAMES).toEqual(expect.arrayContaining(published));
  });

  it.each([
    { args: ['--benchmark', 'magic'], names: /--benchmark.*magic.*budget/ },
    { args: ['--quick', '--detailed'], names: /--detailed.*cannot be used with.*--quick/ },
    { args: ['--json', 'no-such-folder/x.json'], names: /no-such-folder\/x\.json cannot be written/ },
  ])('refuses wrong usage with code 2: $args', async ({ args, names }) => {
    const { code, stdout, stderr } = await run([...COMMAND, ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(names);
  });
});
