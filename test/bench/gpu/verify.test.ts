// The verification that runs on a CUDA machine, here without one: host memory stands for the device's.
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import type { GpuReport } from '#bench/gpu/report.js';
import { nativeMissing } from '../../support/runners.js';

const SCRIPT = fileURLToPath(new URL('../../../bench/gpu/verify.sh', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'inhouse-verify-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A python that answers as the reference does, without PyTorch. */
const fakePython = join(folder, 'python');
writeFileSync(
  fakePython,
  `#!/bin/sh
if [ "$2" = --versions ]; then echo '{"torch":"none"}'; exit 0; fi
echo 'a warning of some library'
echo '{"mode":"eager","phase":"decode","batch":1,"depth":64,"tokensPerSecond":300}'
echo 'Traceback' >&2; echo 'out of memory' >&2; exit 3
`,
);
chmodSync(fakePython, 0o755);

async function verify(...flags: readonly string[]) {
  const output = join(folder, 'result.json');
  const env = { ...process.env, INHOUSE_HOME: join(folder, 'home') };
  const args = ['--dry-run', '--output', output, '--python', fakePython, ...flags];
  const ended = await promisify(execFile)(SCRIPT, args, { env }).catch(
    (failure: { readonly code: number; readonly stdout: string; readonly stderr: string }) => failure,
  );
  const report = JSON.parse(readFileSync(output, 'utf8')) as GpuReport;
  return { code: 'code' in ended ? ended.code : 0, stdout: ended.stdout, stderr: ended.stderr, report };
}

describe.skipIf(nativeMissing ?? process.platform === 'win32')('bench/gpu/verify.sh --dry-run', () => {
  it('measures decode, prefill and the engine, and holds the device to the CPU', async () => {
    const { code, stderr, report } = await verify('--parts', 'agreement,speed,engine');
    expect({ code, stderr: stderr.match(/failed/) }).toEqual({ code: 0, stderr: null });
    expect(report).toMatchObject({ dryRun: true, shape: 'tiny' });
    expect(report.agreement.map(({ precision, reference, ok }) => `${precision} ${reference} ${ok}`)).toEqual(
      ['fp16', 'fp32', 'int8', 'int4'].flatMap((one) => [`${one} cpu true`, `${one} cpu-as-device true`]),
    );
    expect(new Set(report.speed.map(({ phase, device }) => `${phase} ${device}`))).toEqual(
      new Set(['load cpu-as-device', 'prefill cpu-as-device', 'decode cpu-as-device']),
    );
    expect(report.engine.map(({ concurrency, failed }) => [concurrency, failed])).toEqual([
      [1, 0],
      [4, 0],
    ]);
    for (const { completed } of report.engine) expect(completed).toBeGreaterThan(0);
  });

  it('keeps what PyTorch gave before it failed, says so, and leaves out what was not asked for', async () => {
    const { code, stdout, report } = await verify('--parts', 'torch');
    expect(code).toBe(1);
    expect(stdout).toMatch(/^WRONG: torch: .*ended with code 3: out of memory$/m);
    expect(report.torch).toMatchObject([{ mode: 'eager', tokensPerSecond: 300 }]);
    const states = Object.fromEntries(report.parts.map(({ name, state }) => [name, state]));
    expect(states).toMatchObject({ torch: 'failed', speed: 'left out', contract: 'left out' });
  });

  it('leaves out every part that has no time left, and says so', async () => {
    const { code, report } = await verify('--minutes', '0');
    expect(code).toBe(0);
    expect(new Set(report.parts.map(({ state, reason }) => `${state}: ${reason}`))).toEqual(
      new Set(['left out: no time left']),
    );
  });

  it('describes the machine and what it lacks', async () => {
    const { report, stderr } = await verify('--parts', 'environment');
    expect(report.environment).toMatchObject({ gpus: expect.any(Array), python: { torch: 'none' } });
    expect(report.environment!.cuda).toMatchObject({ missing: expect.any(Array) });
    if (report.environment!.gpus.length === 0) expect(stderr).toMatch(/^missing: a GPU, or NVML/m);
  });
});
