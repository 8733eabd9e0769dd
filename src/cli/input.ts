// Where a command's text comes from: its argument, a file, or standard input. Always UTF-8, never repaired silently.
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { InvalidInputError } from '../errors.js';
import { usageError } from './failure.js';

/**
 * The argument; or all of standard input where the argument is '-', or absent while input is piped.
 * @param what it is, for the message to who gave neither
 */
export async function readText(argument: string | undefined, what: string): Promise<string> {
  if (argument !== undefined && argument !== '-') return argument;
  if (argument === undefined && process.stdin.isTTY) {
    throw usageError(`Give ${what} as an argument, or pipe it in.`);
  }
  return decode(await buffer(process.stdin), 'Standard input');
}

export async function readTextFile(path: string, flag = '--file'): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw usageError(`${flag} ${path} cannot be read: ${(error as Error).message}`);
  }
  return decode(bytes, path);
}

function decode(bytes: Uint8Array, source: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new InvalidInputError('INHOUSE_INVALID_TEXT', `${source} is not UTF-8 text; convert it first.`, {
      cause,
    });
  }
}
