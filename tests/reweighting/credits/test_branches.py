"""VinePPO and TRePO: numbers worked by hand, the oracle in plain Python, and the edges."""

from __future__ import annotations

import random
from typing import Any

import polars as pl
import pytest

from curate.errors import ConfigError, ContractError
from curate.reweighting import recipes
from curate.reweighting.apply import reweight
from curate.reweighting.recipe import Recipe, needed_columns

Value = list[float | None]


def frame_of(*samples: dict[str, Any]) -> pl.DataFrame:
    """Return one group of samples, each with reward, n_ids, branch_kept and branch_rewards."""
    rows = [{"group_id": 1, "sample_index": i, **sample} for i, sample in enumerate(samples)]
    lists = {"branch_kept": pl.List(pl.Int32), "branch_rewards": pl.List(pl.List(pl.Float64))}
    return pl.DataFrame(rows, schema_overrides={"reward": pl.Float64, "n_ids": pl.Int32, **lists})


def sample(reward: float | None, n_ids: int, kept: list[int] | None, *rewards: Value) -> dict[str, Any]:
    return {
        "reward": reward,
        "n_ids": n_ids,
        "branch_kept": kept,
        "branch_rewards": None if kept is None else list(rewards),
    }


# V(0) = 1/4, V(4) = 3/4, V(7) = 2/4, and the reward is 1:
# steps 0..4, 4..7, 7..10 add 3/4 - 1/4 = 1/2, 2/4 - 3/4 = -1/4, 1 - 2/4 = 1/2; their sum is 1 - 1/4 = 3/4
RIGHT = sample(1.0, 10, [0, 4, 7], [0.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0])
# V(0) = 1/4, V(2) = 0, reward 0: -1/4 and 0
WRONG = sample(0.0, 5, [0, 2], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0])


def test_vineppo_by_hand() -> None:
    found = reweight(frame_of(RIGHT, WRONG), recipes.vineppo())
    assert found["advantage"].to_list() == [0.75, -0.25]
    assert found["token_advantages"].to_list() == [[0.5] * 4 + [-0.25] * 3 + [0.5] * 3, [-0.25] * 2 + [0.0] * 3]
    assert found.schema["token_advantages"] == pl.List(pl.Float32)
    assert found["weight"].to_list() == [1.0, 1.0]


def test_trepo_shares_a_steps_credit_between_its_tokens() -> None:
    found = reweight(frame_of(RIGHT, WRONG), recipes.trepo())
    # 1/2 over 4 tokens, -1/4 over 3, 1/2 over 3
    expected = [[0.125] * 4 + [-0.25 / 3] * 3 + [0.5 / 3] * 3, [-0.125] * 2 + [0.0] * 3]
    for one, other in zip(found["token_advantages"].to_list(), expected, strict=True):
        assert one == pytest.approx(other, abs=1e-7)
        assert found["advantage"].to_list() == [0.75, -0.25]


def test_a_value_of_too_few_continuations_joins_two_steps() -> None:
    # at 4 two of three were not judged: the steps 0..4 and 4..7 become one that adds V(7) - V(0) = 2/4 - 1/3
    few = sample(1.0, 8, [0, 4, 7], [0.0, 1.0, 0.0, None], [1.0, None, None], [1.0, 0.0, 0.0, 1.0])
    found = reweight(frame_of(few, WRONG), recipes.vineppo(least_n=3))
    assert found["token_advantages"][0].to_list() == pytest.approx([1 / 6] * 7 + [0.5])
    assert found["advantage"][0] == pytest.approx(2 / 3)
    every = reweight(frame_of(few, WRONG), recipes.vineppo(least_n=1))
    assert every["token_advantages"][0].to_list() == pytest.approx([2 / 3] * 4 + [-0.5] * 3 + [0.5])


def test_one_step_gets_the_whole_advantage() -> None:
    alone = sample(1.0, 3, [0], [0.0, 1.0, 0.0, 0.0])
    found = reweight(frame_of(alone, WRONG), recipes.vineppo())
    assert found["token_advantages"][0].to_list() == [0.75] * 3


@pytest.mark.parametrize(
    "lacking",
    [
        sample(1.0, 4, None),
        sample(1.0, 0, None),  # an empty completion is never branched
        sample(1.0, 4, [0, 2], [1.0, None, None], [1.0, 1.0, 0.0]),
        sample(1.0, 4, [2], [1.0, 1.0, 0.0]),
        sample(1.0, 4, [0], [None, None, None]),
    ],
)
@pytest.mark.parametrize("recipe", [recipes.vineppo(), recipes.trepo()])
def test_without_a_value_of_the_prompt_a_sample_is_dropped(lacking: dict[str, Any], recipe: Recipe) -> None:
    found = reweight(frame_of(RIGHT, WRONG, lacking), recipe)
    assert found["drop_reason"].to_list() == [None, None, "no_branches"]
    assert found["group_size"].to_list() == [2, 2, 2]
    assert found["token_advantages"].is_null().to_list() == [False, False, True]


def test_a_sample_nobody_judged_has_no_token_advantages() -> None:
    found = reweight(frame_of(RIGHT, WRONG, {**RIGHT, "reward": None}), recipes.vineppo())
    assert found["drop_reason"].to_list() == [None, None, "unjudged"]
    assert found["token_advantages"][2] is None


def test_groups_of_one_and_uniform_groups_train_where_asked_for() -> None:
    recipe = recipes.vineppo(keep_groups="all")
    assert reweight(frame_of(RIGHT), recipe)["advantage"].to_list() == [0.75]
    wrong = reweight(frame_of(WRONG, WRONG), recipe)
    assert wrong["advantage"].to_list() == [-0.25, -0.25]
    assert reweight(frame_of(WRONG, WRONG), recipes.vineppo())["drop_reason"].to_list() == ["all_wrong"] * 2


def test_branches_of_other_completions_are_refused() -> None:
    with pytest.raises(ContractError, match="1 branches start behind the end of their completions"):
        reweight(frame_of({**RIGHT, "n_ids": 7}, WRONG), recipes.vineppo())


def test_no_continuations_cannot_be_asked_for() -> None:
    with pytest.raises(ConfigError, match="least_n must be at least 1, got 0"):
        recipes.vineppo(least_n=0)


def test_the_columns_and_the_command_that_makes_them_are_known() -> None:
    assert needed_columns(recipes.vineppo()) == ("branch_kept", "branch_rewards", "n_ids", "outcome", "reward")
    with pytest.raises(ConfigError, match="branch_kept, which is not there: run `curate branch DIR --local PATH`"):
        reweight(frame_of(RIGHT, WRONG).drop("branch_kept"), recipes.vineppo())


def test_what_the_values_rest_on_is_counted() -> None:
    credit = recipes.vineppo().estimator.credit
    assert credit is not None
    few = sample(1.0, 8, [0, 4], [0.0, 1.0, 0.0, 0.0], [1.0, None])
    sums = credit.count(reweight(frame_of(RIGHT, WRONG, few), recipes.vineppo()))
    # the std of (0, 1, 0, 0) is 1/2, that of (1, 1, 0, 1) too, that of (1, 0, 0, 1) 1/sqrt(3): over 2 = sqrt(4)
    assert sums.pop("sum_standard_error") == pytest.approx(0.25 * 4 + 3**-0.5 / 2)
    assert sums == {
        "samples": 3.0,
        "states": 7.0,
        "states_used": 6.0,
        "states_with_error": 6.0,
        "continuations_judged": 24.0,
        "steps": 6.0,
        "steps_clear": 1.0,  # few: 1 - 1/4 with an error of 1/4; all others are within two errors of 0
    }
    told = credit.told(sums | {"sum_standard_error": 1.5})
    assert told[0].startswith("values of 6 of 7 places used (85.7%), from 4.0 judged continuations each; mean standard")
    assert "mean standard error 0.250" in told[0]
    assert told[1].startswith("6 steps in 3 completions; the credit of 16.7% is")


def oracle(reward: float, n_ids: int, kept: list[int], rewards: list[Value], least_n: int) -> list[float] | None:
    """Return the token advantages of VinePPO, in plain Python."""
    values = {}
    for border, found in zip(kept, rewards, strict=True):
        judged = [each for each in found if each is not None]
        if len(judged) >= least_n:
            values[border] = sum(judged) / len(judged)
    if 0 not in values:
        return None
    borders = [*values, n_ids]
    after = [*values.values(), reward]
    return [after[i + 1] - after[i] for i in range(len(values)) for _ in range(borders[i + 1] - borders[i])]


@pytest.mark.parametrize("seed", range(20))
def test_equals_the_oracle_in_any_order_of_rows(seed: int) -> None:
    rng = random.Random(seed)
    made = []
    for i in range(30):
        n_ids = rng.randint(1, 12)
        kept = sorted({0, *rng.sample(range(n_ids), rng.randint(0, n_ids - 1))})
        rewards = [[rng.choice([0.0, 1.0, None]) for _ in range(rng.randint(1, 6))] for _ in kept]
        made.append(sample(float(i % 2), n_ids, kept, *rewards))
    expected = [oracle(s["reward"], s["n_ids"], s["branch_kept"], s["branch_rewards"], 2) for s in made]
    frame = frame_of(*made)
    order = rng.sample(range(30), 30)
    found = reweight(frame[order], recipes.vineppo(least_n=2))
    for place, row in zip(order, found.iter_rows(named=True), strict=True):
        if expected[place] is None:
            assert row["drop_reason"] == "no_branches"
        else:
            assert row["token_advantages"] == pytest.approx(expected[place], abs=1e-6)
            assert len(row["token_advantages"]) == row["n_ids"]
