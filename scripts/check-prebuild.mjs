// Checks prebuilt addons: `node scripts/check-prebuild.mjs [folder]`, by default prebuilds/. Each must be what its folder's
// name says, small, and need no library that a system may lack; this machine's must also compute in a package that has
// no other. Exit code 1 and the reasons when one does not.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const prebuilds = process.argv[2] ?? join(root, 'prebuilds');

const MAX_BYTES = 2_000_000;

/** What every system with a C library of this kind has. Node.js itself needs libgcc_s. */
const SYSTEM_LIBRARIES = /^(lib(c|m|dl|pthread|rt|gcc_s)\.so\.\d+|ld-linux[\w-]*\.so\.\d+|\/usr\/lib\/.*)$/;

const targets = existsSync(prebuilds) ? readdirSync(prebuilds).sort() : [];
if (targets.length === 0)
  fail([`nothing is in ${prebuilds}; node scripts/prebuild.mjs makes what belongs there`]);

const faults = [];
for (const target of targets) {
  const file = join(prebuilds, target, 'inhouse.node');
  const { facts, faults: found } = check(file, target);
  if (facts.length > 0) console.log(`${file}: ${facts.join(', ')}`);
  faults.push(...found.map((fault) => `${file} ${fault}`));
}
if (faults.length > 0) fail(faults);

function check(file, target) {
  if (!existsSync(file)) return { facts: [], faults: ['is not there'] };
  const bytes = readFileSync(file);
  const built = targetOf(bytes);
  if (built !== target) {
    return { facts: [], faults: [`is built for ${built ?? 'no platform we know'}, not for ${target}`] };
  }
  const facts = [`${Math.round(bytes.length / 1000)} kB`];
  const faults = [];
  if (bytes.length > MAX_BYTES)
    faults.push(`has ${bytes.length} bytes, more than ${MAX_BYTES}: strip its symbols`);
  if (!bytes.includes('napi_register_module_v1')) faults.push('registers no Node-API module');

  const needs = neededBy(file, target);
  facts.push(needs ? `needs ${needs.join(' ')}` : 'libraries not looked at (no readelf or otool here)');
  const foreign = (needs ?? []).filter((name) => !SYSTEM_LIBRARIES.test(name) && !name.startsWith('glibc '));
  if (foreign.length > 0) faults.push(`needs ${foreign.join(', ')}, which a system may lack`);

  if (target === `${process.platform}-${process.arch}` && faults.length === 0) {
    const { status, stdout, stderr } = compute(file, target);
    if (status === 0) facts.push(stdout.trim());
    else faults.push(`does not compute in this Node.js:\n${stderr}`);
  } else {
    facts.push('not loaded');
  }
  return { facts, faults };
}

/** Platform and architecture, from the header of an ELF, Mach-O or PE file of 64 bits. */
function targetOf(bytes) {
  if (bytes.length < 64) return undefined;
  const name = (platform, arch) => arch && `${platform}-${arch}`;
  if (bytes.readUInt32BE(0) === 0x7f454c46) {
    return name('linux', { 62: 'x64', 183: 'arm64' }[bytes.readUInt16LE(18)]);
  }
  if (bytes.readUInt32LE(0) === 0xfeedfacf) {
    return name('darwin', { 16777223: 'x64', 16777228: 'arm64' }[bytes.readUInt32LE(4)]);
  }
  const header = bytes.readUInt32LE(60);
  if (bytes.toString('latin1', 0, 2) === 'MZ' && bytes.toString('latin1', header, header + 4) === 'PE\0\0') {
    return name('win32', { 34404: 'x64', 43620: 'arm64' }[bytes.readUInt16LE(header + 4)]);
  }
  return undefined;
}

/** The libraries it names, with the newest version of the C library that it takes symbols of; undefined without a tool. */
function neededBy(file, target) {
  const read = (command, options) => {
    const { status, stdout } = spawnSync(command, [...options, file], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C' },
    });
    return status === 0 ? stdout : undefined;
  };
  const all = (text, pattern) => [...text.matchAll(pattern)].map((match) => match[1]);
  if (target.startsWith('linux')) {
    const text = read('readelf', ['--wide', '--dynamic', '--version-info']);
    if (text === undefined) return undefined;
    const byNumber = new Intl.Collator('en', { numeric: true }).compare;
    const newest = all(text, /GLIBC_([\d.]+)/g)
      .sort(byNumber)
      .at(-1);
    return [...all(text, /\(NEEDED\).*\[(.+)\]/g), ...(newest ? [`glibc ${newest}`] : [])];
  }
  if (target.startsWith('darwin')) {
    const text = read('otool', ['-L']);
    return text && all(text, /^\s+(\S+) \(/gm).filter((name) => basename(name) !== 'inhouse.node');
  }
  return undefined;
}

/**
 * Runs in a copy of the package as its users get it, which has this addon and no other. The portable runner says what is
 * right.
 */
function compute(file, target) {
  const script = `
    import { load } from './dist/src/index.js';
    const texts = [];
    for (const runner of ['native', 'portable']) {
      const model = await load('embedded', { runner, threads: 1 });
      texts.push((await model.generate('It was a dark', { maxTokens: 12, temperature: 0 })).text);
      await model.dispose();
    }
    if (texts[0] !== texts[1]) throw new Error('native: ' + texts[0] + '; portable: ' + texts[1]);
    console.log('computes ' + JSON.stringify(texts[0]));`;
  const folder = mkdtempSync(join(tmpdir(), 'inhouse-prebuild-'));
  try {
    for (const part of ['package.json', 'dist/src', 'models']) {
      cpSync(join(root, part), join(folder, part), { recursive: true });
    }
    cpSync(file, join(folder, 'prebuilds', target, 'inhouse.node'));
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
    const env = { ...process.env, INHOUSE_HOME: join(folder, 'home') };
    const options = ['--input-type=module', '--eval', script];
    return spawnSync(process.execPath, options, { cwd: folder, env, encoding: 'utf8' });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function fail(reasons) {
  for (const reason of reasons) console.error(`prebuilt addon: ${reason}`);
  process.exit(1);
}
