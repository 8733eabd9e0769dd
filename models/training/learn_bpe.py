#!/usr/bin/env python3
"""Learn the merges of a byte-level BPE and write the Hugging Face tokenizer files.

usage: learn_bpe.py TRAIN_TXT MODEL_DIR [VOCABULARY_SIZE]      default 8192

Writes tokenizer.json and tokenizer_config.json. Takes about a quarter of a minute on 21 MB.
"""

import collections
import heapq
import json
import sys
from pathlib import Path

from bpe import END_OF_TEXT, PIECES, Tokenizer, merge, to_alphabet


def learn_merges(text, vocabulary_size):
    """The most frequent pair is merged first; of equally frequent pairs the lexicographically smallest.

    Keeps, per pair, its count and the set of words that hold it, so that one merge touches only the
    words that contain the pair.
    """
    counts = collections.Counter()
    for part in text.split(END_OF_TEXT):
        counts.update(match.group() for match in PIECES.finditer(part))
    words = [to_alphabet(word) for word in counts]
    frequencies = list(counts.values())
    pair_count, words_with = collections.Counter(), collections.defaultdict(set)
    for i, word in enumerate(words):
        for pair in zip(word, word[1:]):
            pair_count[pair] += frequencies[i]
            words_with[pair].add(i)
    heap = [(-count, pair) for pair, count in pair_count.items()]
    heapq.heapify(heap)

    merges = []
    while len(merges) < vocabulary_size - 257:  # 256 bytes and <|endoftext|> are no merges
        count, best = heapq.heappop(heap)
        if pair_count.get(best, 0) != -count:  # the count has changed since
            continue
        merges.append(best)
        changes = collections.Counter()
        for i in words_with.pop(best):
            before, after = words[i], merge(words[i], *best)
            for pair in zip(before, before[1:]):
                changes[pair] -= frequencies[i]
            for pair in zip(after, after[1:]):
                changes[pair] += frequencies[i]
                words_with[pair].add(i)  # words that lose a pair stay in its set: harmless
            words[i] = after
        for pair, change in changes.items():
            if change:
                pair_count[pair] += change
                if pair_count[pair] > 0:
                    heapq.heappush(heap, (-pair_count[pair], pair))
        del pair_count[best]
    return merges


def tokenizer_json(tokenizer):
    byte_level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": tokenizer.end_of_text,
                "content": END_OF_TEXT,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
        ],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": byte_level,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": tokenizer.vocabulary,
            "merges": [f"{left} {right}" for left, right in tokenizer.merges],
        },
    }


def tokenizer_config_json(tokenizer):
    return {
        "tokenizer_class": "GPT2Tokenizer",
        "add_prefix_space": False,
        "add_bos_token": False,
        "model_max_length": 1024,
        "clean_up_tokenization_spaces": False,
        "errors": "replace",
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "unk_token": END_OF_TEXT,
        "added_tokens_decoder": {
            str(tokenizer.end_of_text): {
                "content": END_OF_TEXT,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "single_word": False,
                "special": True,
            }
        },
    }


def main(train_file, model_dir, vocabulary_size=8192):
    text = Path(train_file).read_text(encoding="utf-8")
    tokenizer = Tokenizer(learn_merges(text, int(vocabulary_size)))
    for name, content, indent in (
        ("tokenizer.json", tokenizer_json(tokenizer), 0),
        ("tokenizer_config.json", tokenizer_config_json(tokenizer), 2),
    ):
        dumped = json.dumps(content, ensure_ascii=False, indent=indent)
        (Path(model_dir) / name).write_text(dumped, encoding="utf-8")
    print(f"{len(tokenizer.vocabulary)} entries, last merges {tokenizer.merges[-5:]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
