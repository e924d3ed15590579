"""Log-probs one token too early or too late, told by prefixes and by a model."""

from __future__ import annotations

import random

from curate.checking.shift import ENOUGH, Row, shift_against, shift_by_prefix, shifted_rows


def logprob(prefix: tuple[int, ...]) -> float:
    """Return the log-prob of a token after the tokens before it: a function of them all, of two digits."""
    return -random.Random(hash(prefix)).randrange(20, 400) / 100


def group(seed: int, n: int = 6) -> list[Row]:
    """Return completions of six tokens of three, so that some begin alike."""
    rng = random.Random(seed)
    rows = [tuple(rng.randrange(3) for _ in range(6)) for _ in range(n)]
    return [(ids, [logprob((seed, *ids[: place + 1])) for place in range(6)]) for ids in rows]


GROUPS = [group(seed) for seed in range(8)]


def moved(change: object) -> list[list[Row]]:
    return [[(ids, change(own)) for ids, own in rows] for rows in GROUPS]  # type: ignore[operator]


def test_where_two_completions_part_their_log_probs_do() -> None:
    side, n = shift_by_prefix(GROUPS)
    assert side is None
    assert n >= ENOUGH


def test_log_probs_of_the_next_token_part_one_place_too_early() -> None:
    assert shift_by_prefix(moved(lambda own: [*own[1:], 0.0]))[0] == "next"
    assert shift_by_prefix(moved(lambda own: [*own[1:], own[0]]))[0] == "next"


def test_log_probs_of_the_previous_token_part_one_place_too_late() -> None:
    assert shift_by_prefix(moved(lambda own: [0.0, *own[:-1]]))[0] == "previous"


def test_other_patterns_are_no_shift() -> None:
    rng = random.Random(0)
    assert shift_by_prefix(moved(lambda own: [rng.uniform(-3, 0) for _ in own]))[0] is None  # not of these prefixes
    assert shift_by_prefix(moved(lambda own: [-1.0] * len(own)))[0] is None
    assert shift_by_prefix(moved(lambda own: [each - rng.uniform(0, 0.04) for each in own]))[0] is None  # rounding


def test_few_pairs_tell_nothing() -> None:
    assert shift_by_prefix([[((1, 2), [-1.0, -2.0]), ((1, 3), [-2.0, -0.5])]]) == (None, 1)
    assert shift_by_prefix([[((1, 2), [-1.0, -2.0]), ((1,), [-1.0]), ((2, 2), [-1.0, -1.0])]]) == (None, 0)


SCORED = [[-0.1, -2.0, -0.3, -1.0, -0.7]] * 20


def test_against_a_model_a_shift_fits_moved() -> None:
    assert shift_against([[-2.0, -0.3, -1.0, -0.7, 0.0]] * 20, SCORED)[0] == "next"
    assert shift_against([[0.0, -0.1, -2.0, -0.3, -1.0]] * 20, SCORED)[0] == "previous"
    # |.1 - 2| + |2 - .3| + |.3 - 1| + |1 - .7| + |.7 - 0| = 5.3 over five tokens
    assert round(shift_against([[-2.0, -0.3, -1.0, -0.7, 0.0]] * 20, SCORED)[1], 6) == 1.06
    assert shift_against(SCORED, SCORED) == (None, 0.0)
    assert shift_against([[-0.2, -1.8, -0.4, -1.2, -0.5]] * 20, SCORED)[0] is None  # another model
    assert shift_against([[-2.0, -0.3, -1.0, -0.7, 0.0]] * 15, SCORED[:15])[0] is None  # 60 tokens


def test_single_rows_are_shifted_where_they_are_the_model_s_own_moved() -> None:
    rows = [[-2.0, -0.3, -1.0, -0.7, 0.0], [-0.1, -2.0, -0.3, -1.0, -0.7], [-2.0, -0.9, -1.4, -0.2, 0.0]]
    assert shifted_rows(rows, SCORED[:3]) == [0]
    assert shifted_rows([[-2.0, -0.3, 0.0]], [[-0.1, -2.0, -0.3]]) == []  # too short to tell
