"""VinePPO (arXiv 2410.01679) and TRePO (arXiv 2506.02553): the advantage of a step from continuations after it."""

from __future__ import annotations

from curate.errors import ConfigError
from curate.reweighting.credits.branches import prompt_value, step_credit
from curate.reweighting.group import SIZE
from curate.reweighting.pieces import Estimator
from curate.reweighting.registry import estimator


@estimator()
def vineppo(least_n: int = 3) -> Estimator:
    """Credit each token with what its step adds to the expected reward (VinePPO, arXiv 2410.01679).

    V(s) = mean reward of the continuations after s; A of a step = V after it - V before it, the last step's V after it
    is the shaped reward. The advantage of the completion is the sum over its steps, R - V(prompt). A place with fewer
    than ``least_n`` judged continuations joins two steps. Without a value of the prompt: ``no_branches``.
    """
    return _of_values(least_n, is_shared=False)


@estimator()
def trepo(least_n: int = 3) -> Estimator:
    """Credit each token with an even share of what its step adds (after TRePO, arXiv 2506.02553; the shares are ours).

    As ``vineppo``, but the tokens between two places share their credit: values are interpolated on a line.
    """
    return _of_values(least_n, is_shared=True)


def _of_values(least_n: int, *, is_shared: bool) -> Estimator:
    if least_n < 1:
        raise ConfigError(f"least_n must be at least 1, got {least_n}")
    value = prompt_value(least_n)
    return Estimator(
        lambda shaped: shaped - value,
        needs_group=False,
        has_signal_if_uniform=True,
        missing=lambda trains: {"no_branches": (trains | (SIZE == 1)) & value.is_null()},  # a group of one trains too
        credit=step_credit(least_n, is_shared=is_shared),
    )
