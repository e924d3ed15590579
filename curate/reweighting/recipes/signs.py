"""Recipes that train on the sign of the outcome, without group statistics."""

from __future__ import annotations

from curate.reweighting import estimators, gates
from curate.reweighting.compose import compose
from curate.reweighting.estimators.signs import Scores
from curate.reweighting.recipe import Recipe
from curate.reweighting.registry import register

REINFORCE_REJ = "arXiv 2504.11343"
PSR_NSR = "arXiv 2506.01347"


@register(source=[REINFORCE_REJ], affine=True)
def reinforce_rej(scores: Scores = "signs") -> Recipe:
    """Give correct samples +1 and wrong ones -1, in mixed groups alone.

    A = +1 or -1 by the outcome, whatever the rewards: 0/1, +-1 or real. All-wrong and all-correct groups are dropped,
    and so is a group of one. The released code trains on the stored reward, which with 0/1 gives wrong samples 0:
    ``scores="zero_one"`` mimics that, and keeps them at 0.

    Pitfalls: The mean of a group's advantages is not 0: an often solved prompt pushes its samples up as a whole, a hard
    one down. With "zero_one" nothing pushes wrong answers down: it is raft on mixed groups, with a smaller step.
    """
    return compose(estimators.reinforce_rej(scores), gate=[gates.mixed()])


@register(source=[PSR_NSR], affine=True)
def psr() -> Recipe:
    """Train on the correct samples alone, each at +1 (positive sample reinforcement).

    A = +1; wrong samples are dropped as ``gated``, all-wrong groups as ``all_wrong``. By the outcome alone, whatever the
    rewards. No group statistics: all-correct groups and a group of one correct sample train.

    Pitfalls: It sharpens: the paper finds pass@1 up and pass@k of a large k down. A prompt that is often solved
    weighs more than a hard one.
    """
    return compose(estimators.psr(), gate=[gates.not_all_wrong()])


@register(source=[PSR_NSR], affine=True)
def nsr() -> Recipe:
    """Train on the wrong samples alone, each at -1 (negative sample reinforcement).

    A = -1; correct samples are dropped as ``gated``, all-correct groups as ``all_correct``. By the outcome alone,
    whatever the rewards. No group statistics: all-wrong groups and a group of one wrong sample train.

    Pitfalls: It never says what is right, and its loss has no lower bound: offline, over several epochs, the log-probs of
    wrong samples fall for ever. Clip, stop early, or use w_reinforce.
    """
    return compose(estimators.nsr(), gate=[gates.not_all_correct()])


@register(source=[PSR_NSR], affine=True)
def w_reinforce(lambda_psr: float = 0.1) -> Recipe:
    """Give correct samples a little and wrong ones -1.

    A = lambda_psr for a correct sample (0.1 in the paper), -1 for a wrong one; by the outcome alone, whatever the
    rewards. ``lambda_psr=0`` keeps correct samples at 0; nsr drops them. No group statistics: every group trains, also
    a group of one.

    Pitfalls: With a pass rate below 1 / (1 + lambda_psr), .91 at the default, the mean advantage is negative: several
    epochs over stored data push everything down.
    """
    return compose(estimators.w_reinforce(lambda_psr), gate=[gates.all_()])
