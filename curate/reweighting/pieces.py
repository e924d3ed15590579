"""The pieces that a recipe is composed of: gates, shapings, one estimator, perhaps a weighting, each written for one group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

Rewards = Literal["binary", "non_negative", "real"]
KeepGroups = Literal["mixed", "not_all_correct", "all"]

_STRICTEST: tuple[Rewards, ...] = ("binary", "non_negative", "real")
_WIDEST: tuple[KeepGroups, ...] = ("all", "not_all_correct", "mixed")
NO_REASON = pl.lit(None, pl.String)


@dataclass(frozen=True, eq=False)
class Gate:
    """Say which groups and samples train.

    ``trains`` is true in a group that may train; ``drop`` gives the reason why a whole group does not, or null;
    ``sample`` the reason why one sample does not though its group does, or null: it stays in the group's statistics.
    ``keep_uniform`` says whether groups without signal are kept, at an advantage of exactly 0; None leaves that to the
    other gates (they are dropped unless a gate keeps them and none drops them).
    """

    trains: pl.Expr = field(default_factory=lambda: pl.lit(True))
    drop: pl.Expr = field(default_factory=lambda: NO_REASON)
    sample: pl.Expr = field(default_factory=lambda: NO_REASON)
    keep_uniform: bool | None = None
    name: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Shaping:
    """Change the reward of each sample before the estimator sees it.

    ``shape(reward, trains)`` gives the shaped reward from the reward so far; ``trains`` is the gates' word on the group.
    ``missing(trains)`` says for each reason of the closed list where a sample lacks a value that the shaping reads.
    ``after`` changes the advantage (clamps, damping). ``no_signal`` is true in a group that this shaping calls
    degenerate though its shaped rewards differ. ``keep_groups`` is the gate where none is named: the widest of the
    pieces'.
    """

    shape: Callable[[pl.Expr, pl.Expr], pl.Expr]
    missing: Callable[[pl.Expr], Mapping[str, pl.Expr]] = field(default=lambda trains: {})
    after: Callable[[pl.Expr], pl.Expr] | None = None
    no_signal: pl.Expr | None = None
    rewards: Rewards = "real"
    keep_groups: KeepGroups = "mixed"
    name: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Credit:
    """Spread the advantage of a completion over its tokens.

    ``tokens(frame)`` gets all samples with their advantage, in any order, and returns one column or both, a row each:
    ``token_advantages``, which replace the advantage in the loss, and ``token_credit``, which people look at; lists of
    float64 with a value a completion token, null = none. What it says of a dropped sample is not kept. ``reads`` names
    the columns it reads beside the estimator's. ``count`` gives sums over the samples for the footer, ``told`` makes
    sentences of them.
    """

    tokens: Callable[[pl.DataFrame], pl.DataFrame]
    reads: tuple[str, ...]
    count: Callable[[pl.DataFrame], dict[str, float]] = field(default=lambda frame: {})
    told: Callable[[Mapping[str, float]], list[str]] = field(default=lambda sums: [])


@dataclass(frozen=True, eq=False)
class Estimator:
    """Make the advantage of the shaped rewards.

    ``advantage`` is a function of the column of shaped rewards. ``needs_group`` is false without group statistics: a
    group of one then trains. ``has_signal_if_uniform`` is true where equal shaped rewards still teach (REINFORCE on
    signs): no group is degenerate then. ``sample`` gives the reason why a sample does not train, or null; ``weight``
    multiplies its loss. ``missing`` as a shaping's. ``keep_groups`` is the gate where none is named.

    ``batch`` names sums over the dataset: each is a row expression, null where a row adds nothing, summed over all
    samples that take part, and read in ``advantage`` and ``weight`` as the column ``batch_NAME``. ``credit`` spreads the
    advantage over the tokens. Beside what a recipe
    may read it may read ``kept`` (Boolean: the sample trains) and ``degenerate`` (Boolean: its group has no signal).
    """

    advantage: Callable[[pl.Expr], pl.Expr]
    needs_group: bool = True
    has_signal_if_uniform: bool = False
    sample: pl.Expr = field(default_factory=lambda: NO_REASON)
    weight: pl.Expr = field(default_factory=lambda: pl.lit(1.0))
    missing: Callable[[pl.Expr], Mapping[str, pl.Expr]] = field(default=lambda trains: {})
    batch: Mapping[str, pl.Expr] = field(default_factory=dict)
    credit: Credit | None = None
    rewards: Rewards = "real"
    keep_groups: KeepGroups = "mixed"
    name: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Weighting:
    """Weigh groups against each other by what is known of all groups of the dataset that train.

    ``collect`` names values of one group (aggregations). ``weigh`` gets a frame with a row for each group that trains,
    in the order of group_id: ``group_id`` and what was collected; it returns the columns ``weight`` and perhaps
    ``kl_scale``, a row each. The weight multiplies that of the group's samples.
    """

    collect: Mapping[str, pl.Expr]
    weigh: Callable[[pl.DataFrame], pl.DataFrame]
    name: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


def strictest(rewards: Sequence[Rewards]) -> Rewards:
    """Return the narrowest of several ranges of rewards: binary within non_negative within real."""
    return min(rewards, key=_STRICTEST.index, default="real")


def widest(keep_groups: Sequence[KeepGroups]) -> KeepGroups:
    """Return the one of several choices of groups that keeps most."""
    return min(keep_groups, key=_WIDEST.index, default="mixed")
