import polars as pl
import pytest

from curate.errors import ConfigError
from curate.reweighting import compose, estimators, gates, recipes, reweight, with_gate
from group_case import group, outcomes


def reasons_of(frame: pl.DataFrame, *gate) -> list[str | None]:
    return reweight(frame, with_gate(recipes.grpo(), *gate))["drop_reason"].to_list()


@pytest.mark.parametrize(
    ("n_correct", "reason"), [(1, "gated"), (2, None), (5, None), (6, None), (7, "gated"), (0, "all_wrong")]
)
def test_the_accuracy_band_holds_its_bounds(n_correct: int, reason: str | None) -> None:
    frame = group([1.0] * n_correct + [0.0] * (10 - n_correct))
    assert reasons_of(frame, gates.accuracy_band(0.2, 0.6)) == [reason] * 10


def test_a_bound_that_is_no_binary_fraction_belongs_to_the_band() -> None:
    frame = group([1.0] * 3 + [0.0] * 7)
    assert reasons_of(frame, gates.accuracy_band(0.1 + 0.2, 0.9)) == [None] * 10


def test_the_band_reads_judged_samples_alone() -> None:
    # 1 of 2 judged
    frame = group([1.0, 0.0, None, None], outcome=["correct", "incorrect", "timeout", None])
    assert reasons_of(frame, gates.accuracy_band(0.4, 0.6)) == [None, None, "unjudged", "unjudged"]


def searched(rewards: list[float], n_initial: int) -> pl.DataFrame:
    size = len(rewards)
    return group(rewards, n_initial=[n_initial] * size, stopping_rule=["first_success"] * size)


def test_a_stopping_rule_does_not_decide_the_pass_rate() -> None:
    # 0 of the first 4, then a success at the ninth: the rate is 0, not 1/9
    frame = searched([0.0] * 8 + [1.0], 4)
    assert reweight(frame, with_gate(recipes.grpo(), gates.accuracy_band(0.01, 0.9)))[
        "drop_reason"
    ].value_counts().sort("count").rows() == [("gated", 4), ("surplus", 5)]
    kept = reweight(frame, with_gate(recipes.grpo(), gates.accuracy_band(0.0, 0.1)))["drop_reason"]
    assert kept.null_count() == 4


def test_samples_that_are_drawn_down_count_in_the_rate_of_the_first() -> None:
    # 3 of the first 4 are correct; drawing down to 2 keeps one correct and one wrong
    frame = searched([1.0, 1.0, 1.0, 0.0], 4)
    made = with_gate(recipes.grpo(), gates.accuracy_band(0.7, 0.8))
    assert reweight(frame, made, draw=2)["drop_reason"].null_count() == 2


def test_a_null_n_initial_is_no_stopping_rule() -> None:
    frame = group([1.0, 0.0], n_initial=[None, None])
    assert reasons_of(frame, gates.accuracy_band(0.5, 0.5)) == [None, None]


@pytest.mark.parametrize(("low", "high"), [(0.6, 0.5), (-0.1, 0.5), (0.5, 1.1)])
def test_a_band_that_cannot_be_is_refused(low: float, high: float) -> None:
    with pytest.raises(ConfigError):
        gates.accuracy_band(low, high)


def test_a_truncated_sample_does_not_train_and_still_counts() -> None:
    frame = group([1.0, 0.0, 0.0, 0.0], finish_reason=["stop", "length", None, "abort"])
    found = reweight(frame, with_gate(recipes.dr_grpo(), gates.drop_truncated()))
    assert found["drop_reason"].to_list() == [None, "gated", None, None]
    assert found["advantage"].to_list() == [0.75, None, -0.25, -0.25]
    assert found["group_size"].to_list() == [4] * 4


def test_srpo_keeps_all_wrong_groups_at_0_and_drops_solved_ones() -> None:
    found = reweight(group([0.0, 0.0]), recipes.srpo())
    assert found.select("advantage", "drop_reason").rows() == [(0.0, None)] * 2
    solved = reweight(group([1.0, 1.0]), recipes.srpo())
    assert solved["drop_reason"].to_list() == ["all_correct"] * 2
    mixed = group([1.0, 0.0, 0.0])
    assert (
        reweight(mixed, recipes.srpo())["advantage"].to_list() == reweight(mixed, recipes.grpo())["advantage"].to_list()
    )


def test_every_gate_stands_before_any_recipe() -> None:
    frame = group([1.0, 0.0, 0.0], finish_reason=["stop", "length", "stop"], outcome=outcomes("cii"))
    for made in (recipes.raft(), recipes.rloo(), recipes.psr(), recipes.srpo()):
        gated = reweight(frame, with_gate(made, gates.accuracy_band(0.9, 1.0)))
        assert gated["drop_reason"].to_list() == ["gated"] * 3
        cut = reweight(frame, with_gate(made, gates.drop_truncated()))
        assert cut["drop_reason"].to_list()[1] == "gated"
        assert cut["advantage"][0] == reweight(frame, made)["advantage"][0]


def test_two_gates_are_both_asked() -> None:
    both = compose(estimators.grpo(), gate=[gates.drop_solved(), gates.accuracy_band(0.2, 1.0)])
    assert reweight(group([1.0, 1.0]), both)["drop_reason"].to_list() == ["all_correct"] * 2
    assert reweight(group([0.0, 0.0]), both)["drop_reason"].to_list() == ["gated"] * 2
