"""A tiny policy with a character tokenizer, and a dataset of groups that it sampled itself."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from curate.dataset import Dataset, TableRef
from curate.models.fingerprint import fingerprint
from stored import PROMPTS, SAMPLES, write_rows

GRPO = TableRef("advantages", "grpo")
PAIRS = TableRef("pairs", "best_worst")
LETTERS = "abcdefghijklmnop"


def write_policy(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """Write a random llama of 20 tokens (<pad>, <eos>, <unk>, letters and a blank) with 64 positions."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = Tokenizer(
        models.WordLevel({c: n for n, c in enumerate(["<pad>", "<eos>", "<unk>", *LETTERS, " "])}, unk_token="<unk>")
    )
    words.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    words.decoder = decoders.Fuse()
    PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        eos_token="<eos>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
    ).save_pretrained(folder)
    torch.manual_seed(seed)
    settings = {
        "vocab_size": 20,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
        "initializer_range": 0.2,
        "bos_token_id": None,
        "eos_token_id": 1,
        "pad_token_id": 0,
    }
    LlamaForCausalLM(LlamaConfig(**{**settings, **changes})).save_pretrained(folder)
    return folder


def stored_logprobs(model: Any, prompt: list[int], completion: list[int], temperature: float) -> list[float]:
    """Return what a sampler would have stored: log_softmax(logits / temperature) of each sampled token."""
    import torch

    with torch.no_grad():
        logits = model(torch.tensor([prompt + completion])).logits[0] / temperature
    table = torch.log_softmax(logits, -1)
    return [min(0.0, float(table[len(prompt) + place - 1, token])) for place, token in enumerate(completion)]


def write_groups(
    root: Path,
    policy: Path,
    n_groups: int = 8,
    group_size: int = 4,
    temperature: float = 0.7,
    n_parts: int = 2,
    **same: Any,
) -> Dataset:
    """Write groups of random completions with the policy's log-probs; even samples have advantage 1, odd ones -1.

    ``same`` sets columns of every sample.
    """
    from transformers import LlamaForCausalLM

    rng, model, data = random.Random(0), LlamaForCausalLM.from_pretrained(policy).eval(), Dataset(root, create=True)
    a_part = -(-n_groups // n_parts)
    for part in range(n_parts):
        groups = range(part * a_part, min(n_groups, (part + 1) * a_part))
        prompts, samples, advantages = [], [], []
        for group in groups:
            text = "".join(rng.choice(LETTERS) for _ in range(rng.randint(2, 5)))
            ids = [LETTERS.index(c) + 3 for c in text]
            prompts.append(
                {"prompt_id": f"p{group}", "prompt": text, "prompt_format": "text", "prompt_ids": ids, "source": "test"}
            )
            for index in range(group_size):
                completion = [rng.randrange(3, 19) for _ in range(rng.randint(1, 9))]
                key = {"group_id": 100 + group, "sample_index": index}
                samples.append(
                    {
                        **key,
                        "prompt_id": f"p{group}",
                        "completion": "".join(LETTERS[token - 3] for token in completion),
                        "completion_ids": completion,
                        "logprobs": stored_logprobs(model, ids, completion, temperature),
                        "policy": "tiny",
                        "policy_version": fingerprint(policy),
                        "temperature": temperature,
                        "top_p": 1.0,
                        "token_exact": True,
                        "logprob_semantics": "processed",
                        "finish_reason": "stop",
                        "hinted": False,
                        **same,
                    }
                )
                advantages.append({**key, **advantage_of(index), "group_size": group_size})
        name = f"part-{part:05d}.parquet"
        write_rows(data, PROMPTS, name, prompts)
        content = write_rows(data, SAMPLES, name, samples)
        write_rows(data, GRPO, name, advantages, {"samples": content})
    return data


def write_pairs(data: Dataset, ref: TableRef = PAIRS, **same: Any) -> Dataset:
    """Write two pairs a group, 0 over 1 and 2 over 3, with target 1; ``same`` sets columns of every pair."""
    import pyarrow.parquet as pq

    from curate.parts import read_footer

    for name in data.parts(SAMPLES):
        groups = sorted(set(pq.read_table(data.part(SAMPLES, name))["group_id"].to_pylist()))
        rows = [
            {"group_id": group, "chosen": c, "rejected": c + 1, "target": 1.0, **same}
            for group in groups
            for c in (0, 2)
        ]
        write_rows(data, ref, name, rows, {"samples": read_footer(data.part(SAMPLES, name)).content_id})
    return data


def advantage_of(index: int) -> dict[str, Any]:
    """Return the reward, advantage and weight of a sample by its place in the group."""
    good = index % 2 == 0
    return {"reward": float(good), "advantage": 1.0 if good else -1.0, "weight": 1.0}


def rewrite(data: Dataset, ref: TableRef, change: Any) -> None:
    """Write every part of a table again with ``change(row)`` applied; advantages keep up with changed samples."""
    import pyarrow.parquet as pq

    from curate.parts import read_footer

    for name in data.parts(ref):
        rows = [change(dict(row)) for row in pq.read_table(data.part(ref, name)).to_pylist()]
        write_rows(
            data,
            ref,
            name,
            rows,
            {"samples": read_footer(data.part(SAMPLES, name)).content_id} if ref == GRPO else None,
        )
        if ref == SAMPLES and data.part(GRPO, name).exists():
            kept = pq.read_table(data.part(GRPO, name)).to_pylist()
            write_rows(data, GRPO, name, kept, {"samples": read_footer(data.part(SAMPLES, name)).content_id})
