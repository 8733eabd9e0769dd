// Any number of threads may use the addon, and any of them may end at any moment.
import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { beforeAll, describe, expect, it } from 'vitest';
import { type NativeRunnerOptions, openNativeRunner } from '#inhouse/runtime/native.js';
import { GREEDY, nativeMissing } from '../support/runners.js';
import { prepareRandom, script, temporaryFolder } from './support.js';

const hasLimits = process.platform === 'linux' && spawnSync('prlimit', ['--version']).status === 0;

describe.skipIf(nativeMissing)('threads', () => {
  const folder = temporaryFolder();
  let options: NativeRunnerOptions;
  beforeAll(async () => {
    options = await prepareRandom(folder);
  });

  const start = (task: string) =>
    new Worker(script('thread.mjs'), { workerData: { options, sampling: GREEDY, task } });
  const message = (worker: Worker) =>
    new Promise<unknown>((resolve, reject) => worker.once('message', resolve).once('error', reject));
  const runProcess = (task: string) =>
    spawnSync(process.execPath, [script('thread.mjs'), JSON.stringify({ options, sampling: GREEDY, task })], {
      encoding: 'utf8',
      timeout: 60_000,
    });

  it('eight load, decode and dispose at once, with the same result', async () => {
    const results = await Promise.all(Array.from({ length: 8 }, () => message(start('decode'))));
    expect(results[0]).toHaveLength(21);
    for (const result of results) expect(result).toEqual(results[0]);
  });

  it('several models load at once in a process that has loaded none', () => {
    for (let attempt = 0; attempt < 5; attempt++) {
      const { stdout, stderr } = runProcess('load several at once');
      expect(stderr).toBe('');
      expect(JSON.parse(stdout)).toEqual(Array.from({ length: 7 }, () => 'fulfilled'));
    }
  });

  it('one that is terminated in mid-step ends soon, and others go on', async () => {
    const runner = await openNativeRunner(options);
    for (const afterMs of [0, 5, 20, 50, 100]) {
      const worker = start('never ending');
      expect(await message(worker)).toBe('computing');
      await sleep(afterMs);
      expect(await worker.terminate()).toBe(1);
      expect((await runner.score([1, 2, 3])).logprobs).toHaveLength(2);
    }
    await runner.dispose();
  });

  it('one may be terminated while it loads', async () => {
    for (const afterMs of [30, 60, 90, 120]) {
      const worker = start('never ending');
      await sleep(afterMs);
      await worker.terminate();
      expect(worker.threadId).toBe(-1);
    }
  });

  it('a process may exit in mid-step', () => {
    const { status, signal, stderr } = runProcess('exit in mid-step');
    expect({ status, signal, stderr }).toEqual({ status: 7, signal: null, stderr: '' });
  });

  it('an idle runner that was not disposed does not keep a process alive', () => {
    const { status, signal, stdout, stderr } = runProcess('end without dispose');
    expect({ status, signal, stdout, stderr }).toEqual({
      status: 0,
      signal: null,
      stdout: '"done"\n',
      stderr: '',
    });
  });

  it.skipIf(!hasLimits)(
    'a process that the system refuses a thread ends by itself, with a typed error',
    () => {
      const { status, signal, stdout } = runProcess('refused a thread');
      expect({ status, signal }).toEqual({ status: 0, signal: null });
      expect(JSON.parse(stdout)).toMatchObject({ code: 'INHOUSE_RUNTIME_LOAD' });
    },
  );

  it('the event loop turns while a step is computed', async () => {
    const runner = await openNativeRunner(options);
    const tokens = Array.from({ length: 500 }, (_, i) => i);
    let turns = 0;
    const counting = setInterval(() => turns++, 0);
    await Promise.all(Array.from({ length: 5 }, () => runner.score(tokens)));
    clearInterval(counting);
    await runner.dispose();
    expect(turns).toBeGreaterThan(20);
  });
});
