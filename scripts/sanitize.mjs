// Runs the native tests on an addon built with AddressSanitizer and UndefinedBehaviorSanitizer (Linux, gcc).
// The addon is looked for at fixed places in the package, so a copy of the package gets the sanitized one.
// With test files as arguments, those are run instead of the native ones.
// Leaks are not looked for here: V8 and ONNX Runtime keep memory until the process ends. bench/memory-trend.ts does that.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const TESTS = [
  'test/runtime/native.test.ts',
  'test/runtime/on-device.test.ts',
  'test/native/device.test.ts',
  'test/native/kv-memory.test.ts',
  'test/native/loading.test.ts',
  'test/native/memory.test.ts',
  'test/native/parity.test.ts',
  'test/native/threads.test.ts',
];

run(process.execPath, [join(root, 'scripts', 'build-native.mjs'), '--required', '--sanitize']);
const copy = mkdtempSync(join(tmpdir(), 'inhouse-sanitize-'));
try {
  for (const part of [
    'package.json',
    'tsconfig.json',
    'vitest.config.ts',
    'dist',
    'models',
    'native',
    'test',
  ]) {
    cpSync(join(root, part), join(copy, part), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  mkdirSync(join(copy, 'build', 'Release'), { recursive: true });
  cpSync(join(root, 'build', 'Sanitize', 'inhouse.node'), join(copy, 'build', 'Release', 'inhouse.node'));

  // The sanitizers' own libraries must come first in the process; gcc knows where they are.
  const libraries = ['libasan.so', 'libubsan.so'].map((name) =>
    execFileSync('gcc', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim(),
  );
  const vitest = join('node_modules', 'vitest', 'vitest.mjs');
  const named = process.argv.slice(2);
  run(process.execPath, [vitest, 'run', ...(named.length > 0 ? named : TESTS)], {
    cwd: copy,
    env: {
      ...process.env,
      LD_PRELOAD: libraries.join(':'),
      ASAN_OPTIONS: 'detect_leaks=0:halt_on_error=1',
      UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
    },
  });
} finally {
  rmSync(copy, { recursive: true, force: true });
}

function run(command, args, options = {}) {
  const { status } = spawnSync(command, args, { stdio: 'inherit', ...options });
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}`);
}
