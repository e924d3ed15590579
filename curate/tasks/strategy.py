"""Which countdown solutions are the same strategy: those that differ by commutativity and the order of steps alone.

Equal strategies compute the same results from the same pairs. Associativity is left out on purpose: 2+4 then +3, and
3+4 then +2, compute different numbers on the way, and a policy that knows one need not know the other. With it (and
the signs of differences and quotients moved) 88 % of the problems with three numbers of 1..12 would have one strategy
only, without it 64 %, so that a signal for diversity has something to tell apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from curate.tasks.moves import Move, read, split
from curate.tasks.verify import compare, extract


def canonical(completion: str, problem: str) -> str | None:
    """Return the key of a correct solution's strategy; null for any other completion.

    The key is the sorted steps, ``b+a=c`` written ``a+b=c`` with a <= b (so for ``*``), joined by ``;``. It is not a
    solution text: sorted steps need not be in an order that can be played. ``problem`` is the prompt or the answer.
    With four numbers ``3+5=8;8-1=7;7*8=56`` does not say which 8 loses 1, and so it is one strategy with
    ``8-1=7;3+5=8;7*8=56``.
    """
    if compare(extract(completion), problem).outcome != "correct":
        return None
    moves = (read(step.text) for step in split(completion))
    return ";".join(sorted(_sorted_operands(move).text for move in moves if move))


def clusters(completions: Sequence[str], problem: str) -> list[int | None]:
    """Number the strategies of one group from 0 by first appearance; null for a completion that is not correct.

    A group without a correct completion is all null.
    """
    numbers: dict[str, int] = {}
    keys = [canonical(completion, problem) for completion in completions]
    return [None if key is None else numbers.setdefault(key, len(numbers)) for key in keys]


def diversity(clusters_G: Sequence[int | None]) -> list[float | None]:
    """Return each sample's share of the group outside its cluster: (G - size of the cluster) / G, in [0, 1).

    That is 1 minus the estimated probability of its strategy, so G counts the whole group, wrong samples too: a lone
    correct sample gets (G - 1)/G. Null for a sample without a cluster; 0 for a group of one and for a group of one
    strategy.
    """
    sizes = Counter(clusters_G)
    G = len(clusters_G)
    return [None if cluster is None else (G - sizes[cluster]) / G for cluster in clusters_G]


def _sorted_operands(move: Move) -> Move:
    if move.operator in "+*" and move.a > move.b:
        return Move(move.b, move.operator, move.a, move.result)
    return move
