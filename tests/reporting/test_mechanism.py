"""The section on mechanism."""

from __future__ import annotations

import polars as pl
import pytest

from curate.reporting.mechanism import Mechanism, mechanism, merge_alike, outer_thirds, percent


def by_rank(**lines: list[float | None]) -> pl.DataFrame:
    rows = [(name, f"{i + 1}", y) for name, ys in lines.items() for i, y in enumerate(ys)]
    return pl.DataFrame(rows, {"name": pl.String, "x": pl.String, "y": pl.Float64}, orient="row")


def test_lines_that_lie_on_each_other_carry_both_names() -> None:
    merged = merge_alike(by_rank(grpo=[1.0, 2.0], spectral=[1.0, 2.009], unlikely=[0.9, 2.0], dr=[1.0, None]))
    assert merged["name"].unique(maintain_order=True).to_list() == ["grpo, spectral", "unlikely", "dr"]
    assert merged["y"].to_list() == [1.0, 2.0, 0.9, 2.0, 1.0, None]


def test_flat_lines_and_lines_of_nulls_are_alike_when_equal() -> None:
    assert merge_alike(by_rank(a=[1.0, 1.0], b=[1.0, 1.0]))["name"].unique().to_list() == ["a, b"]
    assert merge_alike(by_rank(a=[None, None], b=[None, None]))["name"].unique().to_list() == ["a, b"]
    assert merge_alike(by_rank(a=[1.0], b=[1.0, 1.0]))["name"].n_unique() == 2


@pytest.mark.parametrize(("share", "shown"), [(0.1234, "12.3%"), (0.0, "0.0%"), (None, "-")])
def test_shares_are_percentages(share: float | None, shown: str) -> None:
    assert percent(share) == shown


@pytest.mark.parametrize(
    ("n", "sums", "thirds"),
    [
        ([1, 1, 2, 0, 1, 1, 2, 2], [1.0, 2.0, 9.0, 9.0, 9.0, 9.0, 3.0, 5.0], (1.5, 2.0)),  # two of eight ranks
        ([3, 1, 1, 1], [3.0, 9.0, 9.0, 4.0], (1.0, 4.0)),
        ([2, 0, 0], [1.0, 0.0, 0.0], (0.5, None)),
        ([4], [2.0], (0.5, None)),
        ([], [], (None, None)),
    ],
)
def test_thirds_are_the_outer_ranks(n: list[int], sums: list[float], thirds: tuple[float | None, float | None]) -> None:
    assert outer_thirds(n, sums) == thirds


def section(uplift: pl.DataFrame, notes: tuple[str, ...] = ()) -> str:
    recipes = pl.DataFrame(
        {
            "name": ["grpo", "spectral"],
            "groups": [10, 10],
            "signal": [7, 9],
            "rows": [40, 40],
            "rows_kept": [28, 36],
            "correct_negative": [0.0, None],
            "wrong_positive": [0.0, 0.065],
            "max_abs_advantage": [1.5, 1.5],
        }
    )
    groups = pl.DataFrame(
        {
            "name": ["grpo", "grpo", "spectral", "spectral"],
            "kind": ["trains", "all_wrong", "trains", "degenerate"],
            "n": [7, 3, 9, 1],
        }
    )
    dropped = pl.DataFrame({"name": ["grpo", "spectral"], "reason": ["all_wrong", "all_wrong"], "n": [12, 0]})
    data = Mechanism(
        "strong", by_rank(grpo=[1.0, 2.0], spectral=[1.0, 3.0]), groups, recipes, dropped, uplift, uplift, notes
    )
    strategies = pl.DataFrame(
        {
            "name": ["held-out"],
            "y": [2.5],
            "low": [2.0],
            "high": [3.0],
            "n_prompts": [40],
            "distinct": [3.25],
            "source": ["clusters"],
        }
    )
    return mechanism([data], strategies, ["<said>"])


def test_the_section_has_a_figure_a_caption_and_numbers_for_each_part() -> None:
    text = section(pl.DataFrame({"name": ["t"], "x": ["0-3"], "y": [0.5], "n": [4]}))
    assert text.count("<figure>") == text.count("<svg ") == text.count("<figcaption>") == 4
    assert text.count("<summary>numbers</summary>") == 4
    assert "<td>7 of 10 (70.0%)</td><td>28 of 40 (70.0%)</td>" in text
    assert '<td class="number">6.5%</td>' in text
    assert '<td>grpo</td><td>all_wrong</td><td class="number">12</td>' in text
    assert text.count("12</td>") == 1
    assert "&lt;said&gt;" in text
    assert (
        text.index("Mean advantage")
        < text.index("training signal")
        < text.index("Uplift rate")
        < text.index("strategies")
    )


def test_without_trained_policies_there_is_no_uplift_figure() -> None:
    text = section(pl.DataFrame({"name": [], "x": [], "y": [], "n": []}))
    assert text.count("<figure>") == 3
    assert "Uplift" not in text


def test_nothing_gives_a_heading_and_the_notes() -> None:
    text = mechanism([], pl.DataFrame({"name": []}), ["make it"])
    assert "<li>make it</li>" in text
    assert "<figure>" not in text
