"""Recipes that weigh the groups of the dataset for the worst case.

Each is grpo with a weighting on top; ``curate reweight --recipe NAME --weighting NAME`` puts a weighting on any recipe.
These are non-parametric relatives of RP-DRO (arXiv 2204.06340), whose adversary is trained jointly, in the trainer.
"""

from __future__ import annotations

from curate.reweighting import estimators, gates, weightings
from curate.reweighting.compose import compose
from curate.reweighting.pieces import KeepGroups, Weighting
from curate.reweighting.recipe import Recipe
from curate.reweighting.registry import register
from curate.reweighting.weightings.robust import DomainUnit, InvariantUnit, Unit


@register(source=["Hu and Hong 2013"], affine=True, rho=0.1)
def kl_ball_dro(rho: float, unit: Unit = "prompt", eps: float = 1e-6, keep_groups: KeepGroups = "mixed") -> Recipe:
    """Weigh prompts by the worst distribution within rho nats of the data.

    A as in grpo; weight = N exp(loss / lambda) / sum exp(loss / lambda) over the N groups that train, loss = 1 - pass
    rate of the prompt, lambda such that mean(w log w) = rho. rho = 0 is grpo.

    Weights have mean 1 over the groups that train. Reads prompt_id with ``unit="prompt"``, which pools the groups of a
    prompt; ``unit="group"`` takes each alone.

    Pitfalls: Every part depends on all parts. Where a prompt's answer is wrong, or its problem cannot be solved, its loss
    is the largest: look at what gets weight. A group drawn down by a stopping rule shows the loss of what trains, not
    its pass rate.
    """
    return _on_grpo(weightings.kl_ball(rho, unit), eps, keep_groups)


@register(source=["Rockafellar and Uryasev 2000"], affine=True, alpha=0.5)
def cvar_dro(alpha: float, unit: Unit = "prompt", eps: float = 1e-6, keep_groups: KeepGroups = "mixed") -> Recipe:
    """Train on the worst share alpha of the prompts (conditional value at risk).

    A as in grpo; weight = 1 / alpha for the groups of the largest losses 1 - pass rate until it is spent, 0 for the
    others; groups of one loss share. alpha = 1 is grpo.

    Weights have mean 1 over the groups that train; a group of weight 0 is kept, and adds nothing to the loss. Reads
    prompt_id with ``unit="prompt"``.

    Pitfalls: as kl_ball_dro; most of the data is thrown away at a small alpha.
    """
    return _on_grpo(weightings.cvar(alpha, unit), eps, keep_groups)


@register(source=["arXiv 1610.02581"], affine=True, rho=0.1)
def chi2_dro(rho: float, unit: Unit = "prompt", eps: float = 1e-6, keep_groups: KeepGroups = "mixed") -> Recipe:
    """Weigh prompts by the worst distribution within a chi-square ball around the data.

    A as in grpo; weight = N (loss - eta)_+ / sum (loss - eta)_+, loss = 1 - pass rate of the prompt, eta such that
    mean((w - 1)^2) / 2 = rho. rho = 0 is grpo.

    Weights have mean 1 over the groups that train. Reads prompt_id with ``unit="prompt"``.

    Pitfalls: as kl_ball_dro; easy prompts get weight 0 once rho is large.
    """
    return _on_grpo(weightings.chi_square(rho, unit), eps, keep_groups)


@register(source=["arXiv 1911.08731"], affine=True)
def group_dro(
    eta: float = 0.1, unit: DomainUnit = "domain", eps: float = 1e-6, keep_groups: KeepGroups = "mixed"
) -> Recipe:
    """Weigh domains up where the policy fails most.

    A as in grpo; weight = exp(eta * loss_g) / sum_h share_h exp(eta * loss_h), loss_g = mean of 1 - pass rate over the
    domain's groups that train, share_h the share of domain h among them. eta = 0 is grpo.

    Weights have mean 1 over the groups that train; a group of unknown domain has weight 1. Reads the prompts' domain
    with ``unit="domain"``.

    Pitfalls: Every part depends on all parts. One step of the paper's loop on losses that stay as they are, from the data
    as it is and not from equal weights of the domains (ours).
    """
    return _on_grpo(weightings.group_dro(eta, unit), eps, keep_groups)


@register(source=["inspired by arXiv 2310.11971", "ours"], affine=True)
def group_invariant(
    eta: float = 0.1, unit: InvariantUnit = "domain", eps: float = 1e-6, keep_groups: KeepGroups = "mixed"
) -> Recipe:
    """Weigh hard domains up and hold easy ones closer to the reference (ours, inspired by group invariant learning).

    A and weight as in group_dro; kl_scale = (1 / weight) / mean(1 / weight) multiplies a sample's KL term. With
    ``unit="halves"`` the two domains are the groups whose loss is above the median, and the others. eta = 0 is grpo.

    kl_scale is 1 where the domain is unknown, and null for dropped samples.

    Pitfalls: The paper's equations are not public: this form is ours. A trainer without a KL term ignores kl_scale.
    """
    return _on_grpo(weightings.group_invariant(eta, unit), eps, keep_groups)


def _on_grpo(weighting: Weighting, eps: float, keep_groups: KeepGroups) -> Recipe:
    return compose(estimators.grpo(eps), gate=[gates.groups(keep_groups)], weighting=weighting)
