// A comparison as one HTML page that needs nothing else: no network, no script. Readable in light and dark. Pure.
import {
  type CompareReport,
  changeOf,
  introduction,
  remarks,
  SAMPLES_TITLE,
  type Table,
  tablesOf,
  withSpread,
} from './report.js';
import type { CandidateResult } from './results.js';
import { type Bar, bars, escapeXml, scatter } from './svg.js';
import { recommended } from './text-forms.js';

const STYLE = `
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5b6570; --line: #d8dde3; --paper: #fff; --panel: #f5f7f9;
  --mark: #6b8fb8; --chosen: #c2410c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --soft: #a3adb8; --line: #3a424c; --paper: #15181c;
  --panel: #1e2329; --mark: #7aa5d6; --chosen: #fb923c; } }
body { margin: 2rem auto; max-width: 62rem; padding: 0 1rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin-bottom: 0.25rem; }
h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p, li, footer { max-width: 46rem; }
.soft, figcaption, footer { color: var(--soft); font-size: 0.9rem; }
.answer { background: var(--panel); border-left: 4px solid var(--chosen); padding: 0.75rem 1rem; }
.answer strong { font-size: 1.1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: 0.35rem 0.75rem; text-align: right; white-space: nowrap; }
th:first-child { text-align: left; padding-left: 0; }
tr.chosen th { color: var(--chosen); }
figure { margin: 1.5rem 0; max-width: 40rem; }
svg { width: 100%; height: auto; font: 13px system-ui, sans-serif; }
.grid { stroke: var(--line); }
.label { fill: var(--soft); }
.name { fill: var(--ink); }
.mark { fill: var(--mark); }
.range { stroke: var(--mark); stroke-width: 2; }
.chosen.mark { fill: var(--chosen); }
.chosen.range { stroke: var(--chosen); }
blockquote { margin: 0.5rem 0 1.25rem; padding-left: 1rem; border-left: 3px solid var(--line); white-space: pre-wrap;
  overflow-wrap: anywhere; max-width: 46rem; }
code { overflow-wrap: anywhere; }
`;

export function html(report: CompareReport): string {
  const { model, recommendation, command, startedAt } = report;
  const title = escapeXml(`${model.id}: precisions compared`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${title}</h1>
<p class="soft">${introduction(report).map(escapeXml).join('<br/>')}</p>
<p class="answer"><strong>${escapeXml(recommended(report))}</strong><br/>${escapeXml(recommendation.rule)}</p>
${charts(report)}
${tablesOf(report)
  .map((table) => section(table.title, tableOf(table, recommendation.candidate)))
  .join('\n')}
${section('How it was measured', list(remarks(report)))}
${section(SAMPLES_TITLE, samples(report))}
<footer><code>${escapeXml(command)}</code>, ${escapeXml(startedAt)}</footer>
</body>
</html>
`;
}

function section(title: string, content: string): string {
  return `<section>\n<h2>${escapeXml(title)}</h2>\n${content}\n</section>`;
}

function list(lines: readonly string[]): string {
  return `<ul>\n${lines.map((line) => `<li>${escapeXml(line)}</li>`).join('\n')}\n</ul>`;
}

function tableOf({ head, rows }: Table, chosen: string | null): string {
  const cells = (line: readonly string[]) => line.slice(1).map((cell) => `<td>${escapeXml(cell)}</td>`);
  const body = rows.map(
    (line) =>
      `<tr${line[0] === chosen ? ' class="chosen"' : ''}><th scope="row">${escapeXml(line[0]!)}</th>` +
      `${cells(line).join('')}</tr>`,
  );
  const names = head
    .slice(1)
    .map((name) => `<th scope="col">${escapeXml(name)}</th>`)
    .join('');
  return (
    `<div class="wide"><table>\n<thead><tr><td></td>${names}</tr></thead>\n` +
    `<tbody>\n${body.join('\n')}\n</tbody>\n</table></div>`
  );
}

function samples({ candidates, text }: CompareReport): string {
  return candidates
    .filter(({ quality }) => quality !== null)
    .map(
      ({ label, quality }) =>
        `<h3>${escapeXml(label)}</h3>\n<blockquote><span class="soft">${escapeXml(text.prompt)}</span>` +
        `${escapeXml(quality!.sampleText)}</blockquote>`,
    )
    .join('\n');
}

function charts(report: CompareReport): string {
  const { candidates, recommendation } = report;
  const chosen = (label: string) => label === recommendation.candidate;
  const memory = (of: (candidate: CandidateResult) => number | null): Bar[] =>
    candidates.flatMap((candidate) => {
      const value = of(candidate);
      const { label } = candidate;
      return value === null ? [] : [{ label, value, text: megabytes(value), chosen: chosen(label) }];
    });
  return [
    qualityAgainstSpeed(report, chosen),
    barFigure(
      'memory',
      'Memory at the peak',
      memory(({ rssPeakBytes }) => rssPeakBytes?.median ?? null),
    ),
    barFigure(
      'disk',
      'Size on disk',
      memory(({ diskBytes }) => diskBytes),
    ),
  ]
    .filter((figure) => figure !== '')
    .join('\n');
}

function qualityAgainstSpeed({ candidates }: CompareReport, chosen: (label: string) => boolean): string {
  const batch = candidates[0]?.decode[0]?.batch;
  const placed = candidates.flatMap((candidate) => {
    const speed = candidate.decode[0]?.tokensPerSecond;
    const { label, quality } = candidate;
    return speed == null || quality === null ? [] : [{ label, speed, quality }];
  });
  if (placed.length === 0) return '';
  const described = placed.map(
    ({ label, speed, quality }) => `${label}: ${withSpread(speed)} tokens/s, ${changeOf(quality)}`,
  );
  const title = 'Quality against speed';
  const chart = scatter(
    { id: 'quality', title, description: described.join('; ') },
    { x: `decode tokens/s, batch ${batch}`, y: 'perplexity against FP32, %' },
    placed.map(({ label, speed, quality }) => ({
      label,
      x: speed.median,
      xRange: [speed.min, speed.max],
      y: quality.perplexityChange * 100,
      chosen: chosen(label),
    })),
  );
  return figure(
    title,
    'To the right is faster (lines: slowest to fastest repetition), down is closer to FP32.',
    chart,
  );
}

function barFigure(id: string, title: string, items: readonly Bar[]): string {
  if (items.length === 0) return '';
  const description = items.map(({ label, text }) => `${label}: ${text}`).join('; ');
  return figure(title, '', bars({ id, title, description }, items));
}

function figure(title: string, caption: string, chart: string): string {
  const text = caption === '' ? title : `${title}. ${caption}`;
  return `<figure>\n<figcaption>${escapeXml(text)}</figcaption>\n${chart}\n</figure>`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0)} MB`;
}
