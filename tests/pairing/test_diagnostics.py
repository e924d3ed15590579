"""Figures of pairs add up over parts, and say how far the pairs are from the policy."""

from __future__ import annotations

import polars as pl

from curate.pairing import diagnose, merge, pair, recipes
from curate.pairing.diagnostics import mean


def frame(first_group: int, versions: list[str | None]) -> pl.DataFrame:
    rows = [
        {
            "group_id": first_group + g,
            "sample_index": i,
            "completion": f"{i}",
            "reward": float(i == 1),
            "outcome": "correct" if i == 1 else "incorrect",
            "sum_logprob": -2.0 * i - 1,
            "policy_version": versions[i],
        }
        for g in range(2)
        for i in range(3)
    ]
    return pl.DataFrame(rows)


def test_on_policyness() -> None:
    made = frame(0, ["3", "5", None])
    figures = diagnose(made, pair(made, recipes.best_worst()))
    assert figures["pairs"] == 2
    assert mean(figures["chosen_logprob"]) == -3.0
    assert mean(figures["rejected_logprob"]) == -1.0
    assert mean(figures["logprob_gap"]) == -2.0
    assert figures["pairs_rejected_likelier"] == 2
    assert figures["pairs_of_two_versions"] == 2
    assert mean(figures["version_gap"]) == 2.0
    assert figures["sides_by_version"] == {"3": 2, "5": 2}


def test_versions_that_are_no_numbers_have_no_gap() -> None:
    made = frame(0, ["abc", "abd", "abd"])
    figures = diagnose(made, pair(made, recipes.best_worst()))
    assert figures["pairs_of_two_versions"] == 2
    assert mean(figures["version_gap"]) is None


def test_figures_of_parts_add_up_to_those_of_the_whole() -> None:
    parts = [frame(0, ["3", "5", "5"]), frame(2, ["4", "4", "4"])]
    whole = pl.concat(parts)
    recipe = recipes.rebel()
    added = merge(diagnose(part, pair(part, recipe)) for part in parts)
    assert added == diagnose(whole, pair(whole, recipe))
    assert added["samples_left"] == {"unpaired": 4}


def test_without_log_probs_and_versions_there_are_counts_alone() -> None:
    made = frame(0, ["3", "5", None]).drop("sum_logprob", "policy_version")
    figures = diagnose(made, pair(made, recipes.best_worst()))
    assert figures["groups"] == 2
    assert "chosen_logprob" not in figures
    assert mean(None) is None
