"""The diagnostics of a variant of advantages, as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.dataset import Dataset, TableRef

N_BINS = 8


def stored_statistics(data: Dataset, ref: TableRef) -> dict[str, Any] | None:
    """Return the diagnostics of a variant, summed over the footers of its parts; null where it has none."""
    from curate.parts import read_footer
    from curate.reweighting import merge

    footers = [read_footer(data.part(ref, name)) for name in data.parts(ref)]
    found = [footer.about["diagnostics"] for footer in footers if "diagnostics" in footer.about]
    return merge(found) if found else None


def print_figures(title: str, statistics: dict[str, Any] | None) -> None:
    """Print the diagnostics of one variant as a table."""
    from curate.console import print_table

    if statistics:
        print_table(("figure", "value"), figures(statistics), title=title)


def figures(statistics: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (figure, value) lines; a figure whose columns were not there shows as ``-``."""
    from curate.reweighting import summarize

    s = summarize(statistics)
    return [
        ("groups", f"{s['groups']:,}: {_counts(s['groups_by_class'])}"),
        ("kept", f"{s['groups_kept']:,} groups, {s['rows_kept']:,} of {s['rows']:,} samples"),
        ("groups with a training signal", f"{s['groups_with_signal']:,}: {share(s['share_groups_with_signal'])}"),
        ("groups dropped whole", _counts(s["groups_dropped"])),
        ("samples dropped", _counts(s["rows_dropped"])),
        ("correct samples with A < 0", share(s["share_correct_negative"])),
        ("wrong samples with A > 0", share(s["share_wrong_positive"])),
        ("mean A of correct samples, likeliest to rarest", _rank_line(statistics["advantage_by_rank"])),
        ("one success, shaping cancelled by the std", f"{s['groups_cancelled']:,} groups"),
        ("degenerate after shaping", f"{s['groups_degenerate']:,} groups"),
        ("largest |A|", number(s["max_abs_advantage"])),
        *_drawn(s),
        ("rank agreement of mean with sum log-prob (tau)", number(s["rank_agreement"])),
        (
            "correlation of RTS with steps, with tokens",
            f"{number(s['rts_with_n_steps'])}, {number(s['rts_with_n_tokens'])}",
        ),
    ]


def _drawn(s: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the lines on groups sampled under a stopping rule: their mix of outcomes is no pass rate."""
    if not s.get("groups_drawn"):
        return []
    surplus = s["rows_dropped"]["surplus"]
    return [
        ("sampled under a stopping rule", f"{s['groups_drawn']:,} groups, {surplus:,} surplus samples not trained"),
        ("samples of them with A at the cap", f"{s['advantages_at_cap']:,}"),
    ]


def mean_by_rank(by_rank: dict[str, list[float]] | None, n_bins: int = N_BINS) -> list[tuple[str, float | None]]:
    """Return (ranks, mean advantage of correct samples) over about equal bins of likelihood rank, likeliest first."""
    if not by_rank or not by_rank["n"]:
        return []
    n_ranks = len(by_rank["n"])
    width = -(-n_ranks // n_bins)
    bins = []
    for low in range(0, n_ranks, width):
        high = min(low + width, n_ranks)
        n = sum(by_rank["n"][low:high])
        mean = sum(by_rank["sum"][low:high]) / n if n else None
        bins.append((f"{low + 1}" if high == low + 1 else f"{low + 1}-{high}", mean))
    return bins


def _rank_line(by_rank: dict[str, list[float]] | None) -> str:
    bins = mean_by_rank(by_rank)
    return "\n".join(f"rank {ranks}: {number(mean)}" for ranks, mean in bins) if bins else "-"


def _counts(counts: dict[str, int]) -> str:
    named = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()) if count)
    return named or "none"


def share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
