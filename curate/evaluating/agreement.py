"""How far two clusterings of the same groups agree: pair by pair, and by the adjusted Rand index."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

GROUP = "group_id"
ONE, OTHER = "cluster", "cluster_other"


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two clusterings of one dataset.

    ``n_both`` samples have a cluster in both, ``n_only_one`` and ``n_only_other`` in one of them; the rest counts pairs
    of samples of one group that both have clustered. ``n_same_one`` and ``n_same_other`` pairs are in one cluster for
    that side, ``n_same_both`` for both. ``adjusted_rand`` is the mean over the ``n_groups`` groups that have a pair;
    null without one. ``n_distinct_pairs`` and ``n_distinct_agree`` take each text of a group once, as equal texts
    cannot differ; null where texts are unknown.
    """

    n_both: int
    n_only_one: int
    n_only_other: int
    n_groups: int
    n_pairs: int
    n_same_one: int
    n_same_other: int
    n_same_both: int
    adjusted_rand: float | None
    n_distinct_pairs: int | None
    n_distinct_agree: int | None

    @property
    def n_agree(self) -> int:
        """Pairs that both put together or both keep apart."""
        return self.n_pairs + 2 * self.n_same_both - self.n_same_one - self.n_same_other

    @property
    def share(self) -> float | None:
        """Share of pairs on which the two agree (the Rand index over all pairs); null without a pair."""
        return self.n_agree / self.n_pairs if self.n_pairs else None

    @property
    def share_distinct(self) -> float | None:
        """The same among pairs of different texts."""
        return (self.n_distinct_agree or 0) / self.n_distinct_pairs if self.n_distinct_pairs else None

    def as_json(self) -> dict[str, Any]:
        """Return every count, the two shares and n_agree."""
        shares = {"n_agree": self.n_agree, "share": self.share, "share_distinct": self.share_distinct}
        return {**asdict(self), **shares}


def agreement(frame: pl.DataFrame) -> Agreement:
    """Compare two clusterings, a row a sample: group_id, cluster, cluster_other (null = none) and completion.

    For a group with n samples in both, a pair agrees where both put it together or both keep it apart. The adjusted
    Rand index of a group is (S - E) / ((A + B)/2 - E), S pairs together for both, A and B for each, E = A B / C(n, 2);
    two equal clusterings that are all one cluster or all single ones give 1. A group of fewer than two such samples has
    no pair and counts in ``n_both`` alone. Source: Hubert and Arabie 1985, doi 10.1007/BF01908075.
    """
    has_one, has_other = pl.col(ONE).is_not_null(), pl.col(OTHER).is_not_null()
    both = frame.filter(has_one & has_other)
    groups = _pairs(both)
    distinct = None
    if both["completion"].null_count() == 0:
        distinct = _pairs(both.unique([GROUP, "completion"], keep="first", maintain_order=True))
    return Agreement(
        n_both=both.height,
        n_only_one=frame.filter(has_one & ~has_other).height,
        n_only_other=frame.filter(~has_one & has_other).height,
        n_groups=groups.height,
        n_pairs=int(groups["pairs"].sum()),
        n_same_one=int(groups["one"].sum()),
        n_same_other=int(groups["other"].sum()),
        n_same_both=int(groups["both"].sum()),
        adjusted_rand=_mean(groups.select(_adjusted_rand()).to_series()),
        n_distinct_pairs=None if distinct is None else int(distinct["pairs"].sum()),
        n_distinct_agree=None if distinct is None else int(distinct.select(_agreeing_pairs().sum()).item()),
    )


def disagreements(frame: pl.DataFrame, most: int = 5) -> list[dict[str, Any]]:
    """Return the first pairs on which two clusterings disagree, one a group, in stored order.

    ``frame`` is that of ``agreement`` with sample_index. Each has group_id, the two sample indices and texts, and
    ``together_for``: one or other, whichever puts the two in one cluster.
    """
    both = frame.filter(pl.col(ONE).is_not_null() & pl.col(OTHER).is_not_null())
    groups = _pairs(both)
    differing = groups.filter(_agreeing_pairs() < pl.col("pairs")).head(most)[GROUP]
    return [_first_pair(both.filter(pl.col(GROUP) == group)) for group in differing]


def _first_pair(group: pl.DataFrame) -> dict[str, Any]:
    rows = group.to_dicts()
    for place, a in enumerate(rows):
        for b in rows[place + 1 :]:
            if (a[ONE] == b[ONE]) != (a[OTHER] == b[OTHER]):
                return {
                    GROUP: a[GROUP],
                    "sample_indices": [a["sample_index"], b["sample_index"]],
                    "texts": [a["completion"], b["completion"]],
                    "together_for": "one" if a[ONE] == b[ONE] else "other",
                }
    raise AssertionError("a group whose counts differ has a pair that differs")


def _pairs(both: pl.DataFrame) -> pl.DataFrame:
    """Count the pairs of every group with two samples or more: all, together for one, for the other, for both."""
    counted = both.group_by(GROUP, maintain_order=True).agg(pairs=_choose_2(pl.len()))
    for name, keys in (("one", [ONE]), ("other", [OTHER]), ("both", [ONE, OTHER])):
        sizes = both.group_by(GROUP, *keys).len().group_by(GROUP).agg(_choose_2(pl.col("len")).sum().alias(name))
        counted = counted.join(sizes, on=GROUP, how="left", maintain_order="left")
    return counted.filter(pl.col("pairs") > 0)


def _choose_2(n: pl.Expr) -> pl.Expr:
    return (n.cast(pl.Int64) * (n.cast(pl.Int64) - 1)) // 2


def _agreeing_pairs() -> pl.Expr:
    return pl.col("pairs") + 2 * pl.col("both") - pl.col("one") - pl.col("other")


def _adjusted_rand() -> pl.Expr:
    pairs, one, other, both = (pl.col(name).cast(pl.Float64) for name in ("pairs", "one", "other", "both"))
    expected, most = one * other / pairs, (one + other) / 2
    is_uniform = (one == other) & ((one == 0) | (one == pairs))  # then most = expected, and nothing is left to divide
    return pl.when(is_uniform).then(1.0).otherwise((both - expected) / (most - expected))


def _mean(values: pl.Series) -> float | None:
    return float(values.mean()) if len(values) else None  # type: ignore[arg-type]
