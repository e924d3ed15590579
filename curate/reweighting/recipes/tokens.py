"""Recipes that give each token an advantage of its own."""

from __future__ import annotations

from curate.reweighting import estimators, gates
from curate.reweighting.compose import compose
from curate.reweighting.pieces import KeepGroups
from curate.reweighting.recipe import Recipe
from curate.reweighting.registry import register


@register(source=["arXiv 2410.01679"])
def vineppo(least_n: int = 3, keep_groups: KeepGroups = "mixed") -> Recipe:
    """Credit every step with what it adds to the expected reward, measured by continuations: VinePPO.

    V(s) = mean reward of the continuations sampled after s, nulls not counted; every token of a step gets
    A_i = V(s_i+1) - V(s_i); after the last step V is the reward. ``advantage`` is the sum over the steps, R - V(prompt);
    ``token_advantages`` replace it in the loss. The paper has 9 continuations and trains with PPO's clip.

    Reads branches, of `curate branch`. A place with fewer than ``least_n`` judged continuations is passed over, so that two
    steps are credited as one; without a value of the prompt a sample is dropped as ``no_branches``. No group is needed: a
    group of one trains, and with keep_groups all-wrong and all-correct ones do, where branched. One step: all its tokens
    get R - V(prompt). The footer, and the command, say how many places were used and their mean standard error.

    Pitfalls: With 9 continuations a value of 1/2 has a standard error of .17: most credits of single steps are noise, and
    only their mean over many samples is not. Continuations of another policy than the sampler give that policy's values.
    Standard errors are 0 where all continuations agree, which understates them.
    """
    return compose(estimators.vineppo(least_n), gate=[gates.groups(keep_groups)])


@register(source=["arXiv 2506.02553"])
def trepo(least_n: int = 3, keep_groups: KeepGroups = "mixed") -> Recipe:
    """Credit every token with an even share of what the expected reward gains around it: after TRePO.

    A_t = V(prefix with w_t) - V(prefix), V = mean reward of continuations, on a line between the places that were
    sampled: the tokens from one place to the next share the difference of their values. ``advantage`` is the sum over the
    tokens, R - V(prompt); after the last token V is the reward.

    Not reproducible from public material: the paper publishes neither which positions it samples, nor how many, nor how
    it interpolates. Uniform random positions (`curate branch DIR --positions M`) and the line are ours; borders of steps
    work too. Edge cases as vineppo's.

    Pitfalls: Token advantages are smaller than vineppo's by the length of a step: the learning rate is another.
    """
    return compose(estimators.trepo(least_n), gate=[gates.groups(keep_groups)])


@register(source=["arXiv 2505.24718", "longmalongma/TW-GRPO@3abc3c3"])
def tw_grpo(
    alpha: float = 1.7, alive_only: bool = False, eps: float = 1e-6, keep_groups: KeepGroups = "mixed"
) -> Recipe:
    """Weigh tokens by how much the group's next-token distributions differ at their position: TW-GRPO, from top-k.

    A = (r - mean) / (std + eps); token_advantages = A * w_t, w_t = 1 + (alpha - 1) * minmax(D_t) over the positions of
    the group, D_t = mean over samples of sum_v (exp(d) - d - 1), d = clip(mean log p(v) - log p(v), +-11). alpha 1.7 is
    the script's; alpha 1 is grpo. Its reward for several right options is the shaping ``multi_choice``.

    An approximation: the paper sums over the vocabulary, here v runs over the ids in the stored top-k of any sample at that
    position, and an id that a sample's top-k lacks has an even share of the probability left. A completion that has ended
    counts as uniform, as in the paper; ``alive_only`` leaves it out. Equal divergences everywhere give w = 1. Reads
    topk_ids and topk_logprobs: a sample without them is dropped as ``no_likelihood``.

    Pitfalls: Uniform padding makes the tails of ragged groups look informative: use alive_only where lengths differ.
    """
    return compose(estimators.tw_grpo(alpha, alive_only, eps), gate=[gates.groups(keep_groups)])


@register(source=["arXiv 2404.12358"])
def q_star(beta: float = 0.1, weigh: bool = False, eps: float = 1e-6, keep_groups: KeepGroups = "mixed") -> Recipe:
    """Show what a model trained by DPO credits each token with, and share the advantage by it where asked to.

    c_t = beta * (logp_dpo - logp_ref), in ``token_credit``, which the loss does not read;
    A = (r - mean) / (std + eps). ``weigh``: token_advantages = A * T * softmax(sign(A) * c), our mapping: their mean is A,
    and beta 0 is grpo. `--scorer` names the likelihoods of the DPO model, `--ref-scorer` those of its reference, both by
    `curate logprob DIR --model PATH`; a sample that one of them lacks is dropped as ``no_likelihood``.

    Pitfalls: c_t is a credit only as far as the DPO model is the optimum of its data. The scorers must share the
    tokenizer and the temperature. A large beta puts nearly all of A on one token.
    """
    return compose(estimators.q_star(beta, weigh, eps), gate=[gates.groups(keep_groups)])
