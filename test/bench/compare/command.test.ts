import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CompareReport } from '#bench/compare/report.js';
import { cliSandbox } from '../../cli/cli-process.js';

const { run, start, folder } = cliSandbox();
const QUICK = ['compare', '--runner', 'portable', '-t', '1', '-p', '8', '-n', '2'];

function readReport(out: string): CompareReport {
  return JSON.parse(readFileSync(join(out, 'compare.json'), 'utf8')) as CompareReport;
}

describe('inhouse compare', () => {
  it('prints tables and writes the report, on a text of its own', async () => {
    const out = join(folder, 'report');
    const { code, stdout, stderr } = await run([
      ...QUICK,
      '--precision',
      'fp32,int4',
      '-r',
      '1',
      '--out',
      out,
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('Written: ') });
    const report = readReport(out);
    expect(report).toMatchObject({
      interrupted: false,
      model: { id: 'embedded' },
      text: {
        source: expect.stringContaining('this project wrote'),
        bytes: 2444,
        scoredTokens: report.text.tokens - 1,
        window: report.text.tokens,
      },
      recommendation: { candidate: 'fp32' }, // on this text 4 bits cost more than 1 %
    });
    const [fp32, int4] = report.candidates;
    expect(int4!.computeType).toBe('int8');
    expect(int4!.diskBytes).toBeLessThan(0.5 * fp32!.diskBytes); // whose weights are F16 on disk
    expect(int4!.quality!.top1Agreement).toBeLessThan(1);
    expect(int4!.quality!.meanKl).toBeGreaterThan(0);
    expect(int4!.quality!.meanKl).toBeLessThan(0.1);
    expect(fp32!.quality).toMatchObject({ top1Agreement: 1, meanKl: 0, perplexityChange: 0 });
    expect(fp32!.quality!.perplexity).toBeGreaterThan(20);
    expect(fp32!.quality!.perplexity).toBeLessThan(100);
    expect(fp32!.quality!.sampleText.match(/\w+/g)!.length).toBeGreaterThan(20);
    expect(stdout).toContain('Recommended: fp32: ');
    expect(stdout).toContain(report.recommendation.rule);
    expect(readFileSync(join(out, 'compare.html'), 'utf8')).toContain(fp32!.quality!.sampleText.slice(0, 20));
  });

  it('scores the same as inhouse score with the same window', async () => {
    const out = join(folder, 'same');
    const text = join(folder, 'text.txt');
    writeFileSync(text, 'It was the best of times, it was the worst of times. '.repeat(4));
    const common = ['--window', '20'];
    const [compared, scored] = await Promise.all([
      run([...QUICK, '--precision', 'fp32', '-r', '1', '--text', text, ...common, '--out', out, '--json']),
      run(['score', '--file', text, ...common, '--json']),
    ]);
    const report = JSON.parse(compared.stdout) as CompareReport;
    expect(report).toEqual(readReport(out));
    const score = JSON.parse(scored.stdout);
    expect(report.text).toMatchObject({ source: text, window: score.window, stride: score.stride });
    expect(report.candidates[0]!.quality!.perplexity).toBeCloseTo(score.perplexity, 3);
    expect(report.candidates[0]!.quality!.bitsPerByte).toBeCloseTo(score.bitsPerByte, 4);
  });

  it('keeps what has been measured when interrupted', async () => {
    const out = join(folder, 'interrupted');
    const process = start([...QUICK, '--precision', 'fp32', '-r', '50', '--out', out]);
    await process.seen(({ stderr }) => stderr.includes('Repetition 2 of 50'));
    process.child.kill('SIGINT');
    const { code, stdout } = await process.ended;
    expect(code).toBe(130);
    expect(stdout).toContain('Interrupted: this is what had been measured by then.');
    const report = readReport(out);
    expect(report).toMatchObject({ interrupted: true, candidates: [{ failure: null }] });
    expect(report.candidates[0]!.repetitions).toBeLessThan(50);
    expect(report.candidates[0]!.quality).not.toBeNull();
  });

  it.each([
    [['--precision', 'int3'], /^inhouse: --precision is "int3"; .*\[INHOUSE_INVALID_OPTION\]\n$/],
    [
      ['--precision', 'int4+h.99.*:int8'],
      /^inhouse: .*"h\.99\.\*" matches no matrix.*\[INHOUSE_INVALID_OPTION\]\n$/,
    ],
    [['--runner', 'fast'], /^inhouse: --runner is "fast"; .*\[INHOUSE_INVALID_OPTION\]\n$/],
    [['--device', 'tpu'], /^inhouse: .*cpu.*\[INHOUSE_INVALID_OPTION\]\n$/],
    [['--window', '9999'], /^inhouse: --window is 9999; .*tokens\. \[INHOUSE_INVALID_OPTION\]\n$/],
    [
      ['--text', join(folder, 'missing')],
      /^inhouse: --text .* cannot be read.*\[INHOUSE_INVALID_OPTION\]\n$/,
    ],
    [['-n', '1024'], /^inhouse: --n-gen is 1024; .*\[INHOUSE_INVALID_OPTION\]\n$/],
  ])('refuses %j before any work', async (flags, message) => {
    const out = join(folder, 'refused');
    const { code, stdout, stderr } = await run([...QUICK, '--precision', 'fp32', '--out', out, ...flags]);
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(message) });
    expect(existsSync(out)).toBe(false);
  });

  it('refuses a text too short to judge by', async () => {
    const text = join(folder, 'short.txt');
    writeFileSync(text, 'a');
    const { code, stderr } = await run([...QUICK, '--text', text, '--out', join(folder, 'refused')]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('INHOUSE_EMPTY_PROMPT') });
  });

  it('refuses a folder that it cannot write to', async () => {
    const file = join(folder, 'a-file');
    writeFileSync(file, '');
    const { code, stderr } = await run([...QUICK, '--out', join(file, 'below')]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('--out') });
  });
});
