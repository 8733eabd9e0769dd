// The same work by PyTorch on the same machine: runs torch_reference.py, which prints one result a line as it goes.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { packageRoot } from '../../src/package-root.js';
import type { SyntheticShape } from '../synthetic.js';
import type { Sizes } from './plan.js';

export interface TorchResult {
  /** 'eager' or 'compile': transformers' GPT-2 with a static cache; FP16, and float32 on the CPU in a dry run. */
  readonly mode: string;
  readonly phase: 'decode' | 'prefill';
  readonly batch: number;
  readonly depth: number;
  readonly prompt: number | null;
  readonly msPerStep: number | null;
  readonly spread: { readonly minMs: number; readonly maxMs: number } | null;
  readonly tokensPerSecond: number | null;
  readonly peakBytes: number | null;
  /** Why there is no figure. */
  readonly error: string | null;
}

export interface TorchTools {
  readonly python: string;
  readonly signal: AbortSignal;
  readonly onResult: (result: TorchResult) => void;
  /** Seconds after which it begins nothing new. */
  readonly seconds: number;
}

/** Rejects with what the script says where it fails; what it had printed by then has been told. */
export async function torchResults(
  shape: SyntheticShape,
  { batches, depths, prompts, newTokens, repetitions }: Sizes,
  { python, signal, onResult, seconds }: TorchTools,
): Promise<void> {
  const work = { ...shape, batches, depths, prompts, newTokens, repetitions, seconds };
  const script = join(packageRoot(), 'bench', 'gpu', 'torch_reference.py');
  const child = spawn(python, [script, JSON.stringify(work)], { stdio: ['ignore', 'pipe', 'pipe'], signal });
  let said = '';
  child.stderr.on('data', (text) => {
    said = `${said}${text}`.slice(-2000);
  });
  const ended = new Promise<number | null>((resolve, reject) =>
    child.on('close', resolve).on('error', reject),
  );
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('{')) onResult(JSON.parse(line) as TorchResult);
  }
  const code = await ended;
  if (code !== 0) throw new Error(`${python} ended with code ${code}: ${said.trim().split('\n').at(-1)}`);
}
