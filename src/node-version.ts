// Which Node.js this package runs on. `engines` of its package.json says it, and nothing else in the code.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './package-root.js';

/** Major and minor, such as '20.19'. */
export function oldestNode(): string {
  const manifest = readFileSync(join(packageRoot(), 'package.json'), 'utf8');
  const { engines } = JSON.parse(manifest) as { readonly engines: { readonly node: string } };
  return engines.node.replace('>=', '');
}

/** @param version with or without the leading v */
export function isOlderNode(version: string, oldest: string = oldestNode()): boolean {
  const [major = 0, minor = 0] = version.replace('v', '').split('.').map(Number);
  const [leastMajor = 0, leastMinor = 0] = oldest.split('.').map(Number);
  return major < leastMajor || (major === leastMajor && minor < leastMinor);
}
