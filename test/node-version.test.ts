import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { isOlderNode, oldestNode } from '#inhouse/node-version.js';

const text = (path: string) => readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8');

it.each([
  ['v18.20.4', true],
  ['20.3.1', true],
  ['v20.18.3', true],
  ['v20.19.0', false],
  ['20.20.2', false],
  ['v22.1.0', false],
])('whether %s is older than 20.19: %s', (version, older) => {
  expect(isOlderNode(version, '20.19')).toBe(older);
});

it('the documents and scripts name the Node.js that package.json asks for', () => {
  expect(oldestNode()).toMatch(/^\d+\.\d+$/);
  for (const path of ['README.md', 'docs/native.md', 'bench/gpu/verify.sh']) {
    const named = [...text(path).matchAll(/Node\.js (?:from )?(\d+\.\d+)/g)].map(([, version]) => version);
    expect([path, ...new Set(named)]).toEqual([path, oldestNode()]);
  }
});
