// When memory runs out, calls fail with typed errors, and the process and its runners live on.
import { spawnSync } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import type { NativeRunnerOptions } from '#inhouse/runtime/native.js';
import { GREEDY, nativeMissing } from '../support/runners.js';
import { MODEL, prepareRandom, script, temporaryFolder } from './support.js';

const hasLimits = process.platform === 'linux' && spawnSync('prlimit', ['--version']).status === 0;

describe.skipIf(nativeMissing ?? !hasLimits)('a process that runs out of address space', () => {
  const folder = temporaryFolder();
  let options: NativeRunnerOptions;
  beforeAll(async () => {
    // The logits of a chunk, 77 MB, are more than glibc sets aside for one thread.
    const checkpoint = { ...MODEL, layers: 1, heads: 1, headSize: 8, vocabularySize: 300_000 };
    options = await prepareRandom(folder, checkpoint);
  });

  it('gets a typed error from opening and from computing, and goes on when there is space again', () => {
    const argument = JSON.stringify({ options, sampling: GREEDY });
    const run = spawnSync(process.execPath, [script('starved.mjs'), argument], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect(run.status, run.stderr).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({
      opening: { name: 'RunnerError', code: 'INHOUSE_RUNTIME_LOAD' },
      scoring: { name: 'RunnerError', code: 'INHOUSE_RUNTIME_STEP' },
      afterwards: 'done',
      tokensHeld: 3,
    });
  });
});
