// The files that ship inside this package: where its root is, and the small model that needs no download.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CheckpointError } from '../errors.js';

/** The name by which users ask for the model that ships with the package. */
export const EMBEDDED_MODEL = 'embedded';

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

/** The checkpoint folder of the embedded model, `models/embedded` in this package. Not checked for existence. */
export function embeddedModelFolder(): string {
  return join(packageRoot(), 'models', 'embedded');
}
