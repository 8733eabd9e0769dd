// What is said of the samples of a benchmark, by the method of the published figures: one percent trimmed off either
// end, then mean, median, percentiles, standard deviation and a 95 % interval of the mean. Pure.
import { Random } from '../run/random.js';
import { quantile } from '../statistics.js';

export interface Distribution {
  /** That were left after trimming. */
  readonly samples: number;
  readonly mean: number;
  readonly median: number;
  readonly p95: number;
  readonly p99: number;
  /** Of the samples (n - 1). */
  readonly deviation: number;
  /** In which the mean lies with a confidence of 95 %: 1.96 standard errors to either side. */
  readonly interval: readonly [number, number];
}

const TRIMMED = 0.01;
const NORMAL_95 = 1.96;

export function distribution(samples: readonly number[]): Distribution {
  const kept = trimmed(samples);
  const mean = meanOf(kept);
  const squares = kept.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const deviation = Math.sqrt(squares / (kept.length - 1));
  const error = (NORMAL_95 * deviation) / Math.sqrt(kept.length);
  return {
    samples: kept.length,
    mean,
    median: quantile(kept, 0.5),
    p95: quantile(kept, 0.95),
    p99: quantile(kept, 0.99),
    deviation,
    interval: [mean - error, mean + error],
  };
}

/** Ascending, without one percent of the samples, and at least one, at either end; fewer than four stay as they are. */
export function trimmed(samples: readonly number[]): readonly number[] {
  const sorted = samples.toSorted((a, b) => a - b);
  if (sorted.length < 4) return sorted;
  const cut = Math.max(1, Math.floor(sorted.length * TRIMMED));
  return sorted.slice(cut, -cut);
}

export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export interface Overhead {
  /** How much more the second of each pair is than the first, altogether. */
  readonly percent: number;
  /** In which that lies with a confidence of 95 %. */
  readonly interval: readonly [number, number];
}

const RESAMPLES = 2000;
const SEED = 20_260_113;

/** A measurement without, and one with what is to be judged, right after each other. */
export type Pair = readonly [without: number, with_: number];

/** By `middle`, such as the mean, of the differences. The interval is the percentile bootstrap's, over the pairs. */
export function overheadOf(pairs: readonly Pair[], middle: (values: readonly number[]) => number): Overhead {
  const percent = (sample: readonly Pair[]) =>
    (middle(sample.map(([without, with_]) => with_ - without)) / middle(sample.map(([without]) => without))) *
    100;
  const random = new Random(SEED);
  const resampled = Array.from({ length: RESAMPLES }, () =>
    percent(pairs.map(() => pairs[Math.floor(random.uniform() * pairs.length)]!)),
  );
  return { percent: percent(pairs), interval: [quantile(resampled, 0.025), quantile(resampled, 0.975)] };
}

export interface Line {
  readonly slope: number;
  readonly intercept: number;
  /** Share of the variance that the line explains; 1 where there is none to explain. */
  readonly r2: number;
}

/** The least-squares line through the points. */
export function lineThrough(points: readonly (readonly [x: number, y: number])[]): Line {
  const meanX = meanOf(points.map(([x]) => x));
  const meanY = meanOf(points.map(([, y]) => y));
  let xx = 0;
  let xy = 0;
  let yy = 0;
  for (const [x, y] of points) {
    xx += (x - meanX) ** 2;
    xy += (x - meanX) * (y - meanY);
    yy += (y - meanY) ** 2;
  }
  const slope = xy / xx;
  return { slope, intercept: meanY - slope * meanX, r2: yy === 0 ? 1 : (slope * xy) / yy };
}
