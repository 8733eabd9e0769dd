import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { embeddedModelFolder } from '#inhouse/checkpoint/embedded.js';
import { Tokenizer } from '#inhouse/tokenizer/tokenizer.js';
import { cliSandbox } from './cli-process.js';

const { run, folder } = cliSandbox();
const TEXT = 'Hello wörld\n';

/** A folder with a tokenizer and nothing else: who looks for weights there fails. */
const model = join(folder, 'tokenizer-only');
let ids: readonly number[];

beforeAll(async () => {
  mkdirSync(model);
  copyFileSync(join(embeddedModelFolder(), 'tokenizer.json'), join(model, 'tokenizer.json'));
  ids = (await Tokenizer.open(model)).encode(TEXT);
});

it('needs neither weights nor a runtime, and gives back every byte of the text', async () => {
  const encoded = await run(['tokenize', '-m', model, '--json'], TEXT);
  expect(encoded).toMatchObject({ code: 0, stderr: '' });
  const { tokens, ...rest } = JSON.parse(encoded.stdout) as { tokens: string[] };
  expect(rest).toEqual({ ids, count: ids.length });
  expect(tokens).toHaveLength(ids.length);

  const decoded = await run(['tokenize', '-m', model, '--decode', ids.join(',')]);
  expect(decoded).toEqual({ code: 0, stdout: TEXT, stderr: '' });
});

it('lists one token a line and counts them', async () => {
  const listed = await run(['tokenize', '-m', model, 'a cat']);
  const lines = listed.stdout.trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line.replace(/^\d+ +/, '')) as string).join('')).toBe('a cat');
  const counted = await run(['tokenize', '-m', model, 'a cat', '--count']);
  expect(counted.stdout).toBe(`${lines.length}\n`);
});

it('takes special tokens as text unless told otherwise', async () => {
  const [plain, special] = await Promise.all([
    run(['tokenize', '-m', model, '<|endoftext|>', '--count']),
    run(['tokenize', '-m', model, '<|endoftext|>', '--count', '--allow-special-tokens']),
  ]);
  expect(Number(plain.stdout)).toBeGreaterThan(1);
  expect(special.stdout).toBe('1\n');
});
