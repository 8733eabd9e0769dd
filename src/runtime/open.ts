// Opens a runner: the native one where its addon loads, else the portable one, which is said once.
import { nativeAddon, openNativeRunner } from './native.js';
import { openPortableRunner } from './portable.js';
import type { Runner, RunnerOptions } from './runner.js';

export type RunnerChoice = 'auto' | 'native' | 'portable';

let told = false;

/** Throws a `RunnerError` (`INHOUSE_RUNTIME_LOAD`), also when 'native' is asked for and its addon does not load. */
export function openRunner(choice: RunnerChoice, options: RunnerOptions): Promise<Runner> {
  if (choice === 'portable') return openPortableRunner(options);
  const native = nativeAddon();
  if (choice === 'native' || native.loaded) return openNativeRunner(options);
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
