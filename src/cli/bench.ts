// `inhouse bench` and its `run`: how fast a model is on this machine. The measuring is done in bench/run.
import { availableParallelism } from 'node:os';
import { type Command, Option } from 'commander';
import type { BenchOptions } from '../../bench/run/plan.js';
import { PRECISIONS, parsePrecision, precisionLabel } from '../graph/precision.js';
import { inhouseHome } from '../home.js';
import { checkOutput, type SubjectFlags, subjectOf, writeOutput } from './bench-files.js';
import { addBenchGovernance } from './bench-governance.js';
import { benchProgress } from './bench-progress.js';
import { addBenchServeLoad } from './bench-serve-load.js';
import { counts, MOST, toCount, toWords } from './counts.js';
import { addModelFlags } from './flags.js';
import { writeLine } from './output.js';
import { stopSignal } from './stop-signal.js';

interface BenchFlags extends SubjectFlags, Omit<BenchOptions, 'runners' | 'precisions' | 'devices'> {
  readonly precision: readonly string[];
  readonly runner: readonly string[];
  readonly device: readonly string[];
  readonly json?: boolean;
  readonly output?: string;
}

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
      counts('-p, --n-prompt <lengths>', 'prompt lengths in tokens; 0 for none', 0, MOST.tokens, [512]),
    )
    .option('-n, --n-gen <tokens>', 'tokens to decode per row; 0 for none', toCount(0, MOST.tokens), 128)
    .addOption(counts('-b, --batch-size <rows>', 'rows decoded together', 1, MOST.rows, [1]))
    .addOption(counts('-d, --depth <tokens>', 'tokens a row holds when decode begins', 1, MOST.tokens, [64]))
    .addOption(
      counts('-t, --threads <counts>', 'threads that compute', 1, MOST.threads, [availableParallelism()]),
    )
    .option('-r, --repetitions <count>', 'times to measure everything', toCount(1, MOST.repetitions), 5)
    .addOption(
      new Option(
        '--precision <names>',
        `list of ${PRECISIONS.join(', ')} and mixes such as int4+lm_head:int8`,
      )
        .argParser(toWords)
        .default(['fp32'], 'fp32'),
    )
    .addOption(
      new Option('--runner <kinds>', 'native, portable, or auto for the fastest there is')
        .argParser(toWords)
        .default(['auto'], 'auto'),
    )
    .addOption(
      new Option('--device <names>', 'cpu, cuda, cuda:1, cuda+graphs, ...')
        .argParser(toWords)
        .default(['cpu'], 'cpu'),
    )
    .option('--json', 'print one JSON object instead of tables')
    .option('--output <file>', 'also write the JSON object to this file')
    .addHelpText('after', '\nLists are separated by commas: -p 64,512 -b 1,16. See docs/bench.md.')
    .action(run);
  addBenchServeLoad(bench);
  addBenchGovernance(bench);
}

async function run(flags: BenchFlags): Promise<void> {
  const { runnerKind } = await import('../../bench/run/runners.js');
  const { deviceLabel } = await import('../../bench/run/devices.js');
  const options: BenchOptions = {
    ...flags,
    precisions: flags.precision.map((label) => precisionLabel(parsePrecision(label))),
    runners: flags.runner.map(runnerKind),
    devices: flags.device.map(deviceLabel),
  };
  if (flags.output !== undefined) await checkOutput(flags.output);

  const signal = stopSignal();
  const { benchModel } = await import('../../bench/run/bench.js');
  const { bandwidthOf } = await import('../../bench/run/bandwidth.js');
  const subject = await subjectOf(flags, signal);
  const progress = benchProgress();
  const tools = { home: inhouseHome(), signal, readBandwidth: bandwidthOf, onProgress: progress.onProgress };
  const report = await benchModel(subject, options, tools).finally(progress.end);

  const { printedReport } = await import('../../bench/run/report.js');
  const json = JSON.stringify(report);
  await writeLine(flags.json ? json : printedReport(report));
  if (flags.output !== undefined) await writeOutput(flags.output, `${json}\n`);
}
