// How a command fails: what standard error says and which code the process ends with.
import { CommanderError } from 'commander';
import { InhouseError, InvalidInputError } from '../errors.js';

export const EXIT = { failure: 1, usage: 2, interrupted: 130 } as const;

const USAGE_CODES: readonly string[] = ['INHOUSE_INVALID_OPTION', 'INHOUSE_UNKNOWN_OPTION'];

/** The command line asks for something impossible. */
export function usageError(message: string): InvalidInputError {
  return new InvalidInputError('INHOUSE_INVALID_OPTION', message);
}

/** Sets the exit code and prints one line, or with `json` one JSON object `{"error":{"code","message"}}`. */
export function reportFailure(thrown: unknown, json: boolean): void {
  if (isAbort(thrown)) return; // whoever aborted has set the exit code
  if (thrown instanceof CommanderError && isHelp(thrown)) {
    process.exitCode = thrown.exitCode === 0 ? 0 : EXIT.usage;
    return;
  }
  const error = thrown instanceof CommanderError ? usageErrorOf(thrown) : thrown;
  const known = error instanceof InhouseError;
  process.exitCode = known && USAGE_CODES.includes(error.code) ? EXIT.usage : EXIT.failure;

  const code = known ? error.code : undefined;
  const message = known ? inFlags(error) : unexpected(error);
  process.stderr.write(
    json
      ? `${JSON.stringify({ error: { code: code ?? null, message } })}\n`
      : `inhouse: ${message}${code === undefined ? '' : ` [${code}]`}\n`,
  );
}

/** The library calls an option `maxTokens`; who typed it knows it as `--max-tokens`. */
function inFlags({ message, details }: InhouseError): string {
  const { option } = details;
  if (typeof option !== 'string') return message;
  const flag =
    option.length === 1 ? `-${option}` : `--${option.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;
  return message.replace(/^\w+: \w+ is/, `${flag} is`);
}

function usageErrorOf({ code, message }: CommanderError): InvalidInputError {
  const text = message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ');
  return new InvalidInputError(
    code === 'commander.unknownOption' ? 'INHOUSE_UNKNOWN_OPTION' : 'INHOUSE_INVALID_OPTION',
    `${text}${/[.?)]$/.test(text) ? '' : '.'} See inhouse --help.`,
  );
}

function isHelp({ code }: CommanderError): boolean {
  return ['commander.help', 'commander.helpDisplayed', 'commander.version'].includes(code);
}

function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

function unexpected(error: unknown): string {
  return `unexpected failure: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}
