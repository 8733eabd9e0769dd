// Opens a runner: the native one where its addon loads, else the portable one, which is said once.
import { RunnerError } from '../errors.js';
import { nativeAddon, openNativeRunner } from './native.js';
import { openPortableRunner } from './portable.js';
import type { Runner, RunnerOptions } from './runner.js';

export type RunnerChoice = 'auto' | 'native' | 'portable';

const CPU_ONLY =
  "The portable runner computes on the CPU only. Use the native one for a GPU, or device: 'cpu' with this one.";

let told = false;

/**
 * Throws a `RunnerError` (`INHOUSE_RUNTIME_LOAD`), also when the native runner is asked for, or needed for a device, and
 * its addon does not load.
 */
export async function openRunner(choice: RunnerChoice, options: RunnerOptions): Promise<Runner> {
  const needsNative = options.device !== undefined;
  if (choice === 'portable') {
    if (needsNative) throw new RunnerError('INHOUSE_RUNTIME_LOAD', CPU_ONLY);
    return openPortableRunner(options);
  }
  const native = nativeAddon();
  if (choice === 'native' || needsNative || native.loaded) return openNativeRunner(options);
  tellOnce(native.reason);
  return openPortableRunner(options);
}

function tellOnce(reason: string): void {
  if (told) return;
  told = true;
  process.emitWarning(
    `The portable runner is used, which is slower: ${reason}. \`inhouse doctor\` says more.`,
    {
      type: 'InhouseWarning',
      code: 'INHOUSE_PORTABLE_RUNNER',
    },
  );
}
