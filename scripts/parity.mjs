// Writes docs/parity.md: each promise of bench/governance/checklist.json beside what holds it. Build first.
// What the benchmarks reached is that of bench/results/governance.json, where it is there.
// Usage: node scripts/parity.mjs [--check], which writes nothing and fails when the page is not what it should be.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CHECKLIST } from '../dist/bench/governance/benchmark.js';
import { parityPage, testsIn } from '../dist/bench/governance/parity.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const page = join(root, 'docs/parity.md');

const tests = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
  .map((name) => `test/${name.replaceAll('\\', '/')}`)
  .filter((name) => name.endsWith('.ts'))
  .sort()
  .map((name) => [name, readFileSync(join(root, name), 'utf8')]);
const kept = join(root, 'bench/results/governance.json');
const result = existsSync(kept) ? JSON.parse(readFileSync(kept, 'utf8')) : undefined;
const { text, open } = parityPage(CHECKLIST, testsIn(tests), result);

if (!process.argv.includes('--check')) {
  writeFileSync(page, text);
  console.log(open.length === 0 ? 'Nothing is open.' : `Open: ${open.join(', ')}`);
} else if (readFileSync(page, 'utf8') !== text) {
  console.error('docs/parity.md is not what the tests and benchmarks say. Run: node scripts/parity.mjs');
  process.exitCode = 1;
}
