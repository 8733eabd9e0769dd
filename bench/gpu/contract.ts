// Runs the tests of the Runner contract against the device. They decide what is right; this counts.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../src/package-root.js';
import { vitestFile } from './environment.js';

export interface ContractResult {
  readonly file: string;
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

/** Those that ask INHOUSE_TEST_DEVICE which GPU to run on; without it host memory stands for one. */
const FILES = ['test/runtime/on-device.test.ts', 'test/runtime/precision.test.ts'];

/** Aborting kills the run; there is no result then. */
export async function contractResults(
  device: string,
  signal: AbortSignal,
): Promise<readonly ContractResult[]> {
  const vitest = vitestFile();
  if (vitest === undefined) throw new Error('vitest is not installed in node_modules');
  const folder = await mkdtemp(join(tmpdir(), 'inhouse-verify-'));
  try {
    const output = join(folder, 'report.json');
    await runTests([vitest, 'run', ...FILES, '--reporter=json', `--outputFile=${output}`], device, signal);
    const report = JSON.parse(await readFile(output, 'utf8')) as VitestReport;
    return report.testResults.map(resultOf);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
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
    child.on('error', reject);
  });
}

function resultOf({ name, message, assertionResults }: VitestReport['testResults'][number]): ContractResult {
  const count = (status: string) => assertionResults.filter((test) => test.status === status).length;
  const failed = assertionResults.filter(({ status }) => status === 'failed');
  const broken = assertionResults.length === 0 ? [firstLine(message)] : []; // the file itself did not load
  return {
    file: name.slice(name.indexOf('test/')),
    passed: count('passed'),
    failed: failed.length + broken.length,
    skipped: assertionResults.length - count('passed') - failed.length,
    failures: [
      ...broken,
      ...failed.map(({ fullName, failureMessages }) => `${fullName}: ${firstLine(failureMessages[0] ?? '')}`),
    ],
  };
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? '';
}
