"""Evaluation of frames small enough to count by hand."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from curate.evaluating import evaluate_frame


def frame(groups: list[tuple[str, list[str]]], **columns: list[Any]) -> pl.DataFrame:
    """Return samples of (prompt, outcomes) groups: c correct, i incorrect, u unparsable, t timeout, e error, - none."""
    names = {"c": "correct", "i": "incorrect", "u": "unparsable", "t": "timeout", "e": "error", "-": None}
    rows = [
        {"prompt_id": prompt, "group_id": group, "sample_index": index, "outcome": names[letter]}
        for group, (prompt, letters) in enumerate(groups)
        for index, letter in enumerate(letters)
    ]
    return pl.DataFrame(rows, schema_overrides={"outcome": pl.String}).with_columns(
        pl.Series(name, values) for name, values in columns.items()
    )


def test_pass_at_k_pools_the_groups_of_a_prompt() -> None:
    e = evaluate_frame(frame([("p", "ciii"), ("q", "iiii"), ("p", "cciu")]), [1, 2, 8])
    assert e.prompts.select("prompt_id", "m", "c", "n_groups").rows() == [("p", 8, 3, 2), ("q", 4, 0, 1)]
    assert e.pass_at[1].estimate.value == pytest.approx(3 / 8 / 2)
    assert e.pass_at[2].estimate.value == pytest.approx((1 - 10 / 28) / 2)
    assert (e.pass_at[2].m, e.pass_at[2].n_short, e.pass_at[2].is_flagged) == (4, 0, False)
    assert (e.pass_at[8].m, e.pass_at[8].n_short, e.pass_at[8].is_flagged) == (8, 1, True)
    assert (e.pass_at[8].estimate.value, e.pass_at[8].estimate.n_prompts) == (1.0, 1)
    assert e.share_all_wrong == pytest.approx(1 / 3)
    assert e.figures["share_solved"].value == 0.5


def test_a_k_that_no_prompt_reaches_is_null_not_zero() -> None:
    point = evaluate_frame(frame([("p", "ci"), ("q", "ii")]), [4]).pass_at[4]
    assert point.as_json() == {
        "value": None,
        "low": None,
        "high": None,
        "method": "none",
        "n_prompts": 0,
        "m": None,
        "n_short": 2,
        "is_flagged": False,
    }


def test_unjudged_hinted_and_late_samples_leave_and_are_counted() -> None:
    samples = frame(
        [("p", "ctiice-i"), ("q", "cii")],
        hinted=[True] + [False] * 10,
        n_initial=pl.Series([7] * 8 + [None] * 3, dtype=pl.Int32).to_list(),
    )
    e = evaluate_frame(samples, [1])
    assert e.prompts.select("m", "c").rows() == [(3, 1), (3, 1)]
    assert e.counts["left_out"] == {"hinted": 1, "after_stopping_rule": 1, "error": 1, "not_judged": 1, "timeout": 1}
    assert e.counts["n_samples"] == 9
    assert e.counts["n_judged"] == 6
    assert e.pass_at[1].estimate.value == pytest.approx(1 / 3)


def test_chunked_pass_at_k_cuts_in_order() -> None:
    samples = frame([("p", "iicitii"), ("q", "ciii")])
    chunked = evaluate_frame(samples, [2], is_chunked=True)
    assert chunked.prompts["pass@2"].to_list() == [pytest.approx(1 / 3), 0.5]
    assert chunked.is_chunked
    assert evaluate_frame(samples, [2]).prompts["pass@2"].to_list() == [pytest.approx(1 / 3), 0.5]
    assert evaluate_frame(samples, [3], is_chunked=True).prompts["pass@3"].to_list() == [0.5, 1.0]


def test_effective_number_of_strategies_by_cluster_is_worked_by_hand() -> None:
    clusters = [0, 0, 1, 2, None, None, 0, 0, 0, 0, 0, 0]
    e = evaluate_frame(frame([("p", "cccciu"), ("q", "cccccc")], cluster=clusters), [1])
    assert e.prompts["strategies"].to_list() == [pytest.approx(2**1.5), pytest.approx(1.0)]  # H = 3/2 ln 2
    assert e.strategies_from == "clusters"


def test_clusters_of_two_groups_are_not_matched_by_number() -> None:
    e = evaluate_frame(frame([("p", "cc"), ("p", "cc")], cluster=[0, 1, 0, 0]), [1])
    assert e.prompts["strategies"].to_list() == [pytest.approx((2 + 1) / 2)]


def test_distinct_solutions_and_strategies_from_texts() -> None:
    texts = ["a", " a\n", "b", "x", "a", "x", "y"]
    e = evaluate_frame(frame([("p", "ccci"), ("p", "c"), ("q", "ii")], completion=texts), [1])
    assert e.prompts["distinct"].to_list() == [2.0, 0.0]
    p, q = 3 / 4, 1 / 4
    assert e.prompts["strategies"].to_list() == [pytest.approx(p**-p * q**-q), None]
    assert e.strategies_from == "texts"
    assert (e.figures["distinct"].value, e.figures["strategies"].n_prompts) == (1.0, 1)


def test_the_vote_is_over_extracted_answers() -> None:
    extracted = ["4", "4 ", "5", "5", "5", None, "7", "8"]
    e = evaluate_frame(frame([("p", "cciiiu"), ("q", "ci")], extracted=extracted), [1, 2, 6])
    assert e.prompts["maj@6"].to_list() == [0.0, None]
    assert e.prompts["maj@1"].to_list() == [pytest.approx(2 / 6), 0.5]
    assert e.prompts["maj@2"].to_list()[1] == 0.5
    assert e.maj_at[6].n_short == 1


@pytest.mark.parametrize("extracted", [[None, None, None], ["4", None, "5"]])
def test_no_vote_where_answers_were_not_recorded(extracted: list[str | None]) -> None:
    e = evaluate_frame(frame([("p", "cci")], extracted=pl.Series(extracted, dtype=pl.String).to_list()), [1])
    assert e.maj_at[1].estimate.value is None
    assert evaluate_frame(frame([("p", "cci")]), [1]).maj_at[1].estimate.value is None


def test_entropy_length_and_truncation_are_of_every_sample_drawn() -> None:
    samples = frame(
        [("p", "cit"), ("q", "i")],
        sum_logprob=[-2.0, -6.0, None, None],
        n_scored=[4, 4, None, 8],
        n_tokens=[4, 6, 20, None],
        finish_reason=["stop", "length", None, None],
    )
    e = evaluate_frame(samples, [1])
    assert e.prompts["entropy"].to_list() == [1.0, None]
    assert e.prompts["n_tokens"].to_list() == [10.0, None]
    assert e.prompts["share_truncated"].to_list() == [0.5, None]
    assert e.figures["entropy"].n_prompts == 1


def test_a_frame_without_any_judged_sample_has_nothing_but_nulls() -> None:
    e = evaluate_frame(frame([("p", "t-")]), [1])
    assert e.pass_at[1].estimate.value is None
    assert e.share_all_wrong is None
    assert {name: figure.value for name, figure in e.figures.items()} == dict.fromkeys(e.figures)


def test_the_order_of_groups_changes_no_figure() -> None:
    groups = [(f"p{i}", "c" * (i % 5) + "i" * (8 - i % 5)) for i in range(20)]
    answers = [f"{i % 3}" if letter == "c" else "no" for i, (_, letters) in enumerate(groups) for letter in letters]
    one = frame(groups, extracted=answers)
    other = one.sort("group_id", descending=True, maintain_order=True)
    a, b = (evaluate_frame(f, [1, 4]).as_json() for f in (one, other))
    assert a["pass_at"] == b["pass_at"]
    assert a["counts"] == b["counts"]
