"""What is known before the first step and kept for the whole run: old and reference log-probs, and the check of them."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from curate.errors import ConfigError
from curate.jobrecord import write_durably
from curate.models.tokenizer import load_tokenizer
from curate.training import selfcheck
from curate.training.behaviour import Mode
from curate.training.collate import Collator
from curate.training.load import load_config, load_reference
from curate.training.measure import log_probs, sample_of, statistics
from curate.training.policy import Policy
from curate.training.workplace import Workplace

if TYPE_CHECKING:
    from curate.training.run import Run, Say

# Tokens of the rows on which a run is measured before the first step and after the last.
MEASURED_TOKENS = 65_536


class Start:
    """Fill the collator's ``old``, ``behaviour`` and ``ref``; keep them in ``work/start``, so that a resumed run has the
    very same. ``figures`` says how far the model was from old at the start.

    The reference is fixed like the rows, so that its log-probs are computed once and no second model is held in training.
    """

    def __init__(self, run: Run, place: Workplace, collator: Collator, mode: Mode | None, device: Any) -> None:
        self.run = run
        self.place = place
        self.collator = collator
        self.mode = mode
        self.device = device
        self.figures: dict[str, Any] = {}
        self.chosen = sample_of(collator.rows, MEASURED_TOKENS, run.settings.seed)

    def score_reference(self) -> None:
        """Score the rows under the reference model that was named; the model is dropped again."""
        path = self.run.settings.ref_model
        if path is not None and not self._load("ref"):
            self._refuse_reference(path)
            self._keep("ref", self._all(load_reference(path, self.run.settings).to(self.device)))

    def measure(self, policy: Policy, say: Say) -> None:
        """Compute what the mode asks for and check stored log-probs; ``policy`` is as training starts from it."""
        known = self.place.start / "start.json"
        if self.collator.is_packed:
            self._refuse_packing(policy)
        needs_ref = self.run.settings.objective.needs_reference and self.run.settings.ref_model is None
        is_computed = self.mode in ("decoupled", "recompute")
        has_all = known.exists() and all(
            self._load(name) for name, is_read in (("old", is_computed), ("ref", needs_ref)) if is_read
        )
        if not has_all and (is_computed or needs_ref):
            now = self._all(policy)
            for name in ("old",) * is_computed + ("ref",) * needs_ref:
                self._keep(name, now)
        rows = self.collator.rows
        if self.mode == "bypass":
            self.collator.old = rows.behaviour
        elif self.mode == "decoupled":
            self.collator.behaviour = rows.behaviour
        if has_all:
            self.figures = json.loads(known.read_text())
            return
        if self.mode in ("bypass", "decoupled"):
            self._check(policy, say)
        elif self.mode == "recompute":
            say("old log-probs are this model's own: the samples are treated as on-policy")
        if self._is_writer:
            write_durably(known, json.dumps(self.figures).encode())

    def measure_again(self, policy: Policy) -> dict[str, Any]:
        """Return the statistics of the model as it is now against old; empty where there is no old."""
        old = self.collator.old
        if old is None:
            return {}
        return statistics(self.collator.rows, log_probs(policy, self.collator, self.chosen, self.device), old)

    def _check(self, policy: Policy, say: Say) -> None:
        rows = self.collator.rows
        new = log_probs(policy, self.collator, self.chosen, self.device)
        settings, data = self.run.settings, self.run.data
        explain = partial(
            selfcheck.differing,
            data,
            self.run.samples,
            self.run.model,
            cache(partial(load_tokenizer, self.run.model)),
            policy,
            self.collator,
            self.chosen,
            settings.dtype,
            self.device,
        )
        other_heat = partial(selfcheck.other_temperature, policy, self.collator, self.chosen, self.device)
        apart = selfcheck.refuse_mismatch(rows, new, rows.behaviour, other_heat, explain)
        stale = selfcheck.staleness(rows, new, rows.behaviour)
        if stale.n_tokens:
            say(selfcheck.said(stale))
        self.figures = {"own_rows_apart": apart, "other_policy": asdict(stale) if stale.n_tokens else None}
        assert self.collator.old is not None
        self.figures |= statistics(rows, new, self.collator.old)

    def _refuse_reference(self, path: Path) -> None:
        """Raise ConfigError where the rows do not fit the reference: its tokens are others, or its positions too few."""
        rows, config = self.collator.rows, load_config(path)
        highest = max(int(rows.tokens.max()), int(rows.prompt_tokens.max(initial=0)))
        if highest >= config.vocab_size:
            raise ConfigError(
                f"--ref-model {path} has a vocabulary of {config.vocab_size:,}, and the rows hold token id {highest}: give a "
                "model of the same tokenizer"
            )
        longest, positions = int(rows.total_lengths.max()), getattr(config, "max_position_embeddings", None)
        if positions is not None and longest > positions:
            raise ConfigError(f"--ref-model {path} has {positions:,} positions, and a row has {longest:,} tokens")

    def _all(self, policy: Policy) -> NDArray[np.float32]:
        return log_probs(policy, self.collator, np.arange(len(self.collator.rows)), self.device)

    def _load(self, name: str) -> bool:
        path = self._path(name)
        if path.exists():
            setattr(self.collator, name, np.load(path))
        return path.exists()

    def _keep(self, name: str, values: NDArray[np.float32]) -> None:
        setattr(self.collator, name, values)
        if self._is_writer:
            unfinished = self._path(f"{name}.unfinished")
            np.save(unfinished, values)
            unfinished.rename(self._path(name))

    def _path(self, name: str) -> Path:
        return self.place.start / f"{name}.npy"

    @property
    def _is_writer(self) -> bool:
        return not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0

    def _refuse_packing(self, policy: Policy) -> None:
        """Raise ConfigError where packed rows see each other in this model: a few rows are scored both ways."""
        rows = self.collator.rows
        few = np.argsort(rows.total_lengths, kind="stable")[[0, 0, -1]]
        packed, padded = (
            log_probs(policy, Collator(rows, is_packed=is_packed), few, self.device) for is_packed in (True, False)
        )
        limit = 0.05 if policy.is_mixed else 1e-3
        if np.nanmax(np.abs(packed - padded)) > limit:
            raise ConfigError(f"{self.run.model} does not keep packed rows apart: leave --packing out")
