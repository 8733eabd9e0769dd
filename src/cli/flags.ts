// Flags that several commands share, and how their words become values. Ranges are the library's to check.
import { type Command, InvalidArgumentError } from 'commander';
import { EMBEDDED_MODEL } from '../checkpoint/embedded.js';
import { PRECISIONS } from '../graph/precision.js';
import type { DeviceChoice } from '../runtime/device.js';

/** Which model, and how to get it. */
export interface ModelFlags {
  readonly model: string;
  readonly revision?: string;
  readonly offline?: boolean;
}

export interface RunFlags extends ModelFlags {
  readonly precision?: string;
  readonly device?: DeviceChoice;
  readonly threads?: number;
}

export function addModelFlags(command: Command): Command {
  return command
    .option('-m, --model <name>', 'model name, hub id or folder', EMBEDDED_MODEL)
    .option('--revision <revision>', 'branch, tag or commit of a model on the hub')
    .option('--offline', 'use no network, only what is on this machine');
}

export function addRunFlags(command: Command): Command {
  return addModelFlags(command)
    .option(
      '--precision <name>',
      `${PRECISIONS.join(', ')}, or a mix such as int4+lm_head:int8 (default: fp32)`,
    )
    .option('--device <name>', 'cpu, cuda, cuda:1, ..., or auto for the best there is (default: auto)')
    .option('--threads <count>', 'threads that compute (default: all)', toNumber);
}

export function toNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  throw new InvalidArgumentError('It must be a number.');
}

/** Token ids separated by commas or spaces. */
export function toIds(text: string): readonly number[] {
  const words = text.split(/[\s,]+/).filter((word) => word !== '');
  if (words.length > 0 && words.every((word) => /^\d+$/.test(word))) return words.map(Number);
  throw new InvalidArgumentError('It must be token ids separated by commas, such as 15496,995.');
}

/** For flags that may be given several times. */
export function append(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value];
}

/** The flags of these names that were given. */
export function pick<Flags extends object, Name extends keyof Flags>(
  flags: Flags,
  ...names: readonly Name[]
): Pick<Flags, Name> {
  return Object.fromEntries(names.filter((name) => name in flags).map((name) => [name, flags[name]])) as Pick<
    Flags,
    Name
  >;
}
