"""The trainer's arithmetic: however a step is cut and on however many processes, the gradients are the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from curate.training.collate import Collator
from curate.training.objective import Objective
from curate.training.order import Order
from curate.training.rows import Rows
from curate.training.settings import Settings, training_arguments
from curate.training.trainer import OfflineTrainer
from train_case import GRPO, rewrite, write_groups, write_pairs, write_policy

SCRIPT = Path(__file__).parent / "gradients.py"
LAYOUTS = {
    "1 x 8": (1, 8),
    "4 x 2": (1, 2),
    "two processes of 2 x 2": (2, 2),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy and 19 rows of different lengths and weights: two steps of 8, and one of 3; and 10 pairs: one of 8, of 2."""
    folder = tmp_path_factory.mktemp("trainer")
    data = write_groups(folder / "data", write_policy(folder / "policy"), n_groups=5)
    write_policy(folder / "other", seed=1)
    kept = {"reward": None, "advantage": None, "weight": None, "drop_reason": "gated"}
    weights = (1.0, 0.5, 2.0, 0.0)

    def change(row: dict[str, Any]) -> dict[str, Any]:
        is_dropped = (row["group_id"], row["sample_index"]) == (104, 3)
        return row | (kept if is_dropped else {"weight": weights[row["sample_index"]]})

    rewrite(data, GRPO, change)
    write_pairs(data)
    return folder


def run(
    folder: Path, name: str, processes: int, micro: int, *options: str
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Train in processes of their own; return the first step's gradients and the log."""
    out, kept = folder / f"out {name}", folder / f"{name}.pt"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [
        *(torchrun if processes > 1 else [sys.executable]),
        *(SCRIPT, kept, "train", folder / "data", "--model", folder / "policy", "--out", out),
        *("--batch-size", "8", "--micro-batch-size", str(micro), "--learning-rate", "1e-3", "--max-drift", "0"),
        *("--max-grad-norm", "0", "--epochs", "2", *options),
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("trained tokens a pass") == 1
    lines = (out / "train_log.jsonl").read_text().splitlines()
    return torch.load(kept), [json.loads(line) for line in lines]


class Unmoved(torch.nn.Module):
    """A policy that gives every token the log-prob 0."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, batch: dict[str, torch.Tensor], with_entropy: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
        zeros = self.weight * torch.zeros(batch["mask"].shape)
        return zeros, zeros.detach()


def test_a_batch_by_itself_is_divided_by_the_tokens_that_are_not_rejected(tmp_path: Path) -> None:
    rows = Rows(
        prompt_tokens=np.array([7], np.int32),
        prompt_starts=np.array([0, 1]),
        prompt_of=np.array([0, 0]),
        tokens=np.array([1, 2, 3, 4], np.int32),
        starts=np.array([0, 2, 4]),
        is_trained=np.ones(4, np.bool_),
        behaviour=np.array([-2, 0, 0, 0], np.float32),  # exp(old - behaviour) of the first token is over the cap of 2
        advantage=np.ones(2, np.float32),
        token_advantages=None,
        weight=np.ones(2, np.float32),
        temperature=np.ones(2, np.float32),
        group_id=np.array([0, 0]),
        is_own=np.zeros(2, np.bool_),
    )
    collator = Collator(rows, old=np.zeros(4, np.float32), behaviour=rows.behaviour)
    settings = Settings(objective=Objective(importance="masked"), behaviour="decoupled")
    arguments, order = training_arguments(settings, tmp_path, 1, 2, 1), Order(rows.total_lengths, 2, 2, 1, 0)
    policy: Any = Unmoved()
    trainer = OfflineTrainer(policy, arguments, settings, collator, order, tmp_path)
    loss, *_ = trainer.prediction_step(policy, collator([0, 1]), prediction_loss_only=True)
    assert float(loss) == pytest.approx(-1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--aggregation", "sequence_mean", "--behaviour", "decoupled", "--importance", "masked", "--kl-coef", "0.1"),
        ("--objective", "dpo", "--beta", "0.5", "--dro-tau", "0.1"),
    ],
    ids=["token_mean", "sequence_mean", "pairs"],
)
def test_gradients_do_not_depend_on_how_a_step_is_cut(folder: Path, options: tuple[str, ...]) -> None:
    if (
        "dpo" in options
    ):  # against itself all margins are 0 but for rounding, which accuracy and the adversary would follow
        options = ("--ref-model", str(folder / "other"), *options)
    results = {
        name: run(folder, f"{name} {' '.join(options[:1])}", processes, micro, *options)
        for name, (processes, micro) in LAYOUTS.items()
    }
    whole, lines = results.pop("1 x 8")
    assert max(float(gradient.abs().max()) for gradient in whole.values()) > 0.01
    for name, (gradients, other) in results.items():
        assert gradients.keys() == whole.keys()
        for parameter, gradient in gradients.items():
            # single precision: sums in another order differ by some 1e-5 of a gradient, on some processors
            torch.testing.assert_close(gradient, whole[parameter], atol=1e-6, rtol=1e-5, msg=f"{name}: {parameter}")
        for one, two in zip(lines, other, strict=True):
            # accuracy before the first update is the sign of margins that are 0 but for rounding
            for figure in one.keys() - {"seconds", "accuracy"}:
                assert two[figure] == pytest.approx(one[figure], abs=1e-4), f"{name}: {figure}"
