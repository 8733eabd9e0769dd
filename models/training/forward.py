"""Two forward passes over exported weights, written independently of each other and of network.py.

float64 in numpy, from the definition of GPT-2, is the reference; float32 in torch is the second
opinion, and the fast one. Weights are named without 'transformer.'; logits are [..., T, vocabulary].
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

import safetensors_file

HEADS = 4  # the one number that the shapes of the weights do not tell
EPSILON = 1e-5


def load_weights(path):
    """float64 arrays by name."""
    tensors = safetensors_file.load(path)
    return {name.removeprefix("transformer."): values.astype(np.float64) for name, values in tensors.items()}


def to_torch(weights):
    return {name: torch.from_numpy(values.astype(np.float32)) for name, values in weights.items()}


def layers(weights):
    return sum(name.endswith("ln_1.weight") for name in weights)


def numpy_logits(weights, ids):
    """Logits [T, vocabulary] in float64 after each of the T ids."""
    T = len(ids)

    def norm(x, name):
        mean = x.mean(-1, keepdims=True)
        variance = ((x - mean) ** 2).mean(-1, keepdims=True)
        return (x - mean) / np.sqrt(variance + EPSILON) * weights[name + ".weight"] + weights[name + ".bias"]

    def linear(x, name):
        return x @ weights[name + ".weight"] + weights[name + ".bias"]

    x = weights["wte.weight"][ids] + weights["wpe.weight"][:T]
    future = np.triu(np.ones((T, T), bool), 1)
    for i in range(layers(weights)):
        q, k, v = np.split(linear(norm(x, f"h.{i}.ln_1"), f"h.{i}.attn.c_attn"), 3, axis=1)
        heads = []
        for columns in np.split(np.arange(q.shape[1]), HEADS):
            scores = q[:, columns] @ k[:, columns].T / math.sqrt(len(columns))
            scores[future] = -np.inf
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            heads.append(scores / scores.sum(-1, keepdims=True) @ v[:, columns])
        x = x + linear(np.concatenate(heads, 1), f"h.{i}.attn.c_proj")
        f = linear(norm(x, f"h.{i}.ln_2"), f"h.{i}.mlp.c_fc")
        gelu = 0.5 * f * (1 + np.tanh(math.sqrt(2 / math.pi) * (f + 0.044715 * f**3)))
        x = x + linear(gelu, f"h.{i}.mlp.c_proj")
    return norm(x, "ln_f") @ weights["wte.weight"].T


def numpy_losses(logits, targets):
    """Negative log-likelihood in nats of each target [T]."""
    largest = logits.max(-1, keepdims=True)
    log_sums = np.log(np.exp(logits - largest).sum(-1)) + largest[:, 0]
    return log_sums - logits[np.arange(len(targets)), targets]


@torch.no_grad()
def torch_logits(weights, ids):
    """Logits [B, T, vocabulary] in float32 after each of the ids [B, T]."""
    B, T = ids.shape
    C = weights["wte.weight"].shape[1]

    def norm(h, name):
        return F.layer_norm(h, (C,), weights[name + ".weight"], weights[name + ".bias"], EPSILON)

    def linear(h, name):
        rows = h.reshape(B * T, -1)
        return torch.addmm(weights[name + ".bias"], rows, weights[name + ".weight"]).view(B, T, -1)

    past = torch.ones(T, T).tril().bool()
    h = weights["wte.weight"][ids] + weights["wpe.weight"][:T]
    for i in range(layers(weights)):
        qkv = linear(norm(h, f"h.{i}.ln_1"), f"h.{i}.attn.c_attn").split(C, 2)
        q, k, v = (part.view(B, T, HEADS, -1).transpose(1, 2) for part in qkv)
        scores = (q @ k.transpose(2, 3) / math.sqrt(C // HEADS)).masked_fill(~past, -float("inf"))
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(B, T, C)
        h = h + linear(mixed, f"h.{i}.attn.c_proj")
        inner = F.gelu(linear(norm(h, f"h.{i}.ln_2"), f"h.{i}.mlp.c_fc"), approximate="tanh")
        h = h + linear(inner, f"h.{i}.mlp.c_proj")
    return norm(h, "ln_f") @ weights["wte.weight"].t()
