// What a governance benchmark is: a name, the rows of the checklist that it answers, and how it measures them.
import checklist from './checklist.json' with { type: 'json' };
import type { Effort } from './effort.js';
import type { Row } from './row.js';

export interface Benchmark {
  /** As `--benchmark` takes it. */
  readonly name: string;
  /** What it measures, in a line. */
  readonly about: string;
  measure(effort: Effort): Promise<Row[]>;
}

/** One promise of the published systems. */
export interface ChecklistRow {
  readonly id: string;
  readonly capability: string;
  readonly target: string;
  /** The benchmark that covers it; the others are covered by tests. */
  readonly benchmark?: string;
}

export const CHECKLIST: readonly ChecklistRow[] = checklist;
