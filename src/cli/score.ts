// `inhouse score`: how probable the model finds a text.
import { type Command, Option } from 'commander';
import { checkScoreOptions, type Score, type ScoreOptions } from '../scoring/score.js';
import { usageError } from './failure.js';
import { addRunFlags, pick, type RunFlags, toIds, toNumber } from './flags.js';
import { readText, readTextFile } from './input.js';
import { openModel } from './open-model.js';
import { table, writeLine } from './output.js';
import { stopSignal } from './stop-signal.js';

interface ScoreFlags extends RunFlags, Pick<ScoreOptions, 'window' | 'stride' | 'allowSpecialTokens'> {
  readonly file?: string;
  readonly ids?: readonly number[];
  readonly json?: boolean;
}

export function addScore(program: Command): void {
  const command = program
    .command('score')
    .description('Print the perplexity of a text, or with --json the log-probability of every token.')
    .argument('[text]', 'the text; without it, or as -, standard input');
  addRunFlags(command)
    .option('--file <path>', 'score the text of this file')
    .addOption(
      new Option('--ids <ids>', 'score these token ids, such as 1,2,3; needs no tokenizer files')
        .argParser(toIds)
        .conflicts('file'),
    )
    .option('--window <tokens>', 'tokens the model sees at once (default: its context)', toNumber)
    .option('--stride <tokens>', 'tokens by which windows advance (default: half the window)', toNumber)
    .option('--allow-special-tokens', 'read <|endoftext|> in the text as the special token')
    .option('--json', 'print one JSON object: ids, logprobs (natural logarithm), perplexity, ...')
    .action(score);
}

async function score(argument: string | undefined, flags: ScoreFlags): Promise<void> {
  const options = pick(flags, 'window', 'stride', 'allowSpecialTokens');
  checkScoreOptions(options); // complains before a model is loaded or downloaded
  const subject = await subjectOf(argument, flags);
  const signal = stopSignal();
  await using model = await openModel(flags, signal);
  const result = await model.score(subject, { ...options, signal });
  await writeLine(flags.json ? JSON.stringify(result) : describe(result));
}

async function subjectOf(
  argument: string | undefined,
  { ids, file }: ScoreFlags,
): Promise<string | readonly number[]> {
  if (argument !== undefined && (ids ?? file) !== undefined) {
    throw usageError('Give a text, --file or --ids; only one of them.');
  }
  if (ids !== undefined) return ids;
  return file === undefined ? readText(argument, 'the text') : readTextFile(file);
}

function describe(result: Score): string {
  const { ids, perplexity, meanLoss, scoredTokens, textBytes, bitsPerByte, window, stride } = result;
  const rows = [
    ['perplexity', perplexity.toFixed(3)],
    ['loss', `${meanLoss.toFixed(4)} nats per token`],
    ['tokens', `${ids.length} (${scoredTokens} scored, window ${window}, stride ${stride})`],
  ];
  if (bitsPerByte !== null) rows.push(['bits per byte', `${bitsPerByte.toFixed(4)} (${textBytes} bytes)`]);
  return table(rows);
}
