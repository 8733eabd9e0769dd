// The layout of an Electron application: JavaScript inside app.asar, what native code opens in app.asar.unpacked.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { onnxRuntimeLibrary } from '#inhouse/runtime/native/library.js';
import { nativeAddon } from '#inhouse/runtime/native.js';
import { nativeMissing } from '../support/runners.js';
import { temporaryFolder } from './support.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = temporaryFolder();

/** Copies parts of a package to where the archive, or what is unpacked beside it, has it. */
function place(
  archive: 'app.asar' | 'app.asar.unpacked',
  name: string,
  from: string,
  parts: readonly string[],
): void {
  const target = join(folder, archive, 'node_modules', name);
  for (const part of parts) {
    mkdirSync(dirname(join(target, part)), { recursive: true });
    cpSync(join(from, part), join(target, part), { recursive: true });
  }
}

describe.skipIf(nativeMissing)('in an Electron archive', () => {
  it('native code is given the paths of the unpacked files', () => {
    const native = nativeAddon();
    const library = onnxRuntimeLibrary();
    const runtime = library.slice(0, library.lastIndexOf('onnxruntime-node') + 'onnxruntime-node'.length);
    place('app.asar', 'inhouse', root, ['package.json', 'dist', 'models/registry.json']);
    place('app.asar', 'onnxruntime-node', runtime, ['package.json']);
    place('app.asar.unpacked', 'inhouse', root, ['models/embedded']);
    if (native.loaded) place('app.asar.unpacked', 'inhouse', root, [native.file.slice(root.length)]);
    place('app.asar.unpacked', 'onnxruntime-node', runtime, [library.slice(runtime.length + 1)]);
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules')); // the other packages: JavaScript alone
    const main = join(folder, 'app.asar', 'main.mjs');
    writeFileSync(
      main,
      `import { load } from 'inhouse';
       const model = await load('embedded', { runner: 'native' });
       const { tokens } = await model.generate('It was', { temperature: 0, maxTokens: 3 });
       console.log(model.info().kind, tokens.length);
       await model.dispose();`,
    );
    const environment = { ...process.env, INHOUSE_HOME: join(folder, 'home') };
    expect(execFileSync(process.execPath, [main], { encoding: 'utf8', env: environment })).toBe('native 3\n');
  });
});
