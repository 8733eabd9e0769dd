// Whether a figure changes while a load goes on: its trend, and its end beside its beginning. Pure.
import { median, trend } from '../statistics.js';

export interface Drift {
  /** Medians of the first and the last fifth of the readings, and the second over the first. */
  readonly firstFifth: number;
  readonly lastFifth: number;
  readonly ratio: number;
  /** Least squares over all readings. */
  readonly slopePerHour: number;
  /** Of the slope; one within two of these of zero cannot be told from none. */
  readonly standardErrorPerHour: number;
}

/** Of readings taken at equal distances; null with fewer than 5 of them. */
export function drift(readings: readonly number[], secondsApart: number): Drift | null {
  if (readings.length < 5) return null;
  const fifth = Math.floor(readings.length / 5);
  const firstFifth = median(readings.slice(0, fifth));
  const lastFifth = median(readings.slice(-fifth));
  const { slope, standardError } = trend(readings);
  const perHour = 3600 / secondsApart;
  return {
    firstFifth,
    lastFifth,
    ratio: lastFifth / firstFifth,
    slopePerHour: slope * perHour,
    standardErrorPerHour: standardError * perHour,
  };
}
