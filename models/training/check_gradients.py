#!/usr/bin/env python3
"""Compare the gradients of the hand-written bf16 backward pass with autograd in fp32, on a small model.

usage: check_gradients.py      prints the relative error per parameter: bf16 rounding, below one per cent
"""

import math

import torch
import torch.nn.functional as F

from network import EPSILON, Network
from parameters import Config, Layout, initialise

POSITION = 5


def autograd_loss(config, weights, x, y):
    """GPT-2's mean loss in plain fp32 torch."""
    B, T = x.shape
    C = config.n_embd

    def norm(h, name):
        return F.layer_norm(h, (C,), weights[name + ".weight"], weights[name + ".bias"], EPSILON)

    def linear(h, name):
        return h @ weights[name + ".weight"] + weights[name + ".bias"]

    future = ~torch.ones(T, T).tril().bool()
    h = weights["wte.weight"][x] + weights["wpe.weight"][POSITION : POSITION + T]
    for i in range(config.n_layer):
        qkv = linear(norm(h, f"h.{i}.ln_1"), f"h.{i}.attn.c_attn").split(C, 2)
        q, k, v = (part.view(B, T, config.n_head, -1).transpose(1, 2) for part in qkv)
        scores = (q @ k.transpose(2, 3) / math.sqrt(C // config.n_head)).masked_fill(future, -1e30)
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(B, T, C)
        h = h + linear(mixed, f"h.{i}.attn.c_proj")
        inner = F.gelu(linear(norm(h, f"h.{i}.ln_2"), f"h.{i}.mlp.c_fc"), approximate="tanh")
        h = h + linear(inner, f"h.{i}.mlp.c_proj")
    logits = norm(h, "ln_f") @ weights["wte.weight"].t()
    return F.cross_entropy(logits.view(-1, config.vocab), y.reshape(-1))


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = Config(n_layer=2, vocab=512)
    layout = Layout(config)
    flat = torch.zeros(layout.size)
    initialise(flat, config, 0)
    flat += 0.02 * torch.randn(layout.size)
    tokens = torch.randint(0, config.vocab, (3, 257))
    x, y = tokens[:, :-1], tokens[:, 1:]

    gradients = layout.views(torch.zeros(layout.size))
    network = Network(config, layout.views(flat), layout.views(flat.bfloat16()), gradients)
    loss = network.loss_and_gradients(x, y, POSITION)

    watched = flat.clone().requires_grad_()
    expected_loss = autograd_loss(config, layout.views(watched), x, y)
    expected_loss.backward()
    print("loss", loss, "autograd", expected_loss.item())
    for name, expected in layout.views(watched.grad).items():
        error = float((expected - gradients[name]).norm() / (expected.norm() + 1e-12))
        print(f"{name:28s} relative gradient error {error:.4f}")


if __name__ == "__main__":
    main()
