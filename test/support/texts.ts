// Texts to try a tokenizer on: arbitrary Unicode, the corners of it, and paragraphs of real books.
import fc from 'fast-check';

import type { Random } from './random.js';

/** Pieces of text that tokenizers and decoders have been seen to get wrong. */
const CORNERS = [
  '👩‍👩‍👧‍👦', // emoji joined by U+200D
  '🏳️‍🌈',
  '👍🏽',
  '🇫🇷🇩🇪',
  'e\u0301\u0323', // combining marks
  'ก็ำ',
  'ﷺ',
  '\ufeff', // byte order mark
  '\u0085', // white space to Unicode, not to JavaScript
  '\u00a0',
  '\u3000',
  '\u200b',
  '\u2028',
  '\0',
  '\x1b[0m',
  '\x7f',
  '\r\n',
  '\n\n\n',
  '\t\t',
  '      ',
  ' ',
  "'s",
  "'ll",
  "''d",
  "'S",
  '<|endoftext|>',
  'Ġ',
  'Ċ',
  '漢字',
  'ſ',
  '½²Ⅷ٣',
  '\u{10ffff}',
  '\ufffd',
  'word',
  ' word',
  '123',
  '--',
];

/** Any well-formed string, in all of Unicode or made of corners. */
export const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc
    .array(fc.oneof(fc.constantFrom(...CORNERS), fc.string({ maxLength: 4 })), { maxLength: 20 })
    .map((parts) => parts.join('')),
);

/** `count` paragraphs drawn from a text, each with the white space before it. */
export function sampleParagraphs(text: string, count: number, random: Random): string[] {
  const paragraphs = text.split(/(?=\n\s*\n)/);
  return Array.from({ length: count }, () => random.pick(paragraphs));
}
