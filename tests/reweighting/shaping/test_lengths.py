import math
import random
import statistics

import pytest

from curate.errors import ConfigError
from curate.reweighting.shaping import cosine_length, kimi_length, lead_length
from group_case import group, reasons, shaped


def test_kimi_by_hand() -> None:
    # n = 10 .. 30: lambda = .5, 0, -.5 at 10, 20, 30, and .25 at 15; a wrong sample gets min(0, lambda)
    frame = group([1.0, 1.0, 0.0, 0.0, 1.0], n_tokens=[10, 30, 20, 30, 15])
    assert shaped(frame, kimi_length()) == [1.5, 0.5, 0.0, -0.5, 1.25]
    assert shaped(frame, kimi_length(weight=0.2)) == [1.1, 0.9, 0.0, -0.1, 1.05]
    assert shaped(frame, kimi_length(weight=0)) == [1.0, 1.0, 0.0, 0.0, 1.0]


def test_kimi_leaves_a_short_wrong_sample_and_a_group_of_one_length_alone() -> None:
    assert shaped(group([1.0, 0.0], n_tokens=[20, 10]), kimi_length()) == [0.5, 0.0]
    assert shaped(group([1.0, 0.0], n_tokens=[10, 10]), kimi_length()) == [1.0, 0.0]


def test_lead_by_hand() -> None:
    # correct lengths 10 and 30: mean 20, std sqrt(200) = 14.142; z = -+.70711, exp(+-.0353553)
    frame = group([1.0, 1.0, 0.0], n_tokens=[10, 30, 500])
    assert shaped(frame, lead_length()) == pytest.approx([1.035988, 0.965262, 0.0], abs=1e-6)
    assert shaped(frame, lead_length(alpha=0)) == [1.0, 1.0, 0.0]


def test_a_lone_correct_sample_keeps_its_reward_under_lead() -> None:
    assert shaped(group([1.0, 0.0, 0.0], n_tokens=[900, 3, None]), lead_length()) == [1.0, 0.0, 0.0]


def test_lead_against_plain_python() -> None:
    rng = random.Random(250409696)
    for _ in range(50):
        size = rng.randint(2, 12)
        rewards = [float(rng.random() < 0.6) for _ in range(size)]
        lengths = [rng.randint(1, 4000) for _ in range(size)]
        correct = [n for n, r in zip(lengths, rewards, strict=True) if r == 1]
        std = statistics.stdev(correct) if len(correct) > 1 else 1.0
        expected = [
            r * math.exp(-0.05 * (n - statistics.mean(correct)) / (std + 1e-6)) if r else 0.0
            for n, r in zip(lengths, rewards, strict=True)
        ]
        assert shaped(group(rewards, n_tokens=lengths), lead_length()) == pytest.approx(expected, abs=1e-11)


def test_cosine_by_hand() -> None:
    # at 0 the short end, at half the mean of both (.75 and -.75, TRL's documented example), at the limit the long end
    frame = group([1.0] * 4 + [0.0] * 4, n_tokens=[0, 50, 100, 150] * 2)
    assert shaped(frame, cosine_length(100)) == [1.0, 0.75, 0.5, 0.5, -1.0, -0.75, -0.5, -0.5]
    ends = {"correct_short": 2.0, "correct_long": 1.0, "wrong_short": -10.0, "wrong_long": 0.0}
    assert shaped(frame, cosine_length(100, **ends)) == [2.0, 1.5, 1.0, 1.0, -10.0, -5.0, 0.0, 0.0]


@pytest.mark.parametrize("made", [kimi_length(), cosine_length(100)])
def test_a_sample_without_a_length_leaves(made) -> None:
    assert reasons(group([1.0, 0.0, 0.0], n_tokens=[None, 9, 10]), made) == ["no_likelihood", None, None]


def test_lead_reads_no_length_of_a_wrong_sample() -> None:
    assert reasons(group([1.0, 1.0, 0.0], n_tokens=[None, 9, None]), lead_length()) == ["no_likelihood", None, None]


def test_bad_parameters_are_refused() -> None:
    with pytest.raises(ConfigError, match="weight must be at least 0"):
        kimi_length(weight=-1)
    with pytest.raises(ConfigError, match="alpha must be at least 0"):
        lead_length(alpha=-0.1)
    with pytest.raises(ConfigError, match="max_tokens must be 1 or more"):
        cosine_length(0)
