#!/usr/bin/env python3
"""Record what the exported model must compute, for the tests of other implementations.

usage: goldens.py MODEL_DIR

Writes MODEL_DIR/goldens.json: for each prompt its ids, the ten largest logits after it and 40 tokens
of greedy continuation, by the float64 forward pass, which the float32 one must agree with.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

from bpe import Tokenizer
from forward import load_weights, numpy_logits, to_torch, torch_logits

PROMPTS = [
    "It was a dark and stormy night, and",
    "Alice was beginning to get very tired of sitting by her sister on the bank",
    '"My dear Watson," said Holmes, "you',
    "CHAPTER XII\n\n",
    'Natásha looked at Prince Andrew and said, "',
]
GREEDY_TOKENS = 40
HOW = (
    "numpy float64 forward pass over the named safetensors file (float16 weights upcast exactly), "
    "logits rounded to float32; greedy_min_margin is the smallest top-1 minus top-2 logit over the "
    f"{GREEDY_TOKENS} greedy steps."
)


class Opinions:
    """The logits after the last of some ids, from both forward passes."""

    def __init__(self, weights):
        self.weights, self.torch_weights = weights, to_torch(weights)

    def __call__(self, ids):
        reference = numpy_logits(self.weights, np.asarray(ids))[-1]
        second = torch_logits(self.torch_weights, torch.tensor([ids]))[0, -1].numpy()
        return reference, second


def greedy(opinions, ids):
    """Continuation and the smallest lead any of its tokens had."""
    sequence, margin = list(ids), np.inf
    for _ in range(GREEDY_TOKENS):
        reference, second = opinions(sequence)
        assert reference.argmax() == second.argmax(), "numpy and torch disagree on greedy decoding"
        runner_up, best = np.sort(reference)[-2:]
        margin = min(margin, best - runner_up)
        sequence.append(int(reference.argmax()))
    return sequence[len(ids) :], float(margin)


def main(model_dir):
    tokenizer = Tokenizer.load(model_dir)
    opinions = Opinions(load_weights(model_dir / "model.safetensors"))
    prompts, difference = [], 0.0
    for prompt in PROMPTS:
        ids = tokenizer.encode(prompt)
        reference, second = opinions(ids)
        difference = max(difference, float(np.abs(reference - second).max()))
        top = [int(i) for i in np.argsort(-reference)[:10]]
        continuation, margin = greedy(opinions, ids)
        prompts.append(
            {
                "prompt": prompt,
                "ids": ids,
                "top10": [
                    {"id": i, "logit": float(np.float32(reference[i])), "token": tokenizer.token_of[i]}
                    for i in top
                ],
                "greedy40": continuation,
                "greedy40_text": tokenizer.decode(continuation),
                "greedy_min_margin": margin,
            }
        )
    goldens = {
        "how": HOW,
        "weights": "model.safetensors",
        "prompts": prompts,
        "max_abs_logit_difference_numpy_f64_vs_torch_f32": difference,
    }
    (model_dir / "goldens.json").write_text(json.dumps(goldens, indent=1), encoding="utf-8")
    print("largest logit difference", difference)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
