// `inhouse tokenize`: text to token ids and back. Opens the tokenizer only, no weights and no runtime.
import { type Command, Option } from 'commander';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { usageError } from './failure.js';
import { addModelFlags, type ModelFlags, toIds } from './flags.js';
import { readText } from './input.js';
import { findModelFolder } from './open-model.js';
import { table, write, writeLine } from './output.js';
import { stopSignal } from './stop-signal.js';

interface TokenizeFlags extends ModelFlags {
  readonly count?: boolean;
  readonly decode?: readonly number[];
  readonly allowSpecialTokens?: boolean;
  readonly json?: boolean;
}

export function addTokenize(program: Command): void {
  const command = program
    .command('tokenize')
    .description('Print the tokens of a text, one a line: id and text.')
    .argument('[text]', 'the text; without it, or as -, standard input');
  addModelFlags(command)
    .option('--count', 'print only how many tokens there are')
    .addOption(
      new Option('--decode <ids>', 'print the text of these token ids, such as 1,2,3')
        .argParser(toIds)
        .conflicts(['count', 'allowSpecialTokens']),
    )
    .option('--allow-special-tokens', 'read <|endoftext|> in the text as the special token')
    .option('--json', 'print one JSON object: ids, tokens, count; with --decode: ids, text')
    .action(tokenize);
}

async function tokenize(argument: string | undefined, flags: TokenizeFlags): Promise<void> {
  if (argument !== undefined && flags.decode) throw usageError('Give a text or --decode, not both.');
  const text = flags.decode ? '' : await readText(argument, 'the text');
  const { Tokenizer } = await import('../tokenizer/tokenizer.js');
  const { folder } = await findModelFolder(flags, stopSignal());
  const tokenizer = await Tokenizer.open(folder);
  if (flags.decode) await printText(tokenizer, flags.decode, flags);
  else await printTokens(tokenizer, text, flags);
}

async function printText(
  tokenizer: Tokenizer,
  ids: readonly number[],
  { json }: TokenizeFlags,
): Promise<void> {
  const text = tokenizer.decode(ids);
  await (json ? writeLine(JSON.stringify({ ids, text })) : write(text.endsWith('\n') ? text : `${text}\n`));
}

async function printTokens(tokenizer: Tokenizer, text: string, flags: TokenizeFlags): Promise<void> {
  const { json = false, count = false, allowSpecialTokens = false } = flags;
  const ids = tokenizer.encode(text, { allowSpecial: allowSpecialTokens });
  if (count) return writeLine(json ? JSON.stringify({ count: ids.length }) : String(ids.length));
  const tokens = ids.map((id) => tokenizer.tokenText(id));
  if (json) return writeLine(JSON.stringify({ ids, tokens, count: ids.length }));
  if (ids.length > 0) await writeLine(table(ids.map((id, i) => [String(id), JSON.stringify(tokens[i])])));
}
