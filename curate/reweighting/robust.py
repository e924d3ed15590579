"""Weights of prompts for the worst case: non-parametric distributionally robust optimisation, offline.

The loss of a group of samples is 1 - its pass rate. Each function turns the losses of N groups, one number a group, into N
weights of mean 1: what the mean loss would weigh them by under the worst distribution of prompts that is allowed. They
multiply the weights of the group's samples. The losses are those of the policy that sampled, so that nothing is trained
jointly: these are relatives of RP-DRO (2204.06340), which is an option of the trainer, and are not that method.

A loss of NaN is an unknown pass rate: its weight is 1, it is counted, and the others are weighed as if it were not there.
Equal losses have equal weights, and a larger loss never has a smaller one; one group, or equal losses, gives ones.
numpy, as these are optimisations over the whole dataset and no expressions of one group.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from curate.errors import ConfigError

Floats = NDArray[np.float64]

# Halvings of an interval: more than a float64 has bits.
HALVINGS = 200


@dataclass(frozen=True, slots=True)
class Robust:
    """Weights (N,) of mean 1, never negative; ``n_unknown`` of them are 1 as their loss is not known.

    ``kl_scale`` (N,), of mean 1, is set by ``group_invariant`` alone.
    """

    weights: Floats
    n_unknown: int
    kl_scale: Floats | None = None

    @property
    def effective_groups(self) -> float:
        """Return (sum w)^2 / sum w^2, from 1 to N: how many groups the weighted ones are worth; 0 for none."""
        return float(self.weights.sum() ** 2 / (self.weights**2).sum()) if len(self.weights) else 0.0


def failure_rates(n_correct: ArrayLike, n_judged: ArrayLike) -> Floats:
    """Return the loss of each group, 1 - n_correct / n_judged in [0, 1]; NaN where nothing was judged, or n_correct is NaN."""
    correct, judged = np.asarray(n_correct, np.float64), np.asarray(n_judged, np.float64)
    known = judged > 0
    return np.where(known, 1 - correct / np.where(known, judged, 1), np.nan)


def kl_ball(losses: ArrayLike, rho: float) -> Robust:
    """Weigh groups by the worst distribution q within KL(q || uniform) <= rho nats (Hu and Hong 2013).

        w = N exp(loss / lambda) / sum exp(loss / lambda),  lambda such that mean(w log w) = rho, by bisection

    rho = 0 gives ones. From rho = log(N / m) on, m groups having the largest loss, these share all weight. Raises
    ConfigError for a rho below 0.
    """
    _demand("rho", rho, 0 <= rho < math.inf, "0 or above, in nats")
    return _weighed(losses, lambda known: _kl_weights(known, rho) if rho else np.ones(len(known)))


def cvar(losses: ArrayLike, alpha: float) -> Robust:
    """Weigh only the worst share alpha of the groups, by 1 / alpha each (conditional value at risk).

    The worst distribution with q <= 1 / (alpha N): groups get the weight 1 / alpha from the largest loss down until it is
    spent; the last ones, those of one loss, share what is left. alpha = 1 gives ones; alpha <= 1 / N all weight to the
    largest loss. Raises ConfigError for an alpha outside (0, 1].
    """
    _demand("alpha", alpha, 0 < alpha <= 1, "above 0, up to 1")
    return _weighed(losses, lambda known: _cvar_weights(known, alpha))


def chi_square_ball(losses: ArrayLike, rho: float) -> Robust:
    """Weigh groups by the worst distribution within mean((w - 1)^2) / 2 <= rho (Namkoong and Duchi 1610.02581).

        w = N (loss - eta)_+ / sum (loss - eta)_+,  eta such that the bound holds with equality

    While no weight is cut at 0 that is 1 + sqrt(2 rho) (loss - mean) / std, std of all N; afterwards eta is found by
    bisection. rho = 0 gives ones; from rho = (N / m - 1) / 2 on the m groups of the largest loss share all weight. Raises
    ConfigError for a rho below 0.
    """
    _demand("rho", rho, 0 <= rho < math.inf, "0 or above")
    return _weighed(losses, lambda known: _chi_square_weights(known, rho))


def group_dro(losses: ArrayLike, domains: Sequence[object] | None = None, eta: float = 0.1) -> Robust:
    """Weigh groups, or the domains they belong to, by one exponentiated step of group DRO (1911.08731).

        w_g = exp(eta * loss_g) / sum_h share_h exp(eta * loss_h)

    loss_g is the mean loss of domain g and share_h the share of h among the groups; without ``domains`` every group is its
    own. k steps on losses that stay as they are, as stored ones do, are one of k * eta. The paper starts from equal weights
    of the domains and so enlarges small ones even where losses are equal; here the start is the data as it is (ours). A
    null domain is unknown like a null loss. Raises ConfigError for an eta below 0.
    """
    _demand("eta", eta, 0 <= eta < math.inf, "0 or above")
    values = _checked(losses)
    if domains is not None:
        values = _domain_means(values, domains)
    return _weighed(values, lambda known: _softmax_weights(eta * known))


def group_invariant(losses: ArrayLike, domains: Sequence[object] | None = None, eta: float = 0.1) -> Robust:
    """Weigh hard domains up and hold easy ones closer to the reference; inspired by group invariant learning (2310.11971).

        weights = group_dro over ``domains``;  kl_scale = (1 / weights) / mean(1 / weights)

    Without ``domains`` the groups are two: those whose loss is above the median, and the others. kl_scale multiplies a
    sample's KL term, so that easy groups, which a policy overfits first, move less and hard ones may move more; 1 where the
    loss is unknown. The paper's equations are not public: this form is ours. Edge cases and errors as ``group_dro``.
    """
    values = _checked(losses)
    known = np.isfinite(values)
    if domains is None and known.any():
        domains = [None if np.isnan(loss) else bool(loss > np.median(values[known])) for loss in values]
    made = group_dro(values, domains, eta)
    of_domain = values if domains is None else _domain_means(values, domains)
    # The weights grow as exp(eta * loss), so their inverses as exp(-eta * loss): these have no weight of 0 to divide by.
    scale = _weighed(of_domain, lambda known: _softmax_weights(-eta * known)).weights
    return Robust(made.weights, made.n_unknown, scale)


def _weighed(losses: ArrayLike, weigh: Callable[[Floats], Floats]) -> Robust:
    """Weigh the known losses; the unknown ones get 1."""
    values = _checked(losses)
    known = ~np.isnan(values)
    weights = np.ones(len(values))
    if known.any() and values[known].max() > values[known].min():
        weights[known] = weigh(values[known])
    return Robust(weights, int((~known).sum()))


def _kl_weights(losses: Floats, rho: float) -> Floats:
    worst, below = losses == losses.max(), losses - losses.max()
    if rho >= math.log(len(losses) / worst.sum()):
        return _uniform_over(worst)
    high = _first_over(rho, lambda inverse: _kl(_softmax_weights(inverse * below)))
    inverse_lambda = _bisected(rho, 0.0, high, lambda inverse: _kl(_softmax_weights(inverse * below)))
    return _softmax_weights(inverse_lambda * below)


def _kl(weights: Floats) -> float:
    return float(np.mean(weights * np.log(np.where(weights > 0, weights, 1))))


def _cvar_weights(losses: Floats, alpha: float) -> Floats:
    n, weights = len(losses), np.zeros(len(losses))
    most, left = min(1 / alpha, n), float(n)
    for loss in np.unique(losses)[::-1]:
        block = losses == loss
        weights[block] = min(most, left / block.sum())
        left -= weights[block].sum()
        if left <= 0:
            break
    return weights


def _chi_square_weights(losses: Floats, rho: float) -> Floats:
    worst = losses == losses.max()
    if 2 * rho >= len(losses) / worst.sum() - 1:
        return _uniform_over(worst)
    linear: Floats = 1 + math.sqrt(2 * rho) * (losses - losses.mean()) / losses.std()
    if linear.min() >= 0:
        return linear
    low, high = float(losses.min()), float(losses[~worst].max())
    return _positive_part(losses, _bisected(rho, low, high, lambda eta: _chi_square(_positive_part(losses, eta))))


def _positive_part(losses: Floats, eta: float) -> Floats:
    above: Floats = np.maximum(losses - eta, 0)
    weights: Floats = len(losses) * above / above.sum()
    return weights


def _chi_square(weights: Floats) -> float:
    return float(np.mean((weights - 1) ** 2) / 2)


def _softmax_weights(scores: Floats) -> Floats:
    powers: Floats = np.exp(scores - scores.max())
    weights: Floats = powers / powers.mean()
    return weights


def _uniform_over(chosen: NDArray[np.bool_]) -> Floats:
    weights: Floats = chosen * (len(chosen) / chosen.sum())
    return weights


def _domain_means(losses: Floats, domains: Sequence[object]) -> Floats:
    """Return each group's domain's mean loss, NaN where the group's own or its domain is unknown."""
    if len(domains) != len(losses):
        raise ConfigError(f"there are {len(losses):,} losses and {len(domains):,} domains: give one domain a group")
    codes = {domain: code for code, domain in enumerate(dict.fromkeys(domains))}
    of_group = np.array([codes[domain] for domain in domains], np.int64)
    known = ~np.isnan(losses) & np.array([domain is not None for domain in domains], np.bool_)
    totals = np.bincount(of_group[known], weights=losses[known], minlength=len(codes))
    counts = np.bincount(of_group[known], minlength=len(codes))
    means: Floats = (totals / np.maximum(counts, 1))[of_group]
    return np.where(known, means, np.nan)


def _checked(losses: ArrayLike) -> Floats:
    values = np.asarray(losses, np.float64)
    if values.ndim != 1 or np.isinf(values).any():
        raise ConfigError("losses must be one finite number a group, or NaN where the pass rate is unknown")
    return values


def _first_over(bound: float, grows: Callable[[float], float]) -> float:
    """Return a power of two at which an increasing function is at least ``bound``."""
    at = 1.0
    while grows(at) < bound and at < 1e300:
        at *= 2
    return at


def _bisected(bound: float, low: float, high: float, grows: Callable[[float], float]) -> float:
    """Return the largest number found at which an increasing function does not exceed ``bound``."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if grows(middle) <= bound else (low, middle)
    return low


def _demand(name: str, value: float, is_good: bool, what: str) -> None:
    if not is_good:
        raise ConfigError(f"{name} is {value}: it must be {what}")
