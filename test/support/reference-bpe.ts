// A second byte-level BPE, for comparison only: written from the description of GPT-2's encoder.py, character by
// character and merge by merge. It is slow, and it shares no code with src/tokenizer.
import { readFileSync } from 'node:fs';

export interface ReferenceBpe {
  /** Ids of a text in which nothing is special. */
  encode(text: string): number[];
}

/** From `encoder.json` and `vocab.bpe`, the files GPT-2 was published with. */
export function referenceFromEncoder(encoderFile: string, mergesFile: string): ReferenceBpe {
  const vocabulary = JSON.parse(readFileSync(encoderFile, 'utf8')) as Record<string, number>;
  const lines = readFileSync(mergesFile, 'utf8').split('\n').slice(1); // the first line is the version
  return reference(vocabulary, lines);
}

/** From the vocabulary and merges inside `tokenizer.json`. */
export function referenceFromTokenizerJson(file: string): ReferenceBpe {
  const { model } = JSON.parse(readFileSync(file, 'utf8')) as {
    model: { vocab: Record<string, number>; merges: string[] };
  };
  return reference(model.vocab, model.merges);
}

function reference(vocabulary: Readonly<Record<string, number>>, merges: readonly string[]): ReferenceBpe {
  const ranks = new Map(merges.map((merge, rank) => [merge, rank]));
  const encode = (text: string) =>
    pieces(text).flatMap((piece) =>
      mergeAll(toAlphabet(piece), ranks).map((token) => {
        const id = vocabulary[token];
        if (id === undefined) throw new Error(`the reference made ${token}, which has no id`);
        return id;
      }),
    );
  return { encode };
}

/** Replaces, as often as there is one, every occurrence of the best-ranked neighbouring pair, left to right. */
function mergeAll(symbols: string[], ranks: ReadonlyMap<string, number>): string[] {
  for (;;) {
    let best: string | undefined;
    for (let i = 0; i + 1 < symbols.length; i++) {
      const pair = `${symbols[i]} ${symbols[i + 1]}`;
      const rank = ranks.get(pair);
      if (rank !== undefined && (best === undefined || rank < ranks.get(best)!)) best = pair;
    }
    if (best === undefined) return symbols;
    const merged: string[] = [];
    for (let i = 0; i < symbols.length; i++) {
      if (`${symbols[i]} ${symbols[i + 1]}` === best) merged.push(symbols[i]! + symbols[++i]!);
      else merged.push(symbols[i]!);
    }
    symbols = merged;
  }
}

/** The UTF-8 bytes of a piece, each as the printable character GPT-2 writes it with. */
function toAlphabet(piece: string): string[] {
  return [...Buffer.from(piece, 'utf8')].map((byte) => {
    if (byte <= 32) return String.fromCodePoint(256 + byte); // control characters and space: 33 of them
    if (byte >= 127 && byte <= 160) return String.fromCodePoint(256 + 33 + byte - 127); // 34 more
    if (byte === 173) return String.fromCodePoint(256 + 33 + 34); // soft hyphen
    return String.fromCodePoint(byte);
  });
}

const CONTRACTIONS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

/** Unicode's White_Space property, code point by code point. */
const WHITE_SPACE = new Set(
  [
    0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x20, 0x85, 0xa0, 0x1680, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005,
    0x2006, 0x2007, 0x2008, 0x2009, 0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000,
  ].map((codePoint) => String.fromCodePoint(codePoint)),
);

type Kind = 'letter' | 'number' | 'space' | 'other';

function kindOf(character: string): Kind {
  if (WHITE_SPACE.has(character)) return 'space';
  if (/\p{L}/u.test(character)) return 'letter';
  return /\p{N}/u.test(character) ? 'number' : 'other';
}

/** What encoder.py's regular expression finds, in order. */
function pieces(text: string): string[] {
  const characters = [...text];
  const kinds = characters.map(kindOf);
  const runEnd = (from: number): number => {
    let end = from;
    while (end < kinds.length && kinds[end] === kinds[from]) end++;
    return end;
  };
  const found: string[] = [];
  for (let at = 0; at < characters.length; ) {
    const end = pieceEnd(at);
    found.push(characters.slice(at, end).join(''));
    at = end;
  }
  return found;

  function pieceEnd(at: number): number {
    const contraction = CONTRACTIONS.find((c) => characters.slice(at, at + c.length).join('') === c);
    if (contraction !== undefined) return at + contraction.length;
    // One plain space belongs to the word, number or punctuation behind it.
    const start = characters[at] === ' ' && at + 1 < kinds.length && kinds[at + 1] !== 'space' ? at + 1 : at;
    const end = runEnd(start);
    if (kinds[start] !== 'space') return end;
    // White space leaves its last character to what follows, unless nothing follows or it is the only one.
    return end === kinds.length || end === start + 1 ? end : end - 1;
  }
}
