// What the measuring commands read and write: the model that is measured, and the file for the result.
import { writeFile } from 'node:fs/promises';
import type { BenchSubject } from '../../bench/run/bench.js';
import { inhouseHome } from '../home.js';
import { invalidOption, rule } from '../options.js';
import { usageError } from './failure.js';
import type { ModelFlags } from './flags.js';
import { findModelFolder } from './open-model.js';
import { formatBytes } from './output.js';

export interface SubjectFlags extends ModelFlags {
  readonly synthetic?: string;
}

export async function subjectOf(flags: SubjectFlags, signal: AbortSignal): Promise<BenchSubject> {
  const command = ['inhouse', ...process.argv.slice(2)].join(' ');
  if (flags.synthetic === undefined) {
    const { id, folder } = await findModelFolder(flags, signal);
    return { id, folder, synthetic: false, command };
  }
  const folder = await syntheticFolder(flags.synthetic, signal);
  return { id: flags.synthetic, folder, synthetic: true, command };
}

async function syntheticFolder(name: string, signal: AbortSignal): Promise<string> {
  const { syntheticCheckpoint, syntheticShapes } = await import('../../bench/synthetic.js');
  const shapes = syntheticShapes();
  const shape = shapes.get(name);
  if (shape === undefined) {
    throw invalidOption('bench', 'synthetic', name, rule.oneOf(...shapes.keys())(name)!);
  }
  return syntheticCheckpoint(name, shape, inhouseHome(), {
    signal,
    onWrite: (sizeBytes) => process.stderr.write(`Writing ${formatBytes(sizeBytes)} of random weights ...\n`),
  });
}

/** Complains now of a file that cannot be written, not when all has been measured. */
export function checkOutput(path: string): Promise<void> {
  return writeOutput(path, '', 'a');
}

export async function writeOutput(path: string, text: string, flag: 'a' | 'w' = 'w'): Promise<void> {
  try {
    await writeFile(path, text, { flag });
  } catch (error) {
    throw usageError(`--output ${path} cannot be written: ${(error as Error).message}`);
  }
}
