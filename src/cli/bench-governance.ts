// `inhouse bench governance`: what governance costs, beside what the systems it stands in for have published. The
// measuring is done in bench/governance.
import { writeFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { InvalidInputError } from '../errors.js';
import { usageError } from './failure.js';
import { writeLine } from './output.js';

interface GovernanceFlags {
  readonly benchmark: string;
  readonly json?: string;
  readonly csv?: string;
  readonly quick?: boolean;
  readonly detailed?: boolean;
}

/** Of bench/governance/registry.ts, which is only loaded where it runs. */
export const BENCHMARK_NAMES = [
  'telemetry_overhead',
  'cost_calculation',
  'throughput',
  'memory',
  'budget',
  'circuit_breaker',
  'retry',
  'core',
  'together',
  'gateway',
  'end_to_end',
] as const;

export function addBenchGovernance(bench: Command): void {
  bench
    .command('governance')
    .description('Measure what governance costs, beside the published figures.')
    .addOption(
      new Option('--benchmark <name>', 'which one').choices(['all', ...BENCHMARK_NAMES]).default('all'),
    )
    .option('--json <file>', 'also write the rows to this file as JSON')
    .option('--csv <file>', 'also write the rows to this file as CSV')
    .option('--quick', 'fewer samples and requests')
    .addOption(
      new Option('--detailed', 'more samples, and service times in real time: half an hour').conflicts(
        'quick',
      ),
    )
    .addHelpText(
      'after',
      '\nPlane G is a provider that answers at once, R one with simulated service times, E the embedded model.',
    )
    .action(run);
}

async function run({ benchmark, json, csv, quick, detailed }: GovernanceFlags): Promise<void> {
  for (const file of [json, csv]) if (file !== undefined) await writeOutput(file, '', 'a'); // complains now, not at the end
  const { benchGovernance } = await loaded(() => import('../../bench/governance/run.js'));
  const { csv: asCsv, printedReport } = await import('../../bench/governance/report.js');
  const report = await benchGovernance({
    benchmark,
    effort: quick ? 'quick' : detailed ? 'detailed' : 'realistic',
    onProgress: (name, about) => process.stderr.write(`${name}: ${about} ...\n`),
  });
  await writeLine(printedReport(report));
  if (json !== undefined) await writeOutput(json, `${JSON.stringify(report, undefined, 2)}\n`, 'w');
  if (csv !== undefined) await writeOutput(csv, asCsv(report), 'w');
}

/** The benchmarks use packages that those who only run models need not have. */
async function loaded<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    throw new InvalidInputError(
      'INHOUSE_PACKAGE_MISSING',
      'bench governance needs more packages, those of OpenTelemetry in version 2. Run: npm install tinybench ' +
        '@opentelemetry/api@1.9 @opentelemetry/sdk-trace-node@2 @opentelemetry/sdk-metrics@2',
      { cause },
    );
  }
}

async function writeOutput(path: string, text: string, flag: 'a' | 'w'): Promise<void> {
  try {
    await writeFile(path, text, { flag });
  } catch (error) {
    throw usageError(`${path} cannot be written: ${(error as Error).message}`);
  }
}
