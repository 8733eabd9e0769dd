// Makes prebuilds/<platform>-<arch>/inhouse.node, the addon that a package ships so that its users need no compiler, and
// checks it. It builds for the machine it runs on: run it on every platform, then collect the folders in prebuilds/.
// `--check` makes nothing and checks all that are there.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, 'prebuilds', `${process.platform}-${process.arch}`);

if (!process.argv.includes('--check')) {
  run('build-native.mjs', '--required', '--prebuild');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'inhouse.node');
  copyFileSync(join(root, 'build', 'Prebuild', 'Release', 'inhouse.node'), file);
  // Linux strips when it links, Windows keeps symbols in a file of their own.
  if (process.platform === 'darwin') spawnSync('strip', ['-x', file], { stdio: 'inherit' });
}
run('check-prebuild.mjs');

function run(script, ...options) {
  const { status } = spawnSync(process.execPath, [join(root, 'scripts', script), ...options], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}
