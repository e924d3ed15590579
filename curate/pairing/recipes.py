"""Recipes of pairs from rewards: the best over the worst of a group, and targets of reward differences.

They share the rules of ``pair``: a sample that is hinted or not judged takes no part; a group of one gives no pair
(``singleton``); a pair of identical completions is dropped (``identical``); a sample of a group with pairs that is in none
of them is ``unpaired``. Nothing is random.
"""

from __future__ import annotations

from typing import Literal

import polars as pl

from curate.errors import ConfigError
from curate.pairing.match import ends, finished, neighbours
from curate.pairing.recipe import CORRECT, REWARD, N, PairRecipe, first_reason
from curate.pairing.registry import register

Ties = Literal["index", "likelihood"]
REWARD_GAP = REWARD - pl.col("reward_rejected")
EXPLAINED = " (answer shown)"  # ends the policy's name of an explanation, as `curate explain` writes it


@register("arXiv 2305.18290", "arXiv 2404.14367")
def best_worst(ties: Ties = "index") -> PairRecipe:
    """Prefer the best correct sample of a group to its worst wrong one: one pair a group, for DPO.

    chosen = the correct sample of the highest reward, rejected = the wrong one of the lowest; with rewards of 0 and 1
    all of a side are equal, and ``ties`` decides: ``index`` takes the lowest sample_index of either side (the samples
    of a group come in no order, so this favours nobody), ``likelihood`` the least likely of the best and the likeliest
    of the worst by mean_logprob: the pair that the policy ranks most wrongly. Equal likelihoods fall back on the index.
    Trained with ``--objective dpo``; target and smoothing are null.

    A group of one, all-wrong (``no_success``) and all-correct (``no_failure``) groups give no pair; an unjudged sample
    takes no part, nor one without a likelihood where ``ties`` is ``likelihood``.

    Pitfalls: one pair a group, whatever its size; ``likelihood`` meets the rarest tokens and the confident errors first,
    and its log-probs age as the policy moves.
    """
    by_likelihood = ties == "likelihood"
    tie = "mean_logprob" if by_likelihood else None
    return PairRecipe(
        reads=("reward", "outcome", *((tie,) if tie else ())),
        leave={"unjudged": REWARD.is_null()} | ({"no_likelihood": pl.col(tie).is_null()} if tie else {}),
        bar=first_reason(singleton=N < 2, no_success=~CORRECT.any(), no_failure=CORRECT.all()),
        match=lambda samples: finished(
            ends(samples, "reward", ties=tie, chosen_from=CORRECT, rejected_from=~CORRECT),
        ),
        counts_outcomes=True,
    )


@register("arXiv 2404.16767")
def rebel(eta: float = 1.0) -> PairRecipe:
    """Regress the gap of log-ratios between the best and the worst sample of a group on their gap in reward.

    target = eta * (r_chosen - r_rejected), in nats; one pair a group, best and worst by reward, of equals the lowest
    sample_index. Any real rewards; outcomes are not asked. Trained with ``--objective rebel``: the squared error of
    d(chosen) - d(rejected), d = summed log pi_theta - log pi_old. ``eta`` above 0; 1 is the paper's notation with the
    step size in the target.

    A group whose rewards are all equal is ``tied`` (all-wrong and all-correct ones are), a group of one ``singleton``.

    Pitfalls: rewards of 0 and 1 with eta 1 ask for a gap of one nat a sequence, however long it is.
    """
    _above_0(eta=eta)
    return PairRecipe(
        reads=("reward",),
        leave={"unjudged": REWARD.is_null()},
        bar=first_reason(singleton=N < 2, tied=REWARD.max() == REWARD.min()),
        match=lambda samples: finished(ends(samples, "reward"), target=eta * REWARD_GAP),
    )


@register("arXiv 2402.08714")
def prdp(beta: float = 10.0) -> PairRecipe:
    """Regress the gap of log-ratios of two samples on their gap in reward, whatever it is: also on none.

    target = (r_a - r_b) / beta, in nats, beta 10 (the paper's, for images and their reward scale); ``beta`` above 0. The
    pairs are disjoint neighbours by sample_index, 0 with 1, 2 with 3, ..., so that no look at the rewards chose them;
    which pairs of a prompt's samples the paper takes is not in our sources, so this choice is ours. The side of the
    higher reward is chosen, of equals the first: its target is 0, and holds the two log-ratios together. Trained with
    ``--objective prdp --log-clip C``.

    All-wrong and all-correct groups give pairs of target 0. A group of one is ``singleton``; the last of an odd group
    ``unpaired``.

    Pitfalls: where one sample of a group is correct, all its pairs but one have target 0.
    """
    _above_0(beta=beta)
    return PairRecipe(
        reads=("reward",),
        leave={"unjudged": REWARD.is_null()},
        bar=first_reason(singleton=N < 2),
        match=lambda samples: finished(neighbours(samples, "reward"), target=REWARD_GAP / beta),
    )


@register("arXiv 2507.02834")
def expo() -> PairRecipe:
    """Prefer a policy's own explanation of the right answer to its wrong sample, where it had no success of its own.

    For a dataset of `curate explain`: chosen = the first verified explanation of a group (sampled with the answer shown,
    trained without), rejected = the first wrong sample. Trained with ``--objective dpo``; target and smoothing are null.
    Rows for supervised training are the recipe ``expo`` of `curate reweight`.

    A group without a correct explanation is ``no_explanation``, one with a correct sample of its own ``solved``, one of
    explanations alone ``no_failure``; a wrong explanation is on neither side.

    Pitfalls: an explanation may lean on the shown answer without quoting it; the leak check of `curate explain` finds
    words of the hint, not reasoning from it.
    """
    is_explanation = pl.col("policy").cast(pl.String).str.ends_with(EXPLAINED).fill_null(False)
    explains, fails = is_explanation & CORRECT, ~is_explanation & ~CORRECT
    return PairRecipe(
        reads=("reward", "outcome", "policy"),
        leave={"unjudged": REWARD.is_null()},
        bar=first_reason(
            singleton=N < 2,
            solved=(~is_explanation & CORRECT).any(),
            no_explanation=~explains.any(),
            no_failure=~fails.any(),
        ),
        match=lambda samples: finished(ends(samples, "reward", chosen_from=explains, rejected_from=fails)),
        counts_outcomes=True,
    )


def _above_0(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise ConfigError(f"{name} must be above 0, got {value}")
