"""Claim: one optimiser step of the trainer's loss is at least as fast as TRL's, on the same model, data and batch.

    python benchmarks/train.py [--rounds 3] [--steps 2]

A llama with random weights (53 M parameters, vocabulary 32,000), float32 on the CPU. Every step trains one group of 8 samples,
one prompt of 128-256 tokens and completions of 32-256 tokens: forward pass, clipped loss over the token mean (TRL's dapo),
backward pass, AdamW. Old log-probs and advantages are made up, and the same for both:

- ours: ``completion_logprobs`` with entropy, as the trainer asks for it, and ``policy_loss``;
- trl: ``GRPOTrainer.compute_loss`` on prepared inputs, its own fused language model head; gradient checkpointing off in
  both. On a GPU that head skips prompt positions, on the CPU it scores them too: a part of the lead comes from there.

Printed are completion tokens and all tokens (prompts too, no padding) trained a second, and peak resident memory, whole and
over what was resident before the first step. The losses of the two must agree step by step.

Reach: at least TRL's tokens/s. The two take turns, each in a process of its own; times leave the first step out, figures
are medians over the rounds.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import torch

G, VOCABULARY = 8, 32_000
SIZES = {"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 6, "num_attention_heads": 8}

TOKENS = ("completion_tokens", "all_tokens")

Step = Callable[["Group"], torch.Tensor]


class Group:
    """One group: prompt (P,), completions (G, T) padded on the right, their lengths (G,), old log-probs, advantages."""

    def __init__(self, generator: torch.Generator) -> None:
        n_prompt = int(torch.randint(128, 257, (1,), generator=generator))
        self.lengths = torch.randint(32, 257, (G,), generator=generator)
        n_most = int(self.lengths.max())
        self.prompt = torch.randint(3, VOCABULARY, (n_prompt,), generator=generator)
        self.mask = torch.arange(n_most) < self.lengths.unsqueeze(-1)
        self.completions = torch.randint(3, VOCABULARY, (G, n_most), generator=generator) * self.mask
        self.old = 0.1 * torch.randn(G, n_most, generator=generator) - math.log(VOCABULARY)
        rewards = torch.rand(G, generator=generator)
        self.advantages = (rewards - rewards.mean()) / rewards.std()
        self.n_tokens = int(self.lengths.sum()) + G * n_prompt


def make_model() -> Any:
    """Return the same random model in every process."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(**SIZES, vocab_size=VOCABULARY, max_position_embeddings=1024, pad_token_id=0)
    return LlamaForCausalLM(config)


def ours(model: Any) -> Step:
    """Return this project's loss of a group."""
    from curate.models.head import Head
    from curate.training.aggregate import share_of_n
    from curate.training.logprobs import TokenBatch, completion_logprobs, hidden_states
    from curate.training.losses import policy_loss
    from curate.training.objective import Objective

    objective, head, hidden = Objective(), Head(model.eval(), "the benchmark"), hidden_states(model)

    def loss(group: Group) -> torch.Tensor:
        starts = torch.full((G,), len(group.prompt))
        ids = torch.cat([group.prompt.expand(G, -1), group.completions], dim=1)
        batch = TokenBatch(ids, None, None, torch.arange(G), starts, group.lengths, torch.ones(G))
        new_BT, entropy_BT = completion_logprobs(hidden, head, batch, with_entropy=True)
        n = share_of_n(objective, group.mask)
        advantages_BT = group.advantages.unsqueeze(-1).expand(group.mask.shape)
        grids = {"old_BT": group.old, "entropy_BT": entropy_BT}
        return policy_loss(objective, new_BT, advantages_BT, group.mask, denominator=n, **grids)[0]

    return loss


def trl(model: Any) -> Step:
    """Return the installed TRL's loss of a group."""
    warnings.simplefilter("ignore")
    from datasets import Dataset
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast
    from trl import GRPOConfig, GRPOTrainer

    words = Tokenizer(models.WordLevel({"<pad>": 0, "<eos>": 1}, unk_token="<pad>"))
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "use_cpu": True,
            "bf16": False,
            "gradient_checkpointing": False,
            "report_to": [],
            "output_dir": folder,
        }
        trainer = GRPOTrainer(
            model=model,
            reward_funcs=[lambda completions, **_: [0.0] * len(completions)],
            args=GRPOConfig(**settings, loss_type="dapo", per_device_train_batch_size=G, num_generations=G),
            train_dataset=Dataset.from_list([{"prompt": "<eos>"}]),
            processing_class=PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<eos>"),
        )
    model.train()
    trainer.current_gradient_accumulation_steps = 1

    def loss(group: Group) -> torch.Tensor:
        prompts = group.prompt.expand(G, -1)
        mask = group.mask.long()
        inputs = {"prompt_ids": prompts, "prompt_mask": torch.ones_like(prompts), "completion_ids": group.completions}
        inputs |= {"completion_mask": mask, "old_per_token_logps": group.old, "advantages": group.advantages}
        return trainer.compute_loss(model, inputs | {"num_items_in_batch": mask.sum()})

    return loss


CONTENDERS: dict[str, Callable[[Any], Step]] = {"ours": ours, "trl": trl}


def train(name: str, n_steps: int) -> dict[str, Any]:
    """Train a few steps and return what each took and gave; the first, in which memory is first touched, is not timed."""
    generator = torch.Generator().manual_seed(1)
    groups = [Group(generator) for _ in range(n_steps + 1)]
    model = make_model()
    loss_of = CONTENDERS[name](model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    seconds, cpu, losses, before = [], [], [], peak_mb()
    for group in groups:
        started, cpu_started = time.perf_counter(), time.process_time()
        loss = loss_of(group)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - started)
        cpu.append(time.process_time() - cpu_started)
        losses.append(float(loss.detach()))
    counted = groups[1:]
    return {
        "seconds": sum(seconds[1:]),
        "cpu": sum(cpu[1:]),
        "completion_tokens": sum(int(group.lengths.sum()) for group in counted),
        "all_tokens": sum(group.n_tokens for group in counted),
        "losses": losses,
        "before_mb": before,
        "peak_mb": peak_mb(),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


def peak_mb() -> float:
    """Return the most memory this process has had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def run(name: str, n_steps: int) -> dict[str, Any]:
    """Train in a process of its own."""
    command = [sys.executable, __file__, "--contender", name, "--steps", str(n_steps)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def race(n_rounds: int, n_steps: int) -> None:
    """Let the two take turns and print what they did."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    for _ in range(n_rounds):
        for name, runs in found.items():
            runs.append(run(name, n_steps))
    first = found["ours"][0]
    print(f"{first['parameters'] / 1e6:.1f} M parameters, {n_steps} steps of {G} samples a round, {n_rounds} rounds")
    print(
        f"{'':6}{'completion tokens/s':>21}{'all tokens/s':>14}{'peak MB':>9}{'of it by steps':>16}   seconds each round"
    )
    for name, runs in found.items():
        rates = [statistics.median(each[tokens] / each["seconds"] for each in runs) for tokens in TOKENS]
        peak, by_steps = max(r["peak_mb"] for r in runs), max(r["peak_mb"] - r["before_mb"] for r in runs)
        cpu, rounds = (
            statistics.median(each["cpu"] for each in runs),
            " ".join(f"{each['seconds']:.1f}" for each in runs),
        )
        print(f"{name:6}{rates[0]:21,.0f}{rates[1]:14,.0f}{peak:9,.0f}{by_steps:16,.0f}{cpu:7.1f}   {rounds}")
    pairs = list(zip(found["ours"], found["trl"], strict=True))
    ratio, cpu_ratio = (
        statistics.median(other[name] / own[name] for own, other in pairs) for name in ("seconds", "cpu")
    )
    apart = max(abs(a - b) for own, other in pairs for a, b in zip(own["losses"], other["losses"], strict=True))
    print(
        f"ours trains {ratio:.2f} x the tokens/s of TRL {version('trl')}, {cpu_ratio:.2f} x a CPU second; losses differ by {apart:.1e} at most"
    )


def main() -> None:
    """Run the comparison or, as a child, one contender."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.contender:
        print(json.dumps(train(args.contender, args.steps)))
        return
    packages = ", ".join(f"{package} {version(package)}" for package in ("torch", "transformers", "trl"))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {packages}", flush=True)
    race(args.rounds, args.steps)


if __name__ == "__main__":
    main()
