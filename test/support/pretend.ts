// Makes an installed package look as if it were there in another version, for who reads its package.json.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import Module from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const resolver = Module as unknown as { _resolveFilename(name: string, ...rest: unknown[]): string };

/** Until what it returns is called. */
export function pretend(name: string, version: string): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'inhouse-pretend-'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, version }));
  const resolve = resolver._resolveFilename;
  resolver._resolveFilename = function (asked, ...rest) {
    return asked === name ? join(folder, 'index.js') : resolve.call(this, asked, ...rest);
  };
  return () => {
    resolver._resolveFilename = resolve;
    rmSync(folder, { recursive: true });
  };
}
