// A finished run as JSON, as CSV, and as a table for people. Pure.
import type { Machine } from '../machine.js';
import type { Row, Verdict } from './row.js';

export interface GovernanceReport {
  readonly machine: Machine;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  /** 'quick', 'realistic' or 'detailed'. */
  readonly effort: string;
  readonly rows: readonly Row[];
}

const VERDICTS: readonly Verdict[] = ['met', 'acceptable', 'not met', 'no target'];
const COLUMNS = ['id', 'name', 'plane', 'seed', 'ours', 'unit', 'target', 'verdict', 'reason'] as const;

/** As RFC 4180 has it, with a header line. */
export function csv({ rows }: Pick<GovernanceReport, 'rows'>): string {
  const lines = rows.map((row) => COLUMNS.map((column) => field(row[column])).join(','));
  return `${[COLUMNS.join(','), ...lines].join('\r\n')}\r\n`;
}

function field(value: string | number | null | undefined): string {
  const text = String(value ?? '');
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Each seed number beside ours, then the counts, and why what is not met is not. */
export function printedReport({ machine, effort, rows }: GovernanceReport): string {
  const cells = rows.map(({ id, name, plane, seed, ours, unit, target, verdict }) => [
    id,
    name,
    plane,
    short(seed),
    short(ours),
    unit,
    target,
    verdict,
  ]);
  const header = ['id', 'name', 'plane', 'seed', 'ours', 'unit', 'target', 'verdict'];
  const missed = rows.filter(({ verdict, reason }) => verdict === 'not met' && reason !== undefined);
  const parts = [
    `${machine.cpu}, ${machine.cores} cores, ${machine.platform}, Node ${machine.node}, ` +
      `load ${machine.loadAverage?.toFixed(1) ?? 'unknown'} before the run, ${effort}`,
    table([header, ...cells]),
    ...(missed.length === 0
      ? []
      : [missed.map(({ id, name, reason }) => `${id} ${name}: ${reason}`).join('\n')]),
    ...[gatewaySummary(rows)].filter((text) => text !== undefined),
    counts(rows),
  ];
  return parts.join('\n\n');
}

function counts(rows: readonly Row[]): string {
  const count = (wanted: Verdict) => rows.filter(({ verdict }) => verdict === wanted).length;
  return VERDICTS.map((verdict) => `${count(verdict)} ${verdict}`).join(', ');
}

/** The two lines that the gateway's own programs end with; undefined without its rows. */
function gatewaySummary(rows: readonly Row[]): string | undefined {
  const ours = (name: string) => rows.find((row) => row.id === 'G-40' && row.name === name)?.ours;
  const [production, debug] = [ours('production'), ours('debug')];
  if (typeof production !== 'number' || typeof debug !== 'number') return undefined;
  return `Production (INFO): ${production.toFixed(2)} µs per call\nDebug (DEBUG): ${debug.toFixed(1)} µs per call`;
}

/** Three significant digits, whole numbers as they are. */
function short(value: number | null): string {
  if (value === null) return '-';
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(3)));
}

/** Columns aligned to the left, two spaces apart. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
