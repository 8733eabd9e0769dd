import { describe, expect, it } from 'vitest';
import { html } from '#bench/compare/html.js';
import type { CompareReport } from '#bench/compare/report.js';
import { axis, bars, escapeXml, scatter } from '#bench/compare/svg.js';
import { csv, markdown, printed } from '#bench/compare/text-forms.js';
import { candidate, HOSTILE, report } from './fixture.js';

const hostile: CompareReport = report({
  command: HOSTILE,
  model: { ...report().model, id: HOSTILE },
  text: { ...report().text, source: HOSTILE, prompt: HOSTILE },
  candidates: [
    candidate('fp32', {
      failure: HOSTILE,
      quality: { ...candidate('fp32').quality!, sampleText: `${HOSTILE}\u0000\u001b[31m` },
    }),
  ],
});
const unmeasured = candidate('fp32', {
  failure: 'it broke',
  repetitions: 0,
  loadMs: null,
  rssBeforeBytes: null,
  rssLoadedBytes: null,
  rssPeakBytes: null,
  kvBytesPerToken: null,
  timeToFirstTokenMs: null,
  prefillTokensPerSecond: null,
  decode: [{ batch: 1, tokensPerSecond: null }],
  quality: null,
});
const nothing = report({
  candidates: [unmeasured],
  interrupted: true,
  recommendation: { candidate: null, rule: 'The rule.', reason: 'Nothing to go by.' },
});

/** Names of the elements in order; throws where one is not closed, or text or attributes are not escaped. */
function elementsOf(markup: string): string[] {
  const open: string[] = [];
  const names: string[] = [];
  const text = markup.replace(/^<!doctype html>/, '').replace(/<style>[^<]*<\/style>/, '');
  const rest = text.replace(
    /<(\/?)([a-z][a-z0-9]*)((?: [a-zA-Z0-9-]+="[^"<>]*")*)(\/?)>/g,
    (_, closing: string, name: string, attributes: string, empty: string) => {
      if (/&(?!(amp|lt|gt|quot|#39);)/.test(attributes)) throw new Error(`not escaped: ${attributes}`);
      if (closing) {
        if (open.pop() !== name) throw new Error(`</${name}> closes nothing`);
      } else {
        names.push(name);
        if (!empty) open.push(name);
      }
      return '';
    },
  );
  if (open.length > 0) throw new Error(`never closed: ${open.join()}`);
  if (/[<>]|&(?!(amp|lt|gt|quot|#39);)|(?![\t\n\r])\p{Cc}/u.test(rest))
    throw new Error(`not escaped: ${rest}`);
  return names;
}

describe('html', () => {
  it.each([
    ['a whole comparison', report()],
    ['words full of markup', hostile],
    ['a comparison without figures', nothing],
  ])('is well-formed with %s', (_, one) => {
    expect(elementsOf(html(one))).toEqual(expect.arrayContaining(['html', 'h1', 'table']));
  });

  it('has the charts, each with a title and a description', () => {
    const names = elementsOf(html(report()));
    const count = (name: string) => names.filter((one) => one === name).length;
    expect([count('svg'), count('desc'), count('circle'), count('rect')]).toEqual([3, 3, 2, 4]);
    expect(html(report())).toContain('int4: 131 [118, 144] tokens/s, +1.90 ± 0.40 %');
  });

  it('has no chart where there is nothing to draw', () => {
    const names = elementsOf(html(nothing));
    expect(names.filter((name) => name === 'circle')).toEqual([]);
  });

  it('needs no network and no script, and knows dark from light', () => {
    const page = html(report());
    expect(page).not.toMatch(/https?:|src=|href=|@import|url\(|<script|<link/);
    expect(page).toContain('@media (prefers-color-scheme: dark)');
  });

  it('marks the recommended candidate', () => {
    expect(html(report())).toContain('<tr class="chosen"><th scope="row">fp32</th>');
  });
});

describe('charts', () => {
  it('place points and bars in proportion', () => {
    const text = { id: 'a', title: 't', description: 'd' };
    const point = (x: number, y: number) => ({ label: 'p', x, xRange: [x, x], y, chosen: false }) as const;
    const drawn = scatter(text, { x: 'x', y: 'y' }, [point(0, 0), point(50, 1), point(100, 2)]);
    const centres = [...drawn.matchAll(/cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) => [
      Number(x),
      Number(y),
    ]);
    expect(centres).toEqual([
      [64, 308],
      [340, 166],
      [616, 24],
    ]);
    const bar = (value: number) => ({ label: 'b', value, text: '', chosen: false });
    const widths = [...bars(text, [bar(10), bar(5), bar(0)]).matchAll(/width="([\d.]+)"/g)].map(([, width]) =>
      Number(width),
    );
    expect(widths[0]).toBeCloseTo(2 * widths[1]!, 0);
    expect(widths[2]).toBe(1);
  });

  it('keep the labels of neighbouring points apart, and within', () => {
    const at = (y: number) => ({ label: 'same place', x: 9, xRange: [9, 9], y, chosen: false }) as const;
    const points = [at(1), at(1), at(1), at(0), at(0), at(0)];
    const drawn = scatter({ id: 'a', title: 't', description: 'd' }, { x: 'x', y: 'y' }, points);
    const heights = [...drawn.matchAll(/class="name" x="[\d.]+" y="([\d.]+)"/g)].map(([, y]) => Number(y));
    expect(heights).toEqual([44, 58, 72, 298, 284, 270]);
  });

  it.each([
    [[0, 131], 0, 140, 20],
    [[0, 1.9], 0, 2, 0.2],
    [[-0.004, 0.011], -0.004, 0.012, 0.002],
    [[0, 0], 0, 0.2, 0.2],
    [[7, 7], 7, 7.2, 0.2],
  ])('enclose %j in round numbers', (values, from, to, step) => {
    const made = axis(values);
    expect([made.from, made.to, made.step].map((value) => Number(value.toPrecision(12)))).toEqual([
      from,
      to,
      step,
    ]);
    expect(made.ticks.length).toBeLessThanOrEqual(12);
  });

  it('escape what is not for them', () => {
    expect(escapeXml(`<a b='c'>&"\u0007`)).toBe('&lt;a b=&#39;c&#39;&gt;&amp;&quot;\ufffd');
  });
});

describe('csv', () => {
  /** As RFC 4180 has it. */
  function parse(text: string): string[][] {
    const cells = [...text.matchAll(/("(?:[^"]|"")*"|[^,\r\n]*)(,|\r\n)/g)];
    const rows: string[][] = [[]];
    for (const [, cell, end] of cells) {
      rows.at(-1)!.push(cell!.startsWith('"') ? cell!.slice(1, -1).replaceAll('""', '"') : cell!);
      if (end === '\r\n') rows.push([]);
    }
    return rows.slice(0, -1);
  }

  it('has a line per candidate and every figure unrounded', () => {
    const [head, fp32, int4, ...rest] = parse(csv(report()));
    expect(rest).toEqual([]);
    const cell = (row: string[], name: string) => row[head!.indexOf(name)];
    expect(cell(fp32!, 'label')).toBe('fp32');
    expect(cell(int4!, 'decode8TokensPerSecond')).toBe('420');
    expect(cell(int4!, 'decode1TokensPerSecondMin')).toBe(String(131 * 0.9));
    expect(cell(int4!, 'perplexityChange')).toBe('0.019');
    expect(cell(fp32!, 'joulesPerToken')).toBe('');
    for (const row of [fp32!, int4!]) expect(row).toHaveLength(head!.length);
  });

  it('keeps quotes, commas and line ends of a text', () => {
    const [head, row] = parse(csv(hostile));
    expect(row![head!.indexOf('failure')]).toBe(HOSTILE);
  });
});

describe('markdown', () => {
  it('has tables of equally many cells in every line', () => {
    const lines = markdown(report())
      .split('\n')
      .filter((line) => line.startsWith('|'));
    const tables = lines.map((line) => line.split(/(?<!\\)\|/).length);
    expect(lines).toHaveLength(3 * 4);
    for (const at of [0, 4, 8]) expect(new Set(tables.slice(at, at + 4)).size).toBe(1);
  });

  it('takes nothing in a text for its own syntax', () => {
    const [heading] = markdown(hostile).split('\n\n');
    expect(heading).toBe(
      '# \\</script\\>\\<b\\>"bold"\\</b\\> & \'x\' \\| a\n\\`y\\` \\*z\\*, "q": precisions compared',
    );
    expect(markdown(hostile)).toContain('> \\</script\\>\\<b\\>"bold"\\</b\\> & \'x\' \\| a\n> \\`y\\`');
  });
});

describe('printed', () => {
  it('ends with the recommendation and its rule', () => {
    expect(printed(report())).toMatch(/\n\nRecommended: fp32: the reason\.\nThe rule\.$/);
    expect(printed(nothing)).toMatch(/\n\nNo recommendation\. Nothing to go by\.\nThe rule\.$/);
  });

  it('says what failed, and that it was interrupted', () => {
    expect(printed(nothing)).toContain('Interrupted: this is what had been measured by then.');
    expect(printed(nothing)).toContain('fp32 failed: it broke');
    expect(printed(nothing)).toContain('Medians of up to 3 repetitions');
    expect(printed(report())).not.toMatch(/Interrupted|failed/);
  });

  it('aligns the figures of a column to the right', () => {
    const lines = printed(report()).split('\n');
    const at = lines.indexOf('Speed');
    expect(lines.slice(at + 1, at + 4).map((line) => line.length)).toEqual(
      new Array(3).fill(lines[at + 1]!.length),
    );
  });
});
