// The options of `govern` in a file, for commands.
import type { GovernOptions } from '../governance/options.js';
import { usageError } from './failure.js';
import { readTextFile } from './input.js';

/** Whatever JSON the file holds; who uses it checks it. */
export async function readConfig(file: string | undefined): Promise<GovernOptions> {
  if (file === undefined) return {};
  const text = await readTextFile(file);
  try {
    return JSON.parse(text) as GovernOptions;
  } catch (error) {
    throw usageError(`--config ${file} is not JSON: ${(error as Error).message}`);
  }
}
