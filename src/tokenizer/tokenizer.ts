// GPT-2's tokenizer: text to token ids and back. This file cuts text into pieces, keeps special tokens apart
// from user text, and decodes. It adds no prefix space and no begin token, and does not merge bytes: bpe.ts does.
import { InvalidInputError } from '../errors.js';
import { PieceEncoder } from './bpe.js';
import { bytesOf } from './byte-alphabet.js';
import { IncrementalDecoder } from './incremental.js';
import { type AddedToken, readTokenizerDefinition, type TokenizerDefinition } from './tokenizer-file.js';

export interface EncodeOptions {
  /** Read special tokens such as `<|endoftext|>` in the text as one id each. Default false: they are plain text. */
  readonly allowSpecial?: boolean;
}

export interface DecodeOptions {
  /** Leave special tokens out of the text. Default false. */
  readonly skipSpecial?: boolean;
  /** Leave out ids that have no text: some models pad their vocabulary. Default false: they are an error. */
  readonly skipUnknown?: boolean;
}

/**
 * The pieces within which GPT-2 merges bytes (encoder.py): contractions, words, numbers, punctuation, white space.
 * White space is Unicode's, as there: JavaScript's `\s` differs from it in U+0085 and U+FEFF, and gives other ids.
 */
const PIECES =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

export class Tokenizer {
  /** Ids by special token. */
  readonly specialTokens: ReadonlyMap<string, number>;
  /** One more than the largest id. A model may have more rows than that, as padding. */
  readonly vocabularySize: number;

  readonly #pieces: PieceEncoder;
  readonly #bytesById = new Map<number, Uint8Array>();
  readonly #addedIds: ReadonlyMap<string, number>;
  readonly #specialIds: ReadonlySet<number>;
  /** Matches added tokens that are words, and added tokens of every kind; undefined where there are none. */
  readonly #addedWords: RegExp | undefined;
  readonly #addedTokens: RegExp | undefined;

  /**
   * Opens the tokenizer of a checkpoint: its folder, or its `tokenizer.json`. See `readTokenizerDefinition`.
   * @throws CheckpointError `INHOUSE_TOKENIZER_MISSING`, `INHOUSE_TOKENIZER_INVALID`
   */
  static async open(path: string): Promise<Tokenizer> {
    return new Tokenizer(await readTokenizerDefinition(path));
  }

  private constructor({ vocabulary, merges, addedTokens }: TokenizerDefinition) {
    this.#pieces = new PieceEncoder({ vocabulary, merges });
    const special = addedTokens.filter((token) => token.special);
    this.specialTokens = new Map(special.map(({ content, id }) => [content, id]));
    this.#specialIds = new Set(this.specialTokens.values());
    this.#addedIds = new Map(addedTokens.map(({ content, id }) => [content, id]));
    this.#addedWords = anyOf(addedTokens.filter((token) => !token.special));
    this.#addedTokens = anyOf(addedTokens);

    const utf8 = new TextEncoder();
    for (const [token, id] of Object.entries(vocabulary))
      this.#bytesById.set(id, bytesOf(token) ?? utf8.encode(token));
    for (const { content, id } of addedTokens) this.#bytesById.set(id, utf8.encode(content));
    this.vocabularySize = [...this.#bytesById.keys()].reduce((largest, id) => Math.max(largest, id), -1) + 1;
  }

  /**
   * The ids of a text; [] for ''. Time is linear in the length of the text.
   * @throws InvalidInputError `INHOUSE_INVALID_TEXT` for a text with half a surrogate pair, which has no UTF-8 form
   */
  encode(text: string, options: EncodeOptions = {}): number[] {
    requireWellFormed(text);
    const ids: number[] = [];
    const added = options.allowSpecial ? this.#addedTokens : this.#addedWords;
    // Splitting by a pattern with one group puts the added tokens at the odd places.
    for (const [place, part] of (added ? text.split(added) : [text]).entries()) {
      if (place % 2 === 1) ids.push(this.#addedIds.get(part)!);
      else this.#appendText(ids, part);
    }
    return ids;
  }

  /** The number of ids `encode` gives. */
  count(text: string, options?: EncodeOptions): number {
    return this.encode(text, options).length;
  }

  /**
   * The text of a sequence of ids; bytes that are not UTF-8 become U+FFFD.
   * @throws InvalidInputError `INHOUSE_INVALID_TOKEN` for an id outside the vocabulary
   */
  decode(ids: readonly number[], options: DecodeOptions = {}): string {
    const bytes = Buffer.concat(Array.from(ids, (id) => this.#bytesOf(id, options)));
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  }

  /** The text of one token alone, such as " the"; U+FFFD where it begins or ends inside a character. */
  tokenText(id: number): string {
    return this.decode([id]);
  }

  /** A decoder for ids that come one at a time: what it emits, taken together, equals `decode` of all of them. */
  incremental(options: DecodeOptions = {}): IncrementalDecoder {
    return new IncrementalDecoder((id) => this.#bytesOf(id, options));
  }

  #appendText(ids: number[], text: string): void {
    for (const piece of text.match(PIECES) ?? []) {
      for (const id of this.#pieces.encode(piece)) ids.push(id);
    }
  }

  #bytesOf(id: number, { skipSpecial = false, skipUnknown = false }: DecodeOptions): Uint8Array {
    const bytes = this.#bytesById.get(id);
    if (bytes === undefined && skipUnknown) return NO_BYTES;
    if (bytes === undefined)
      throw new InvalidInputError(
        'INHOUSE_INVALID_TOKEN',
        `${id} is not a token: ids are integers from 0 to ${this.vocabularySize - 1}`,
        { details: { id, vocabularySize: this.vocabularySize } },
      );
    return skipSpecial && this.#specialIds.has(id) ? NO_BYTES : bytes;
  }
}

const NO_BYTES = new Uint8Array(0);

/** A pattern with one group that matches any of the tokens, the longest where several begin at one place. */
function anyOf(tokens: readonly AddedToken[]): RegExp | undefined {
  if (tokens.length === 0) return undefined;
  const contents = tokens.map(({ content }) => content).sort((a, b) => b.length - a.length);
  return new RegExp(`(${contents.map((text) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|')})`);
}

function requireWellFormed(text: string): void {
  if (typeof text !== 'string')
    throw new InvalidInputError('INHOUSE_INVALID_TEXT', `the text must be a string, not ${typeof text}`);
  const index = text.search(/\p{Surrogate}/u); // in Unicode mode a whole pair is one character and does not match
  if (index === -1) return;
  const unit = text.charCodeAt(index).toString(16).toUpperCase();
  throw new InvalidInputError(
    'INHOUSE_INVALID_TEXT',
    `the text has half a surrogate pair (U+${unit}) at index ${index}, so it is not valid Unicode; ` +
      'cut strings between characters, or repair the text with toWellFormed()',
    { details: { index } },
  );
}
