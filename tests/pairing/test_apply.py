"""Groups and samples in, pairs out, everything else counted by reason: golden numbers, edges and laws."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import ConfigError
from curate.pairing import REASONS, PairRecipe, pair, recipes, tree
from curate.pairing.recipes import EXPLAINED

SCHEMA = {
    "group_id": pl.Int64,
    "sample_index": pl.Int32,
    "completion": pl.String,
    "completion_ids": pl.List(pl.Int32),
    "hinted": pl.Boolean,
    "policy": pl.String,
    "reward": pl.Float64,
    "outcome": pl.String,
    "mean_logprob": pl.Float64,
    "score_q": pl.Float64,
    "score_visits": pl.Float64,
}
ALL = [
    recipes.best_worst(),
    recipes.best_worst(ties="likelihood"),
    recipes.rebel(),
    recipes.prdp(),
    recipes.expo(),
    tree.mcts(),
]


def frame_of(*groups: list[dict[str, Any]]) -> pl.DataFrame:
    """Return a row a sample; texts differ, and an outcome follows from a reward, unless a sample says otherwise."""
    rows = [
        {"group_id": g, "sample_index": i, "completion": f"text {i}", "hinted": False}
        | {"outcome": None if s.get("reward") is None else "correct" if s["reward"] > 0.5 else "incorrect"}
        | s
        for g, samples in enumerate(groups)
        for i, s in enumerate(samples)
    ]
    return pl.DataFrame(rows, schema=SCHEMA)


def rewards(*values: float | None) -> list[dict[str, Any]]:
    return [{"reward": value} for value in values]


def sides(frame: pl.DataFrame, recipe: PairRecipe) -> list[tuple[int, int, int]]:
    return list(pair(frame, recipe).pairs.select("group_id", "chosen", "rejected").iter_rows())


def reasons(frame: pl.DataFrame, recipe: PairRecipe) -> list[tuple[int, int, str]]:
    return list(pair(frame, recipe).left.iter_rows())


def test_best_worst_takes_the_first_of_either_side() -> None:
    frame = frame_of(rewards(0, 1, 1, 0), rewards(1, 0))
    paired = pair(frame, recipes.best_worst())
    assert paired.pairs.rows() == [(0, 1, 0, None, None), (1, 0, 1, None, None)]
    assert paired.left.rows() == [(0, 2, "unpaired"), (0, 3, "unpaired")]


def test_best_worst_by_reward_among_graded_ones() -> None:
    # Correct: 0.6, 0.9, 1.0 (index 3); wrong: 0.2, 0.1 (index 4), 0.3.
    assert sides(frame_of(rewards(0.6, 0.2, 0.9, 1.0, 0.1, 0.3)), recipes.best_worst()) == [(0, 3, 4)]


def test_ties_by_likelihood_take_the_pair_the_policy_ranks_most_wrongly() -> None:
    group = [
        {"reward": 1.0, "mean_logprob": -0.5},
        {"reward": 1.0, "mean_logprob": -3.0},
        {"reward": 0.0, "mean_logprob": -2.0},
        {"reward": 0.0, "mean_logprob": -0.1},
        {"reward": 0.0, "mean_logprob": None},
    ]
    recipe = recipes.best_worst(ties="likelihood")
    assert sides(frame_of(group), recipe) == [(0, 1, 3)]
    assert (0, 4, "no_likelihood") in reasons(frame_of(group), recipe)


def test_rebel_regresses_on_the_gap_of_the_ends() -> None:
    # Best 2.5 (index 0), worst -1 (index 2, the first of two): 2 * (2.5 - -1) = 7.
    paired = pair(frame_of(rewards(2.5, 0.0, -1.0, -1.0)), recipes.rebel(eta=2.0))
    assert paired.pairs.rows() == [(0, 0, 2, 7.0, None)]


def test_prdp_pairs_neighbours_and_keeps_a_target_of_0() -> None:
    # (0, 1): 1 - 0 over beta 10 = 0.1; (2, 3): 0 is below 1, turned; (4, 5): equal, target 0; 6 has no neighbour.
    paired = pair(frame_of(rewards(1, 0, 0, 1, 1, 1, 0)), recipes.prdp())
    assert paired.pairs.rows() == [(0, 0, 1, 0.1, None), (0, 3, 2, 0.1, None), (0, 4, 5, 0.0, None)]
    assert paired.left.rows() == [(0, 6, "unpaired")]


def test_prdp_s_neighbours_are_those_that_take_part() -> None:
    assert sides(frame_of(rewards(None, 0, 1, None, 1, 0)), recipes.prdp()) == [(0, 2, 1), (0, 4, 5)]


def test_mcts_smooths_by_visits() -> None:
    group = [{"score_q": q, "score_visits": n} for q, n in [(0.5, 3), (-0.5, 1), (0.1, 9)]]
    # 1 - 1 / (1 + 1 / 3) = 0.25
    assert pair(frame_of(group), tree.mcts()).pairs.rows() == [(0, 0, 1, None, 0.25)]


@pytest.mark.parametrize(
    ("n_chosen", "n_rejected", "expected"),
    [(3, 1, 0.25), (1, 1, 0.5), (1, 9, 0.5), (0, 0, 0.0), (0, 1, 0.5), (9, 0, 0.0), (None, 1, None), (1, None, None)],
)
def test_smoothing(n_chosen: float | None, n_rejected: float | None, expected: float | None) -> None:
    visits = pl.DataFrame({"c": [n_chosen], "r": [n_rejected]}, schema={"c": pl.Float64, "r": pl.Float64})
    assert visits.select(tree.smoothing(pl.col("c"), pl.col("r"))).item() == pytest.approx(expected)


def test_expo_prefers_the_explanation_to_the_policy_s_own_wrong_sample() -> None:
    explained = {"policy": "tiny" + EXPLAINED, "reward": 1.0}
    wrong = {"policy": "tiny", "reward": 0.0}
    frame = frame_of(
        [wrong, wrong, explained],
        [wrong, {"policy": "tiny", "reward": 1.0}, explained],
        [wrong, wrong],
        [explained | {"reward": 0.0}, wrong, explained],
        [explained, explained],
        [wrong, explained | {"reward": 0.0}],
        [wrong | {"policy": None}, explained],
    )
    paired = pair(frame, recipes.expo())
    assert paired.pairs.select("group_id", "chosen", "rejected").rows() == [(0, 2, 0), (3, 2, 1), (6, 1, 0)]
    assert paired.groups_left == {"no_explanation": 2, "no_failure": 1, "solved": 1}


def test_every_reason_of_a_group() -> None:
    frame = frame_of(rewards(1), rewards(0, 0), rewards(1, 1), rewards(None, None), rewards(None, 1), rewards(0, 1))
    paired = pair(frame, recipes.best_worst())
    assert paired.groups_left == {"no_failure": 1, "no_success": 1, "singleton": 2, "unjudged": 1}
    assert paired.samples_left == {"no_failure": 2, "no_success": 2, "singleton": 2, "unjudged": 3}
    assert pair(frame, recipes.rebel()).groups_left == {"singleton": 2, "tied": 2, "unjudged": 1}
    no_scores = pair(frame_of([{}, {"score_q": 1.0}]), tree.mcts())
    assert no_scores.samples_left == {"no_score": 1, "singleton": 1}


def test_hinted_samples_take_no_part() -> None:
    frame = frame_of([{"reward": 1.0, "hinted": True}, {"reward": 1.0}, {"reward": 0.0}])
    assert sides(frame, recipes.best_worst()) == [(0, 1, 2)]
    assert reasons(frame, recipes.best_worst()) == [(0, 0, "hinted")]


@pytest.mark.parametrize("recipe", [recipes.best_worst(), recipes.rebel(), recipes.prdp()], ids=lambda r: r.name)
def test_a_pair_of_one_completion_is_dropped(recipe: PairRecipe) -> None:
    by_text = [{"completion": "same", "reward": 1.0}, {"completion": "same", "reward": 0.0}]
    by_ids = [
        {"completion": "a", "completion_ids": [5, 6], "reward": 1.0},
        {"completion": "b", "completion_ids": [5, 6], "reward": 0.0},
    ]
    other_ids = [
        {"completion": "a", "completion_ids": [5, 6], "reward": 1.0},
        {"completion": "a", "completion_ids": [7], "reward": 0.0},
    ]
    unknown = [{"completion": None, "completion_ids": None, "reward": value} for value in (1.0, 0.0)]
    paired = pair(frame_of(by_text, by_ids, other_ids, unknown), recipe)
    assert paired.pairs["group_id"].to_list() == [2, 3]
    assert paired.groups_left == {"identical": 2}


def test_a_reward_without_an_outcome_is_refused_where_correct_samples_count() -> None:
    frame = frame_of([{"reward": 0.3, "outcome": None}, {"reward": 0.0}])
    with pytest.raises(ConfigError, match="1 rows have a reward and no outcome: import with --correct-when"):
        pair(frame, recipes.best_worst())
    assert sides(frame, recipes.rebel()) == [(0, 0, 1)]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ConfigError, match="mcts reads score_q: the frame has no such column"):
        pair(frame_of(rewards(1)).drop("score_q"), tree.mcts())
    with pytest.raises(ConfigError, match="rebel reads completion: "):
        pair(frame_of(rewards(1)).drop("completion", "completion_ids"), recipes.rebel())


@pytest.mark.parametrize("make", [lambda: recipes.rebel(eta=0), lambda: recipes.prdp(beta=-1)])
def test_parameters_out_of_range_are_refused(make: Any) -> None:
    with pytest.raises(ConfigError, match="must be above 0"):
        make()


@pytest.mark.parametrize("recipe", ALL, ids=lambda r: r.name)
def test_an_empty_frame_gives_no_pair(recipe: PairRecipe) -> None:
    paired = pair(frame_of(), recipe)
    assert paired.pairs.schema == {
        "group_id": pl.Int64,
        "chosen": pl.Int32,
        "rejected": pl.Int32,
        "target": pl.Float64,
        "smoothing": pl.Float64,
    }
    assert (len(paired.pairs), len(paired.left), paired.groups_left) == (0, 0, {})


samples = st.fixed_dictionaries(
    {
        "completion": st.sampled_from(["a", "b", "c", "d"]),
        "hinted": st.sampled_from([False, False, False, True]),
        "policy": st.sampled_from(["tiny", "tiny" + EXPLAINED]),
        "reward": st.sampled_from([0.0, 1.0, 0.0, 1.0, None]),
        "mean_logprob": st.sampled_from([None, -0.5, -1.0]),
        "score_q": st.sampled_from([None, -1.0, 0.0, 1.0]),
        "score_visits": st.sampled_from([None, 0.0, 1.0, 5.0]),
    }
)
datasets = st.lists(st.lists(samples, min_size=1, max_size=6), min_size=1, max_size=5)
recipe_s = st.sampled_from(ALL)


@settings(max_examples=60, deadline=None)
@given(datasets, recipe_s)
def test_every_sample_is_in_a_pair_or_left_for_a_reason(groups: list[list[dict[str, Any]]], recipe: PairRecipe) -> None:
    frame = frame_of(*groups)
    paired = pair(frame, recipe)
    used = {(g, i) for g, c, r in paired.pairs.select("group_id", "chosen", "rejected").rows() for i in (c, r)}
    left = {(g, i) for g, i, _ in paired.left.rows()}
    assert used | left == set(frame.select("group_id", "sample_index").rows())
    assert not used & left
    assert len(paired.left) == len(left)
    assert set(paired.left["reason"]) <= set(REASONS)
    assert sum(paired.groups_left.values()) + paired.pairs["group_id"].n_unique() == len(groups)
    assert not paired.pairs.select("group_id", "chosen", "rejected").is_duplicated().any()
    assert paired.pairs.filter(pl.col("chosen") == pl.col("rejected")).is_empty()


@settings(max_examples=60, deadline=None)
@given(datasets, recipe_s, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(groups: list[list[dict[str, Any]]], recipe: PairRecipe, random: Any) -> None:
    frame = frame_of(*groups)
    order = list(range(frame.height))
    random.shuffle(order)
    shuffled, plain = pair(frame[order], recipe), pair(frame, recipe)
    assert shuffled.pairs.sort("group_id", "chosen").equals(plain.pairs.sort("group_id", "chosen"))
    assert shuffled.left.sort("group_id", "sample_index").equals(plain.left.sort("group_id", "sample_index"))


@settings(max_examples=60, deadline=None)
@given(datasets, recipe_s)
def test_splitting_into_parts_changes_nothing(groups: list[list[dict[str, Any]]], recipe: PairRecipe) -> None:
    frame = frame_of(*groups)
    parts = [pair(part, recipe).pairs for _, part in sorted(frame.partition_by("group_id", as_dict=True).items())]
    assert pl.concat(parts).equals(pair(frame, recipe).pairs)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, -2.0]), min_size=2, max_size=6, unique=True), st.randoms())
def test_permuting_samples_of_different_rewards_permutes_the_pair(values: list[float], random: Any) -> None:
    order = random.sample(range(len(values)), len(values))
    (_, chosen, rejected), *_ = sides(frame_of(rewards(*values)), recipes.rebel())
    (_, moved_chosen, moved_rejected), *_ = sides(frame_of(rewards(*(values[i] for i in order))), recipes.rebel())
    assert (order[moved_chosen], order[moved_rejected]) == (chosen, rejected)
