"""What a run has done so far: counts, sums of the running epoch, the drift of the last steps, and the log file."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.training.losses import COUNTS

# Batches of a few hundred tokens have a k3 of heavy tails: one unlucky batch must not stop a run.
DRIFT_TOKENS = 4096

LOG_FILE = "train_log.jsonl"

NAMES = {
    "clipped": "clip_fraction",
    "k3": "drift",
    "policy": "policy_loss",
    "pair_loss": "policy_loss",
    "pair_accuracy": "accuracy",
    "pair_margin": "margin",
    "pair_chosen": "chosen_gain",
    "pair_rejected": "rejected_gain",
    "pair_clipped": "clip_fraction",
}


@dataclass
class RecentDrift:
    """The drift over the last steps that hold ``DRIFT_TOKENS`` trained tokens together: (sum of k3, tokens) of each."""

    steps: list[list[float]] = field(default_factory=list)

    def add(self, k3: float, tokens: float) -> None:
        """Add a step and forget those that are no longer needed."""
        self.steps.append([k3, tokens])
        while self._tokens - self.steps[0][1] >= DRIFT_TOKENS:
            del self.steps[0]

    @property
    def _tokens(self) -> float:
        return sum(tokens for _, tokens in self.steps)

    @property
    def value(self) -> float | None:
        """The mean of k3, in nats a token; null before enough tokens were seen."""
        return sum(k3 for k3, _ in self.steps) / self._tokens if self._tokens >= DRIFT_TOKENS else None


@dataclass
class Progress:
    """What a checkpoint keeps beside weights and optimiser.

    ``new`` (T of all rows,) holds each trained token's log-prob when this epoch met it, NaN where it has not yet.
    """

    new: NDArray[np.float32]
    tokens: int = 0
    skipped: int = 0
    not_finite: int = 0
    epoch_sums: dict[str, float] = field(default_factory=dict)
    recent: RecentDrift = field(default_factory=RecentDrift)

    def add(self, sums: dict[str, float]) -> None:
        """Count one optimiser step by the sums over its tokens."""
        self.tokens += int(sums.get("tokens", 0))
        for name, value in sums.items():
            self.epoch_sums[name] = self.epoch_sums.get(name, 0.0) + value
        if "k3" in sums and sums["tokens"]:
            self.recent.add(sums["k3"], sums["tokens"])

    def begin_epoch(self) -> None:
        """Forget the epoch that was."""
        self.epoch_sums = {}
        self.new[:] = np.nan

    def save(self, folder: Path) -> None:
        """Write ``progress.json`` and ``new.npy``."""
        counts = {name: value for name, value in asdict(self).items() if name != "new"}
        (folder / "progress.json").write_text(json.dumps(counts))
        np.save(folder / "new.npy", self.new)

    @classmethod
    def load(cls, folder: Path) -> Progress:
        """Read what ``save`` wrote."""
        counts = json.loads((folder / "progress.json").read_text())
        return cls(new=np.load(folder / "new.npy"), recent=RecentDrift(counts.pop("recent")["steps"]), **counts)


class Log:
    """The file of one JSON line a step and an epoch; it is cut back to the step that a resumed run starts from."""

    def __init__(self, folder: Path, from_step: int) -> None:
        self.path = folder / LOG_FILE
        if self.path.exists():
            whole, _, _ = self.path.read_text().rpartition("\n")
            kept = [line for line in whole.splitlines() if json.loads(line)["step"] <= from_step]
            self.path.write_text("".join(f"{line}\n" for line in kept))

    def write(self, values: dict[str, Any]) -> None:
        """Append one line; a number that is not finite becomes null."""
        shown = {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in values.items()}
        with self.path.open("a") as file:
            file.write(json.dumps(shown) + "\n")


def renamed(means: dict[str, float]) -> dict[str, float]:
    """Return the means of a step or an epoch under the names that the log gives them; counts become whole numbers."""
    return {NAMES.get(name, name): int(value) if name in COUNTS else value for name, value in means.items()}
