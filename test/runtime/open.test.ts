// Which runner `load` takes, on a copy of the package that has no native addon.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { openRunner } from '#inhouse/runtime/open.js';
import { prepareRandom } from '../native/support.js';
import { SMALL_MODEL } from './contract/harness.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'inhouse-open-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('the portable one without an addon, which is said once; asking for the native one is an error', () => {
  for (const part of ['package.json', 'dist', 'models']) {
    cpSync(join(root, part), join(folder, part), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const main = join(folder, 'main.mjs');
  writeFileSync(
    main,
    `import { load } from './dist/src/index.js';
     const warnings = [];
     process.on('warning', ({ code, message }) => warnings.push({ code, message }));
     const kinds = [];
     for (const runner of ['auto', 'auto', 'portable']) {
       const model = await load('embedded', { runner });
       kinds.push(model.info().kind);
       await model.dispose();
     }
     const refused = await load('embedded', { runner: 'native' }).catch(({ code, message }) => ({ code, message }));
     console.log(JSON.stringify({ kinds, warnings, refused }));`,
  );
  const environment = { ...process.env, INHOUSE_HOME: join(folder, 'home') };
  const output = execFileSync(process.execPath, [main], {
    encoding: 'utf8',
    env: environment,
    stdio: 'pipe',
  });
  expect(JSON.parse(output)).toEqual({
    kinds: ['portable', 'portable', 'portable'],
    warnings: [{ code: 'INHOUSE_PORTABLE_RUNNER', message: expect.stringContaining('no native addon') }],
    refused: { code: 'INHOUSE_RUNTIME_LOAD', message: expect.stringContaining('no native addon') },
  });
});

it('the portable one is refused for a device', async () => {
  const options = await prepareRandom(join(folder, 'random'), SMALL_MODEL);
  const device = { kind: 'cpu-as-device' } as const;
  await expect(openRunner('portable', { ...options, device })).rejects.toMatchObject({
    code: 'INHOUSE_RUNTIME_LOAD',
    message: expect.stringContaining('on the CPU only'),
  });
});
