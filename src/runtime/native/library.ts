// Where onnxruntime-node keeps ONNX Runtime's shared library, which the addon opens for itself.
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { RunnerError } from '../../errors.js';
import { onDisk } from '../../package-root.js';

/** The names of the library on this platform; on macOS and Linux a version may follow. */
const LIBRARY: Readonly<Partial<Record<NodeJS.Platform, RegExp>>> = {
  linux: /^libonnxruntime\.so(\.\d+)*$/,
  darwin: /^libonnxruntime(\.\d+)*\.dylib$/,
  win32: /^onnxruntime\.dll$/,
};

/**
 * The path of the library that onnxruntime-node itself loads.
 * @throws RunnerError `INHOUSE_RUNTIME_LOAD` when the package or its library for this platform is not installed.
 */
export function onnxRuntimeLibrary(): string {
  const folder = libraryFolder();
  const name = LIBRARY[process.platform];
  const file =
    name && existsSync(folder)
      ? readdirSync(folder)
          .sort()
          .find((entry) => name.test(entry))
      : undefined;
  if (file !== undefined) return join(folder, file);
  throw new RunnerError(
    'INHOUSE_RUNTIME_LOAD',
    `onnxruntime-node has no library for ${process.platform}-${process.arch}: none is in ${folder}. ` +
      'Reinstall onnxruntime-node on this machine.',
    { details: { folder } },
  );
}

/** <onnxruntime-node>/bin/napi-v<n>/<platform>/<architecture> */
function libraryFolder(): string {
  let manifest: string;
  try {
    manifest = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
  } catch (cause) {
    throw new RunnerError('INHOUSE_RUNTIME_LOAD', 'onnxruntime-node is not installed.', { cause });
  }
  const bin = onDisk(join(dirname(manifest), 'bin'));
  const api = existsSync(bin) ? readdirSync(bin).find((entry) => entry.startsWith('napi-v')) : undefined;
  return join(bin, api ?? 'napi-v6', process.platform, process.arch);
}
