// `inhouse bench` and its `run`: how fast a model is on this machine. The measuring is done in bench/run.
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { BenchSubject } from '../../bench/run/bench.js';
import type { BenchOptions } from '../../bench/run/plan.js';
import { inhouseHome } from '../home.js';
import { invalidOption, rule } from '../options.js';
import { addBenchGovernance } from './bench-governance.js';
import { benchProgress } from './bench-progress.js';
import { usageError } from './failure.js';
import { addModelFlags, type ModelFlags } from './flags.js';
import { findModelFolder } from './open-model.js';
import { formatBytes, writeLine } from './output.js';
import { stopSignal } from './stop-signal.js';

interface BenchFlags extends ModelFlags, Omit<BenchOptions, 'runners'> {
  readonly synthetic?: string;
  readonly runner: readonly string[];
  readonly json?: boolean;
  readonly output?: string;
}

/** Far above any context. */
const MOST_TOKENS = 1_000_000;
/** As in `load()`. */
const MOST_ROWS = 256;
const MOST_THREADS = 256;
const MOST_REPETITIONS = 10_000;

export function addBench(program: Command): void {
  const bench = program.command('bench').description('Measure how fast models are on this machine.');
  addModelFlags(bench.command('run'))
    .description('Measure loading, prefill and decode of one model. Flags as in llama-bench.')
    .addOption(
      new Option('--synthetic <shape>', 'no model: random weights shaped like gpt2, gpt2-xl, ...').conflicts(
        'model',
      ),
    )
    .addOption(
      counts('-p, --n-prompt <lengths>', 'prompt lengths in tokens; 0 for none', 0, MOST_TOKENS, [512]),
    )
    .option('-n, --n-gen <tokens>', 'tokens to decode per row; 0 for none', toCount(0, MOST_TOKENS), 128)
    .addOption(counts('-b, --batch-size <rows>', 'rows decoded together', 1, MOST_ROWS, [1]))
    .addOption(counts('-d, --depth <tokens>', 'tokens a row holds when decode begins', 1, MOST_TOKENS, [64]))
    .addOption(
      counts('-t, --threads <counts>', 'threads that compute', 1, MOST_THREADS, [availableParallelism()]),
    )
    .option('-r, --repetitions <count>', 'times to measure everything', toCount(1, MOST_REPETITIONS), 5)
    .addOption(new Option('--precision <name>', 'number format').choices(['fp32']).default('fp32'))
    .addOption(
      new Option('--runner <kinds>', 'native, portable, or auto for the fastest there is')
        .argParser(toWords)
        .default(['auto'], 'auto'),
    )
    .option('--json', 'print one JSON object instead of tables')
    .option('--output <file>', 'also write the JSON object to this file')
    .addHelpText('after', '\nLists are separated by commas: -p 64,512 -b 1,16. See docs/bench.md.')
    .action(run);
  addBenchGovernance(bench);
}

async function run(flags: BenchFlags): Promise<void> {
  const { runnerKind } = await import('../../bench/run/runners.js');
  const options: BenchOptions = { ...flags, runners: flags.runner.map(runnerKind) };
  if (flags.output !== undefined) await writeOutput(flags.output, '', 'a'); // complains now, not in half an hour

  const signal = stopSignal();
  const { benchModel } = await import('../../bench/run/bench.js');
  const { readBandwidth } = await import('../runtime/native/memory.js');
  const subject = await subjectOf(flags, signal);
  const progress = benchProgress();
  const tools = { home: inhouseHome(), signal, readBandwidth, onProgress: progress.onProgress };
  const report = await benchModel(subject, options, tools).finally(progress.end);

  const { printedReport } = await import('../../bench/run/report.js');
  const json = JSON.stringify(report);
  await writeLine(flags.json ? json : printedReport(report));
  if (flags.output !== undefined) await writeOutput(flags.output, `${json}\n`, 'w');
}

async function subjectOf(flags: BenchFlags, signal: AbortSignal): Promise<BenchSubject> {
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

async function writeOutput(path: string, text: string, flag: 'a' | 'w'): Promise<void> {
  try {
    await writeFile(path, text, { flag });
  } catch (error) {
    throw usageError(`--output ${path} cannot be written: ${(error as Error).message}`);
  }
}

/** A flag that takes a list of integers. */
function counts(flags: string, description: string, least: number, most: number, usual: number[]): Option {
  return new Option(flags, description)
    .argParser((text) => toWords(text).map(toCount(least, most)))
    .default(usual, usual.join());
}

function toCount(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be an integer from ${least} to ${most}.`);
  };
}

function toWords(text: string): readonly string[] {
  return text.split(',').map((word) => word.trim());
}
