"""Same seed or chance: worked odds, and random tables of tokens."""

from __future__ import annotations

import math
import random

import pytest

from curate.sampling.coincidence import DECISIVE, log_odds
from curate.sampling.dialect import Served


def drawn(ids: list[int], p: float = 0.5) -> Served:
    return Served(ids, [math.log(p)] * len(ids), None, "stop")


def text(words: str) -> Served:
    return Served(None, None, words, "stop")


def test_tokens_in_which_two_agree_and_the_first_in_which_they_differ() -> None:
    # log(.98 / .5) twice, then log(.02 / .5); what follows does not count
    expected = 2 * math.log(1.96) + math.log(0.04)
    assert log_odds([(drawn([4, 5, 6, 7]), drawn([4, 5, 9, 7]))]) == pytest.approx(expected)


def test_certain_tokens_say_nothing() -> None:
    assert log_odds([(drawn([4] * 50, 1.0), drawn([4] * 50, 1.0))]) == 0.0
    assert log_odds([(drawn([4], 1.0), drawn([5], 1.0))]) == pytest.approx(0.0)


def test_one_pair_counts_so_much_at_most() -> None:
    assert log_odds([(drawn([4] * 50), drawn([4] * 50))]) == DECISIVE
    assert log_odds([(drawn([4] * 50), drawn([4] * 50)), (drawn([4], 1e-9), drawn([5], 1e-9))]) == pytest.approx(
        DECISIVE + math.log(0.02)
    )


def test_no_pairs() -> None:
    assert log_odds([]) == 0.0


def test_texts_are_compared_by_how_they_start() -> None:
    same, other = text("a" * 24 + "x"), text("b" * 24)
    assert log_odds([(same, text("a" * 24 + "y")), (other, other)]) == 2 * DECISIVE
    assert log_odds([(same, other)]) == -DECISIVE
    assert log_odds([(same, same), (same, same)]) == 0.0  # a prompt with one answer tells nothing


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_three_pairs_decide_nearly_always(noise: float) -> None:
    rng = random.Random(0)
    n_same = n_other = 0
    for _ in range(300):
        mine = [[rng.randrange(4) for _ in range(32)] for _ in range(3)]
        again = [[each if rng.random() >= noise else 9 for each in ids] for ids in mine]
        fresh = [[rng.randrange(4) for _ in range(32)] for _ in range(3)]
        n_same += log_odds((drawn(a, 0.25), drawn(b, 0.25)) for a, b in zip(mine, again, strict=True)) >= DECISIVE
        n_other += log_odds((drawn(a, 0.25), drawn(b, 0.25)) for a, b in zip(mine, fresh, strict=True)) >= DECISIVE
    assert n_same >= 297
    assert n_other == 0
