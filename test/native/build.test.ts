// binding.gyp builds an addon that works, and the check of prebuilt addons refuses what should not ship.
// Takes about half a minute: it compiles everything once, with the node-gyp that npm brings along.
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from './support.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = temporaryFolder();
const target = `${process.platform}-${process.arch}`;
const prefix = dirname(dirname(realpathSync(process.execPath)));

/** Node.js's own headers, so that node-gyp downloads none. */
const headers = [process.env.npm_config_nodedir, prefix].find(
  (place) => place !== undefined && existsSync(join(place, 'include', 'node', 'node_api.h')),
);

const nodeGyp = [
  join(process.env.npm_execpath ?? '', '..', '..'),
  join(prefix, 'lib', 'node_modules', 'npm'),
  join(prefix, 'node_modules', 'npm'),
]
  .map((npm) => join(npm, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js'))
  .find(existsSync);

function missingForNodeGyp(): string | undefined {
  if (nodeGyp === undefined) return 'npm brings no node-gyp along';
  if (headers === undefined) return `there are no Node.js headers in ${join(prefix, 'include')}`;
  const runs = (tool: string) => spawnSync(tool, ['--version']).status === 0;
  const tools = process.platform === 'win32' ? ['python'] : ['c++', 'make', 'python3'];
  const missing = tools.filter((tool) => !runs(tool));
  return missing.length === 0 ? undefined : `${missing.join(', ')} is not installed`;
}

const missing = missingForNodeGyp();
if (missing !== undefined) console.warn(`skipped: ${missing}; cannot build with node-gyp here`);

function runNode(options: readonly string[], cwd: string): SpawnSyncReturns<string> {
  const env = { ...process.env, INHOUSE_HOME: join(folder, 'home') };
  return spawnSync(process.execPath, options, { cwd, env, encoding: 'utf8' });
}

/** Checks one addon of these bytes, which claims to be for `platform`. */
function check(name: string, platform: string, bytes: Uint8Array): SpawnSyncReturns<string> {
  const prebuilds = join(folder, name);
  mkdirSync(join(prebuilds, platform), { recursive: true });
  writeFileSync(join(prebuilds, platform, 'inhouse.node'), bytes);
  return runNode([join(root, 'scripts', 'check-prebuild.mjs'), prebuilds], root);
}

describe.skipIf(missing !== undefined)('node-gyp', () => {
  const copy = join(folder, 'package');
  const addon = join(copy, 'build', 'Release', 'inhouse.node');
  beforeAll(() => {
    for (const part of ['package.json', 'binding.gyp', 'native', 'dist/src', 'models']) {
      cpSync(join(root, part), join(copy, part), { recursive: true });
    }
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'junction');
    const { status, stderr } = runNode([nodeGyp!, 'rebuild', `--nodedir=${headers}`, '--jobs=2'], copy);
    if (status !== 0) throw new Error(stderr);
  }, 600_000);

  it('builds an addon that generates what the portable runner does', () => {
    const generate = `
      import { load } from './dist/src/index.js';
      const texts = [];
      for (const runner of ['native', 'portable']) {
        const model = await load('embedded', { runner, threads: 1 });
        texts.push((await model.generate('It was a dark', { maxTokens: 20, temperature: 0 })).text);
        await model.dispose();
      }
      console.log(JSON.stringify(texts));`;
    const { status, stdout, stderr } = runNode(['--input-type=module', '--eval', generate], copy);
    expect(status, stderr).toBe(0);
    const [native, portable] = JSON.parse(stdout) as string[];
    expect(native).toMatch(/\w/);
    expect(native).toBe(portable);
  });

  it.runIf(target === 'linux-x64')(
    'does not build what may ship: it needs the C++ library of this system',
    () => {
      const { status, stderr } = check('dynamic', target, readFileSync(addon));
      expect(status).toBe(1);
      expect(stderr).toMatch(/needs libstdc\+\+\.so\.6, which a system may lack/);
    },
  );
});

describe('the check of prebuilt addons', () => {
  /** The first 64 bytes of an ELF file of 64 bits for x64, then `text`. */
  const elf = (text: string) => {
    const header = Buffer.alloc(64);
    header.write('\x7fELF\x02\x01', 'latin1');
    header.writeUInt16LE(62, 18);
    return Buffer.concat([header, Buffer.from(text)]);
  };

  it('refuses an empty folder', () => {
    const { status, stderr } = runNode(
      [join(root, 'scripts', 'check-prebuild.mjs'), join(folder, 'none')],
      root,
    );
    expect(status).toBe(1);
    expect(stderr).toContain(join(folder, 'none'));
  });

  it('refuses a file that is no library', () => {
    const { status, stderr } = check('text', target, Buffer.from('x'.repeat(100)));
    expect(status).toBe(1);
    expect(stderr).toContain(`is built for no platform we know, not for ${target}`);
  });

  it('refuses an addon in the folder of another architecture', () => {
    const { status, stderr } = check('elsewhere', 'linux-arm64', elf('napi_register_module_v1'));
    expect(status).toBe(1);
    expect(stderr).toContain('is built for linux-x64, not for linux-arm64');
  });

  it('refuses a library that is no Node-API module', () => {
    const { status, stderr } = check('library', 'linux-x64', elf('something else'));
    expect(status).toBe(1);
    expect(stderr).toContain('registers no Node-API module');
  });

  it('refuses one with its symbols', () => {
    const { status, stderr } = check(
      'large',
      'linux-x64',
      elf(`napi_register_module_v1${'s'.repeat(2_000_000)}`),
    );
    expect(status).toBe(1);
    expect(stderr).toContain('strip its symbols');
  });

  it.runIf(target === 'linux-x64')('refuses one that does not load here', () => {
    const { status, stderr } = check('broken', target, elf('napi_register_module_v1'));
    expect(status).toBe(1);
    expect(stderr).toContain('does not compute in this Node.js');
  });
});
