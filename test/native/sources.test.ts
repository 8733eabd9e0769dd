// The two build descriptions of the addon name the same sources, and all of them.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

const sources = (readdirSync(join(root, 'native'), { recursive: true }) as string[])
  .filter((name) => name.endsWith('.cc'))
  .sort();

const named = (file: string, pattern: RegExp) =>
  [...readFileSync(join(root, file), 'utf8').matchAll(pattern)].map((match) => match[1]!).sort();

it('native/CMakeLists.txt names every source once', () => {
  expect(named('native/CMakeLists.txt', /^ {2}([\w/]+\.cc)$/gm)).toEqual(sources);
});

it('binding.gyp names every source once', () => {
  expect(named('binding.gyp', /'native\/([\w/]+\.cc)'/g)).toEqual(sources);
});
