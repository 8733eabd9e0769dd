// What `inhouse doctor` finds out about the runtime: ONNX Runtime's library, its providers, and one real generation.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LoadOptions } from '../load.js';
import { onnxRuntimeLibrary } from '../runtime/native/library.js';
import { nativeAddon } from '../runtime/native.js';

export interface RuntimeLibrary {
  readonly version: string;
  /** Where onnxruntime-node keeps the library for this platform, and where providers belong. */
  readonly folder: string;
  /** Null when it is missing. */
  readonly file: string | null;
  readonly problem: string | null;
}

export interface ProviderState {
  readonly name: string;
  /** Part of the installed onnxruntime-node; others need files that are not. */
  readonly bundled: boolean;
  readonly loads: boolean;
  /** Why it does not load. */
  readonly reason: string | null;
}

/** Milliseconds. */
export type SelfTest =
  | { readonly ok: true; readonly loadMs: number; readonly generateMs: number; readonly tokens: number }
  | { readonly ok: false; readonly reason: string };

const PROBE_TIMEOUT_MS = 20_000;
/** The first use of a GPU may compile kernels. */
const SELF_TEST_TIMEOUT_MS = 60_000;
const SELF_TEST_TOKENS = 4;

/** Undefined when onnxruntime-node is not installed. */
export function runtimeLibrary(): RuntimeLibrary | undefined {
  const manifest = findManifest();
  if (manifest === undefined) return undefined;
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { readonly version: string };
  try {
    const file = onnxRuntimeLibrary();
    return { version, folder: dirname(file), file, problem: null };
  } catch (error) {
    return { version, folder: dirname(manifest), file: null, problem: (error as Error).message };
  }
}

/** The state of every provider that this build of ONNX Runtime can name; none when its binding does not load. */
export async function providerStates(): Promise<readonly ProviderState[]> {
  const runtime = await import('onnxruntime-node').catch(() => undefined); // the self-test says why
  const known = runtime?.listSupportedBackends() ?? [];
  return Promise.all(known.map(async ({ name, bundled }) => ({ name, bundled, ...(await probe(name)) })));
}

export interface AddonState {
  /** Whether `load` takes the native runner on this machine. */
  readonly inUse: boolean;
  /** The addon's file, or why there is none. */
  readonly detail: string;
  /** Who multiplies matrices of 8 and 4 bits: the addon, by these instructions of the processor, or ONNX Runtime. */
  readonly quantizedProducts: string;
}

export function addonState(): AddonState {
  const native = nativeAddon();
  if (!native.loaded) return { inUse: false, detail: native.reason, quantizedProducts: 'ONNX Runtime' };
  const { productKernel } = native.addon;
  return {
    inUse: true,
    detail: native.file,
    quantizedProducts: productKernel === undefined ? 'ONNX Runtime' : `own kernel, ${productKernel}`,
  };
}

/** Loads the embedded model and generates a few tokens: what has to work, works. */
export async function selfTest(options: LoadOptions = { device: 'cpu' }): Promise<SelfTest> {
  const { load } = await import('../load.js');
  try {
    const begunAt = performance.now();
    await using model = await load(undefined, options);
    const loadedAt = performance.now();
    const { tokens } = await model.generate('It was', { maxTokens: SELF_TEST_TOKENS, temperature: 0 });
    const generateMs = performance.now() - loadedAt;
    return { ok: true, loadMs: loadedAt - begunAt, generateMs, tokens: tokens.length };
  } catch (error) {
    return { ok: false, reason: error instanceof Error ? error.message : String(error) };
  }
}

function findManifest(): string | undefined {
  try {
    return createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
  } catch {
    return undefined;
  }
}

/** The same on the first GPU, in a process of its own. */
export async function cudaSelfTest(): Promise<SelfTest> {
  const ended = await runApart('./cuda-self-test.js', SELF_TEST_TIMEOUT_MS);
  return typeof ended === 'string' ? { ok: false, reason: ended } : (JSON.parse(ended.stdout) as SelfTest);
}

export async function probe(provider: string): Promise<Pick<ProviderState, 'loads' | 'reason'>> {
  const ended = await runApart('./provider-probe.js', PROBE_TIMEOUT_MS, provider);
  return typeof ended === 'string' ? { loads: false, reason: ended } : answerOf(ended.stdout, ended.stderr);
}

/** Runs a script beside this file to its end; gives what it printed, or why it did not get there. */
function runApart(
  script: string,
  timeoutMs: number,
  ...args: readonly string[]
): Promise<{ readonly stdout: string; readonly stderr: string } | string> {
  const file = fileURLToPath(new URL(script, import.meta.url));
  return new Promise((resolve) => {
    const options = { timeout: timeoutMs, env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' } };
    execFile(process.execPath, [file, ...args], options, (failure, stdout, stderr) => {
      resolve(failure ? crashReason(failure, timeoutMs) : { stdout, stderr });
    });
  });
}

/** The dynamic loader's own words, where there are any, say more than the exception. */
function answerOf(stdout: string, stderr: string): Pick<ProviderState, 'loads' | 'reason'> {
  const answer = JSON.parse(stdout) as Pick<ProviderState, 'loads' | 'reason'>;
  if (answer.loads) return answer;
  const loaderSays = /Failed to load library \S+ with error: (.+)/.exec(stderr)?.[1];
  const failedCheck = /^.* was false\. /s; // ONNX Runtime begins with its source line and the condition
  return { loads: false, reason: loaderSays ?? answer.reason?.replace(failedCheck, '').trim() ?? null };
}

function crashReason(
  { killed, signal, message }: { killed?: boolean; signal?: string; message: string },
  timeoutMs: number,
): string {
  if (killed) return `it did not answer within ${timeoutMs / 1000} s`;
  return signal ? `trying it ended the process with ${signal}` : message.trim();
}
