// `inhouse compare`: what one loses and gains by quantizing a model, on this machine. The measuring is in bench/compare.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import type { CompareOptions } from '../../bench/compare/plan.js';
import { EMBEDDED_MODEL } from '../checkpoint/embedded.js';
import { inhouseHome } from '../home.js';
import { packageRoot } from '../package-root.js';
import { compareProgress } from './compare-progress.js';
import { counts, MOST, toCount, toWords } from './counts.js';
import { EXIT } from './failure.js';
import { type ModelFlags, pick } from './flags.js';
import { readTextFile } from './input.js';
import { findModelFolder } from './open-model.js';
import { writeLine } from './output.js';
import { stopSignal } from './stop-signal.js';

interface CompareFlags
  extends Omit<ModelFlags, 'model'>,
    Pick<CompareOptions, 'threads' | 'batchSize' | 'nGen' | 'nPrompt' | 'window' | 'repetitions'> {
  readonly precision: readonly string[];
  readonly runner: readonly string[];
  readonly device: readonly string[];
  readonly text?: string;
  readonly out: string;
  readonly json?: boolean;
}

export function addCompare(program: Command): void {
  program
    .command('compare')
    .description('Compare precisions of a model on this machine: size, memory, speed and quality.')
    .argument('[model]', 'model name, hub id or folder', EMBEDDED_MODEL)
    .option('--revision <revision>', 'branch, tag or commit of a model on the hub')
    .option('--offline', 'use no network, only what is on this machine')
    .addOption(words('--precision <names>', 'number formats', ['fp32', 'fp16', 'int8', 'int4']))
    .addOption(words('--runner <kinds>', 'native, portable, or auto for the fastest there is', ['auto']))
    .addOption(words('--device <names>', 'cpu, cuda, cuda:1, cuda+graphs, ...', ['cpu']))
    .addOption(
      counts('-t, --threads <counts>', 'threads that compute', 1, MOST.threads, [availableParallelism()]),
    )
    .addOption(counts('-b, --batch-size <rows>', 'rows decoded together', 1, MOST.rows, [1]))
    .option(
      '-p, --n-prompt <tokens>',
      'length of the measured prompt (default: 512 or half the context)',
      toCount(1, MOST.tokens),
    )
    .option('-n, --n-gen <tokens>', 'tokens to decode per row', toCount(1, MOST.tokens), 64)
    .option('-r, --repetitions <count>', 'times to measure speed and memory', toCount(1, MOST.repetitions), 3)
    .option('--text <file>', 'judge quality on the text of this file (default: a short story of our own)')
    .option(
      '--window <tokens>',
      'tokens the model sees at once in judging (default: all, up to its context)',
      toCount(2, MOST.tokens),
    )
    .option('--out <folder>', 'where to write the report as HTML, Markdown, CSV and JSON', 'inhouse-compare')
    .option('--json', 'print one JSON object instead of tables')
    .addHelpText(
      'after',
      '\nLists are separated by commas: --precision fp32,int8 -b 1,8. See docs/compare.md.',
    )
    .action(compare);
}

async function compare(model: string, flags: CompareFlags): Promise<void> {
  const { parsePrecision, precisionLabel } = await import('../graph/precision.js');
  const { runnerKind } = await import('../../bench/run/runners.js');
  const { deviceLabel } = await import('../../bench/run/devices.js');
  const { requireWritable, writeReport } = await import('../../bench/compare/files.js');
  const options: CompareOptions = {
    ...pick(flags, 'threads', 'batchSize', 'nPrompt', 'nGen', 'window', 'repetitions'),
    precisions: flags.precision.map((word) => precisionLabel(parsePrecision(word))),
    runners: flags.runner.map(runnerKind),
    devices: flags.device.map(deviceLabel),
  };
  const text = await textOf(flags);
  await requireWritable(flags.out); // complains now, not in half an hour

  const signal = stopSignal();
  const { compareModel } = await import('../../bench/compare/compare.js');
  const { id, folder } = await findModelFolder({ ...flags, model }, signal);
  const command = ['inhouse', ...process.argv.slice(2)].join(' ');
  const progress = compareProgress();
  const tools = { home: inhouseHome(), signal, onProgress: progress.onProgress };
  const report = await compareModel({ id, folder, text, command }, options, tools).finally(progress.end);

  const { printed } = await import('../../bench/compare/text-forms.js');
  const files = await writeReport(flags.out, report);
  await writeLine(flags.json ? JSON.stringify(report) : printed(report));
  process.stderr.write(`Written: ${files.join(', ')}\n`);
  if (report.candidates.some(({ failure }) => failure !== null)) process.exitCode ??= EXIT.failure;
}

async function textOf({
  text,
}: CompareFlags): Promise<{ readonly source: string; readonly content: string }> {
  if (text !== undefined) return { source: text, content: await readTextFile(text, '--text') };
  const file = join(packageRoot(), 'models', 'compare-text.txt');
  return { source: 'a short story that this project wrote for it', content: await readTextFile(file) };
}

function words(flags: string, description: string, usual: readonly string[]): Option {
  return new Option(flags, description).argParser(toWords).default(usual, usual.join());
}
