// Runs the tests of the Runner contract against the device. They decide what is right; this counts.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../src/package-root.js';
import { vitestFile } from './environment.js';
import { PRECISIONS, type VerifiedPrecision } from './plan.js';

export interface ContractResult {
  readonly file: string;
  /** Of the tests that were run; null for all of the file. */
  readonly precision: VerifiedPrecision | null;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Of the tests that failed: the name, and the first line of why. */
  readonly failures: readonly string[];
}

/** The part of vitest's JSON report that is read; its form is Jest's. */
interface VitestReport {
  readonly testResults: ReadonlyArray<{
    readonly name: string;
    readonly message: string;
    readonly assertionResults: ReadonlyArray<{
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[];
    }>;
  }>;
}

/** A run of vitest: they go on side by side, for most of their time is the reference's on the processor. */
interface Run {
  /** It asks INHOUSE_TEST_DEVICE which GPU to run on; without it host memory stands for one. */
  readonly file: string;
  readonly precision: VerifiedPrecision | null;
}

const RUNS: readonly Run[] = [
  ...PRECISIONS.map((precision) => ({ file: 'test/runtime/on-device.test.ts', precision })),
  { file: 'test/runtime/precision.test.ts', precision: null },
];

/** Tells of each run when it has ended. Aborting kills those that have not, and fails with their names. */
export async function contractResults(
  device: string,
  signal: AbortSignal,
  onResult: (result: ContractResult) => void,
): Promise<void> {
  const vitest = vitestFile();
  if (vitest === undefined) throw new Error('vitest is not installed in node_modules');
  const folder = await mkdtemp(join(tmpdir(), 'inhouse-verify-'));
  try {
    const ended = RUNS.map(async (run, index) => {
      const output = join(folder, `${index}.json`);
      const filter = run.precision === null ? [] : ['-t', nameOf(run.precision)];
      const args = [vitest, 'run', run.file, ...filter, '--reporter=json', `--outputFile=${output}`];
      await runTests(args, device, signal);
      onResult(resultOf(run, JSON.parse(await readFile(output, 'utf8')) as VitestReport));
    });
    const failures = (await Promise.allSettled(ended)).flatMap((one, index) =>
      one.status === 'fulfilled' ? [] : [`${labelOf(RUNS[index]!)}: ${(one.reason as Error).message}`],
    );
    if (failures.length > 0) throw new Error(failures.join('; '));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export function labelOf({ file, precision }: Run): string {
  return precision === null ? file : `${file} at ${precision}`;
}

/** What the names of a precision's tests have in them. */
function nameOf(precision: VerifiedPrecision): string {
  return `runner at ${precision}:`;
}

function runTests(args: readonly string[], device: string, signal: AbortSignal): Promise<void> {
  const gpu = device.startsWith('cuda') ? { INHOUSE_TEST_DEVICE: device } : {};
  const child = spawn(process.execPath, args, {
    cwd: packageRoot(),
    env: { ...process.env, ...gpu },
    stdio: ['ignore', 2, 2],
    signal,
  });
  return new Promise((resolve, reject) => {
    child.on('exit', () => resolve()); // the code only says that some test failed: so does the report
    child.on('error', () => reject(new Error('no time left')));
  });
}

/** Tests that the run's filter left out do not count. */
function resultOf({ file, precision }: Run, { testResults }: VitestReport): ContractResult {
  const tests = testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ fullName }) => precision === null || fullName.includes(nameOf(precision)));
  const failed = tests.filter(({ status }) => status === 'failed');
  const passed = tests.filter(({ status }) => status === 'passed').length;
  const broken = testResults.filter((one) => one.assertionResults.length === 0); // the file itself did not load
  return {
    file,
    precision,
    passed,
    failed: failed.length + broken.length,
    skipped: tests.length - passed - failed.length,
    failures: [
      ...broken.map(({ message }) => firstLine(message)),
      ...failed.map(({ fullName, failureMessages }) => `${fullName}: ${firstLine(failureMessages[0] ?? '')}`),
    ],
  };
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? '';
}
