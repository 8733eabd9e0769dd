// `inhouse generate`: continues a prompt, writing the text as it comes.
import { type Command, Option } from 'commander';
import { type GenerateOptions, resolveOptions } from '../engine/options.js';
import type { GenerationResult } from '../generation.js';
import type { Model } from '../model.js';
import { usageError } from './failure.js';
import { addRunFlags, append, type RunFlags, toNumber } from './flags.js';
import { readText } from './input.js';
import { openModel } from './open-model.js';
import { write, writeLine } from './output.js';
import { addSamplingFlags, type SamplingFlags } from './sampling-flags.js';
import { stopSignal } from './stop-signal.js';

type TextFlags = Pick<
  GenerateOptions,
  'minTokens' | 'stop' | 'logprobs' | 'n' | 'echo' | 'contextOverflow' | 'allowSpecialTokens'
>;

interface GenerateFlags extends RunFlags, SamplingFlags, TextFlags {
  readonly json?: boolean;
  readonly stats?: boolean;
}

export function addGenerate(program: Command): void {
  const command = program
    .command('generate')
    .description('Continue a text.')
    .argument(
      '[prompt]',
      'the text to continue; without it, or as -, standard input less one final line break',
    );
  addSamplingFlags(addRunFlags(command))
    .option('--min-tokens <count>', 'end no earlier than this', toNumber)
    .option('--stop <text>', 'end before this text; may be given several times', append)
    .option('-n <count>', 'number of choices; several are printed one after another', toNumber)
    .option('--echo', 'begin the text with the prompt')
    .option('--logprobs <count>', 'with --json: log-probabilities, and this many alternatives', toNumber)
    .addOption(
      new Option('--context-overflow <how>', 'when prompt and --max-tokens exceed the context')
        .choices(['strict', 'truncate-left', 'slide'])
        .default('strict'),
    )
    .option('--allow-special-tokens', 'read <|endoftext|> in the prompt as the special token')
    .option('--json', 'print one JSON object at the end instead of text')
    .option('--stats', 'print a line about speed on standard error (default on a terminal)')
    .action(generate);
}

async function generate(argument: string | undefined, flags: GenerateFlags): Promise<void> {
  const {
    model: _m,
    revision: _r,
    offline: _o,
    precision: _p,
    device: _d,
    threads: _t,
    json = false,
    stats,
    ...options
  } = flags;
  resolveOptions(options, []); // complains before a model is loaded or downloaded
  if (options.logprobs !== undefined && !json) throw usageError('--logprobs is reported with --json only.');

  const prompt = await promptText(argument);
  const signal = stopSignal();
  await using model = await openModel(flags, signal);
  const several = (options.n ?? 1) > 1;
  const result =
    json || several
      ? await model.generate(prompt, { ...options, signal })
      : await streamText(model, prompt, { ...options, signal });

  if (json) await writeLine(JSON.stringify({ model: model.info().id, ...result }));
  else if (several) await writeChoices(result);
  if (stats ?? process.stderr.isTTY) process.stderr.write(`${statsLine(result)}\n`);
}

/** `echo text | inhouse generate` must not make the model go on after a line break. */
async function promptText(argument: string | undefined): Promise<string> {
  const text = await readText(argument, 'the prompt');
  return text === argument ? text : text.replace(/\r?\n$/, '');
}

async function streamText(model: Model, prompt: string, options: GenerateOptions): Promise<GenerationResult> {
  const stream = model.stream(prompt, options);
  let written = '';
  for await (const { text } of stream) {
    await write(text);
    written = text || written;
  }
  if (!written.endsWith('\n')) await write('\n');
  return stream.result;
}

async function writeChoices({ choices }: GenerationResult): Promise<void> {
  for (const { index, text } of choices) {
    await writeLine(`--- choice ${index + 1} of ${choices.length} ---`);
    await writeLine(text);
  }
}

function statsLine({ usage, timings, seed, droppedTokens, choices }: GenerationResult): string {
  const seconds = (timings.totalMs - timings.queueMs) / 1000;
  const first = timings.timeToFirstTokenMs;
  const parts = [
    `${usage.completionTokens} tokens in ${seconds.toFixed(2)} s`,
    `${(usage.completionTokens / seconds).toFixed(1)} tokens/s`,
    ...(first === undefined ? [] : [`first token after ${first.toFixed(0)} ms`]),
    `seed ${seed}`,
    `ended by ${[...new Set(choices.map(({ finishReason }) => finishReason))].join(', ')}`,
    ...(droppedTokens === 0 ? [] : [`${droppedTokens} oldest tokens dropped`]),
  ];
  return `[${parts.join(', ')}]`;
}
