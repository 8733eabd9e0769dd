// Byte-pair encoding of one piece of text (a word, a number, a run of spaces). The merging is `@huggingface/tokenizers`';
// this file bounds its time on pieces of any length, and remembers the ids of short ones.
import { Tokenizer } from '@huggingface/tokenizers';

import { BYTE_CHARACTERS } from './byte-alphabet.js';
import type { TokenizerDefinition } from './tokenizer-file.js';

/** Characters of the byte alphabet merged at once, and tokens before them that are merged again to find the joint. */
const STEP = 100;
const OVERLAP = 2;

/**
 * Ids by piece are remembered for pieces of up to this many UTF-16 units, as most are. Longer ones come back seldom, and
 * V8 cuts strings of 13 units and more as views that would keep the whole text they were cut from in memory.
 */
const REMEMBERED_PIECE_LENGTH = 12;
/** The 1.3 MB of the WikiText-2 test text have 21 000 different pieces. */
const REMEMBERED_PIECES = 32_768;

/** The one method used here; the library's own types do not resolve from an ES module. */
interface Library {
  tokenize(text: string): string[];
}

export class PieceEncoder {
  readonly #vocabulary: Readonly<Record<string, number>>;
  readonly #library: Library;
  readonly #idsByPiece = new Map<string, readonly number[]>();

  constructor({ vocabulary, merges }: Pick<TokenizerDefinition, 'vocabulary' | 'merges'>) {
    this.#vocabulary = vocabulary;
    const without = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null };
    const model = { type: 'BPE', vocab: vocabulary, merges };
    this.#library = new Tokenizer({ ...without, model, added_tokens: [] }, {});
  }

  /** The ids of a piece. Few pieces make up most text, so remembering them is several times faster than merging again. */
  encode(piece: string): readonly number[] {
    const known = this.#idsByPiece.get(piece);
    if (known !== undefined) return known;
    const ids = this.#merge(toAlphabet(piece)).map((token) => this.#vocabulary[token]!);
    if (piece.length <= REMEMBERED_PIECE_LENGTH) {
      if (this.#idsByPiece.size === REMEMBERED_PIECES) this.#idsByPiece.clear();
      this.#idsByPiece.set(piece, ids);
    }
    return ids;
  }

  /**
   * The tokens of a piece written in the byte alphabet. A long piece is merged step by step, so that time is linear in
   * its length and a run of one character costs next to nothing: the library remembers what it merged.
   *
   * The tokens are the same as if it were merged at once. Merges act on neighbours only, the lowest rank first and then
   * from left to right, so a row of tokens is the encoding of its text exactly when every two neighbours in it are the
   * encoding of theirs. Tokens so far and tokens of the next step are such rows; only the joint has to be checked, and
   * where it does not hold, more of the tokens so far are merged again.
   */
  #merge(characters: readonly string[]): readonly string[] {
    const tokens: string[] = [];
    for (let at = 0; at < characters.length; at += STEP) {
      for (let overlap = OVERLAP; ; overlap *= 2) {
        const kept = Math.max(0, tokens.length - overlap);
        const again = [...tokens.slice(kept), ...characters.slice(at, at + STEP)];
        const next = this.#library.tokenize(again.join(''));
        if (kept > 0 && !this.#areNeighbours(tokens[kept - 1]!, next[0]!)) continue;
        tokens.length = kept;
        for (const token of next) tokens.push(token);
        break;
      }
    }
    return tokens;
  }

  /** Whether two tokens are the encoding of their text, so that they may stand side by side. */
  #areNeighbours(left: string, right: string): boolean {
    const tokens = this.#library.tokenize(left + right);
    return tokens.length === 2 && tokens[0] === left;
  }
}

/** The UTF-8 bytes of a text, each as its character of the byte alphabet. */
function toAlphabet(text: string): string[] {
  return Array.from(Buffer.from(text, 'utf8'), (byte) => BYTE_CHARACTERS[byte]!);
}
