"""The section on pass@k."""

from __future__ import annotations

import polars as pl
import pytest

from curate.reporting.passk import interval, pass_at_k

CURVE = pl.DataFrame(
    {
        "name": ["base", "base", "grpo"],
        "x": [1, 8, 1],
        "y": [0.188, 0.6, 0.31],
        "low": [0.15, None, 0.2],
        "high": [0.23, None, 0.4],
        "m": [8, 8, 8],
        "n_prompts": [40, 38, 40],
        "is_flagged": [False, True, False],
    }
)
PAIRS = pl.DataFrame(
    {
        "name": ["grpo"],
        "baseline": ["base"],
        "k": [1],
        "y": [0.122],
        "low": [-0.01],
        "high": [0.2],
        "n_wins": [20],
        "n_ties": [15],
        "n_losses": [5],
    }
)


@pytest.mark.parametrize(
    ("values", "shown"),
    [((0.188, 0.15, 0.23), "0.188 [0.150, 0.230]"), ((0.5, None, None), "0.500"), ((None, None, None), "-")],
)
def test_an_interval_reads_as_one(values: tuple[float | None, float | None, float | None], shown: str) -> None:
    assert interval(*values) == shown


def test_the_table_flags_and_leaves_out_what_cannot_be_drawn() -> None:
    diversity = pl.DataFrame({"dataset": ["base"], "strategies": ["2.0"]})
    text = pass_at_k(
        CURVE, [1, 8, 64], [["base", "grpo"]], PAIRS, diversity, inference="prompts only: <one seed>", notes=["left"]
    )
    assert "<td>0.188 [0.150, 0.230]</td><td>0.600 *</td>" in text
    assert "<td>0.310 [0.200, 0.400]</td><td>-</td>" in text
    assert "prompts only: &lt;one seed&gt;" in text
    assert '<td>grpo</td><td>base</td><td class="number">1</td><td>+0.122 [-0.010, +0.200]</td>' in text
    assert "<li>left</li>" in text
    assert text.count("<figure>") == 1


def test_every_family_has_a_figure_of_its_own() -> None:
    families = [["base"], ["grpo"], ["of a dataset that has no points"]]
    text = pass_at_k(CURVE, [1], families, PAIRS.clear(), pl.DataFrame(), inference="prompts only")
    assert text.count("<figure>") == 2


def test_without_an_evaluation_the_notes_stand_alone() -> None:
    text = pass_at_k(
        CURVE.clear(), [1], [], PAIRS.clear(), pl.DataFrame(), inference="prompts only", notes=["no verdicts"]
    )
    assert text == '<section><h2>pass@k</h2><ul class="note"><li>no verdicts</li></ul></section>'
