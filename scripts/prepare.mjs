// Makes a checkout ready to run: installs the packages and builds, each only when something changed since last time.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const [leastMajor, leastMinor] = engines.node.replace('>=', '').split('.').map(Number);
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < leastMajor || (major === leastMajor && minor < leastMinor)) {
  fail(`Node.js ${leastMajor}.${leastMinor} or later is needed; this is ${process.version}.`);
}

whenChanged('node_modules/.installed', ['package.json', 'package-lock.json', '.npmrc'], () => {
  step('installing packages');
  // `npm` is a script that the npm we run under names; its cache makes this work offline after the first time.
  const npm = process.env.npm_execpath;
  const [command, ...first] = npm ? [process.execPath, npm] : ['npm'];
  run(command, [...first, 'ci', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']);
});

whenChanged(
  'dist/.built',
  ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json', 'src', 'bench'],
  () => {
    step('building');
    rmSync(join(root, 'dist'), { recursive: true, force: true });
    run(process.execPath, [join('node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json']);
  },
);

// Only what the addon is made of matters here: the script itself says when there is no compiler, which is no failure.
whenChanged('build/.built', ['native', 'package-lock.json', 'scripts/build-native.mjs'], () => {
  step('building the native addon');
  run(process.execPath, [join('scripts', 'build-native.mjs')]);
});

/** Runs `action` unless the stamp file holds the hash of the sources as they are. */
function whenChanged(stamp, sources, action) {
  const path = join(root, stamp);
  const hash = createHash('sha256').update(process.version);
  for (const source of sources) hashInto(hash, join(root, source));
  const wanted = hash.digest('hex');
  if (existsSync(path) && readFileSync(path, 'utf8') === wanted) return;
  action();
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, wanted);
}

function hashInto(hash, path) {
  const entries = readdirSyncOrFile(path);
  if (entries === undefined) {
    hash.update(path).update(readFileSync(path));
  } else {
    for (const entry of entries.sort()) hashInto(hash, join(path, entry));
  }
}

/** The names in a folder, or undefined for a file. */
function readdirSyncOrFile(path) {
  try {
    return readdirSync(path);
  } catch (error) {
    if (error.code === 'ENOTDIR') return undefined;
    throw error;
  }
}

function run(command, args) {
  // What the tools print goes to the error stream: the output belongs to what runs next.
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (error) fail(`${command} could not be started: ${error.message}`);
  if (status !== 0) fail(`${command} ${args.join(' ')} failed with exit code ${status}.`);
}

function step(text) {
  process.stderr.write(`inhouse: ${text} ...\n`);
}

function fail(message) {
  process.stderr.write(`inhouse: ${message}\n`);
  process.exit(1);
}
