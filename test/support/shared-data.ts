// Finds the read-only test data that lives beside the repository on our machines and nowhere else.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The path of a file or folder in the shared data, or undefined (with a message) where it is absent. */
export function sharedData(relativePath: string): string | undefined {
  const path = fileURLToPath(new URL(`../../../shared/data/${relativePath}`, import.meta.url));
  if (existsSync(path)) return path;
  console.warn(`skipped: shared/data/${relativePath} is not on this machine`);
  return undefined;
}
