"""The parameters of a GPT-2: names, shapes, their places in one flat vector, and initial values."""

import math
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Config:
    n_layer: int = 6
    n_embd: int = 256
    n_head: int = 4
    n_positions: int = 1024
    vocab: int = 8192


def matrix_shapes(config):
    """Shapes by name (Hugging Face GPT-2, without 'transformer.'). Conv1D weights are [in, out]."""
    c = config.n_embd
    shapes = {"wte.weight": (config.vocab, c), "wpe.weight": (config.n_positions, c)}
    for i in range(config.n_layer):
        shapes[f"h.{i}.attn.c_attn.weight"] = (c, 3 * c)
        shapes[f"h.{i}.attn.c_proj.weight"] = (c, c)
        shapes[f"h.{i}.mlp.c_fc.weight"] = (c, 4 * c)
        shapes[f"h.{i}.mlp.c_proj.weight"] = (4 * c, c)
    return shapes


def vector_shapes(config):
    c = config.n_embd
    shapes = {}
    for i in range(config.n_layer):
        for norm in ("ln_1", "ln_2"):
            shapes[f"h.{i}.{norm}.weight"] = (c,)
            shapes[f"h.{i}.{norm}.bias"] = (c,)
        shapes[f"h.{i}.attn.c_attn.bias"] = (3 * c,)
        shapes[f"h.{i}.attn.c_proj.bias"] = (c,)
        shapes[f"h.{i}.mlp.c_fc.bias"] = (4 * c,)
        shapes[f"h.{i}.mlp.c_proj.bias"] = (c,)
    return shapes | {"ln_f.weight": (c,), "ln_f.bias": (c,)}


class Layout:
    """Where each parameter lies in the flat vector: the matrices, which get weight decay, come first."""

    def __init__(self, config):
        matrices = matrix_shapes(config)
        self.decay_end = sum(math.prod(shape) for shape in matrices.values())
        self.places, self.size = {}, 0  # name -> (offset, shape)
        for name, shape in (matrices | vector_shapes(config)).items():
            self.places[name] = (self.size, shape)
            self.size += math.prod(shape)

    def views(self, flat):
        return {
            name: flat[offset : offset + math.prod(shape)].view(*shape)
            for name, (offset, shape) in self.places.items()
        }


def initialise(flat, config, seed):
    """As GPT-2: normal 0.02, residual projections divided by sqrt(2 * layers); norms 1, biases 0."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in Layout(config).views(flat).items():
        if name.endswith("bias"):
            weight.zero_()
        elif "ln_" in name:
            weight.fill_(1)
        else:
            is_residual = name.endswith("c_proj.weight")
            deviation = 0.02 / math.sqrt(2 * config.n_layer) if is_residual else 0.02
            weight.normal_(0, deviation, generator=generator)
