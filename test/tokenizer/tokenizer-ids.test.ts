// The ids equal those of an independent byte-level BPE (test/support/reference-bpe.ts) on arbitrary Unicode and on
// paragraphs of real texts, for the embedded model's tokenizer and for GPT-2's own.
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';

import { Tokenizer } from '#inhouse/tokenizer/tokenizer.js';
import { Random } from '../support/random.js';
import {
  type ReferenceBpe,
  referenceFromEncoder,
  referenceFromTokenizerJson,
} from '../support/reference-bpe.js';
import { sharedData } from '../support/shared-data.js';
import { anyText, sampleParagraphs } from '../support/texts.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const gpt2 = sharedData('tokenizer/gpt2');
const books = ['text/novels/alice.txt', 'text/tinyshakespeare/input.txt', 'text/wikitext-2/wiki.test.raw']
  .map(sharedData)
  .filter((file) => file !== undefined);

describe('the embedded tokenizer', () => {
  const file = `${root}/models/embedded/tokenizer.json`;
  compare(
    () => Tokenizer.open(file),
    () => referenceFromTokenizerJson(file),
  );
});

describe.skipIf(gpt2 === undefined)("GPT-2's tokenizer", () => {
  compare(
    () => Tokenizer.open(`${gpt2}/tokenizer.json`),
    () => referenceFromEncoder(`${gpt2}/encoder.json`, `${gpt2}/vocab.bpe`),
  );

  test('is the same from its two published files', async () => {
    const one = await Tokenizer.open(`${gpt2}/tokenizer.json`);
    const folder = mkdtempSync(`${tmpdir()}/inhouse-gpt2-`);
    for (const name of ['encoder.json', 'vocab.bpe']) copyFileSync(`${gpt2}/${name}`, `${folder}/${name}`);
    const two = await Tokenizer.open(folder);
    rmSync(folder, { recursive: true });
    expect(two.vocabularySize).toBe(50_257);
    expect([...two.specialTokens]).toEqual([...one.specialTokens]);
    const text = 'One morning, when Gregor Samsa woke from troubled dreams <|endoftext|> 1915';
    expect(two.encode(text, { allowSpecial: true })).toEqual(one.encode(text, { allowSpecial: true }));
  });
});

function compare(openTokenizer: () => Promise<Tokenizer>, openReference: () => ReferenceBpe): void {
  let tokenizer: Tokenizer;
  let reference: ReferenceBpe;
  beforeAll(async () => {
    tokenizer = await openTokenizer();
    reference = openReference();
  });

  test('gives the reference ids for arbitrary Unicode', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(tokenizer.encode(text)).toEqual(reference.encode(text));
      }),
      { numRuns: 2000 },
    );
  });

  test('gives the reference ids for every kind of white space between words', () => {
    for (let codePoint = 0; codePoint <= 0xffff; codePoint++) {
      const character = String.fromCodePoint(codePoint);
      if (!/[\s\p{White_Space}\p{Cf}\p{Cc}]/u.test(character)) continue;
      const text = `a${character}b ${character}${character}3${character} ${character}!${character}`;
      expect(tokenizer.encode(text), `U+${codePoint.toString(16)}`).toEqual(reference.encode(text));
    }
  });

  test('gives the reference ids for pieces far longer than any word', () => {
    const random = new Random(7);
    const runs = ['a', '-', ' ', '\n', 'é', '=-', '漢字', 'ing'].map((run) => run.repeat(700 / run.length));
    const letters = ['ab', 'aeiou', 'etaoinshr', 'abcdefghijklmnopqrstuvwxyz'].flatMap((alphabet) =>
      Array.from({ length: 4 }, () => randomLetters(random, alphabet, 500)),
    );
    for (const text of [...runs, ...letters]) expect(tokenizer.encode(text)).toEqual(reference.encode(text));
  });

  test("gives the reference ids for the model's own samples", () => {
    const { samples } = JSON.parse(readFileSync(`${root}/models/embedded/metrics.json`, 'utf8')) as {
      samples: string[];
    };
    expect(samples.length).toBeGreaterThan(0);
    for (const text of samples) expect(tokenizer.encode(text)).toEqual(reference.encode(text));
  });

  test.skipIf(books.length === 0)('gives the reference ids for paragraphs of books', () => {
    const random = new Random(20);
    for (const book of books) {
      for (const paragraph of sampleParagraphs(readFileSync(book, 'utf8'), 150, random))
        expect(tokenizer.encode(paragraph)).toEqual(reference.encode(paragraph));
    }
  });
}

/** Letters one by one and in runs, so that merges reach far in some places and stop early in others. */
function randomLetters(random: Random, alphabet: string, length: number): string {
  let text = '';
  while (text.length < length) text += random.pick([...alphabet]).repeat(random.pick([1, 1, 1, 2, 30]));
  return text;
}
