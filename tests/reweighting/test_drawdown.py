"""A group that a stopping rule sampled on is drawn down to a fixed size, and its advantages are cut."""

from __future__ import annotations

import random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import ConfigError, ContractError
from curate.reweighting import diagnose, recipes, reweight
from curate.reweighting.drawdown import _hash

RULE = "mixed, at most 128"


def group(rewards: list[float | None], n_initial: int = 4, group_id: Any = 7, **columns: list[Any]) -> pl.DataFrame:
    n = len(rewards)
    base = {
        "group_id": [group_id] * n,
        "sample_index": list(range(n)),
        "reward": pl.Series(rewards, dtype=pl.Float64),
        "stopping_rule": pl.Series([RULE] * n, dtype=pl.String),
        "n_initial": pl.Series([n_initial] * n, dtype=pl.Int32),
    }
    return pl.DataFrame(base | columns)


def kept(frame: pl.DataFrame) -> list[int]:
    return frame.filter(pl.col("drop_reason").is_null())["sample_index"].to_list()


def test_the_order_of_the_draw_is_fixed_for_ever() -> None:
    """The hashes of samples 0..11 of group 7, from the definition: changing them changes every dataset."""
    assert _hash(7, 0) == 11801455603493382420
    assert sorted(range(12), key=lambda i: _hash(7, i)) == [7, 2, 9, 11, 6, 1, 0, 3, 8, 5, 10, 4]


def test_a_robust_weighting_goes_by_the_first_samples_not_by_what_the_rule_made_of_them() -> None:
    """By hand: groups 1 and 2 keep 1 of 4 correct; of the first 4 drawn 0 and 1 were, so their losses are 1 and 3/4."""
    late = group([0.0] * 8 + [1.0], group_id=1, prompt_id=["a"] * 9)
    early = group([1.0, 0.0, 0.0, 0.0], group_id=2, prompt_id=["b"] * 4)
    found = reweight(pl.concat([late, early]), recipes.cvar_dro(alpha=0.5))
    weights = found.filter(pl.col("drop_reason").is_null()).group_by("group_id").agg(pl.col("weight").unique())
    assert dict(weights.rows()) == {1: [2.0], 2: [0.0]}


def test_a_lone_late_success_is_kept_with_three_of_ten_wrong_samples() -> None:
    """By hand: order 7 2 9 11 6 1 ... as above; sample 11 was not judged; 10 is the one success."""
    found = reweight(group([0.0] * 10 + [1.0, None]), recipes.grpo())
    assert kept(found) == [2, 7, 9, 10]
    assert found["drop_reason"].value_counts().sort("drop_reason").rows() == [
        (None, 4),
        ("surplus", 7),
        ("unjudged", 1),
    ]
    assert found["group_size"].to_list() == [4] * 12
    assert found["n_correct"].to_list() == [1] * 12
    alone, wrong = 1.5, -0.5  # (G-1)/sqrt(G) and -1/sqrt(G) at G = 4, not 3.16 of eleven
    assert found["advantage"].drop_nulls().to_list() == pytest.approx([wrong, wrong, wrong, alone], abs=1e-5)
    assert found["reward"].to_list() == [0.0] * 10 + [1.0, None]


def test_the_rarer_outcome_fills_at_most_half() -> None:
    """Samples 0, 1, 2, 3 are correct: 2 and 1 come first by hash; of the wrong ones 7 and 9."""
    found = reweight(group([1.0] * 4 + [0.0] * 6), recipes.grpo())
    assert kept(found) == [1, 2, 7, 9]
    assert kept(reweight(group([0.0] * 4 + [1.0] * 6), recipes.grpo())) == [1, 2, 7, 9]
    assert kept(reweight(group([1.0] * 4 + [0.0] * 6), recipes.grpo(), draw=3)) == [2, 7, 9]


def test_where_both_are_as_many_the_correct_ones_count_as_rare() -> None:
    found = reweight(group([1.0, 1.0, 1.0, 0.0, 0.0, 0.0], n_initial=5), recipes.grpo(), draw=3)
    assert found.filter(pl.col("drop_reason").is_null())["reward"].sum() == 1.0


def test_an_all_wrong_group_keeps_as_many_and_says_why_it_does_not_train() -> None:
    found = reweight(group([0.0] * 8), recipes.grpo())
    assert found["drop_reason"].to_list().count("all_wrong") == 4
    assert found["drop_reason"].to_list().count("surplus") == 4
    assert found["group_size"].to_list() == [4] * 8


def test_a_group_that_met_its_rule_at_once_loses_nothing() -> None:
    frame = group([1.0, 0.0, 0.0, None])
    plain = reweight(frame.drop("stopping_rule", "n_initial"), recipes.grpo())
    assert reweight(frame, recipes.grpo()).select(plain.columns).equals(plain)


def test_a_group_without_a_rule_beside_one_with_keeps_its_size() -> None:
    fixed = group([1.0] + [0.0] * 7, group_id=1).with_columns(
        stopping_rule=pl.lit(None, pl.String), n_initial=pl.lit(None, pl.Int32)
    )
    found = reweight(pl.concat([fixed, group([0.0] * 7 + [1.0])]), recipes.grpo())
    assert found["group_size"].to_list() == [8] * 8 + [4] * 8


def test_a_sample_without_a_likelihood_leaves_after_the_draw() -> None:
    """No likelihood decides who is drawn: of 2, 7, 9 and 10 sample 7 was not scored, and nobody takes its place."""
    scores = [-1.0 - i for i in range(11)]
    frame = group([0.0] * 10 + [1.0], mean_logprob=[None if i == 7 else scores[i] for i in range(11)])
    found = reweight(frame, recipes.unlikely_grpo(beta_rank=0.25))
    assert kept(found) == [2, 9, 10]
    assert found["drop_reason"][7] == "no_likelihood"
    assert found["drop_reason"].to_list().count("surplus") == 7


def test_ranks_are_counted_again_over_those_drawn() -> None:
    """Sample 10 is the least likely of 11, and of the four drawn: factor 1 - 0.25 * (4 - 4) / 4."""
    frame = group([0.0] * 10 + [1.0], mean_logprob=[-1.0 - i for i in range(11)])
    assert reweight(frame, recipes.unlikely_grpo(beta_rank=0.4))["shaped"][10] == pytest.approx(1.0)
    likeliest = frame.with_columns(mean_logprob=-pl.col("mean_logprob") - 20)
    assert reweight(likeliest, recipes.unlikely_grpo(beta_rank=0.4))["shaped"][10] == pytest.approx(1 - 0.4 * 3 / 4)


def test_advantages_are_cut_at_the_root_of_the_size_drawn_to() -> None:
    """Rewards 9 and 0 under rloo: 9 and -3 with G = 4, cut to 2 and -2; damping and clamps come before."""
    outcome = ["incorrect"] * 10 + ["correct"]
    frame = group([0.0] * 10 + [9.0], outcome=outcome)
    found = reweight(frame, recipes.rloo())
    assert found["advantage"].drop_nulls().to_list() == [-2.0, -2.0, -2.0, 2.0]
    assert diagnose(found)["advantages_at_cap"] == 4
    free = reweight(frame.drop("stopping_rule", "n_initial"), recipes.rloo())
    assert free["advantage"][10] == pytest.approx(9.0)
    assert diagnose(free)["advantages_at_cap"] == 0


def test_a_lone_success_under_grpo_stays_below_the_cut() -> None:
    found = reweight(group([0.0] * 127 + [1.0], n_initial=32), recipes.grpo())
    assert found["advantage"].max() == pytest.approx(5.480, abs=1e-3)
    assert diagnose(found)["advantages_at_cap"] == 0


def test_the_diagnostics_count_what_was_drawn() -> None:
    frame = pl.concat([group([0.0] * 7 + [1.0]), group([0.0, 1.0, 1.0, 0.0], group_id=8)])
    stats = diagnose(reweight(frame, recipes.grpo()))
    assert stats["groups_drawn"] == 2
    assert stats["rows_dropped"]["surplus"] == 4
    assert stats["rows_kept"] == 8
    assert stats["groups_by_class"]["mixed"] == 2


def test_the_rank_of_a_kept_sample_is_among_those_that_train() -> None:
    """The success is rank 11 of all that were scored, and 4 of the four drawn."""
    rank = [float(i + 1) for i in range(11)]
    frame = group([0.0] * 10 + [1.0], mean_logprob=[-r for r in rank], likelihood_rank=rank)
    assert diagnose(reweight(frame, recipes.grpo()))["advantage_by_rank"]["n"] == [0, 0, 0, 1]


def test_group_ids_of_a_notebook_may_be_text() -> None:
    assert len(kept(reweight(group([0.0] * 9 + [1.0], group_id="a"), recipes.grpo()))) == 4


def test_a_size_that_cannot_be_fixed_is_refused() -> None:
    frame = group([0.0] * 9 + [1.0])
    with pytest.raises(ConfigError, match="draw is 5, more than the 4 samples"):
        reweight(frame, recipes.grpo(), draw=5)
    with pytest.raises(ConfigError, match="draw is 1: a group of fewer than 2"):
        reweight(frame, recipes.grpo(), draw=1)
    with pytest.raises(ContractError, match="n_initial is null where stopping_rule is not: 10 rows"):
        reweight(frame.with_columns(n_initial=pl.lit(None, pl.Int32)), recipes.grpo())
    with pytest.raises(ContractError, match="n_initial is null"):
        reweight(frame.drop("n_initial"), recipes.grpo())


outcomes = st.lists(st.sampled_from([0.0, 0.0, 0.0, 1.0, None]), min_size=1, max_size=20)
datasets = st.lists(outcomes, min_size=1, max_size=4)


def frame_of(groups: list[list[float | None]], n_initial: int) -> pl.DataFrame:
    return pl.concat([group(rewards, n_initial, -g) for g, rewards in enumerate(groups)])


@settings(max_examples=80, deadline=None)
@given(datasets, st.integers(2, 8), st.randoms(use_true_random=False))
def test_the_order_of_rows_decides_nothing(
    groups: list[list[float | None]], n_initial: int, luck: random.Random
) -> None:
    frame = frame_of(groups, n_initial)
    order = list(range(frame.height))
    luck.shuffle(order)
    found = reweight(frame, recipes.grpo())
    assert reweight(frame[order], recipes.grpo()).equals(found[order])
    parts = [reweight(frame_of([g], n_initial).with_columns(group_id=-i), recipes.grpo()) for i, g in enumerate(groups)]
    assert pl.concat(parts, how="vertical_relaxed").equals(found)


@settings(max_examples=80, deadline=None)
@given(outcomes, st.integers(2, 8))
def test_a_group_keeps_its_fixed_size_and_both_outcomes(rewards: list[float | None], n_initial: int) -> None:
    found = reweight(group(rewards, n_initial), recipes.dr_grpo(keep_groups="all"))
    judged = [reward for reward in rewards if reward is not None]
    took_part = found.filter(pl.col("shaped").is_not_null())
    assert took_part.height == min(len(judged), n_initial)
    assert set(took_part["reward"]) == set(judged)
    assert found["drop_reason"].to_list().count("unjudged") == len(rewards) - len(judged)
    assert found["drop_reason"].to_list().count("surplus") == max(0, len(judged) - n_initial)


@settings(max_examples=40, deadline=None)
@given(outcomes, st.integers(2, 8))
def test_every_recipe_trains_on_the_same_samples(rewards: list[float | None], n_initial: int) -> None:
    n = len(rewards)
    frame = group(rewards, n_initial, mean_logprob=[-1.0 - i for i in range(n)], rts=[0.5] * n, diversity=[0.5] * n)
    made = [
        recipes.grpo(),
        recipes.raft(),
        recipes.unlikely_grpo(beta_rank=0.25),
        recipes.spectral_grpo(),
        recipes.diverse_grpo(lambda_div=0.5),
    ]
    left = [[reason == "surplus" for reason in reweight(frame, recipe)["drop_reason"]] for recipe in made]
    assert left == [left[0]] * len(made)
