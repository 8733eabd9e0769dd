// Decoding one token at a time: what comes out, taken together, is what decoding all at once gives.
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { IncrementalDecoder } from '#inhouse/tokenizer/incremental.js';
import { Tokenizer } from '#inhouse/tokenizer/tokenizer.js';
import { anyText } from '../support/texts.js';

const tokenizer = await Tokenizer.open(fileURLToPath(new URL('../../models/embedded', import.meta.url)));
const END_ID = 8191;

/** Ids 0 to 255 are single bytes: these make the most broken UTF-8. */
const anyIds = fc.array(
  fc.oneof(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 8191 }), fc.constant(END_ID)),
  { maxLength: 60 },
);

test('any sequence of ids gives the same text at once and one by one', () => {
  fc.assert(
    fc.property(anyIds, fc.boolean(), (ids, skipSpecial) => {
      expect(emitted(tokenizer.incremental({ skipSpecial }), ids).join('')).toBe(
        tokenizer.decode(ids, { skipSpecial }),
      );
    }),
    { numRuns: 5000 },
  );
});

test('any bytes at all give the same text at once and one by one', () => {
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  fc.assert(
    fc.property(brokenUtf8(), (bytes) => {
      const decoder = new IncrementalDecoder((id) => Uint8Array.of(id));
      expect(emitted(decoder, bytes).join('')).toBe(utf8.decode(Uint8Array.from(bytes)));
    }),
    { numRuns: 5000 },
  );
});

test('a well-formed text is emitted in whole characters', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const parts = emitted(tokenizer.incremental(), tokenizer.encode(text));
      expect(parts.join('')).toBe(text);
      for (const part of parts) expect(part).not.toMatch(/\p{Surrogate}/u);
      if (!text.includes('\ufffd')) expect(parts.join('')).not.toContain('\ufffd');
      expect(parts.at(-1)).toBe(''); // nothing was left for flush
    }),
    { numRuns: 2000 },
  );
});

test('an emoji appears with its last token, not before', () => {
  const ids = tokenizer.encode('😀');
  const decoder = tokenizer.incremental();
  const parts = ids.map((id) => decoder.push(id));
  expect(parts.slice(0, -1).every((part) => part === '')).toBe(true);
  expect(parts.at(-1)).toBe('😀');
});

test('a character that never completes becomes U+FFFD at the end, or before what follows it', () => {
  const half = tokenizer.encode('😀').slice(0, -1);
  const decoder = tokenizer.incremental();
  expect(half.map((id) => decoder.push(id)).join('')).toBe('');
  expect(decoder.flush()).toBe('\ufffd');
  for (const id of half) decoder.push(id);
  expect(decoder.push(tokenizer.encode('x')[0]!)).toBe('\ufffdx');
  for (const id of half) decoder.push(id);
  expect(decoder.push(END_ID)).toBe('\ufffd<|endoftext|>');
});

test('byte order marks are text, at the start too', () => {
  const text = '\ufeff\ufeffa\ufeff';
  const ids = tokenizer.encode(text);
  expect(emitted(tokenizer.incremental(), ids).join('')).toBe(text);
  expect(tokenizer.decode(ids)).toBe(text);
});

test('after flush a new sequence starts clean', () => {
  const decoder = tokenizer.incremental();
  decoder.push(tokenizer.encode('😀')[0]!);
  decoder.flush();
  expect(emitted(decoder, tokenizer.encode('\ufeffnew')).join('')).toBe('\ufeffnew');
});

test('a refused id leaves what is held back as it was', () => {
  const ids = tokenizer.encode('😀');
  const decoder = tokenizer.incremental();
  for (const id of ids.slice(0, -1)) decoder.push(id);
  expect(() => decoder.push(8192)).toThrow(expect.objectContaining({ code: 'INHOUSE_INVALID_TOKEN' }));
  expect(decoder.push(ids.at(-1)!)).toBe('😀');
});

/** What each push and the final flush returned. */
function emitted(decoder: IncrementalDecoder, ids: readonly number[]): string[] {
  return [...ids.map((id) => decoder.push(id)), decoder.flush()];
}

/** Whole characters, cut characters, and bytes that UTF-8 forbids, side by side. */
function brokenUtf8(): fc.Arbitrary<number[]> {
  const character = fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }).map((c) => [...Buffer.from(c)]);
  const cut = fc.tuple(character, fc.nat(3)).map(([bytes, length]) => bytes.slice(0, length));
  const byte = fc.nat(255).map((b) => [b]);
  const forbidden = fc.constantFrom(
    [0xc0, 0x80],
    [0xed, 0xa0, 0x80],
    [0xf5],
    [0xe0, 0x80],
    [0xef, 0xbb, 0xbf],
  );
  return fc.array(fc.oneof(character, cut, byte, forbidden), { maxLength: 12 }).map((parts) => parts.flat());
}
