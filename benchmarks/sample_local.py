"""Claim: the local sampler gives at least 1.5 x the completions a second of transformers' generate, at batch 256.

    python benchmarks/sample_local.py [--model PATH] [--prompts 64] [--rounds 7]

Groups of 32 completions of held-out countdown prompts, 256 rows at a time, from one loaded model (fp32, so on a CPU
all its cores), at temperature 1 without top_k and top_p, 48 new tokens at most. In one run, taking turns:

- ours: ``LocalSampler.sample``, with exact ids and log-probs, and the texts;
- default: the same with the rows that ``curate sample`` takes at a time if not told;
- generate: transformers' own, ``do_sample`` and ``num_return_sequences``, and the texts; no log-probs are asked of it.

All get the same prompts in the same order, prompts of like length together. The model is the shipped policy
``countdown-strong``; where that is missing, one trained for a minute on reference solutions. Figures are completions a
second, medians over the rounds, and the median of the rounds' ratios: run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import inspect
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from curate.errors import ConfigError
from curate.sampling.completion import Setting
from curate.sampling.local import LocalSampler
from curate.sampling.seeds import sample_seeds
from curate.tasks.generate import problems
from curate.tasks.solve import solutions
from curate.verbs.lookup import find_checkpoint
from curate.verbs.sample import sample

G, BATCH_ROWS, MAX_NEW_TOKENS = 32, 256, 48
SHIPPED, BLANK = Path("countdown-strong"), Path("countdown-blank")
REACH = 1.5

Batch = list[list[int]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        path = policy(options.model, Path(folder))
        report(path, *measure(LocalSampler(path), options.prompts, options.rounds))


def policy(given: Path | None, folder: Path) -> Path:
    """Return the model to sample from: the one given, the shipped one, or one trained for a minute."""
    try:
        return find_checkpoint(given or SHIPPED)
    except ConfigError:
        if given:
            raise
    print(f"{SHIPPED} is not there: training a model on reference solutions", flush=True)
    return train(find_checkpoint(BLANK), folder)


def train(blank: Path, folder: Path, n_steps: int = 300, n_rows: int = 128) -> Path:
    torch.manual_seed(0)
    rng, tokenizer = random.Random(0), AutoTokenizer.from_pretrained(blank)
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(blank))
    rows = [(f"{p.prompt}", line) for p in problems(3000, seed=0) for line in solutions(p)]
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(n_steps):
        pairs = [(tokenizer(p)["input_ids"], tokenizer(c)["input_ids"]) for p, c in rng.sample(rows, n_rows)]
        width = max(len(prompt) + len(completion) + 1 for prompt, completion in pairs)
        inputs = torch.zeros(n_rows, width, dtype=torch.long)
        labels = torch.full((n_rows, width), -100)
        for row, (prompt, completion) in enumerate(pairs):
            ids = torch.tensor([*prompt, *completion, tokenizer.eos_token_id])
            inputs[row, : len(ids)] = ids
            labels[row, len(prompt) : len(ids)] = ids[len(prompt) :]
        model(input_ids=inputs, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def measure(sampler: LocalSampler, n_prompts: int, n_rounds: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Return the completions a second of every round, and the mean length, of both contenders."""
    asked = sorted((sampler.encode(p.prompt, "text") for p in problems(n_prompts, 0, "heldout")), key=len)
    default = inspect.signature(sample).parameters["batch_rows"].default
    contenders: dict[str, tuple[Callable[[LocalSampler, Batch], list[int]], int]] = {
        "ours": (ours, BATCH_ROWS),
        "default": (ours, default),
        "generate": (generate, BATCH_ROWS),
    }
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    lengths: dict[str, list[int]] = {name: [] for name in contenders}
    for turn in range(n_rounds + 1):
        for name, (contender, sampler.batch_rows) in contenders.items():
            size = sampler.batch_rows // G
            batches = [asked[start : start + size] for start in range(0, n_prompts, size)]
            started = time.perf_counter()
            found = [length for batch in batches for length in contender(sampler, batch)]
            if turn:  # the first warms up
                rates[name].append(len(found) / (time.perf_counter() - started))
                lengths[name] += found
    return rates, {name: statistics.mean(found) for name, found in lengths.items()}


def ours(sampler: LocalSampler, batch: Batch) -> list[int]:
    seeds = [sample_seeds(0, place, G) for place in range(len(batch))]
    groups = sampler.sample(batch, seeds, Setting(max_new_tokens=MAX_NEW_TOKENS))
    completions = [completion for group in groups for completion in group]
    sampler.texts(completions)
    return [len(completion.ids) for completion in completions]


@torch.inference_mode()
def generate(sampler: LocalSampler, batch: Batch) -> list[int]:
    tokenizer: Any = sampler.tokenizer
    inputs = tokenizer.pad({"input_ids": batch}, padding_side="left", return_tensors="pt").to(sampler.device)
    drawn = sampler.model.generate(
        input_ids=inputs["input_ids"],
        attention_mask=inputs["attention_mask"],
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        num_return_sequences=G,
        max_new_tokens=MAX_NEW_TOKENS,
        eos_token_id=sampler.end_ids,
        pad_token_id=tokenizer.pad_token_id,
    )
    completions = drawn[:, inputs["input_ids"].shape[1] :]
    tokenizer.batch_decode(completions, skip_special_tokens=True)
    return (completions != tokenizer.pad_token_id).sum(-1).tolist()


def report(path: Path, rates: dict[str, list[float]], lengths: dict[str, float]) -> None:
    print(
        f"model {path.name}, torch {torch.__version__}, transformers {transformers.__version__}, "
        f"{torch.get_num_threads()} threads, {platform.machine()}; G {G}, batch {BATCH_ROWS}, {len(rates['ours'])} rounds"
    )
    for name, found in rates.items():
        spread = f"{min(found):,.0f} .. {max(found):,.0f}"
        print(f"{name:9} {statistics.median(found):8,.0f} completions/s ({spread}), {lengths[name]:.1f} tokens each")
    for name in ("ours", "default"):
        ratios = [a / b for a, b in zip(rates[name], rates["generate"], strict=True)]
        print(
            f"{name} / generate {statistics.median(ratios):.2f} ({min(ratios):.2f} .. {max(ratios):.2f}); reach {REACH}"
        )


if __name__ == "__main__":
    main()
