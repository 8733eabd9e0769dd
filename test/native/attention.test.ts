// The attention kernels of every vector width, compiled on their own, agree with attention in double precision.
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { script, temporaryFolder } from './support.js';

const hasCompiler = spawnSync('c++', ['--version']).status === 0;
if (!hasCompiler) console.warn('skipped: there is no C++ compiler here');

describe.skipIf(!hasCompiler)('the attention kernels', () => {
  const folder = temporaryFolder();
  const check = (...options: string[]) => {
    const program = join(folder, `attention-check${options.length}`);
    const source = script('attention-check.cc');
    execFileSync('c++', ['-std=c++17', '-O2', ...options, '-o', program, source], { stdio: 'pipe' });
    return spawnSync(program, { encoding: 'utf8' });
  };

  it('agree with it, whatever the lengths and sizes; chunks do not matter, and NaN stays NaN', () => {
    const { status, stdout } = check();
    expect(status, stdout).toBe(0);
    expect(stdout).toContain('basic checked');
  }, 120_000);

  it('agree with it where the compiler has no vectors', () => {
    const { status, stdout } = check('-DINHOUSE_PLAIN_LANES');
    expect(status, stdout).toBe(0);
  }, 120_000);
});
