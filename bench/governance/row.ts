// One line of a governance benchmark: what was measured, what the published system reached, and whether ours holds.
// Verdicts are computed here from the number and its bounds, nowhere else. Pure.
import type { Distribution } from './distribution.js';

/** G: a provider that answers at once. R: one with simulated service times. E: a model. */
export type Plane = 'G' | 'R' | 'E';

/** 'no target': a figure to report, for which nothing was promised in numbers. */
export type Verdict = 'met' | 'acceptable' | 'not met' | 'no target';

/** All of them include their ends. */
export type Bound =
  | { readonly atMost: number }
  | { readonly atLeast: number }
  | { readonly between: readonly [number, number] };

export interface Row {
  /** As in checklist.json; an id may have several rows. */
  readonly id: string;
  readonly name: string;
  readonly plane: Plane;
  /** What the published system reached or promised; null where it gives no number. */
  readonly seed: number | null;
  readonly ours: number;
  readonly unit: string;
  /** What `verdict` was computed from; '-' where there is none. */
  readonly target: string;
  readonly verdict: Verdict;
  /** How it was measured, where that is not obvious. */
  readonly reason?: string;
}

export interface Measurement {
  readonly id: string;
  readonly name: string;
  readonly plane: Plane;
  readonly seed?: number | undefined;
  readonly ours: number;
  readonly unit: string;
  /** Of the promise itself, never a bound of our own. */
  readonly target?: Bound | undefined;
  /** A weaker promise of the same system; without it there is only met and not met. */
  readonly acceptable?: Bound | undefined;
  readonly reason?: string | undefined;
}

export function holds(value: number, bound: Bound): boolean {
  if ('atMost' in bound) return value <= bound.atMost;
  if ('atLeast' in bound) return value >= bound.atLeast;
  return value >= bound.between[0] && value <= bound.between[1];
}

export function verdictOf(ours: number, target?: Bound, acceptable?: Bound): Verdict {
  if (target === undefined) return 'no target';
  if (holds(ours, target)) return 'met';
  return acceptable !== undefined && holds(ours, acceptable) ? 'acceptable' : 'not met';
}

export function judged({ target, acceptable, seed, reason, ...facts }: Measurement): Row {
  return {
    ...facts,
    seed: seed ?? null,
    target: acceptable ? `${text(target)}, acceptable ${text(acceptable)}` : text(target),
    verdict: verdictOf(facts.ours, target, acceptable),
    ...(reason === undefined ? {} : { reason }),
  };
}

/** Published statistics of one operation. */
export interface SeedStatistics {
  readonly mean: number;
  readonly median: number;
  readonly p95: number;
  readonly p99: number;
}

/** Four rows: each statistic may be at most what was published. */
export function statisticRows(
  facts: Pick<Measurement, 'id' | 'name' | 'plane' | 'unit' | 'reason'>,
  ours: Distribution,
  seeds: SeedStatistics,
): Row[] {
  return (['mean', 'median', 'p95', 'p99'] as const).map((statistic) =>
    judged({
      ...facts,
      name: `${facts.name}, ${statistic}`,
      seed: seeds[statistic],
      ours: ours[statistic],
      target: { atMost: seeds[statistic] },
    }),
  );
}

/** Six significant digits at most. */
function text(bound: Bound | undefined): string {
  if (bound === undefined) return '-';
  const short = (value: number) => String(Number(value.toPrecision(6)));
  if ('atMost' in bound) return `≤ ${short(bound.atMost)}`;
  if ('atLeast' in bound) return `≥ ${short(bound.atLeast)}`;
  return `${short(bound.between[0])} to ${short(bound.between[1])}`;
}
