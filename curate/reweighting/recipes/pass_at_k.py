"""Recipes that train for pass@k: one success among k samples is enough."""

from __future__ import annotations

from curate.reweighting import estimators, gates
from curate.reweighting.compose import compose
from curate.reweighting.pieces import KeepGroups
from curate.reweighting.recipe import Recipe
from curate.reweighting.registry import register


@register(source=["arXiv 2508.10751"], k=2)
def passk(k: int, keep_groups: KeepGroups = "mixed") -> Recipe:
    """Give each sample its mean advantage over all draws of k samples of its group.

    rho = 1 - C(G-c, k) / C(G, k), the chance that k of the group's G samples hold one of the c correct ones;
    s = sqrt(rho (1 - rho)). A = (1 - rho) / s for a correct sample, (1 - rho - C(G-c-1, k-1) / C(G-1, k-1)) / s for a
    wrong one, 0 where s is 0. ``k`` in 1..1024; k = 1 is GRPO with the population std and without eps.
    G = 8, k = 4: one correct sample gets 1 and the wrong ones -1/7, two get .522 and -.174.

    All-wrong and all-correct groups give 0: they are dropped, or kept at 0 with ``keep_groups="all"``. A group that is
    solved for k (more than G - k correct) is kept at 0. A group of fewer than k judged samples has no pass@k and is
    dropped as ``gated``.

    Pitfalls: With k near G hardly any group teaches: half the group correct is solved for k = G/2 + 1, and nothing
    raises its pass@1 any more.
    """
    return compose(estimators.passk(k), gate=[gates.groups(keep_groups)])


@register(source=["arXiv 2503.19595"], affine=True)
def grpo_passk(eps: float = 1e-6, keep_groups: KeepGroups = "mixed") -> Recipe:
    """Give the best sample of each group its lead over the second best, and the others 0.

    A = (r_max - r_2nd) / (std + eps) for the sample of r_max, std with ddof 1; eps 1e-6 is verl's. Real rewards will do.

    All-wrong and all-correct groups give 0: they are dropped, or kept at 0 with ``keep_groups="all"``. Where two samples
    share the best reward nobody leads: the group is kept at 0.

    Pitfalls: With 0/1 rewards only groups of exactly one correct sample teach, at sqrt(G), and nothing is pushed down:
    the advantages of a group do not sum to 0. The paper's k is the group's size.
    """
    return compose(estimators.grpo_passk(eps), gate=[gates.groups(keep_groups)])
