"""Drop what is solved: prompts answered in every sample teach nothing more (arXiv 2504.14286)."""

from __future__ import annotations

from curate.reweighting.group import can_train, drop_reason
from curate.reweighting.pieces import Gate
from curate.reweighting.registry import gate


@gate()
def drop_solved() -> Gate:
    """Drop the groups that are all correct and keep mixed and all-wrong ones (SRPO's filter, arXiv 2504.14286).

    ``not_all_correct`` trains the same groups; this one also keeps those without a signal, at an advantage of exactly 0:
    an all-wrong prompt stays on the list of the next epoch.
    """
    return Gate(trains=can_train("not_all_correct"), drop=drop_reason("not_all_correct"), keep_uniform=True)
