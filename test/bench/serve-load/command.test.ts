import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ServeLoadReport } from '#bench/serve-load/report.js';
import { cliSandbox } from '../../cli/cli-process.js';

const { run, start, folder } = cliSandbox();
const TINY = [
  ...['bench', 'serve-load', '--synthetic', 'tiny', '--runner', 'portable', '-t', '1'],
  ...['--input-len', '8', '--output-len', '4', '--warmup', '0', '--duration', '1'],
];

describe('inhouse bench serve-load', () => {
  it('prints one JSON object with the documented fields, and writes the same to a file', async () => {
    const output = join(folder, 'result.json');
    const { code, stdout, stderr } = await run([...TINY, '-c', '1,3', '--json', '--output', output]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('concurrency 3: 1 s ...') });
    const report = JSON.parse(stdout) as ServeLoadReport;
    expect(JSON.parse(readFileSync(output, 'utf8'))).toEqual(report);
    expect(report).toMatchObject({
      plane: 'E',
      machine: { node: process.version },
      command: expect.stringMatching(/^inhouse bench serve-load --synthetic tiny /),
      interrupted: false,
      model: {
        id: 'tiny',
        synthetic: true,
        runner: 'portable',
        precision: 'fp32',
        device: 'cpu',
        threads: 1,
      },
      results: [
        { concurrency: 1, maxBatchSize: 8, failed: 0 },
        { concurrency: 3, maxBatchSize: 8, failed: 0 },
      ],
    });
    for (const result of report.results!) expect(Object.keys(result).sort()).toEqual(documentedFields());
  });

  it('prints tables of an open loop, with goodput and what failed', async () => {
    const args = ['--request-rate', '40', '--goodput', 'ttft:10000', 'e2el:10000', '--timeout', '10000'];
    const { code, stdout } = await run([...TINY, ...args]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^tiny, random weights, portable runner, fp32, cpu, threads 1$/m);
    expect(stdout).toMatch(/^ *load .* good requests\/s\n *40\/s +\d.* \d+\.\d\d$/m);
    for (const name of ['TTFT', 'ITL', 'TPOT', 'E2EL'])
      expect(stdout).toMatch(new RegExp(`^ *40/s +${name} +\\d`, 'm'));
    const refused = await run([...TINY, '-c', '16', '--max-batch-size', '1', '--max-waiting', '1']);
    expect(refused.stdout).toMatch(/^ *concurrency 16 +\d+ +INHOUSE_QUEUE_FULL$/m);
  });

  it('prints what has been measured by then when it is interrupted, with code 130', async () => {
    const bench = start([...TINY, '-r', '10000', '-c', '2', '--json']);
    await bench.seen(({ stderr }) => stderr.split('concurrency 2').length > 2);
    bench.child.kill('SIGINT');
    const { code, stdout } = await bench.ended;
    expect(code).toBe(130);
    const { interrupted, results } = JSON.parse(stdout) as ServeLoadReport;
    expect({ interrupted, levels: results!.length }).toEqual({ interrupted: true, levels: 1 });
    expect(results![0]!.completed).toBeGreaterThan(0);
    expect(results![0]!.failed).toBe(0);
  });

  it.each([
    { args: ['-c', '1', '--request-rate', '5'], names: /--request-rate.*cannot be used with.*--concurrency/ },
    { args: ['--request-rate', '0'], names: /--request-rate.*above 0/ },
    { args: ['--input-len', 'uniform:9:2'], names: /--input-len is "uniform:9:2".*uniform:LEAST:MOST/ },
    { args: ['--output-len', '500'], names: /--input-len is 8; it must be at most 0 tokens.*128/ },
    { args: ['--goodput', 'speed:5'], names: /--goodput is "speed:5"/ },
    { args: ['--precision', 'int2'], names: /--precision is "int2"/ },
    { args: ['--runner', 'quick'], names: /--runner is "quick"/ },
    { args: ['--suite', 'all'], names: /--suite.*muai, batching/ },
    { args: ['--suite', 'muai'], names: /--suite.*cannot be used with/ },
    { args: ['--quick'], names: /--quick shortens a suite/ },
    { args: ['--output', 'no-such-folder/x.json'], names: /--output .* cannot be written/ },
  ])('refuses wrong usage with code 2: $args', async ({ args, names }) => {
    const { code, stdout, stderr } = await run([...TINY, ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(names);
  });
});

/** The fields of a result by docs/serve-load.md, sorted. */
function documentedFields(): string[] {
  const page = readFileSync(new URL('../../../docs/serve-load.md', import.meta.url), 'utf8');
  const table = page.slice(page.indexOf('| Result field |')).split('\n\n')[0]!;
  return [...table.matchAll(/`(\w+)`(?=[^|]*\|[^|]*\|$)/gm)].map((match) => match[1]!).sort();
}
