#!/usr/bin/env python3
"""Turn a checkpoint of train.py into Hugging Face GPT-2 files.

usage: export.py CHECKPOINT MODEL_DIR

Writes model.safetensors (float16), config.json, generation_config.json and the first entries of
metrics.json into MODEL_DIR, and the float32 weights beside the checkpoint as *.f32.safetensors.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

import safetensors_file
from parameters import Config, Layout

LARGEST_FLOAT16 = 6e4


def config_json(config):
    end_of_text = config.vocab - 1
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "vocab_size": config.vocab,
        "n_positions": config.n_positions,
        "n_ctx": config.n_positions,
        "n_embd": config.n_embd,
        "n_layer": config.n_layer,
        "n_head": config.n_head,
        "n_inner": None,
        "layer_norm_epsilon": 1e-5,
        "initializer_range": 0.02,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "reorder_and_upcast_attn": False,
        "tie_word_embeddings": True,
        "use_cache": True,
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
        "torch_dtype": "float16",
    }


def generation_config_json(config):
    end_of_text = config.vocab - 1
    return {
        "_from_model_config": False,
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
        "pad_token_id": end_of_text,
        "do_sample": True,
        "temperature": 0.8,
        "top_p": 0.95,
        "max_new_tokens": 200,
    }


def main(checkpoint_file, model_dir):
    checkpoint = torch.load(checkpoint_file)
    config = Config(**checkpoint["cfg"])
    layout = Layout(config)
    weights = layout.views(checkpoint["p"])
    tensors = {"transformer." + name: weights[name].numpy() for name in sorted(weights)}
    for name, values in tensors.items():
        assert np.isfinite(values).all() and np.abs(values).max() < LARGEST_FLOAT16, name
    safetensors_file.save(model_dir / "model.safetensors", tensors, "F16")
    safetensors_file.save(checkpoint_file.with_suffix(".f32.safetensors"), tensors, "F32")
    metrics = {
        "checkpoint_step": checkpoint["step"],
        "tokens_seen": checkpoint["seen"],
        "parameters": layout.size,
    }
    for name, content in (
        ("config.json", config_json(config)),
        ("generation_config.json", generation_config_json(config)),
        ("metrics.json", metrics),
    ):
        (model_dir / name).write_text(json.dumps(content, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
