import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { BenchReport } from '#bench/run/report.js';
import { cliSandbox } from '../cli/cli-process.js';
import { nativeMissing } from '../support/runners.js';

const { run, start, folder } = cliSandbox();
const TINY = [
  'bench',
  'run',
  '--synthetic',
  'tiny',
  '-p',
  '8',
  '-n',
  '2',
  '--depth',
  '4',
  '-t',
  '1',
  '--runner',
  'portable',
];

describe('inhouse bench run', () => {
  it('prints one JSON object, and writes the same to a file', async () => {
    const output = join(folder, 'result.json');
    const { code, stdout, stderr } = await run([
      ...TINY,
      '-b',
      '1,2',
      '-r',
      '1',
      '--json',
      '--output',
      output,
    ]);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringContaining('Repetition 1 of 1: portable'),
    });
    const report = JSON.parse(stdout) as BenchReport;
    expect(JSON.parse(readFileSync(output, 'utf8'))).toEqual(report);
    expect(report).toMatchObject({
      machine: { cores: expect.any(Number), node: process.version },
      command: expect.stringMatching(/^inhouse bench run --synthetic tiny .* -b 1,2/),
      startedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      interrupted: false,
      model: { id: 'tiny', synthetic: true, layers: 2, width: 64, vocabularySize: 512, contextLength: 128 },
    });
    expect(report.results.map(({ phase, batch, depth }) => `${phase} ${batch} ${depth}`)).toEqual([
      'load null null',
      'prefill 1 0',
      ...['decode 1 4', 'decode 1 4', 'decode 2 4', 'decode 2 4'],
    ]);
    for (const result of report.results) expect(Object.keys(result).sort()).toEqual(documentedFields());
  });

  it('prints tables of a model folder or name, with the share of the floor or why there is none', async () => {
    const args = [
      'bench',
      'run',
      '-m',
      'embedded',
      '-p',
      '0',
      '-n',
      '1',
      '--depth',
      '4',
      '-t',
      '1',
      '-r',
      '1',
      '--runner',
      'portable',
    ];
    const { code, stdout } = await run(args);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^embedded, its own weights, \d/);
    expect(stdout).toMatch(
      /^ *runner +precision +device +threads +computes +load ms .*\n *portable +fp32 +cpu +1 +float32 /m,
    );
    expect(stdout).toMatch(/^ *runner .* tokens\/s .*\n *portable +fp32 +cpu +1 +decode +- +1 +4 +1 +\d/m);
    if (nativeMissing === undefined) expect(stdout).toMatch(/^ *portable .* decode .* 0\.\d+ *$/m);
    else expect(stdout).toContain('native addon');
  });

  it('prints what has been measured by then when it is interrupted, with code 130', async () => {
    const bench = start([...TINY, '-r', '10000', '--json']);
    await bench.seen(({ stderr }) => stderr.includes('Repetition 2 of 10000'));
    bench.child.kill('SIGINT');
    const { code, stdout } = await bench.ended;
    expect(code).toBe(130);
    const { interrupted, results } = JSON.parse(stdout) as BenchReport;
    expect(interrupted).toBe(true);
    expect(results.map(({ phase }) => phase)).toEqual(['load', 'prefill', 'decode', 'decode']);
  });

  it.each([
    { args: ['--synthetic', 'gpt5'], names: /--synthetic is "gpt5".*'gpt2-xl'/ },
    { args: ['--synthetic', 'tiny', '--model', 'gpt2'], names: /--synthetic.*cannot be used with.*--model/ },
    { args: ['--synthetic', 'tiny', '-p', '200'], names: /--n-prompt is 200/ },
    { args: ['-p', '64,many'], names: /--n-prompt.*64,many.*must be an integer from 0/ },
    { args: ['-b', '0'], names: /--batch-size.*must be an integer from 1/ },
    { args: ['-r', '2.5'], names: /--repetitions.*must be an integer from 1/ },
    { args: ['--device', 'gpu'], names: /--device is "gpu".*'cuda:<number>'/ },
    { args: ['--runner', 'quick'], names: /--runner is "quick".*'portable'/ },
    { args: ['--precision', 'fp32,int2'], names: /--precision is "int2".*'int4'/ },
    { args: ['--output', 'no-such-folder/x.json'], names: /--output .* cannot be written/ },
  ])('refuses wrong usage with code 2: $args', async ({ args, names }) => {
    const { code, stdout, stderr } = await run(['bench', 'run', ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^inhouse: [^\n]+\n$/);
    expect(stderr).toMatch(names);
  });
});

/** The fields of a result by docs/bench.md, sorted. */
function documentedFields(): string[] {
  const page = readFileSync(new URL('../../docs/bench.md', import.meta.url), 'utf8');
  const table = page.slice(page.indexOf('| Result field |'));
  return [...table.matchAll(/^\| `(\w+)` \|/gm)].map((match) => match[1]!).sort();
}
