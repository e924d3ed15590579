"""Apply a recipe of pairs to stored samples: groups and samples in, pairs out, everything else by reason."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from curate.errors import ConfigError
from curate.pairing.recipe import GROUP, INDEX, PairRecipe

KEY = [GROUP, INDEX]
COMPLETION = ("completion_ids", "completion")


@dataclass(frozen=True)
class Paired:
    """``pairs``: group_id, chosen, rejected, target, smoothing, in the order of the groups; ``left``: group_id,
    sample_index and ``reason`` of every sample that is in no pair. Each sample is in a pair or in ``left``, never in both.
    """

    pairs: pl.DataFrame
    left: pl.DataFrame

    @property
    def samples_left(self) -> dict[str, int]:
        """Count the samples that are in no pair by reason."""
        return _counted(self.left["reason"])

    @property
    def groups_left(self) -> dict[str, int]:
        """Count the groups that gave no pair by reason: the one that most of their samples have, of equals the first by name."""
        alone = self.left.join(self.pairs, on=GROUP, how="anti")
        votes = alone.group_by(GROUP, "reason").len().sort(GROUP, "len", "reason", descending=[False, True, False])
        return _counted(votes.unique(GROUP, keep="first", maintain_order=True)["reason"])


def pair(frame: pl.DataFrame, recipe: PairRecipe) -> Paired:
    """Pair the samples of each group by a recipe.

    ``frame`` has a row a sample, in any order: group_id, sample_index, ``completion`` or ``completion_ids`` (samples of
    equal ids, or of equal text where ids are unknown, are the same completion; unknown ones are the same as none),
    perhaps ``hinted``, and what ``recipe.reads`` names. Pairs lie within groups, so splitting the groups into parts
    changes nothing. Raises ConfigError for a column that is missing, or an outcome that the recipe counts and is unknown.
    """
    _check(frame, recipe)
    frame = frame.with_row_index("place").with_columns(_leaves(frame, recipe))
    taking = frame.filter(pl.col("reason").is_null()).sort(KEY)
    barred = taking.group_by(GROUP).agg(barred=recipe.bar)
    taking = taking.join(barred, on=GROUP, how="left", maintain_order="left")
    matched = recipe.match(taking.filter(pl.col("barred").is_null()).select(*KEY, *recipe.reads))
    is_same = _same(matched, taking)
    groups = frame.select(GROUP).unique(maintain_order=True).with_row_index("nth")
    pairs = matched.filter(~is_same).join(groups, on=GROUP, how="left").sort("nth", "chosen", "rejected").drop("nth")
    left = _left(frame, barred, pairs, matched.filter(is_same))
    return Paired(pairs, left)


def _check(frame: pl.DataFrame, recipe: PairRecipe) -> None:
    missing = [column for column in (*KEY, *recipe.reads) if column not in frame.columns]
    if missing or not set(COMPLETION) & set(frame.columns):
        raise ConfigError(f"{recipe.name} reads {', '.join(missing or COMPLETION[1:])}: the frame has no such column")
    if not recipe.counts_outcomes:
        return
    n_unknown = frame.filter(pl.col("reward").is_not_null() & pl.col("outcome").is_null()).height
    if n_unknown:
        raise ConfigError(
            f"{recipe.name} counts correct samples, but {n_unknown:,} rows have a reward and no outcome: "
            "import with --correct-when 'reward > 0'"
        )


def _leaves(frame: pl.DataFrame, recipe: PairRecipe) -> pl.Expr:
    """Say of each sample why it takes no part, or null."""
    conditions = {"hinted": pl.col("hinted")} if "hinted" in frame.columns else {}
    conditions |= recipe.leave
    reasons = [pl.when(condition).then(pl.lit(reason)) for reason, condition in conditions.items()]
    return pl.coalesce(*reasons, pl.lit(None, pl.String)).alias("reason")


def _same(matched: pl.DataFrame, samples: pl.DataFrame) -> pl.Series:
    """Say of each pair whether both sides are the same completion: equal ids, or equal text where ids are unknown."""
    known = [column for column in COMPLETION if column in samples.columns]
    sides = [
        matched.select(GROUP, **{INDEX: pl.col(side)}).join(
            samples.select(*KEY, *known), on=KEY, how="left", maintain_order="left"
        )
        for side in ("chosen", "rejected")
    ]
    equal = [sides[0][column].eq(sides[1][column]) for column in known]
    return (
        pl.select(pl.coalesce(*equal, pl.lit(False))).to_series() if len(matched) else pl.Series([], dtype=pl.Boolean)
    )


def _left(frame: pl.DataFrame, barred: pl.DataFrame, pairs: pl.DataFrame, identical: pl.DataFrame) -> pl.DataFrame:
    """Return every sample that is in no pair, with its reason."""
    twins = _sides(identical).with_columns(twin=pl.lit("identical"))
    rows = (
        frame.join(_sides(pairs), on=KEY, how="anti").join(barred, on=GROUP, how="left").join(twins, on=KEY, how="left")
    )
    reason = pl.coalesce("reason", "barred", "twin", pl.lit("unpaired"))
    return rows.sort("place").select(*KEY, reason=reason)


def _sides(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return the keys of the samples that pairs name, each once."""
    return pl.concat([pairs.select(GROUP, **{INDEX: pl.col(side)}) for side in ("chosen", "rejected")]).unique()


def _counted(reasons: pl.Series) -> dict[str, int]:
    counts = reasons.value_counts().sort("reason")
    return dict(zip(counts["reason"].to_list(), counts["count"].to_list(), strict=True))
