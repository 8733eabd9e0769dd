// The options of `govern` in a file, for commands.
import { InvalidInputError } from '../errors.js';
import type { GovernOptions } from '../governance/options.js';
import { usageError } from './failure.js';
import { readTextFile } from './input.js';

/** Whatever JSON object the file holds; who uses it checks it. */
export async function readConfig(file: string | undefined): Promise<GovernOptions> {
  if (file === undefined) return {};
  const text = await readTextFile(file, '--config');
  const options = parsed(file, text);
  if (typeof options === 'object' && options !== null && !Array.isArray(options)) return options;
  throw usageError(`--config ${file} must hold a JSON object, the options of \`govern\`.`);
}

/** The options that the file holds, where `govern` takes them. */
export async function readGovernOptions(file: string | undefined): Promise<GovernOptions> {
  const options = await readConfig(file);
  const { govern } = await import('../governance/governed-provider.js');
  const { stub } = await import('../providers/stub.js');
  try {
    govern(stub(), options);
    return options;
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    throw usageError(`--config ${file}: ${error.message}`);
  }
}

function parsed(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw usageError(`--config ${file} is not JSON: ${(error as Error).message}`);
  }
}
