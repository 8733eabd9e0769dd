// Runs the tests of governance, providers and telemetry by category. Build first.
// Usage: node scripts/test-governance.mjs [unit | integration | performance | cross_provider | all]
//          [--coverage] [--parallel] [--fast] [--verbose] [--list]
// --coverage needs @vitest/coverage-v8 and fails below the thresholds; --parallel uses all processors; --fast leaves out
// what takes longer than a few seconds; --list names the files and runs nothing.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Of test/governance, those where several concerns, files or processes work together. */
const INTEGRATION = /^test\/(telemetry\/|governance\/(pipeline|ledger-file|docs|instrument|resources))/;
const CATEGORIES = {
  unit: (file) => file.startsWith('test/governance/') && !INTEGRATION.test(file),
  integration: (file) => INTEGRATION.test(file),
  performance: (file) => file.startsWith('test/bench/governance/'),
  cross_provider: (file) => file.startsWith('test/providers/'),
};
const SLOW = /(checklist|command|parity|ledger-file|docs|pipeline-scale|sampling|governed)\.test\.ts$/;
/** Percent. */
const THRESHOLDS = { lines: 90, branches: 85, functions: 95 };
const COVERED = [
  'dist/src/governance/**',
  'dist/src/providers/**',
  'dist/src/telemetry/**',
  'dist/src/telemetry.js',
];

const flag = { type: 'boolean', default: false };
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { coverage: flag, parallel: flag, fast: flag, verbose: flag, list: flag },
});
const [category = 'all', ...rest] = positionals;
const belongs = category === 'all' ? isCategorized : CATEGORIES[category];
if (belongs === undefined || rest.length > 0) {
  const known = [...Object.keys(CATEGORIES), 'all'].join(', ');
  console.error(`There is no category "${[category, ...rest].join(' ')}". Categories: ${known}.`);
  process.exit(1);
}

const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
  .map((name) => `test/${name.replaceAll('\\', '/')}`)
  .filter((name) => name.endsWith('.test.ts') && belongs(name) && !(values.fast && SLOW.test(name)))
  .sort();

if (values.list) console.log(files.join('\n'));
else process.exitCode = run();

function run() {
  const options = [
    ...(values.parallel ? [] : ['--no-file-parallelism']),
    ...(values.verbose ? ['--reporter=verbose'] : []),
    ...(values.coverage ? coverage() : []),
  ];
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const { status } = spawnSync(process.execPath, [vitest, 'run', ...options, ...files], {
    cwd: root,
    stdio: 'inherit',
  });
  return status ?? 1;
}

function coverage() {
  return [
    '--coverage.enabled',
    '--coverage.provider=v8',
    '--coverage.reporter=text-summary',
    ...COVERED.map((pattern) => `--coverage.include=${pattern}`),
    ...Object.entries(THRESHOLDS).map(([what, percent]) => `--coverage.thresholds.${what}=${percent}`),
  ];
}

function isCategorized(file) {
  return Object.values(CATEGORIES).some((belongsTo) => belongsTo(file));
}
