import math

import numpy as np
import polars as pl
import pytest

from curate.reweighting import recipes
from curate.reweighting.apply import reweight
from curate.reweighting.recipe import Recipe


def group(rewards: list[float], **columns: list[object]) -> pl.DataFrame:
    keys = {"group_id": [7] * len(rewards), "sample_index": list(range(len(rewards)))}
    return pl.DataFrame({**keys, "reward": rewards, **columns})


def advantages(frame: pl.DataFrame, recipe: Recipe) -> list[float]:
    return reweight(frame, recipe)["advantage"].to_list()


def by_rank(correct_ranks: set[int], size: int = 32) -> pl.DataFrame:
    """Make a group whose sample i has likelihood rank i + 1, correct at the given ranks."""
    rewards = [1.0 if i + 1 in correct_ranks else 0.0 for i in range(size)]
    return group(rewards, mean_logprob=[-0.01 * i for i in range(size)])


def test_grpo_dr_grpo_and_rloo_on_one_success_of_four() -> None:
    frame = group([1.0, 0.0, 0.0, 0.0])
    assert advantages(frame, recipes.grpo(eps=0)) == [1.5, -0.5, -0.5, -0.5]
    assert advantages(frame, recipes.grpo(eps=1e-6))[0] == pytest.approx(0.75 / 0.500001, abs=1e-15)
    assert advantages(frame, recipes.dr_grpo()) == [0.75, -0.25, -0.25, -0.25]
    assert advantages(frame, recipes.rloo()) == pytest.approx([1.0, -1 / 3, -1 / 3, -1 / 3], abs=1e-15)


def test_real_rewards_are_centred_whatever_their_outcome() -> None:
    frame = group([-1.0, 2.5, 0.0], outcome=["incorrect", "correct", "unparsable"])
    assert advantages(frame, recipes.dr_grpo()) == [-1.5, 2.0, -0.5]


def test_raft_by_hand() -> None:
    assert advantages(group([1.0, 0.0, 1.0, 0.0]), recipes.raft()) == [1.0, None, 1.0, None]
    signed = group([2.5, -1.0, -0.5], outcome=["correct", "incorrect", "correct"])
    found = reweight(signed, recipes.raft())
    assert found["shaped"].to_list() == [2.5, 0.0, 0.0]
    assert found["advantage"].to_list() == [2.5, None, 0.0]
    assert found["drop_reason"].to_list() == [None, "gated", None]


def test_unlikely_grpo_by_hand() -> None:
    # G = 4, beta 0.5, ranks 1..4, correct at 1 and 4: R = 1 - 0.5 * 3/4 = 0.625 and 1; mean 0.40625
    frame = by_rank({1, 4}, size=4)
    found = reweight(frame, recipes.unlikely_grpo(beta_rank=0.5, scale="none"))
    assert found["shaped"].to_list() == [0.625, 0.0, 0.0, 1.0]
    assert found["advantage"].to_list() == [0.21875, -0.40625, -0.40625, 0.59375]
    std = math.sqrt((0.21875**2 + 2 * 0.40625**2 + 0.59375**2) / 3)
    assert advantages(frame, recipes.unlikely_grpo(beta_rank=0.5))[0] == pytest.approx(0.21875 / (std + 1e-6))


def test_ranking_among_the_correct_samples() -> None:
    # ranks 1 and 2 of two: 1 - 0.5 * 1/2, and 1
    found = reweight(by_rank({2, 3}, size=4), recipes.unlikely_grpo(beta_rank=0.5, among="correct"))
    assert found["shaped"].to_list() == [0.0, 0.75, 1.0, 0.0]


def test_ranking_by_the_sum_prefers_short_completions() -> None:
    frame = group([1.0, 1.0, 0.0], mean_logprob=[-0.1, -0.2, -0.3], sum_logprob=[-30.0, -2.0, -3.0])
    by_sum = reweight(frame, recipes.unlikely_grpo(beta_rank=0.75, rank_by="sum"))
    assert by_sum["shaped"].to_list() == [1.0, 0.5, 0.0]


@pytest.mark.parametrize("rank", [1, 2, 17, 32])
def test_std_scaling_cancels_the_penalty_of_a_lone_success(rank: int) -> None:
    frame = by_rank({rank})
    assert advantages(frame, recipes.unlikely_grpo(beta_rank=0.25))[rank - 1] == pytest.approx(5.480, abs=5e-4)
    assert advantages(frame, recipes.grpo())[rank - 1] == pytest.approx(5.480, abs=5e-4)


def test_without_std_scaling_a_likely_lone_success_shrinks() -> None:
    recipe = recipes.unlikely_grpo(beta_rank=0.25, scale="none")
    assert advantages(by_rank({1}), recipe)[0] == pytest.approx((1 - 0.25 * 31 / 32) * 31 / 32, abs=1e-15)
    assert advantages(by_rank({32}), recipe)[31] == pytest.approx(31 / 32, abs=1e-15)


@pytest.mark.parametrize(("wrong", "flips"), [([2, 31, 12, 21, 16], False), ([2, 31, 12, 21], True)])
def test_likely_correct_samples_flip_sign_from_28_of_32_correct(wrong: list[int], flips: bool) -> None:
    frame = by_rank(set(range(1, 33)) - set(wrong))
    found = advantages(frame, recipes.unlikely_grpo(beta_rank=0.25))
    assert (found[0] < 0) is flips
    clamped = advantages(frame, recipes.unlikely_grpo(beta_rank=0.25, clamp_sign=True))
    assert clamped[0] == max(found[0], 0.0)
    assert clamped[1] == found[1] < 0


def test_a_gate_on_shaped_rewards_trains_all_correct_groups() -> None:
    frame = by_rank({1, 2}, size=2)
    assert advantages(frame, recipes.unlikely_grpo(beta_rank=0.5)) == [None, None]
    shaped = reweight(frame, recipes.unlikely_grpo(beta_rank=0.5, gate_on="shaped"))
    assert shaped["advantage"].to_list() == pytest.approx([-(0.5**0.5), 0.5**0.5], abs=1e-5)
    plain = reweight(frame, recipes.unlikely_grpo(beta_rank=0, gate_on="shaped"))
    assert plain["drop_reason"].to_list() == ["all_correct"] * 2
    all_wrong = reweight(by_rank(set(), size=2), recipes.unlikely_grpo(beta_rank=0.5, gate_on="shaped"))
    assert all_wrong["drop_reason"].to_list() == ["all_wrong"] * 2


def released_code(rewards: list[float], logprobs: list[float]) -> list[float]:
    """Transcribe the authors' steps: ascending ranks by argsort of argsort, multiplier, then mean and sample std."""
    ascending = np.argsort(np.argsort(np.array(logprobs), kind="stable"), kind="stable")
    shaped = np.array(rewards) * (1 - 0.25 * ascending / len(rewards))
    return list((shaped - shaped.mean()) / (shaped.std(ddof=1) + 1e-6))


def test_he2025_release_is_the_released_code_ties_included() -> None:
    random = np.random.default_rng(2506)
    for size in [2, 3, 8, 32, 33] * 8:
        rewards = [1.0, 0.0, *(random.random(size - 2) < 0.5).astype(float)]
        logprobs = list(np.round(-random.random(size), 1))  # many ties
        frame = group(rewards, mean_logprob=logprobs)
        expected = released_code(rewards, logprobs)
        assert advantages(frame, recipes.he2025_release()) == pytest.approx(expected, abs=1e-12)
        shuffled = frame.sample(fraction=1.0, shuffle=True, seed=size)
        assert reweight(shuffled, recipes.he2025_release()).sort("sample_index")["advantage"].to_list() == (
            pytest.approx(expected, abs=1e-12)
        )


def test_spectral_grpo_grades_an_all_wrong_group_by_hand() -> None:
    # RTS 3/5 and 2/5: logistic(1) and logistic(-1), so +-(1/sqrt 2) after normalising: a phantom advantage
    found = reweight(group([0.0, 0.0], rts=[0.6, 0.4]), recipes.spectral_grpo())
    assert found["shaped"].to_list() == pytest.approx([0.7310585786300049, 0.2689414213699951], abs=1e-15)
    assert found["advantage"].to_list() == pytest.approx([0.5**0.5, -(0.5**0.5)], abs=1e-5)
    assert found["drop_reason"].to_list() == [None, None]


def test_damping_and_one_side_act_in_all_wrong_groups_only() -> None:
    damped = recipes.spectral_grpo(damping=0.25, eps=0)
    one_sided = recipes.spectral_grpo(damping=0.25, one_sided=True, eps=0)
    half = 0.5**0.5
    assert advantages(group([0.0, 0.0], rts=[0.6, 0.4]), damped) == pytest.approx([half / 4, -half / 4])
    assert advantages(group([0.0, 0.0], rts=[0.6, 0.4]), one_sided) == pytest.approx([0.0, -half / 4])
    assert advantages(group([1.0, 0.0], rts=[None, None]), one_sided) == pytest.approx([half, -half])


def test_identical_rts_give_no_signal_again() -> None:
    found = reweight(group([0.0] * 3, rts=[0.4] * 3), recipes.spectral_grpo())
    assert found["drop_reason"].to_list() == ["degenerate"] * 3
    assert found["shaped"].to_list() == pytest.approx([0.2689414213699951] * 3)
    kept = recipes.spectral_grpo(keep_groups="all")
    assert advantages(group([0.0] * 3, rts=[0.4] * 3), kept) == [0.0] * 3


@pytest.mark.parametrize(("min_spread", "reason"), [(0.2, None), (0.21, "degenerate")])
def test_min_spread_makes_a_narrow_all_wrong_group_degenerate(min_spread: float, reason: str | None) -> None:
    recipe = recipes.spectral_grpo(min_spread=min_spread)
    found = reweight(group([0.0, 0.0], rts=[0.6, 0.4]), recipe)  # 0.6 - 0.4 is just below 0.2 in float64
    assert found["drop_reason"].to_list() == [reason, reason]
    mixed = reweight(group([1.0, 0.0], rts=[0.5, 0.5]), recipe)
    assert mixed["drop_reason"].to_list() == [None, None]


def test_scope_all_grades_the_wrong_samples_of_mixed_groups_too() -> None:
    frame = group([1.0, 0.0, 0.0], rts=[None, 0.5, 0.25])
    graded = reweight(frame, recipes.spectral_grpo(scope="all", curve="linear", graded_max=0.5))
    assert graded["shaped"].to_list() == [1.0, 0.25, 0.125]
    plain = reweight(frame, recipes.spectral_grpo(curve="linear"))
    assert plain["shaped"].to_list() == [1.0, 0.0, 0.0]


def test_no_error_found_is_no_rts_or_the_last_step() -> None:
    judged = {"rts": [0.25, None, None], "first_error_step": [2, None, None], "n_steps": [4, 4, None]}
    frame = group([0.0] * 3, **judged)
    null = reweight(frame, recipes.spectral_grpo(curve="linear"))
    assert null["drop_reason"].to_list() == ["no_rts" if i else "singleton" for i in range(3)]
    last_step = reweight(frame, recipes.spectral_grpo(curve="linear", no_error="last_step"))
    assert last_step["shaped"].to_list() == [0.25, 0.75, None]
    assert last_step["drop_reason"].to_list() == [None, None, "no_rts"]


@pytest.mark.parametrize(("round_", "graded"), [(1, True), (3, True), (4, False)])
def test_after_until_round_the_plain_reward_trains(round_: int, graded: bool) -> None:
    frame = group([0.0, 0.0], rts=[0.6, 0.4])
    found = reweight(frame, recipes.spectral_grpo(until_round=3, round=round_))
    assert (found["drop_reason"][0] is None) is graded
    if not graded:
        assert found["shaped"].to_list() == [0.0, 0.0]
        assert found["drop_reason"].to_list() == ["degenerate"] * 2


def test_unlikely_spectral_is_unlikely_with_a_success_and_graded_without() -> None:
    columns = {"mean_logprob": [-1.0, -2.0, -3.0], "rts": [None, 0.4, 0.6]}
    mixed = group([1.0, 1.0, 0.0], **columns)
    recipe = recipes.unlikely_spectral(beta_rank=0.25)
    assert advantages(mixed, recipe) == advantages(mixed, recipes.unlikely_grpo(beta_rank=0.25))
    all_wrong = group([0.0] * 3, **{**columns, "rts": [0.1, 0.4, 0.6]})
    spectral = advantages(all_wrong, recipes.spectral_grpo())
    assert advantages(all_wrong, recipe) == pytest.approx([0.25 * a for a in spectral], abs=1e-15)
    all_correct = reweight(group([1.0] * 3, **columns), recipe)
    assert all_correct["drop_reason"].to_list() == ["all_correct"] * 3


def test_a_likelihood_is_not_read_where_unlikely_spectral_grades() -> None:
    frame = group([0.0, 0.0], mean_logprob=[None, None], rts=[0.4, 0.6])
    assert reweight(frame, recipes.unlikely_spectral(beta_rank=0.25))["drop_reason"].to_list() == [None, None]


def test_diverse_grpo_by_hand() -> None:
    # G = 5, clusters of 2 and 1 of three correct: diversity 3/5, 3/5, 4/5; R = 1.3, 1.3, 1.4; mean 4/5
    frame = group([1.0, 0.0, 1.0, 1.0, 0.0], diversity=[0.6, None, 0.6, 0.8, None])
    found = reweight(frame, recipes.diverse_grpo(lambda_div=0.5))
    assert found["shaped"].to_list() == pytest.approx([1.3, 0.0, 1.3, 1.4, 0.0], abs=1e-15)
    assert found["advantage"].to_list() == pytest.approx([0.5, -0.8, 0.5, 0.6, -0.8], abs=1e-15)


def test_diversity_is_not_read_of_wrong_samples() -> None:
    frame = group([1.0, 0.0], diversity=[0.5, 0.9])
    assert reweight(frame, recipes.diverse_grpo(lambda_div=1))["shaped"].to_list() == [1.5, 0.0]


def test_a_partial_reward_gets_its_share_of_the_bonus_if_correct() -> None:
    frame = group([0.5, 0.25], outcome=["correct", "incorrect"], diversity=[0.5, None])
    assert reweight(frame, recipes.diverse_grpo(lambda_div=1))["shaped"].to_list() == [0.75, 0.25]


def test_common_strategies_of_a_nearly_solved_group_flip_sign_under_a_large_lambda() -> None:
    # 8 of one strategy (diversity .2), 1 of another (.9), 1 wrong; lambda 2 is where the common one breaks even
    frame = group([1.0] * 9 + [0.0], diversity=[0.2] * 8 + [0.9, None])
    below, even, above = (advantages(frame, recipes.diverse_grpo(lambda_div=x))[0] for x in (1, 2, 5))
    assert [below, even, above] == pytest.approx([0.05, 0.0, -0.15], abs=1e-12)


def test_an_all_correct_group_trains_on_diversity_alone_where_it_is_kept() -> None:
    frame = group([1.0] * 4, diversity=[0.25, 0.25, 0.25, 0.75])
    assert reweight(frame, recipes.diverse_grpo(lambda_div=1))["drop_reason"].to_list() == ["all_correct"] * 4
    kept = recipes.diverse_grpo(lambda_div=1, keep_groups="all")
    assert advantages(frame, kept) == [-0.125, -0.125, -0.125, 0.375]
    uniform = group([1.0] * 2, diversity=[0.0] * 2)
    assert advantages(uniform, kept) == [0.0, 0.0]
