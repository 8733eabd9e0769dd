// What `npm pack` makes of a clone.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));

it('a clone is built before it is packed', () => {
  expect(manifest.scripts.prepack).toBe(manifest.scripts.build);
});

it('what package.json leads to is in the package', async () => {
  // Without the script above: a build would pull the files from under the other tests.
  const pack = ['pack', '--dry-run', '--json', '--ignore-scripts', '--loglevel=error'];
  const { stdout } = await promisify(execFile)('npm', pack, { cwd: root });
  const packed = JSON.parse(stdout)[0].files.map(({ path }: { path: string }) => path);
  const { '.': main, './telemetry': telemetry } = manifest.exports;
  const entries = [main, telemetry].flatMap(Object.values).map((path) => path.replace('./', ''));
  expect(packed).toEqual(expect.arrayContaining([...entries, manifest.bin.inhouse, 'package.json']));
});

it.each(['1.30.1', '2.12.1', '3.1.1'])(
  'npm takes it beside %s of an optional package such as the SDK of OpenTelemetry, whoever brought that',
  async (version) => {
    const { peerDependencies, peerDependenciesMeta } = manifest;
    const folder = mkdtempSync(join(tmpdir(), 'inhouse-peers-'));
    const write = (path: string, facts: object) => {
      mkdirSync(join(folder, path), { recursive: true });
      writeFileSync(join(folder, path, 'package.json'), JSON.stringify(facts));
    };
    try {
      const brought = Object.keys(peerDependencies).filter((name) => name !== '@opentelemetry/api');
      for (const name of brought) write(`node_modules/${name}`, { name, version });
      const peers = { peerDependencies, peerDependenciesMeta };
      write('node_modules/inhouse', { name: 'inhouse', version: '1.0.0', ...peers });
      write('.', { dependencies: Object.fromEntries([...brought, 'inhouse'].map((name) => [name, '*'])) });
      await promisify(execFile)('npm', ['ls', '--all', '--loglevel=error'], { cwd: folder }); // fails at an invalid peer
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);
