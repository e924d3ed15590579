import math
import random
from typing import Any

import pytest

from curate.reweighting import recipes, reweight
from curate.reweighting.shaping import care
from group_case import group, outcomes, reasons, shaped


def answers(*probabilities: float | None, scored: bool = True) -> dict[str, Any]:
    logs = [None if p is None else math.log(p) for p in probabilities]
    return {"answer_mean_logprob": logs, "mean_logprob": [-1.0 if scored else None] * len(logs)}


def test_the_bonus_goes_to_the_accurate_and_consistent_by_hand() -> None:
    # S = the correct three, mean conf (.9 + .5 + .4) / 3 = .6: only .9 is at or above .59
    frame = group([1.0, 1.0, 1.0, 0.0], **answers(0.9, 0.5, 0.4, 0.99))
    assert shaped(frame, care()) == [1.5, 1.0, 1.0, 0.0]
    assert shaped(frame, care(lambda_care=0.2)) == [1.2, 1.0, 1.0, 0.0]
    assert shaped(frame, care(lambda_care=0)) == [1.0, 1.0, 1.0, 0.0]
    assert shaped(frame, care(margin=0.1)) == [1.5, 1.5, 1.0, 0.0]  # .5 = .6 - .1


def test_confidence_is_capped() -> None:
    # capped at .95: mean (.95 + .95 + .93) / 3 = .9433, less .01 = .9333; uncapped 1 and .93 would lose
    frame = group([1.0, 1.0, 1.0, 0.0], **answers(1.0, 0.96, 0.93, 0.1))
    assert shaped(frame, care()) == [1.5, 1.5, 1.0, 0.0]
    # uncapped: mean .9633, less .01 = .9533
    assert shaped(frame, care(cap=1.0)) == [1.5, 1.5, 1.0, 0.0]
    # capped at .5 all are alike
    assert shaped(frame, care(cap=0.5, margin=0)) == [1.5, 1.5, 1.5, 0.0]


def test_an_answer_that_was_not_found_has_confidence_0() -> None:
    # mean (.4 + 0) / 2 = .2; with the released code's cap for it the mean were .675 and the other would win
    frame = group([1.0, 1.0, 0.0], **answers(0.4, None, None))
    assert shaped(frame, care()) == [1.5, 1.0, 0.0]


def test_real_rewards_count_by_their_size() -> None:
    # mean .5: S = .9 and .5 (at the mean); conf .8 and .8; bonus half of each
    frame = group([0.9, 0.5, 0.1], outcome=outcomes("cii"), **answers(0.8, 0.8, 0.8))
    assert shaped(frame, care()) == [1.35, 0.75, 0.1]


def test_a_sample_that_was_not_scored_leaves_unless_it_cannot_be_accurate() -> None:
    frame = group([1.0, 1.0, 0.0], mean_logprob=[-1.0, None, None], answer_mean_logprob=[math.log(0.5), None, None])
    assert reasons(frame, care()) == [None, "no_likelihood", None]


def test_a_scorer_that_looked_for_no_answer_pays_no_bonus() -> None:
    frame = group([1.0, 1.0, 0.0], **answers(None, None, 0.5))
    assert reasons(frame, care()) == ["no_likelihood", "no_likelihood", "singleton"]


def oracle(rewards: list[float], conf: list[float | None]) -> list[float]:
    mean = sum(rewards) / len(rewards)
    capped = [min(p, 0.95) if p is not None else 0.0 for p in conf]
    accurate = [i for i, r in enumerate(rewards) if r > 0.1 and r >= mean]
    usual = sum(capped[i] for i in accurate) / len(accurate) if accurate else 0.0
    return [r + (0.5 * r if i in accurate and capped[i] >= usual - 0.01 else 0.0) for i, r in enumerate(rewards)]


def test_care_against_plain_python() -> None:
    rng = random.Random(250616141)
    for _ in range(200):
        size = rng.randint(2, 10)
        rewards = [float(rng.random() < 0.5) for _ in range(size)]
        conf = [None if rng.random() < 0.2 else rng.randint(1, 100) / 100 for _ in range(size)]
        if all(c is None for c, r in zip(conf, rewards, strict=True) if r):
            continue
        frame = group(rewards, **answers(*conf))
        assert shaped(frame, care()) == pytest.approx(oracle(rewards, conf), abs=1e-12)


def test_an_all_correct_group_trains_on_the_bonus_and_an_all_wrong_one_is_dropped() -> None:
    found = reweight(group([1.0, 1.0], **answers(0.9, 0.1)), recipes.grpo_care(eps=0))
    assert found["advantage"].to_list() == pytest.approx([0.5**0.5, -(0.5**0.5)])
    alike = reweight(group([1.0, 1.0], **answers(0.9, 0.9)), recipes.grpo_care())
    assert alike["drop_reason"].to_list() == ["degenerate"] * 2
    wrong = reweight(group([0.0, 0.0], **answers(0.9, 0.1)), recipes.grpo_care())
    assert wrong["drop_reason"].to_list() == ["all_wrong"] * 2


def test_correct_samples_without_the_bonus_may_lose() -> None:
    # 7 of 8 correct, 3 with the bonus: mean (3 * 1.5 + 4) / 8 = 1.0625 > 1
    frame = group([1.0] * 7 + [0.0], **answers(*[0.9] * 3, *[0.1] * 5))
    found = reweight(frame, recipes.grpo_care())["advantage"].to_list()
    assert found[0] > 0 > found[3]


def test_without_a_bonus_it_is_grpo() -> None:
    frame = group([1.0, 1.0, 0.0], **answers(0.9, 0.1, 0.5))
    plain = reweight(frame, recipes.grpo(eps=1e-4))
    assert reweight(frame, recipes.grpo_care(lambda_care=0))["advantage"].to_list() == plain["advantage"].to_list()
