// Run by threads.test.ts as a worker thread or a process: opens a native runner, and computes until it is stopped.
import { execFileSync } from 'node:child_process';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { openNativeRunner } from '#inhouse/runtime/native.js';

const { options, sampling, task } = workerData ?? JSON.parse(process.argv[2]);
const tell = (message) =>
  isMainThread ? console.log(JSON.stringify(message)) : parentPort.postMessage(message);
const others =
  task === 'load several at once' ? Array.from({ length: 7 }, () => openNativeRunner(options)) : [];
const runner = await openNativeRunner(options);

switch (task) {
  case 'load several at once':
    tell((await Promise.allSettled(others)).map(({ status, reason }) => reason?.message ?? status));
    break;
  case 'decode': {
    await runner.openRow(0, { capacity: 500, sampling, prompt: [5, 6, 7], output: [] });
    const first = await runner.prefill(0, [5, 6, 7], { sample: true });
    const [rest] = await runner.decode(1, 20);
    await runner.dispose();
    tell([first, ...rest].map(({ token }) => token));
    break;
  }
  case 'never ending': {
    const tokens = Array.from({ length: 500 }, (_, i) => i);
    for (let queued = 0; queued < 1_000; queued++) runner.score(tokens);
    tell('computing');
    await runner.statistics(); // after all of them
    break;
  }
  case 'exit in mid-step':
    for (let queued = 0; queued < 100; queued++) runner.score(Array.from({ length: 500 }, (_, i) => i));
    setTimeout(() => process.exit(7), 50);
    break;
  case 'refused a thread':
    await runner.dispose();
    if (process.getuid() === 0) process.setuid(65534); // the limit does not hold for root
    execFileSync('prlimit', ['--pid', String(process.pid), '--nproc=1:']);
    tell(await openNativeRunner(options).catch(({ code, message }) => ({ code, message })));
    break;
  case 'end without dispose': // an idle runner does not keep the process alive
    await runner.score([1, 2, 3]);
    tell('done');
    break;
}
