// The tokenizer of @huggingface/transformers on the embedded model's files: another way through the same vocabulary.

import { dirname } from 'node:path';
import { AutoTokenizer, env } from '@huggingface/transformers';
import { beforeAll, expect, it } from 'vitest';
import { embeddedModelFolder } from '#inhouse/checkpoint/embedded.js';
import { Tokenizer } from '#inhouse/tokenizer/tokenizer.js';

const TEXTS = [
  'It was a dark and stormy night, and the rain fell in torrents.',
  "They'll say it's 12,345.67 -- isn't it?\n\n\tTabs   and    spaces  \n",
  'Ünïcödé, 日本語, Ελληνικά, кириллица; 👩‍👩‍👧‍👦 and 🇨🇭.',
  '<|endoftext|> is special only when asked.',
];

let theirs: Awaited<ReturnType<typeof AutoTokenizer.from_pretrained>>;
let ours: Tokenizer;

beforeAll(async () => {
  env.allowRemoteModels = false;
  env.localModelPath = dirname(embeddedModelFolder());
  theirs = await AutoTokenizer.from_pretrained('embedded');
  ours = await Tokenizer.open(embeddedModelFolder());
});

it.each(TEXTS)('gives the same ids, and the same text back, for %j', (text) => {
  const ids = ours.encode(text, { allowSpecial: true });
  expect(ids).toEqual(theirs.encode(text));
  expect(ours.decode(ids)).toBe(text);
  expect(theirs.decode(ids)).toBe(text);
});
