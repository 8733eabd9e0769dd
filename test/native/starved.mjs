// Run by allocation.test.ts as a process: takes its own address space away, and tells how calls fail.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { openNativeRunner } from '#inhouse/runtime/native.js';

const { options, sampling } = JSON.parse(process.argv[2]);
const outcome = (promise) =>
  promise.then(
    () => 'done',
    ({ name, code, message }) => ({ name, code, message }),
  );
const limit = (bytes) => {
  const used = Number(/^VmSize:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;
  execFileSync('prlimit', ['--pid', String(process.pid), `--as=${bytes === undefined ? '' : used + bytes}:`]);
};

const runner = await openNativeRunner(options);
const tokens = Array.from({ length: 400 }, (_, i) => i);
await runner.openRow(0, { capacity: 500, sampling, prompt: [], output: [] });
await runner.prefill(0, [1, 2, 3]);

limit(0);
const scoring = await outcome(runner.score(tokens));
limit(40 * 2 ** 20);
const opening = await outcome(openNativeRunner({ ...options, maxRows: 64 }));
execFileSync('prlimit', ['--pid', String(process.pid), '--as=unlimited:']);
const afterwards = await outcome(runner.score(tokens));
const { kv } = await runner.statistics();
await runner.dispose();
console.log(JSON.stringify({ opening, scoring, afterwards, tokensHeld: kv.tokensHeld }));
