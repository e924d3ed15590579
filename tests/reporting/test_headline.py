"""The headline: the mechanism first, only rows that exist, narrow."""

from __future__ import annotations

from typing import Any

import pytest

from curate.reporting.headline import FLAG, Headline, headline_section, interval, tables


def estimate(value: float | None, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high}


def point(value: float, low: float, high: float, *, is_flagged: bool = False) -> dict[str, Any]:
    return {**estimate(value, low, high), "is_flagged": is_flagged}


RECIPE = {
    "dataset": "strong",
    "recipe": "grpo",
    "groups": 24,
    "groups_with_signal": 17,
    "advantage_likeliest": 1.15,
    "advantage_rarest": None,
    "wrong_positive": 0.0,
}
UPLIFT = {"dataset": "strong", "policy": "a<b", "correct": 41, "uplift_likeliest": 1.0, "uplift_rarest": 0.765}
BASE = {"dataset": "base", "strategies": None, "distinct": 0.0, "pass_at": {1: point(0, 0, 0.1), 8: point(1, 0.9, 1)}}
TRAINED = {
    "dataset": "heldout-strong-unlikely_grpo",
    "strategies": 1.131,
    "distinct": 0.92,
    "pass_at": {1: point(0.151, 0.089, 0.245), 8: point(0.542, 0.351, 0.721)},
}
PAIR = {
    "dataset": "heldout-strong-unlikely_grpo",
    "baseline": "base",
    "difference": {1: estimate(0.052, -0.005, 0.13), 8: estimate(-0.042)},
}
WHOLE = Headline([RECIPE], [UPLIFT], [BASE, TRAINED], [PAIR])


@pytest.mark.parametrize(
    ("found", "sign", "shown"),
    [
        (estimate(0.151, 0.089, 0.245), "", ".151 [.089, .245]"),
        (estimate(1.0, 0.9, 1.0), "", "1.000 [.900, 1.000]"),
        (estimate(-0.0305, -0.1, 0.0), "+", "-.030 [-.100, +.000]"),
        (estimate(0.5), "", ".500"),
        (estimate(None), "", "-"),
    ],
)
def test_an_interval_is_short(found: dict[str, Any], sign: str, shown: str) -> None:
    assert interval(found, sign) == shown


def test_the_mechanism_comes_first_and_differences_stand_under_their_policy() -> None:
    recipes, uplift, evaluations = tables(WHOLE, [1, 8])
    assert recipes.rows == [("strong", "grpo", "17 of 24 (70.8%)", "+1.150", "-", "0.0%")]
    assert uplift.rows == [("strong", "a<b", 41, "100.0%", "76.5%")]
    assert evaluations.columns == ("dataset", "distinct /\nstrategies", "pass@1", "pass@8")
    assert evaluations.rows == [
        ("base", "0.00 / -", ".000 [.000, .100]", "1.000 [.900, 1.000]"),
        ("heldout-strong-unlikely_grpo", "0.92 / 1.13", ".151 [.089, .245]", ".542 [.351, .721]"),
        ("  minus base", "", "+.052 [-.005, +.130]", "-.042"),
    ]
    assert FLAG not in evaluations.title


def test_a_coarse_estimate_is_marked() -> None:
    coarse = {**BASE, "pass_at": {8: point(0.5, 0.4, 0.6, is_flagged=True)}}
    (table,) = tables(Headline(evaluations=[coarse]), [8])
    assert table.rows[0][-1] == ".500 [.400, .600] *"
    assert table.title.endswith(FLAG)


def test_what_has_no_row_has_no_table() -> None:
    assert tables(Headline(), [1]) == []
    assert headline_section(Headline(), [1], "prompts only") == ""
    assert [table.columns[1] for table in tables(Headline(uplift=[UPLIFT]), [1])] == ["trained policy"]


def test_the_page_has_the_same_rows_escaped_and_says_how_to_read_them() -> None:
    text = headline_section(WHOLE, [1, 8], "prompts only")
    assert text.count("<table>") == 3
    assert "<td>a&lt;b</td>" in text
    assert "<td>\u2003minus base</td>" in text
    assert "How to read it" in text
    assert text.endswith("<p>prompts only</p></section>")
