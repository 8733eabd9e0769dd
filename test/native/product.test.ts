// The kernels of products with quantized matrices, compiled on their own, agree with exact arithmetic on the integers that
// they are said to multiply.
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { script, temporaryFolder } from './support.js';

const hasCompiler =
  process.platform !== 'win32' && process.arch === 'x64' && spawnSync('c++', ['--version']).status === 0;
if (!hasCompiler) console.warn('skipped: the kernels are for x64, and compiled here with c++');

describe.skipIf(!hasCompiler)('the kernels of products', () => {
  const folder = temporaryFolder();
  const check = (...options: string[]) => {
    const program = join(folder, `product-check${options.length}`);
    const kernels = ['kernel_avx.cc', 'kernel_avx512.cc'].map((file) =>
      script(`../../native/products/${file}`),
    );
    const sources = [script('product-check.cc'), ...kernels];
    execFileSync('c++', ['-std=c++17', ...options, '-o', program, ...sources], { stdio: 'pipe' });
    return spawnSync(program, { encoding: 'utf8' });
  };

  it('agree with it at every size of block and matrix, row by row and together; NaN stays in its row', () => {
    const { status, stdout } = check('-O2');
    expect(status, stdout).toBe(0);
    expect(stdout).not.toBe('');
  }, 120_000);

  it('touch no memory that is not theirs', () => {
    const { status, stdout, stderr } = check('-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover');
    expect(status, stdout + stderr).toBe(0);
  }, 180_000);
});
