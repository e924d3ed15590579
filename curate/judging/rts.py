"""The reasoning trajectory score of a wrong answer."""

from __future__ import annotations

from curate.errors import JudgeError


def rts(first_error_step: int | None, n_steps: int) -> float | None:
    """Return the share of steps before the first wrong one.

    RTS = (e - 1) / S in [0, 1), e the 1-based first wrong step, S the number of steps: 5 steps, the first error in
    step 4, give 0.6; an error in the first step gives 0. Null where no wrong step was found: that is no judgment, and
    1 would put every miss of the judge on top of its group. Raises JudgeError where e is not one of the steps.
    Source: "Spectral Policy Optimization", arXiv 2505.11595; null for no error found is ours.
    """
    if first_error_step is None:
        return None
    if not 1 <= first_error_step <= n_steps:
        raise JudgeError(f"the first wrong step is given as {first_error_step}, but there are {n_steps} steps")
    return (first_error_step - 1) / n_steps
