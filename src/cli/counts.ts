// Flags of the measuring commands that take counts and lists of them, and how far those may go.
import { InvalidArgumentError, Option } from 'commander';

export const MOST = {
  /** Far above any context. */
  tokens: 1_000_000,
  /** As in `load()`. */
  rows: 256,
  threads: 256,
  repetitions: 10_000,
} as const;

/** A flag that takes a list of integers. */
export function counts(
  flags: string,
  description: string,
  least: number,
  most: number,
  usual: number[],
): Option {
  return new Option(flags, description)
    .argParser((text) => toWords(text).map(toCount(least, most)))
    .default(usual, usual.join());
}

export function toCount(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be an integer from ${least} to ${most}.`);
  };
}

export function toWords(text: string): readonly string[] {
  return text.split(',').map((word) => word.trim());
}
