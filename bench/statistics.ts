// The few statistics that the measurements report. Pure.

/** The p-quantile (0..1) of values in any order, interpolated between neighbours. */
export function quantile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = p * (sorted.length - 1);
  const below = sorted[Math.floor(at)];
  const above = sorted[Math.ceil(at)];
  if (below === undefined || above === undefined) return Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export interface Trend {
  /** Least-squares slope per step. */
  readonly slope: number;
  /** Standard error of the slope; a slope within two of these of zero cannot be told from none. */
  readonly standardError: number;
}

/** The trend of values taken at steps 0, 1, 2, ... */
export function trend(values: readonly number[]): Trend {
  const n = values.length;
  const meanX = (n - 1) / 2;
  const meanY = values.reduce((sum, value) => sum + value, 0) / n;
  let xx = 0;
  let xy = 0;
  for (const [x, value] of values.entries()) {
    xx += (x - meanX) ** 2;
    xy += (x - meanX) * (value - meanY);
  }
  const slope = xy / xx;
  const residual = values.reduce((sum, value, x) => sum + (value - meanY - slope * (x - meanX)) ** 2, 0);
  return { slope, standardError: Math.sqrt(residual / (n - 2) / xx) };
}
