// The small model that ships with the package and needs no download.
import { join } from 'node:path';
import { onDisk, packageRoot } from '../package-root.js';

/** The name by which users ask for the model that ships with the package. */
export const EMBEDDED_MODEL = 'embedded';

/** The checkpoint folder of the embedded model, `models/embedded` in this package. Not checked for existence. */
export function embeddedModelFolder(): string {
  return onDisk(join(packageRoot(), 'models', 'embedded'));
}
