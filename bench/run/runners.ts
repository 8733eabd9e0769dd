// The runners that can be measured, by name.
import { invalidOption, rule } from '../../src/options.js';
import { nativeAddon, openNativeRunner } from '../../src/runtime/native.js';
import { openPortableRunner } from '../../src/runtime/portable.js';
import type { Runner, RunnerInfo, RunnerOptions } from '../../src/runtime/runner.js';

interface KnownRunner {
  readonly open: (options: RunnerOptions) => Promise<Runner>;
  /** Whether this machine can run it. */
  readonly available: () => boolean;
}

/** Fastest first: 'auto' is the first one that is available. */
const RUNNERS: Readonly<Record<RunnerInfo['kind'], KnownRunner>> = {
  native: { open: openNativeRunner, available: () => nativeAddon().loaded },
  portable: { open: openPortableRunner, available: () => true },
};

const KINDS = Object.keys(RUNNERS) as readonly RunnerInfo['kind'][];

/** What the user's word means on this machine. Throws `INHOUSE_INVALID_OPTION` for a word that means nothing. */
export function runnerKind(word: string): RunnerInfo['kind'] {
  const expected = rule.oneOf('auto', ...KINDS)(word);
  if (expected !== undefined) throw invalidOption('bench', 'runner', word, expected);
  return word === 'auto' ? KINDS.find((kind) => RUNNERS[kind].available())! : (word as RunnerInfo['kind']);
}

/** Throws a `RunnerError` (`INHOUSE_RUNTIME_LOAD`) when it cannot be had. */
export function openRunner(kind: RunnerInfo['kind'], options: RunnerOptions): Promise<Runner> {
  return RUNNERS[kind].open(options);
}
