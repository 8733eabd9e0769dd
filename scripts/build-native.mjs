// Builds the native addon into build/Release when its sources are newer than it. Without a compiler or CMake it says so
// and succeeds, because the portable runner does the same work; `--required` makes that an error.
// `--sanitize` builds into build/Sanitize with AddressSanitizer and UndefinedBehaviorSanitizer, for tests; `--prebuild`
// builds into build/Prebuild what scripts/prebuild.mjs ships.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const required = process.argv.includes('--required');
const { out, addon, options } = chooseVariant();

if (!existsSync(join(root, 'native'))) finish('native addon: no sources here, nothing to build');
if (isFresh()) finish(`native addon: ${addon} is up to date`);
const missing = missingTool();
if (missing) giveUp(missing);
if (!process.argv.includes('--prebuild')) warnOfPrebuilt();
const begun = Date.now();
const built = build();
if (built.status === 0)
  finish(`native addon: built ${addon} in ${((Date.now() - begun) / 1000).toFixed(0)} s`);
giveUp(`the build failed:\n${built.stdout}${built.stderr}`);

/** Where to build, what comes out, and what cmake-js is told for it. */
function chooseVariant() {
  const folder = join(root, 'build');
  if (process.argv.includes('--sanitize')) {
    const out = join(folder, 'Sanitize');
    return { out, addon: join(out, 'inhouse.node'), options: ['-B', 'Sanitize', '--CDINHOUSE_SANITIZE=ON'] };
  }
  if (process.argv.includes('--prebuild')) {
    const out = join(folder, 'Prebuild');
    return { out, addon: join(out, 'Release', 'inhouse.node'), options: prebuildOptions() };
  }
  return { out: folder, addon: join(folder, 'Release', 'inhouse.node'), options: [] };
}

/**
 * On Linux a prebuilt addon brings the C++ library along, because that of an older distribution lacks symbols of a newer
 * compiler's. Not libgcc_s: Node.js itself needs it, and linked in it would ask for a newer C library. Code that nothing
 * refers to goes for the same reason: the random_device of the C++ library alone would ask for glibc 2.36.
 */
function prebuildOptions() {
  if (process.platform !== 'linux') return [];
  return ['--CDCMAKE_SHARED_LINKER_FLAGS=-static-libstdc++ -Wl,--exclude-libs,ALL -Wl,--gc-sections -s'];
}

function warnOfPrebuilt() {
  const prebuilt = join(root, 'prebuilds', `${process.platform}-${process.arch}`, 'inhouse.node');
  if (existsSync(prebuilt))
    console.log(`native addon: delete ${prebuilt} to use a new build: it is loaded first`);
}

function isFresh() {
  if (!existsSync(addon)) return false;
  const builtAt = statSync(addon).mtimeMs;
  const sources = readdirSync(join(root, 'native'), { recursive: true }).map((name) =>
    join(root, 'native', name),
  );
  return sources.every((source) => statSync(source).isDirectory() || statSync(source).mtimeMs <= builtAt);
}

function missingTool() {
  const runs = (command) => spawnSync(command, ['--version']).status === 0;
  if (!runs('cmake')) return 'CMake is not installed';
  const compilers = [process.env.CXX, 'c++', 'g++', 'clang++'].filter(Boolean);
  if (process.platform !== 'win32' && !compilers.some(runs)) return 'no C++ compiler is installed';
  return findCmakeJs() === undefined ? 'the development dependency cmake-js is not installed' : undefined;
}

function findCmakeJs() {
  try {
    const manifest = createRequire(import.meta.url).resolve('cmake-js/package.json');
    return join(dirname(manifest), 'bin', 'cmake-js');
  } catch {
    return undefined;
  }
}

function build() {
  const folders = ['-d', join(root, 'native'), '-O', out];
  const parallel = ['--parallel', process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? '2'];
  return spawnSync(process.execPath, [findCmakeJs(), 'compile', ...folders, ...options, ...parallel], {
    encoding: 'utf8',
  });
}

function giveUp(reason) {
  if (required) {
    console.error(`native addon: ${reason}`);
    process.exit(1);
  }
  finish(`native addon: not built, the portable runner will be used (${reason.trim()})`);
}

function finish(message) {
  console.log(message);
  process.exit(0);
}
