// What is accepted as a GPT-2 tokenizer, and what is refused with which error.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';

import { CheckpointError } from '#inhouse/errors.js';
import { BYTE_CHARACTERS } from '#inhouse/tokenizer/byte-alphabet.js';
import { Tokenizer } from '#inhouse/tokenizer/tokenizer.js';

const base = await mkdtemp(join(tmpdir(), 'inhouse-tokenizer-'));
afterAll(() => rm(base, { recursive: true }));

test('the byte alphabet is the published one', () => {
  expect(new Set(BYTE_CHARACTERS).size).toBe(256);
  expect(BYTE_CHARACTERS[0x20]).toBe('Ġ');
  expect(BYTE_CHARACTERS[0x0a]).toBe('Ċ');
  expect(BYTE_CHARACTERS[0x21]).toBe('!');
  expect(BYTE_CHARACTERS[0x7f]).toBe('ġ');
  expect(BYTE_CHARACTERS[0xad]).toBe('Ń');
  expect(BYTE_CHARACTERS[0xff]).toBe('ÿ');
});

test('a folder and its tokenizer.json are the same', async () => {
  const folder = await folderWith({ 'tokenizer.json': small() });
  for (const path of [folder, join(folder, 'tokenizer.json')]) {
    const tokenizer = await Tokenizer.open(path);
    expect(tokenizer.encode('abab<end>', { allowSpecial: true })).toEqual([256, 256, 258]);
    expect(tokenizer.vocabularySize).toBe(259);
  }
});

test('merges may be strings or pairs, and the kind of model may be left out', async () => {
  const { type: _, ...model } = small().model;
  const folder = await folderWith({ 'tokenizer.json': { ...small(), model: { ...model, merges: ['a b'] } } });
  expect((await Tokenizer.open(folder)).encode('ab')).toEqual([256]);
});

test.each([
  ['vocab.json', 'merges.txt'],
  ['encoder.json', 'vocab.bpe'],
])('%s and %s do where there is no tokenizer.json', async (vocabularyName, mergesName) => {
  const vocabulary = { ...small().model.vocab, '<end>': 258 };
  const folder = await folderWith({
    [vocabularyName]: vocabulary,
    [mergesName]: '#version: 0.2\na b\nĠ a\n',
  });
  const tokenizer = await Tokenizer.open(folder);
  expect(tokenizer.encode('ab a<end>', { allowSpecial: true })).toEqual([256, 257, 258]);
  expect([...tokenizer.specialTokens]).toEqual([['<end>', 258]]);
});

test('of two special tokens that begin alike the longer is read', async () => {
  const added = [special('<end>', 258), special('<end><end>', 259), special('.*', 260)];
  const folder = await folderWith({ 'tokenizer.json': { ...small(), added_tokens: added } });
  const tokenizer = await Tokenizer.open(folder);
  const encode = (text: string) => tokenizer.encode(text, { allowSpecial: true });
  expect(encode('<end><end><end>')).toEqual([259, 258]);
  expect(encode('ab.*.')).toEqual([256, 260, ...tokenizer.encode('.')]);
});

test('an added token that is not special is always read, and never skipped', async () => {
  const added = [{ ...special('<word>', 259), special: false }, special('<end>', 258)];
  const folder = await folderWith({ 'tokenizer.json': { ...small(), added_tokens: added } });
  const tokenizer = await Tokenizer.open(folder);
  const ids = tokenizer.encode('<word><end>');
  expect(ids[0]).toBe(259);
  expect(ids).not.toContain(258);
  expect([...tokenizer.specialTokens.keys()]).toEqual(['<end>']);
  expect(tokenizer.decode([259, 258], { skipSpecial: true })).toBe('<word>');
});

test('an added token that is not ASCII decodes to itself', async () => {
  const folder = await folderWith({ 'tokenizer.json': { ...small(), added_tokens: [special('Ġé😀', 258)] } });
  const tokenizer = await Tokenizer.open(folder);
  expect(tokenizer.decode(tokenizer.encode('aĠé😀b', { allowSpecial: true }))).toBe('aĠé😀b');
});

test('where there is nothing to read the tokenizer is missing', async () => {
  const empty = await folderWith({});
  const half = await folderWith({ 'vocab.json': small().model.vocab });
  for (const path of [empty, half, join(empty, 'tokenizer.json'), join(empty, 'no/such/folder')]) {
    const error = await refusal(path);
    expect(error.code).toBe('INHOUSE_TOKENIZER_MISSING');
    expect(error.message).toContain(path);
  }
});

const { vocab } = small().model;
const vocabWithoutA = Object.fromEntries(Object.entries(vocab).filter(([token]) => token !== 'a'));

test.each<[string, unknown, string]>([
  ['is not JSON', '{"model":', 'it is not JSON'],
  ['is not an object', [], 'the content is []'],
  ['has no model', { ...small(), model: undefined }, 'model is missing'],
  ['is another kind of model', withModel({ type: 'WordPiece' }), 'model.type is "WordPiece"'],
  ['has no merges', withModel({ merges: undefined }), 'model.merges is not a list'],
  ['has a merge of three', withModel({ merges: ['a b a'] }), '"a b a" is not a merge of two tokens'],
  ['has a merge without an id', withModel({ merges: [['b', 'b']] }), 'the merge of "b" and "b"'],
  ['has no vocabulary', withModel({ vocab: undefined }), 'model.vocab is missing'],
  ['has an id that is no integer', withModel({ vocab: { ...vocab, x: 1.5 } }), '"x" the id 1.5'],
  ['has an id twice', withModel({ vocab: { ...vocab, xyz: 3 } }), 'id 3 stands for both'],
  ['lacks a byte', withModel({ vocab: vocabWithoutA, merges: [] }), 'no entry for byte 97'],
  ['falls back to bytes', withModel({ byte_fallback: true }), 'model.byte_fallback is true'],
  ['normalizes', { ...small(), normalizer: { type: 'NFC' } }, 'normalizer is {"type":"NFC"}'],
  [
    'splits otherwise',
    { ...small(), pre_tokenizer: { type: 'Metaspace' } },
    'pre_tokenizer.type is "Metaspace"',
  ],
  [
    'adds a space',
    { ...small(), pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true } },
    'pre_tokenizer.add_prefix_space is true',
  ],
  [
    'has an added token without id',
    { ...small(), added_tokens: [{ content: '<x>' }] },
    '"<x>" has the id missing',
  ],
  [
    'has an added token that eats spaces',
    { ...small(), added_tokens: [{ ...special('<x>', 300), lstrip: true }] },
    '"<x>" sets lstrip',
  ],
  [
    'gives an added token a taken id',
    { ...small(), added_tokens: [special('<x>', 5)] },
    'id 5 stands for both',
  ],
])('a tokenizer.json that %s is refused', async (_what, content, words) => {
  const folder = await folderWith({ 'tokenizer.json': content });
  const error = await refusal(folder);
  expect(error.code).toBe('INHOUSE_TOKENIZER_INVALID');
  expect(error.message).toContain(words);
  expect(error.message).toContain(join(folder, 'tokenizer.json'));
});

/** All bytes, "ab", " a" (never merged unless a test adds the merge) and one special token. */
function small() {
  const vocab: Record<string, number> = Object.fromEntries(BYTE_CHARACTERS.map((c, byte) => [c, byte]));
  return {
    added_tokens: [special('<end>', 258)],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false },
    model: { type: 'BPE', vocab: { ...vocab, ab: 256, Ġa: 257 }, merges: [['a', 'b']] },
  };
}

function withModel(changes: object): object {
  return { ...small(), model: { ...small().model, ...changes } };
}

function special(content: string, id: number) {
  return { content, id, special: true };
}

/** A new folder of files; what is not a string is written as JSON. */
async function folderWith(files: Readonly<Record<string, unknown>>): Promise<string> {
  const folder = await mkdtemp(join(base, 'case-'));
  for (const [name, content] of Object.entries(files))
    await writeFile(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
  return folder;
}

async function refusal(path: string): Promise<CheckpointError> {
  const error: unknown = await Tokenizer.open(path).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof CheckpointError) return error;
  throw error ?? new Error(`${path} was accepted`);
}
