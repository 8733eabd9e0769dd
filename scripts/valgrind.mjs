// Runs the runner contract on the native runner under valgrind (Linux), part by part: some minutes each. Any report that
// scripts/valgrind.supp does not name fails it. Names of parts can be given: node scripts/valgrind.mjs rows errors
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const ALL_PARTS = ['accuracy', 'rows', 'schedules', 'sampling', 'statistics', 'errors', 'lifetime'];
const PATIENT_MS = 3_600_000;

const asked = process.argv.slice(2);
const failed = (asked.length > 0 ? asked : ALL_PARTS).filter((part) => !isClean(part));
if (failed.length > 0) {
  console.error(`not clean: ${failed.join(', ')}`);
  process.exitCode = 1;
}

function isClean(part) {
  console.log(`native runner: ${part}`);
  const logs = mkdtempSync(join(tmpdir(), 'inhouse-valgrind-'));
  try {
    const { error, status } = spawnSync(
      'valgrind',
      [
        '--quiet', // a log stays empty unless there is something to report
        '--smc-check=all-non-file', // V8 writes code
        `--suppressions=${join(root, 'scripts', 'valgrind.supp')}`,
        `--log-file=${join(logs, '%p.log')}`,
        process.execPath,
        join('node_modules', 'vitest', 'vitest.mjs'),
        'run',
        '--pool=threads', // all in one process: vitest does not wait long for another to start
        join('test', 'runtime', 'native.test.ts'),
        `--testNamePattern=native runner: ${part}`,
        `--testTimeout=${PATIENT_MS}`,
        `--hookTimeout=${PATIENT_MS}`,
      ],
      { cwd: root, stdio: 'inherit' },
    );
    if (error) throw error;
    const reports = readdirSync(logs)
      .map((name) => readFileSync(join(logs, name), 'utf8'))
      .filter((log) => /^==\d+== (?!Warning: set address range perms)/m.test(log));
    for (const report of reports) console.error(report);
    return status === 0 && reports.length === 0;
  } finally {
    rmSync(logs, { recursive: true, force: true });
  }
}
