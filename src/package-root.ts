// Where this package lies: its models, its native addon and its package.json are found from here.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CheckpointError } from './errors.js';

/**
 * The folder of this package: the nearest parent with a package.json named `inhouse`.
 * Searched for rather than counted in levels, so that it holds wherever the build puts this file.
 * @throws CheckpointError `INHOUSE_CHECKPOINT_UNREADABLE` when this code was moved out of its package.
 */
export function packageRoot(start: string = dirname(fileURLToPath(import.meta.url))): string {
  for (let folder = start; ; folder = dirname(folder)) {
    if (isPackage(folder)) return folder;
    if (dirname(folder) === folder) break;
  }
  throw new CheckpointError(
    'INHOUSE_CHECKPOINT_UNREADABLE',
    `No parent of ${start} has a package.json named "inhouse", so the files that ship with it cannot be found. ` +
      'If the application is bundled, leave inhouse out of the bundle (mark it external).',
    { details: { start } },
  );
}

function isPackage(folder: string): boolean {
  try {
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: unknown };
    return manifest.name === 'inhouse';
  } catch {
    return false; // no package.json here, or not one that a package manager would take
  }
}

/**
 * The path by which native code finds a file. Electron packs an application into one archive, `app.asar`, and makes only
 * JavaScript believe that its files exist; what native code opens has to be unpacked beside it (`asarUnpack`).
 */
export function onDisk(path: string): string {
  return path.replace(/\bapp\.asar(?=[\\/])/, 'app.asar.unpacked');
}
