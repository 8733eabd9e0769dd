// `inhouse bench serve-load`: how a model does under the load of many callers. The measuring is done in
// bench/serve-load.
import { availableParallelism } from 'node:os';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ServeLoadOptions, Suite } from '../../bench/serve-load/bench.js';
import { PRECISIONS, parsePrecision } from '../graph/precision.js';
import type { DeviceChoice } from '../runtime/device.js';
import { checkOutput, type SubjectFlags, subjectOf, writeOutput } from './bench-files.js';
import { counts, MOST, toCount, toWords } from './counts.js';
import { usageError } from './failure.js';
import { addModelFlags } from './flags.js';
import { writeLine } from './output.js';
import { stopSignal } from './stop-signal.js';

interface ServeLoadFlags extends SubjectFlags {
  readonly concurrency: readonly number[];
  readonly requestRate?: readonly number[];
  readonly duration: number;
  readonly warmup: number;
  readonly repetitions: number;
  readonly inputLen: string;
  readonly outputLen: string;
  readonly seed: number;
  readonly goodput?: readonly string[];
  readonly timeout?: number;
  readonly maxBatchSize?: number;
  readonly maxWaiting?: number;
  readonly suite?: Suite;
  readonly quick?: boolean;
  readonly precision: string;
  readonly threads: number;
  readonly runner: string;
  readonly device: DeviceChoice;
  readonly json?: boolean;
  readonly output?: string;
}

/** Flags that say nothing to a suite, which has its own loads. */
const OF_LEVELS = [
  'concurrency',
  'requestRate',
  'duration',
  'warmup',
  'repetitions',
  'inputLen',
  'outputLen',
  'goodput',
  'timeout',
  'maxBatchSize',
  'maxWaiting',
];
const MOST_CALLERS = 10_000;
const MOST_SECONDS = 7 * 24 * 3600;
const MOST_SEED = 2 ** 31;
/** As in `load()`. */
const DEFAULT_BATCH_SIZE = 8;
const MOST_WAITING = 2 ** 24;

export function addBenchServeLoad(bench: Command): void {
  addModelFlags(bench.command('serve-load'))
    .description(
      'Measure one model under the load of many callers in this process. Flags as in vllm bench serve.',
    )
    .addOption(
      new Option('--synthetic <shape>', 'no model: random weights shaped like gpt2, gpt2-xl, ...').conflicts(
        'model',
      ),
    )
    .addOption(
      counts(
        '-c, --concurrency <callers>',
        'closed loop: each sends when its last has ended',
        1,
        MOST_CALLERS,
        [1, 8, 16],
      ),
    )
    .addOption(
      new Option('--request-rate <rates>', 'open loop: random arrivals, so many per second on average')
        .argParser((text) => toWords(text).map(toRate))
        .conflicts('concurrency'),
    )
    .option('--duration <seconds>', 'how long requests are sent', toCount(1, MOST_SECONDS), 30)
    .option('--warmup <seconds>', 'the same load beforehand, not counted', toCount(0, MOST_SECONDS), 2)
    .option('-r, --repetitions <count>', 'times to measure every load', toCount(1, MOST.repetitions), 1)
    .option('--input-len <tokens>', 'prompt: 64, uniform:16:256, lognormal:64:0.7:900', '64')
    .option('--output-len <tokens>', 'output, likewise', '100')
    .option('--seed <number>', 'of prompts, lengths and arrivals', toCount(0, MOST_SEED), 1)
    .option('--goodput <limits...>', 'ms that good requests keep: ttft:500 itl:100 tpot:50 e2el:4000')
    .option('--timeout <ms>', 'timeoutMs of every request', toCount(1, MOST_SECONDS * 1000))
    .option(
      '--max-batch-size <rows>',
      'of the engine (default: the most callers, at least 8)',
      toCount(1, MOST.rows),
    )
    .option('--max-waiting <requests>', 'of the engine', toCount(1, MOST_WAITING))
    .addOption(
      new Option('--suite <name>', 'instead: the tests M-T1 to M-T7, or what batching promises')
        .choices(['muai', 'batching'])
        .conflicts(OF_LEVELS),
    )
    .option('--quick', 'shorten a suite')
    .option('-t, --threads <count>', 'threads that compute', toCount(1, MOST.threads), availableParallelism())
    .option('--precision <name>', `one of ${PRECISIONS.join(', ')}, or a mix`, 'fp32')
    .option('--device <name>', 'cpu, cuda, cuda:1, ...', 'cpu')
    .option('--runner <kind>', 'native, portable, or auto for the fastest there is', 'auto')
    .option('--json', 'print one JSON object instead of tables')
    .option('--output <file>', 'also write the JSON object to this file')
    .addHelpText('after', '\nLists are separated by commas: -c 1,8,16. See docs/serve-load.md.')
    .action(run);
}

async function run(flags: ServeLoadFlags): Promise<void> {
  const options = await optionsOf(flags);
  if (flags.output !== undefined) await checkOutput(flags.output);

  const signal = stopSignal();
  const { benchServeLoad } = await import('../../bench/serve-load/bench.js');
  const subject = await subjectOf(flags, signal);
  const onProgress = (doing: string) => process.stderr.write(`${doing} ...\n`);
  const report = await benchServeLoad(subject, options, { signal, onProgress });

  const { printedReport } = await import('../../bench/serve-load/report.js');
  const json = JSON.stringify(report);
  await writeLine(flags.json ? json : printedReport(report));
  if (flags.output !== undefined) await writeOutput(flags.output, `${json}\n`);
}

async function optionsOf(flags: ServeLoadFlags): Promise<ServeLoadOptions> {
  if (flags.quick && !flags.suite) throw usageError('--quick shortens a suite; without one, say --duration.');
  const { parseLengths } = await import('../../bench/serve-load/lengths.js');
  const { parseGoodput } = await import('../../bench/serve-load/goodput.js');
  const { runnerKind } = await import('../../bench/run/runners.js');
  const { concurrency, requestRate, duration, warmup, repetitions, seed } = flags;
  const { goodput, timeout, maxWaiting, suite } = flags;
  const { maxBatchSize = Math.min(MOST.rows, Math.max(DEFAULT_BATCH_SIZE, ...concurrency)) } = flags;
  return {
    sources: requestRate
      ? requestRate.map((rate) => ({ loop: 'open', requestRate: rate }))
      : concurrency.map((callers) => ({ loop: 'closed', concurrency: callers, batchSize: 1 })),
    workload: {
      inputLen: parseLengths('inputLen', flags.inputLen),
      outputLen: parseLengths('outputLen', flags.outputLen),
      seed,
    },
    durationSeconds: duration,
    warmupSeconds: warmup,
    repetitions,
    maxBatchSize,
    quick: flags.quick ?? false,
    setup: {
      precision: parsePrecision(flags.precision),
      runner: runnerKind(flags.runner),
      device: flags.device,
      threads: flags.threads,
    },
    ...(goodput && { goodput: parseGoodput(goodput) }),
    ...(timeout !== undefined && { timeoutMs: timeout }),
    ...(maxWaiting !== undefined && { maxWaiting }),
    ...(suite && { suite }),
  };
}

function toRate(text: string): number {
  const rate = Number(text);
  if (text !== '' && rate > 0 && rate <= MOST_CALLERS) return rate;
  throw new InvalidArgumentError(`It must be a number above 0, at most ${MOST_CALLERS}.`);
}
