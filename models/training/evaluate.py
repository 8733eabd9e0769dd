#!/usr/bin/env python3
"""Measure the exported model on held-out text, and draw samples from it.

usage: evaluate.py WORK_DIR MODEL_DIR [F32_WEIGHTS]

Adds loss, perplexity and bits per byte on the validation text and on Alice, and four samples, to
MODEL_DIR/metrics.json; with the float32 weights of export.py also what float16 costs on Alice.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from bpe import Tokenizer
from forward import load_weights, to_torch, torch_logits

CONTEXT = 1024
BATCH = 4
SAMPLE_TOKENS, TEMPERATURE, TOP_P, FIRST_SEED = 160, 0.8, 0.95, 100
SAMPLE_PROMPTS = [
    "It was a dark and stormy night, and",
    'Elizabeth was silent for a moment; then she said, "',
    "The old sailor looked out over the sea",
    "<|endoftext|>",
]


def summed_loss(weights, ids, T):
    """Negative log-likelihood in nats of ids[1:], in windows of T predictions that overlap by one token,
    so that every token but the first is predicted exactly once, with 1 to T tokens of context."""
    ids = torch.from_numpy(ids.astype(np.int64))
    windows = [ids[at : at + T + 1] for at in range(0, len(ids) - 1, T)]
    full = [window for window in windows if len(window) == T + 1]
    batches = [full[i : i + BATCH] for i in range(0, len(full), BATCH)] + [[w] for w in windows[len(full) :]]
    total = 0.0
    for batch in batches:
        tokens = torch.stack(batch)
        logits = torch_logits(weights, tokens[:, :-1])
        targets = tokens[:, 1:].reshape(-1)
        total += float(F.cross_entropy(logits.view(len(targets), -1), targets, reduction="sum"))
    return total


def quality(weights, work_dir, name, T):
    ids = np.load(work_dir / f"{name}.npy")
    size = (work_dir / f"{name}.txt").stat().st_size
    total, tokens = summed_loss(weights, ids, T), len(ids) - 1
    return {
        "nll_per_token": total / tokens,
        "perplexity": math.exp(total / tokens),
        "bits_per_byte": total / math.log(2) / size,
        "tokens": tokens,
        "bytes": size,
    }


def sample(weights, ids, seed):
    """ids continued at TEMPERATURE from the smallest set of tokens that holds TOP_P of the probability."""
    generator = torch.Generator().manual_seed(seed)
    end_of_text = len(weights["wte.weight"]) - 1
    ids = list(ids)
    for _ in range(SAMPLE_TOKENS):
        logits = torch_logits(weights, torch.tensor([ids[-CONTEXT:]]))[0, -1] / TEMPERATURE
        probabilities, order = logits.softmax(-1).sort(descending=True)
        probabilities = probabilities * (probabilities.cumsum(0) - probabilities < TOP_P)
        ids.append(int(order[torch.multinomial(probabilities, 1, generator=generator)]))
        if ids[-1] == end_of_text:
            break
    return ids


def main(work_dir, model_dir, f32_file=None):
    torch.set_num_threads(2)
    tokenizer = Tokenizer.load(model_dir)
    weights = to_torch(load_weights(model_dir / "model.safetensors"))
    metrics = json.loads((model_dir / "metrics.json").read_text(encoding="utf-8"))
    for name in ("validation", "alice"):
        for T in (256, 1024):
            metrics[f"f16/{name}/{T}"] = quality(weights, work_dir, name, T)
    if f32_file:
        metrics["f32/alice/1024"] = quality(to_torch(load_weights(f32_file)), work_dir, "alice", 1024)
    metrics["samples"] = [
        tokenizer.decode(sample(weights, tokenizer.encode(prompt), FIRST_SEED + i))
        for i, prompt in enumerate(SAMPLE_PROMPTS)
    ]
    text = json.dumps(metrics, indent=2, ensure_ascii=False)
    (model_dir / "metrics.json").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
