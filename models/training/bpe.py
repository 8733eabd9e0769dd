#!/usr/bin/env python3
"""GPT-2 byte-level BPE: encoder and decoder. learn_bpe.py makes the merges it works with.

usage: bpe.py MODEL_DIR TEXT_FILE IDS_NPY      text -> uint16 ids, '<|endoftext|>' as one id

Same byte-to-unicode alphabet, pre-tokenisation expression and merge procedure as GPT-2. Ids: 0-255
the bytes in GPT-2's alphabet order, then the merges in the order learnt, '<|endoftext|>' last.
"""

import json
import sys
from pathlib import Path

import numpy as np
import regex

END_OF_TEXT = "<|endoftext|>"
PIECES = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")


def byte_alphabet():
    """GPT-2's reversible map from the 256 bytes to printable characters; insertion order = ids."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    alphabet = {byte: chr(byte) for byte in printable}
    others = [byte for byte in range(256) if byte not in alphabet]
    return alphabet | {byte: chr(256 + n) for n, byte in enumerate(others)}


CHARACTER_OF = byte_alphabet()
BYTE_OF = {character: byte for byte, character in CHARACTER_OF.items()}


def to_alphabet(text):
    """The UTF-8 bytes of a text, each as its character of the alphabet."""
    return [CHARACTER_OF[byte] for byte in text.encode("utf-8")]


def merge(word, left, right):
    """Joins every neighbouring pair (left, right) in a list of symbols, from left to right."""
    out, i = [], 0
    while i < len(word):
        if i + 1 < len(word) and word[i] == left and word[i + 1] == right:
            out.append(left + right)
            i += 2
        else:
            out.append(word[i])
            i += 1
    return out


class Tokenizer:
    def __init__(self, merges):
        self.merges = merges
        self.vocabulary = {character: i for i, character in enumerate(CHARACTER_OF.values())}
        for left, right in merges:
            assert left + right not in self.vocabulary, (left, right)
            self.vocabulary[left + right] = len(self.vocabulary)
        self.end_of_text = self.vocabulary[END_OF_TEXT] = len(self.vocabulary)
        self.token_of = {i: token for token, i in self.vocabulary.items()}
        self._rank = {pair: rank for rank, pair in enumerate(merges)}
        self._ids_of_piece = {}

    @classmethod
    def load(cls, model_dir):
        content = json.loads((Path(model_dir) / "tokenizer.json").read_text(encoding="utf-8"))
        tokenizer = cls([tuple(line.split(" ")) for line in content["model"]["merges"]])
        assert tokenizer.vocabulary == content["model"]["vocab"]
        return tokenizer

    def encode(self, text):
        ids = []
        for n, part in enumerate(text.split(END_OF_TEXT)):
            if n:
                ids.append(self.end_of_text)
            for match in PIECES.finditer(part):
                ids.extend(self._encode_piece(match.group()))
        return ids

    def decode(self, ids):
        out = b"".join(self._bytes_of(int(i)) for i in ids)
        return out.decode("utf-8", "replace")

    def _bytes_of(self, i):
        if i == self.end_of_text:
            return END_OF_TEXT.encode()
        return bytes(BYTE_OF[character] for character in self.token_of[i])

    def _encode_piece(self, piece):
        ids = self._ids_of_piece.get(piece)
        if ids is None:
            word = to_alphabet(piece)
            while len(word) > 1:
                best = min(zip(word, word[1:]), key=lambda pair: self._rank.get(pair, 1 << 30))
                if best not in self._rank:
                    break
                word = merge(word, *best)
            ids = self._ids_of_piece[piece] = [self.vocabulary[token] for token in word]
        return ids


def main(model_dir, text_file, ids_file):
    tokenizer = Tokenizer.load(model_dir)
    text = Path(text_file).read_text(encoding="utf-8")
    ids = np.array(tokenizer.encode(text), np.uint16)
    assert tokenizer.decode(ids) == text, "round trip failed"
    np.save(ids_file, ids)
    size = len(text.encode())
    print(f"{text_file}: {len(ids)} tokens, {size} bytes, {size / len(ids):.3f} bytes per token")


if __name__ == "__main__":
    main(*sys.argv[1:4])
