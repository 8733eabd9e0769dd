// What `npm pack` makes of a clone.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
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
