// Reads a tokenizer from a checkpoint folder and checks that it is GPT-2's kind: byte-level BPE, nothing else.
// Both layouts are known: one `tokenizer.json`, or a vocabulary and a merge list as GPT-2 was published with.
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { CheckpointError } from '../errors.js';
import { BYTE_CHARACTERS } from './byte-alphabet.js';

export interface AddedToken {
  readonly content: string;
  readonly id: number;
  /** Special tokens steer the model and are not text; other added tokens are words that were added to the vocabulary. */
  readonly special: boolean;
}

/** What defines a byte-level BPE. */
export interface TokenizerDefinition {
  /** Ids by token, tokens written in the byte alphabet. May name added tokens too. */
  readonly vocabulary: Readonly<Record<string, number>>;
  /** Pairs of tokens, first merged first. */
  readonly merges: ReadonlyArray<readonly [string, string]>;
  readonly addedTokens: readonly AddedToken[];
}

type Json = Readonly<Record<string, unknown>>;

/** File names of the two-file layout, as Hugging Face writes them and as OpenAI published them. */
const VOCABULARY_AND_MERGES = [
  ['vocab.json', 'merges.txt'],
  ['encoder.json', 'vocab.bpe'],
] as const;

/**
 * Reads `tokenizer.json`, given as a file or by its folder; a folder without one may hold `vocab.json` and `merges.txt`
 * (or `encoder.json` and `vocab.bpe`) instead.
 * @throws CheckpointError `INHOUSE_TOKENIZER_MISSING` where there is nothing to read, `INHOUSE_TOKENIZER_INVALID` for
 * anything but a byte-level BPE.
 */
export async function readTokenizerDefinition(path: string): Promise<TokenizerDefinition> {
  if (!(await isFolder(path))) return fromTokenizerJson(await readText(path), path);
  const file = join(path, 'tokenizer.json');
  if (await exists(file)) return fromTokenizerJson(await readText(file), file);
  for (const [vocabularyName, mergesName] of VOCABULARY_AND_MERGES) {
    const vocabularyFile = join(path, vocabularyName);
    const mergesFile = join(path, mergesName);
    if (!(await exists(vocabularyFile)) || !(await exists(mergesFile))) continue;
    return fromVocabularyAndMerges(
      await readText(vocabularyFile),
      await readText(mergesFile),
      vocabularyFile,
    );
  }
  throw new CheckpointError(
    'INHOUSE_TOKENIZER_MISSING',
    `no tokenizer in ${path}: put the model's tokenizer.json there, or its vocab.json and merges.txt`,
    { details: { path } },
  );
}

/** The fields of `tokenizer.json` that matter here are those of the `tokenizers` library's own serialisation. */
function fromTokenizerJson(text: string, file: string): TokenizerDefinition {
  const root = parseObject(text, file);
  const model = asObject(root.model, file, 'model');
  // Files written before `type` existed, GPT-2's own among them, show the kind of model only by its fields.
  if ((model.type ?? 'BPE') !== 'BPE') throw invalid(file, `model.type is ${show(model.type)}, not "BPE"`);
  refuseUnsupported(root, model, file);
  if (!Array.isArray(model.merges)) throw invalid(file, 'model.merges is not a list');
  return checked(
    {
      vocabulary: asVocabulary(model.vocab, file, 'model.vocab'),
      merges: model.merges.map((merge: unknown) => asMerge(merge, file)),
      addedTokens: asAddedTokens(root.added_tokens ?? [], file),
    },
    file,
  );
}

/** Anything that would change ids and that we would otherwise leave out without a word. */
function refuseUnsupported(root: Json, model: Json, file: string): void {
  const preTokenizer = asObject(root.pre_tokenizer, file, 'pre_tokenizer');
  const unsupported: ReadonlyArray<readonly [string, unknown, unknown]> = [
    ['normalizer', root.normalizer ?? null, null],
    ['pre_tokenizer.type', preTokenizer.type, 'ByteLevel'],
    ['pre_tokenizer.add_prefix_space', preTokenizer.add_prefix_space ?? false, false],
    ['pre_tokenizer.use_regex', preTokenizer.use_regex ?? true, true],
    ['model.byte_fallback', model.byte_fallback ?? false, false],
    ['model.ignore_merges', model.ignore_merges ?? false, false],
    ['model.continuing_subword_prefix', model.continuing_subword_prefix || '', ''],
    ['model.end_of_word_suffix', model.end_of_word_suffix || '', ''],
  ];
  for (const [field, value, wanted] of unsupported) {
    if (value !== wanted)
      throw invalid(file, `${field} is ${show(value)}; only ${show(wanted)} is supported`);
  }
}

function fromVocabularyAndMerges(
  vocabularyText: string,
  mergesText: string,
  file: string,
): TokenizerDefinition {
  const vocabulary = asVocabulary(parseObject(vocabularyText, file), file, 'the vocabulary');
  const lines = mergesText.split(/\r?\n/).filter((line) => line !== '');
  if (lines[0]?.startsWith('#version')) lines.shift();
  const merges = lines.map((line) => asMerge(line, file));
  // This layout does not list special tokens: they are the entries that neither a byte nor a merge produces.
  const produced = new Set([...BYTE_CHARACTERS, ...merges.map(([left, right]) => left + right)]);
  const addedTokens = Object.entries(vocabulary)
    .filter(([content]) => !produced.has(content))
    .map(([content, id]) => ({ content, id, special: true }));
  return checked({ vocabulary, merges, addedTokens }, file);
}

/** Without these properties some text would silently lose bytes, or two tokens would share an id. */
function checked(definition: TokenizerDefinition, file: string): TokenizerDefinition {
  const { vocabulary, merges, addedTokens } = definition;
  const lost = BYTE_CHARACTERS.findIndex((character) => !Object.hasOwn(vocabulary, character));
  if (lost !== -1)
    throw invalid(file, `the vocabulary has no entry for byte ${lost}, so it is not byte-level`);
  for (const [left, right] of merges) {
    if (!Object.hasOwn(vocabulary, left + right))
      throw invalid(file, `the merge of ${show(left)} and ${show(right)} is not in the vocabulary`);
  }
  const contents: string[] = [];
  const claim = (content: string, id: number): void => {
    const other = contents[id] ?? content;
    if (other !== content)
      throw invalid(file, `id ${id} stands for both ${show(other)} and ${show(content)}`);
    contents[id] = content;
  };
  for (const content in vocabulary) claim(content, vocabulary[content]!);
  for (const { content, id } of addedTokens) claim(content, id);
  return definition;
}

function asVocabulary(value: unknown, file: string, field: string): Readonly<Record<string, number>> {
  const vocabulary = asObject(value, file, field);
  for (const token in vocabulary) {
    if (!isId(vocabulary[token]))
      throw invalid(file, `${field} gives ${show(token)} the id ${show(vocabulary[token])}`);
  }
  return vocabulary as Readonly<Record<string, number>>;
}

/** A merge is written "left right" or, in newer files, ["left", "right"]. */
function asMerge(value: unknown, file: string): readonly [string, string] {
  const pair: readonly unknown[] =
    typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : [];
  const [left, right] = pair;
  if (pair.length !== 2 || typeof left !== 'string' || typeof right !== 'string')
    throw invalid(file, `${show(value)} is not a merge of two tokens`);
  return [left, right];
}

function asAddedTokens(value: unknown, file: string): AddedToken[] {
  if (!Array.isArray(value)) throw invalid(file, 'added_tokens is not a list');
  return value.map((entry: unknown) => {
    const token = asObject(entry, file, 'an entry of added_tokens');
    const { content, id } = token;
    if (typeof content !== 'string' || content === '' || !isId(id))
      throw invalid(file, `added token ${show(content)} has the id ${show(id)}`);
    for (const flag of ['lstrip', 'rstrip', 'single_word']) {
      if (token[flag])
        throw invalid(file, `added token ${show(content)} sets ${flag}, which is not supported`);
    }
    return { content, id, special: token.special === true };
  });
}

function isId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function asObject(value: unknown, file: string, field: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(file, `${field} is ${show(value)}, not an object`);
  return value as Json;
}

function parseObject(text: string, file: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid(file, 'it is not JSON', cause);
  }
  return asObject(value, file, 'the content');
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new CheckpointError(
      'INHOUSE_TOKENIZER_MISSING',
      `cannot read the tokenizer ${file}: ${(cause as Error).message}`,
      { cause, details: { path: file } },
    );
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (s) => s.isDirectory(),
    () => false,
  );

/** A value as it would stand in the file, short enough for a message. */
function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'missing';
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function invalid(file: string, problem: string, cause?: unknown): CheckpointError {
  return new CheckpointError(
    'INHOUSE_TOKENIZER_INVALID',
    `${file} is not a GPT-2 byte-level BPE tokenizer: ${problem}`,
    { cause, details: { path: file } },
  );
}
