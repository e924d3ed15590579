"""How far judges agree on strategies: every variant of feedback with clusters against one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import polars as pl

    from curate.dataset import Dataset
    from curate.evaluating import Agreement

BASELINE = "canonical"
MAX_TEXT = 200


class Compared(NamedTuple):
    """One variant of feedback against another, by their clusters, with the first pairs on which they disagree."""

    variant: str
    baseline: str
    agreement: Agreement
    pairs: list[dict[str, Any]]

    @property
    def title(self) -> str:
        return f"feedback/judge={self.variant} against {self.baseline}"

    def as_json(self) -> dict[str, Any]:
        return {**self.agreement.as_json(), "disagreements": self.pairs}


def compare_strategies(data: Dataset) -> list[Compared]:
    """Compare the clusters of every variant that has some with those of canonical, or else of the first such variant.

    [] where fewer than two have any. A variant that is stale or unfinished is said and left out.
    """
    names = [name for name in data.variants("feedback") if _has_clusters(data, name)]
    if len(names) < 2:
        return []
    baseline = BASELINE if BASELINE in names else names[0]
    found = [_compared(data, name, baseline) for name in names if name != baseline]
    return [each for each in found if each]


def print_strategies(compared: list[Compared]) -> None:
    """Print how far each pair of variants agrees, and the first disagreements with their texts."""
    from curate.console import print_table

    for each in compared:
        print_table(("figure", "value"), _figures(each), title=f"strategies: {each.title}")
        if each.pairs:
            print_table(
                ("group", "samples", "one strategy for", "text", "text"),
                [_pair_row(each, pair) for pair in each.pairs],
                title="the first pairs on which they disagree, one a group",
            )


def _figures(each: Compared) -> list[tuple[str, str]]:
    from curate.verbs.figures import number, share

    found, here, there = each.agreement, each.variant, each.baseline
    return [
        ("pairs of correct samples of one group", f"{found.n_pairs:,} in {found.n_groups:,} groups"),
        ("pairs on which the two agree", f"{found.n_agree:,}: {share(found.share)}"),
        ("of pairs of different texts", share(found.share_distinct)),
        ("adjusted Rand index, mean over groups", number(found.adjusted_rand)),
        ("pairs of one strategy", f"{found.n_same_one:,} for {here}, {found.n_same_other:,} for {there}"),
        ("samples with a cluster on one side only", f"{found.n_only_one:,} {here}, {found.n_only_other:,} {there}"),
    ]


def _pair_row(each: Compared, pair: dict[str, Any]) -> list[Any]:
    a, b = pair["sample_indices"]
    together = each.variant if pair["together_for"] == "one" else each.baseline
    return [str(pair["group_id"]), f"{a}, {b}", together, *(_short(text) for text in pair["texts"])]


def _short(text: str | None) -> str | None:
    return text if text is None or len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}..."


def _has_clusters(data: Dataset, variant: str) -> bool:
    import polars as pl

    clusters = data.scan("feedback", variant).select(pl.col("cluster").is_not_null().any())
    return bool(clusters.collect().item())


def _compared(data: Dataset, variant: str, baseline: str) -> Compared | None:
    from curate.console import say
    from curate.errors import ConfigError
    from curate.evaluating import agreement, disagreements

    try:
        frame = _clusters(data, variant, baseline)
    except ConfigError as error:
        say(f"strategies of {variant} and {baseline} are not compared: {error}")
        return None
    return Compared(variant, baseline, agreement(frame), disagreements(frame))


def _clusters(data: Dataset, variant: str, baseline: str) -> pl.DataFrame:
    """Return the samples that either variant has clustered, with both clusters and the text."""
    import polars as pl

    from curate.verbs.outcomes import read_beside

    sides = [(variant, "cluster"), (baseline, "cluster_other")]
    others = [(data.choose("feedback", name), {"cluster": column}) for name, column in sides]
    columns = ["group_id", "sample_index", "completion"]
    parts = read_beside(data, data.choose("samples"), columns, others)
    is_clustered = pl.any_horizontal(pl.col("cluster", "cluster_other").is_not_null())
    return pl.concat(part.filter(is_clustered) for part in parts)
