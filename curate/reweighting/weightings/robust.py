"""Robust weights of groups: distributionally robust optimisation over prompts or domains, without a trained adversary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import polars as pl

from curate.reweighting import robust
from curate.reweighting.pieces import Weighting
from curate.reweighting.recipe import INITIAL
from curate.reweighting.registry import weighting

Unit = Literal["prompt", "group"]
DomainUnit = Literal["domain", "prompt", "group"]
InvariantUnit = Literal["domain", "halves"]

Losses = robust.Floats
Domains = list[object] | None


@weighting(rho=0.1)
def kl_ball(rho: float, unit: Unit = "prompt") -> Weighting:
    """Weigh groups by the worst distribution within ``rho`` nats of the data: w ~ exp(loss / lambda).

    loss = 1 - pass rate of the group's prompt, or of the group alone, over the groups that train (``robust.kl_ball``).
    """
    return _robust(lambda losses, _: robust.kl_ball(losses, rho), unit)


@weighting(alpha=0.5)
def cvar(alpha: float, unit: Unit = "prompt") -> Weighting:
    """Weigh only the worst share ``alpha`` of the groups, by 1 / alpha each; the others get weight 0.

    loss = 1 - pass rate of the group's prompt, or of the group alone, over the groups that train (``robust.cvar``).
    """
    return _robust(lambda losses, _: robust.cvar(losses, alpha), unit)


@weighting(rho=0.1)
def chi_square(rho: float, unit: Unit = "prompt") -> Weighting:
    """Weigh groups by the worst distribution within mean((w - 1)^2) / 2 <= ``rho``: w ~ (loss - eta)_+.

    loss = 1 - pass rate of the group's prompt, or of the group alone, over the groups that train
    (``robust.chi_square_ball``).
    """
    return _robust(lambda losses, _: robust.chi_square_ball(losses, rho), unit)


@weighting()
def group_dro(eta: float = 0.1, unit: DomainUnit = "domain") -> Weighting:
    """Weigh domains by one exponentiated step of group DRO: w ~ exp(eta * loss) (arXiv 1911.08731).

    loss = mean of 1 - pass rate over the domain's groups that train; ``unit="prompt"`` or "group" takes each of these for a
    domain (``robust.group_dro``). A null domain has weight 1.
    """
    return _robust(lambda losses, domains: robust.group_dro(losses, domains, eta), unit)


@weighting()
def group_invariant(eta: float = 0.1, unit: InvariantUnit = "domain") -> Weighting:
    """Weigh hard domains up as group_dro does, and give easy ones a larger ``kl_scale``; inspired by arXiv 2310.11971.

    ``unit="halves"`` takes the groups whose loss is above the median for one domain, the others for the other
    (``robust.group_invariant``). The paper's equations are not public: this form is ours.
    """
    return _robust(
        lambda losses, domains: robust.group_invariant(losses, domains, eta), "domain" if unit == "domain" else "group"
    )


def _robust(weigh: Callable[[Losses, Domains], robust.Robust], unit: DomainUnit) -> Weighting:
    """Weigh groups by the losses of their prompts, or by their own; one of a prompt's groups weighs what another does.

    The pass rate of a group that a stopping rule drew is that of its first ``n_initial`` samples: what was drawn after the
    rule looked, and what was left of it for training, are no draw of the policy's outcomes.
    """
    weigh(robust.failure_rates([], []), None)  # wrong parameters are refused before anything runs
    of_unit = {
        "prompt": {"prompt_id": pl.col("prompt_id").max()},
        "domain": {"domain": pl.col("domain").max()},
        "group": {},
    }

    def weighed(groups: pl.DataFrame) -> pl.DataFrame:
        if unit == "prompt":
            groups = groups.with_columns(pl.col("n_correct", "n_judged").sum().over("prompt_id"))
        losses = robust.failure_rates(groups["n_correct"], groups["n_judged"])
        made = weigh(losses, groups["domain"].to_list() if unit == "domain" else None)
        columns = {"weight": made.weights} | ({} if made.kl_scale is None else {"kl_scale": made.kl_scale})
        return pl.DataFrame(columns)

    return Weighting({"n_correct": INITIAL.sum(), "n_judged": INITIAL.count(), **of_unit[unit]}, weighed)
