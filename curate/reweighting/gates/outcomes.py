"""Gates on the outcomes of a group: which mixes of correct and wrong samples train."""

from __future__ import annotations

from typing import Literal

import polars as pl

from curate.reweighting.group import N_CORRECT, can_train, drop_reason, uniform
from curate.reweighting.pieces import Gate, KeepGroups
from curate.reweighting.registry import gate

GateOn = Literal["outcome", "shaped"]


@gate()
def mixed(gate_on: GateOn = "outcome") -> Gate:
    """Train the groups with correct and wrong samples; drop all-wrong and all-correct ones (DAPO, arXiv 2503.14476).

    ``gate_on="shaped"`` drops such a group only where its shaped rewards are uniform too.
    """
    return _on_outcomes("mixed", gate_on)


@gate()
def not_all_correct(gate_on: GateOn = "outcome") -> Gate:
    """Train the groups with a wrong sample; drop all-correct ones (SRPO, arXiv 2504.14286).

    ``gate_on="shaped"`` drops such a group only where its shaped rewards are uniform too.
    """
    return _on_outcomes("not_all_correct", gate_on)


@gate()
def all_() -> Gate:
    """Train every group of two or more; one without a signal is kept at an advantage of exactly 0."""
    return _on_outcomes("all", "outcome")


@gate()
def not_all_wrong() -> Gate:
    """Train the groups with a correct sample; drop all-wrong ones."""
    return Gate(trains=N_CORRECT > 0, drop=pl.when(N_CORRECT == 0).then(pl.lit("all_wrong")))


def groups(keep_groups: KeepGroups, gate_on: GateOn = "outcome") -> Gate:
    """Return the gate of that name: mixed, not_all_correct or all."""
    if keep_groups == "all":
        return all_()
    return mixed(gate_on) if keep_groups == "mixed" else not_all_correct(gate_on)


def _on_outcomes(keep_groups: KeepGroups, gate_on: GateOn) -> Gate:
    on_shaped = gate_on == "shaped"
    return Gate(
        trains=can_train("all" if on_shaped else keep_groups),
        drop=drop_reason(keep_groups, uniform() if on_shaped else None),
        keep_uniform=keep_groups == "all",
    )
