// A comparison as plain text for the terminal, as Markdown, and as CSV. Pure.
import { type CompareReport, introduction, remarks, SAMPLES_TITLE, type Table, tablesOf } from './report.js';
import type { CandidateResult } from './results.js';

export function printed(report: CompareReport): string {
  const { recommendation } = report;
  const parts = [
    introduction(report).join('\n'),
    ...tablesOf(report).map((table) => `${table.title}\n${aligned(table)}`),
    remarks(report).join('\n'),
    `${recommended(report)}\n${recommendation.rule}`,
  ];
  return parts.join('\n\n');
}

export function recommended({ recommendation: { candidate, reason } }: CompareReport): string {
  return candidate === null ? `No recommendation. ${reason}` : `Recommended: ${reason}`;
}

/** Labels to the left, figures to the right. */
function aligned({ head, rows }: Table): string {
  const lines = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines
    .map((line) =>
      line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
    )
    .join('\n');
}

export function markdown(report: CompareReport): string {
  const { model, text, candidates, recommendation } = report;
  const samples = candidates.flatMap(({ label, quality }) =>
    quality === null ? [] : [`**${literal(label)}**\n\n${quoted(text.prompt + quality.sampleText)}`],
  );
  const parts = [
    `# ${literal(model.id)}: precisions compared`,
    `**${literal(recommended(report))}**`,
    literal(recommendation.rule),
    ...introduction(report).map(literal),
    ...tablesOf(report).map((table) => `## ${table.title}\n\n${pipes(table)}`),
    '## How it was measured',
    remarks(report)
      .map((line) => `- ${literal(line)}`)
      .join('\n'),
    `## ${SAMPLES_TITLE}`,
    ...samples,
    `\`${report.command.replaceAll('`', "'")}\`, ${report.startedAt}`,
  ];
  return `${parts.join('\n\n')}\n`;
}

function pipes({ head, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.map(literal).join(' | ')} |`;
  const rule = `|---|${'---:|'.repeat(head.length - 1)}`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}

/** Every line of somebody's text as a quotation. */
function quoted(text: string): string {
  return text
    .split('\n')
    .map((line) => `> ${literal(line)}`.trimEnd())
    .join('\n');
}

/** Without a meaning in Markdown. */
function literal(text: string): string {
  return text.replace(/[\\`*_{}[\]<>#|~]/g, '\\$&');
}

/** RFC 4180: a line per candidate, figures unrounded; empty where there is none. */
export function csv({ candidates }: CompareReport): string {
  const records = candidates.map(flat);
  const names = [...new Set(records.flatMap((record) => Object.keys(record)))];
  const lines = [names, ...records.map((record) => names.map((name) => cellOf(record[name])))];
  return `${lines.map((line) => line.join(',')).join('\r\n')}\r\n`;
}

type Flat = Readonly<Record<string, string | number | null>>;

function flat({ decode, quality, ...rest }: CandidateResult): Flat {
  return {
    ...spreadOut(rest),
    ...Object.assign(
      {},
      ...decode.map((one) => spreadOut({ [`decode${one.batch}TokensPerSecond`]: one.tokensPerSecond })),
    ),
    ...quality,
  };
}

/** Spreads become three columns: the median under the name itself, and `Min` and `Max`. */
function spreadOut(values: Readonly<Record<string, unknown>>): Flat {
  const cells = Object.entries(values).flatMap(([name, value]) => {
    if (value === null || typeof value !== 'object') return [[name, value]];
    const { median, min, max } = value as Record<string, number>;
    return [
      [name, median],
      [`${name}Min`, min],
      [`${name}Max`, max],
    ];
  });
  return Object.fromEntries(cells) as Flat;
}

function cellOf(value: string | number | null | undefined): string {
  const text = String(value ?? '');
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
