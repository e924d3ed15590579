"""When a group is finished, and which options make no rule."""

from __future__ import annotations

import random

import pytest

from curate.errors import ConfigError
from curate.sampling.stopping import Rule, stopping_rule

C, W, U, T, E = "correct", "incorrect", "unparsable", "timeout", "error"


def mixed(group_size: int = 4, max_samples: int = 10) -> Rule:
    rule = stopping_rule(group_size, until="mixed", max_samples=max_samples, verifier="countdown")
    assert rule is not None
    return rule


def target(k: int, group_size: int = 4, max_samples: int = 10) -> Rule:
    rule = stopping_rule(group_size, target_correct=k, max_samples=max_samples, verifier="countdown")
    assert rule is not None
    return rule


@pytest.mark.parametrize(
    ("outcomes", "is_mixed", "has_two"),
    [
        ([], False, False),
        ([C], False, False),
        ([W, W, W, W], False, False),
        ([C, C, C, C], False, True),
        ([C, W, W, W], True, False),
        ([C, C, W, W], True, True),
        ([C, U], True, False),  # an answer that cannot be read is a wrong answer
        ([C, C, T, E], False, True),  # undecided is no wrong answer,
        ([W, W, T, E, None], False, False),  # and no correct one
        ([T, E, None, None], False, False),
    ],
)
def test_a_rule_looks_at_what_was_decided(outcomes: list[str | None], is_mixed: bool, has_two: bool) -> None:
    assert mixed().is_met(outcomes) is is_mixed
    assert target(2).is_met(outcomes) is has_two


def test_a_group_grows_by_the_group_size_and_the_last_step_is_cut() -> None:
    rule = mixed(group_size=4, max_samples=10)
    assert [rule.n_more([W] * n) for n in (0, 4, 8, 10)] == [4, 4, 2, 0]
    assert rule.n_more([W] * 3 + [C]) == 0
    assert mixed(group_size=4, max_samples=4).n_more([W] * 4) == 0


def test_n_initial_is_drawn_whatever_the_first_samples_say() -> None:
    """A group met before n_initial would have a pass rate over fewer samples, and a biased one."""
    assert target(1).n_more([C]) == 3


def test_the_stored_text() -> None:
    assert stopping_rule(32, until="mixed", verifier="exact") == Rule("mixed", 32, 128, 32)
    assert mixed(32, 128).text == "mixed, at most 128"
    assert target(4, 32, 128).text == "4 correct, at most 128"


def test_what_a_job_record_keeps() -> None:
    assert mixed(32, 128).parameters == {"until": "mixed", "max_samples": 128}
    assert target(4, 32, 64).parameters == {"target_correct": 4, "max_samples": 64}


def test_no_option_is_no_rule() -> None:
    assert stopping_rule(32) is None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"until": "mixed", "target_correct": 2, "verifier": "exact"}, "not both"),
        ({"until": "solved", "verifier": "exact"}, "until is 'solved'"),
        ({"target_correct": 0, "verifier": "exact"}, "target_correct is 0"),
        ({"until": "mixed"}, "--verifier NAME"),
        ({"target_correct": 2}, "--verifier NAME"),
        ({"until": "mixed", "max_samples": 31, "verifier": "exact"}, "fewer than group_size = 32"),
        ({"target_correct": 40, "max_samples": 39, "verifier": "exact"}, "more than max_samples = 39"),
        ({"until": "mixed", "verifier": "exact", "temperature": 0}, "temperature 0"),
        ({"until": "mixed", "verifier": "exact", "group_size": 1}, "group_size is 1"),
        ({"max_samples": 64}, "max_samples belongs to a stopping rule"),
        ({"verifier": "exact"}, "verifier belongs to a stopping rule"),
    ],
)
def test_nonsense_is_refused_before_any_work(options: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        stopping_rule(**{"group_size": 32, **options})  # type: ignore[arg-type]


def test_a_group_larger_than_the_default_most_must_say_how_large_it_may_grow() -> None:
    with pytest.raises(ConfigError, match="max_samples is 128, fewer than group_size = 256"):
        stopping_rule(256, until="mixed", verifier="exact")


def simulated(rule: Rule, pass_rate: float, luck: random.Random) -> list[str]:
    """Draw one group of a policy that is right ``pass_rate`` of the time, as a sampler would."""
    outcomes: list[str] = []
    while more := rule.n_more(outcomes):
        outcomes += [C if luck.random() < pass_rate else W for _ in range(more)]
    return outcomes


def mean_share(groups: list[list[str]], first: int | None = None) -> float:
    shares = [group[:first].count(C) / len(group[:first]) for group in groups]
    return sum(shares) / len(shares)


def test_a_rule_biases_the_share_of_correct_samples_and_not_that_of_the_first() -> None:
    """A policy that is right 1 time in 20, and 20,000 of its groups.

    Until mixed: the whole group has .0814 correct, the first 8 have .0500 with a standard error of .0005. By hand, for
    two steps of one sample and a group that stops at the first success: p + (1-p) p / 2 = .07375.
    """
    luck = random.Random(0)
    groups = [simulated(mixed(8, 64), 0.05, luck) for _ in range(20_000)]
    assert mean_share(groups, first=8) == pytest.approx(0.05, abs=0.0015)
    assert mean_share(groups) == pytest.approx(0.0814, abs=0.003)
    ends_at_success = Rule("target_correct", n_initial=1, max_samples=2, step=1, target_correct=1)
    pairs = [simulated(ends_at_success, 0.05, luck) for _ in range(20_000)]
    assert mean_share(pairs) == pytest.approx(0.07375, abs=0.005)
    assert mean_share(pairs, first=1) == pytest.approx(0.05, abs=0.005)
