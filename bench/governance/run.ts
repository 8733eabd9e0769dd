// Runs governance benchmarks one after the other.
import { machine } from '../machine.js';
import { EFFORTS } from './effort.js';
import { BENCHMARKS } from './registry.js';
import type { GovernanceReport } from './report.js';
import type { Row } from './row.js';

export interface GovernanceRun {
  /** Of the registry, or 'all'. */
  readonly benchmark: string;
  readonly effort: keyof typeof EFFORTS;
  /** Told before each benchmark. */
  readonly onProgress?: (name: string, about: string) => void;
}

export async function benchGovernance({
  benchmark,
  effort,
  onProgress,
}: GovernanceRun): Promise<GovernanceReport> {
  const about = machine();
  const startedAt = new Date().toISOString();
  const rows: Row[] = [];
  for (const each of BENCHMARKS) {
    if (benchmark !== 'all' && benchmark !== each.name) continue;
    onProgress?.(each.name, each.about);
    rows.push(...(await each.measure(EFFORTS[effort])));
  }
  return { machine: about, startedAt, effort, rows };
}
