"""RTS = (e - 1) / S."""

import pytest

from curate.errors import JudgeError
from curate.judging import rts


@pytest.mark.parametrize(
    ("first", "n_steps", "score"),
    [(4, 5, 0.6), (1, 5, 0.0), (5, 5, 0.8), (1, 1, 0.0), (None, 5, None), (None, 0, None)],
)
def test_rts(first: int | None, n_steps: int, score: float | None) -> None:
    assert rts(first, n_steps) == score


@pytest.mark.parametrize(("first", "n_steps"), [(0, 5), (6, 5), (-1, 5), (1, 0)])
def test_an_error_outside_the_steps_is_the_judges_failure(first: int, n_steps: int) -> None:
    with pytest.raises(JudgeError, match=f"given as {first}, but there are {n_steps} steps"):
        rts(first, n_steps)
