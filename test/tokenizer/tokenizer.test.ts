// Text to ids and back with the embedded model's tokenizer; tokenizer-ids.test.ts checks the ids themselves.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { InvalidInputError } from '#inhouse/errors.js';
import { Tokenizer } from '#inhouse/tokenizer/tokenizer.js';
import { anyText } from '../support/texts.js';

const folder = fileURLToPath(new URL('../../models/embedded', import.meta.url));
const tokenizer = await Tokenizer.open(folder);
const END = '<|endoftext|>';
const END_ID = 8191;

test('any text comes back from its ids', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    }),
    { numRuns: 2000 },
  );
});

test('every character of the basic plane comes back from its ids', () => {
  for (let block = 0; block < 0x10000; block += 256) {
    if (block >= 0xd800 && block < 0xe000) continue; // surrogates are no characters
    const text = String.fromCodePoint(...Array.from({ length: 256 }, (_, i) => block + i));
    expect(tokenizer.decode(tokenizer.encode(text)), `from U+${block.toString(16)}`).toBe(text);
  }
});

test('text with added tokens comes back too when they are allowed', () => {
  const withEnds = fc
    .array(fc.oneof(anyText, fc.constant(END)), { maxLength: 8 })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(withEnds, (text) => {
      const ids = tokenizer.encode(text, { allowSpecial: true });
      expect(tokenizer.decode(ids)).toBe(text);
      expect(ids.filter((id) => id === END_ID)).toHaveLength(text.split(END).length - 1);
    }),
  );
});

test('the goldens beside the model have the same ids and texts', () => {
  const goldens = JSON.parse(readFileSync(`${folder}/goldens.json`, 'utf8')) as {
    prompts: Array<{ prompt: string; ids: number[]; greedy40: number[]; greedy40_text: string }>;
  };
  expect(goldens.prompts).toHaveLength(5);
  for (const golden of goldens.prompts) {
    expect(tokenizer.encode(golden.prompt)).toEqual(golden.ids);
    expect(tokenizer.count(golden.prompt)).toBe(golden.ids.length);
    expect(tokenizer.decode(golden.greedy40)).toBe(golden.greedy40_text);
  }
});

test('nothing has no tokens', () => {
  expect(tokenizer.encode('')).toEqual([]);
  expect(tokenizer.encode('', { allowSpecial: true })).toEqual([]);
  expect(tokenizer.decode([])).toBe('');
});

test('a special token in a text is plain text unless allowed', () => {
  const text = `the end${END}The start`;
  const plain = tokenizer.encode(text);
  const special = tokenizer.encode(text, { allowSpecial: true });
  expect(plain).not.toContain(END_ID);
  expect(tokenizer.decode(plain)).toBe(text);
  expect(special).toEqual([...tokenizer.encode('the end'), END_ID, ...tokenizer.encode('The start')]);
  expect(tokenizer.count(text)).toBe(plain.length);
  expect(tokenizer.count(text, { allowSpecial: true })).toBe(special.length);
});

test('special tokens can be left out of a decoded text', () => {
  const ids = [END_ID, ...tokenizer.encode('Emma'), END_ID, END_ID];
  expect(tokenizer.decode(ids)).toBe(`${END}Emma${END}${END}`);
  expect(tokenizer.decode(ids, { skipSpecial: true })).toBe('Emma');
});

test('facts about the vocabulary', () => {
  expect(tokenizer.vocabularySize).toBe(8192);
  expect([...tokenizer.specialTokens]).toEqual([[END, END_ID]]);
});

test('spaces before punctuation stay, and none is put in front', () => {
  const text = " do n't , please . 'm here ?";
  expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  expect(tokenizer.decode(tokenizer.encode('Emma'))).toBe('Emma');
  expect(tokenizer.encode('Emma')).not.toEqual(tokenizer.encode(' Emma'));
});

test('the text of one token is U+FFFD where the token is part of a character', () => {
  const [the] = tokenizer.encode(' the');
  expect(tokenizer.tokenText(the!)).toBe(' the');
  const emoji = tokenizer.encode('😀');
  expect(emoji.length).toBeGreaterThan(1);
  expect(tokenizer.tokenText(emoji[0]!)).toBe('\ufffd');
});

test('half a surrogate pair is refused with its place', () => {
  const cases: Array<[string, number]> = [
    ['\ud83d', 0],
    ['ab\ude00', 2],
    ['😀\ud83d cut', 2],
    ['turned \ude00\ud83d round', 7],
  ];
  for (const [text, index] of cases) {
    const error = caught(() => tokenizer.encode(text));
    expect(error).toMatchObject({ code: 'INHOUSE_INVALID_TEXT', details: { index } });
    expect(error.message).toContain(`at index ${index}`);
  }
});

test('what is no string is refused', () => {
  expect(caught(() => tokenizer.encode(undefined as unknown as string)).code).toBe('INHOUSE_INVALID_TEXT');
});

test('what is no token id is refused', () => {
  for (const id of [8192, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '5' as unknown as number]) {
    const error = caught(() => tokenizer.decode([1, id]));
    expect(error.code).toBe('INHOUSE_INVALID_TOKEN');
    expect(error.message).toContain('0 to 8191');
    expect(caught(() => tokenizer.tokenText(id)).code).toBe('INHOUSE_INVALID_TOKEN');
  }
  expect(caught(() => tokenizer.decode(new Array(2))).code).toBe('INHOUSE_INVALID_TOKEN');
});

function caught(action: () => unknown): InvalidInputError {
  try {
    action();
  } catch (error) {
    if (error instanceof InvalidInputError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
