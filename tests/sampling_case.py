"""A tiny random policy with the tokenizer of the countdown task, for tests that sample."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

POSITIONS = 48


def tiny_policy(folder: Path, kind: str = "llama", end_ids: int | list[int] | None = 1, **settings: Any) -> Path:
    """Save a random model of one type and its tokenizer in ``folder``: 22 tokens, so that one token in 22 ends a row."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from curate.verbs.lookup import POLICIES

    sizes = {
        "vocab_size": 22,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": POSITIONS,
        "initializer_range": 0.2,
        "bos_token_id": None,
        "eos_token_id": end_ids,
        "pad_token_id": 0,
    }
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **(sizes | settings)))
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(POLICIES / "countdown-blank" / name, folder / name)
    return folder
