"""The strategies of a group while a judge sorts them, window by window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from curate.judging.strategies import cost

MAX_SHOWN = 32


@dataclass
class Sorting:
    """The strategies of one group while they are found, window by window.

    ``texts`` are its distinct solutions; ``clusters`` gets the cluster of each, from 0 by first appearance, null while
    it was not sorted. A window shows one solution of each strategy known so far, the most frequent first and at most
    half a window of them, and as many new ones as there is room for. ``room`` is in tokens, ``cost`` those of a text.
    """

    texts: Sequence[str]
    room: int
    max_shown: int = MAX_SHOWN
    clusters: list[int | None] = field(init=False)

    def __post_init__(self) -> None:
        self.clusters = [None] * len(self.texts)
        self._costs = [cost(text) for text in self.texts]
        if len(self.texts) == 1:
            self.clusters = [0]

    @property
    def too_long(self) -> list[int]:
        """Places of the solutions that are never shown: with a third of the room each, two fit beside a known one."""
        return [place for place, tokens in enumerate(self._costs) if tokens > self.room // 3 and len(self.texts) > 1]

    def next_window(self) -> list[int] | None:
        """Return the places to show next, those of known strategies first; null when all that fit are sorted."""
        left_out = set(self.too_long)
        fresh = [p for p, cluster in enumerate(self.clusters) if cluster is None and p not in left_out]
        known = self._known()
        if not fresh:
            return None
        if not known and len(fresh) == 1:
            self.clusters[fresh[0]] = 0
            return None
        return known + self._that_fit(fresh, known)

    def n_known(self, window: Sequence[int]) -> int:
        """Return how many solutions at the head of a window stand for a known strategy."""
        return sum(self.clusters[place] is not None for place in window)

    def take(self, window: Sequence[int], lists: Sequence[Sequence[int]]) -> None:
        """Take over a reply to a window: ``lists`` of 1-based numbers, each exactly once.

        A list that holds a known strategy adds its new solutions to it; with several known ones to the first of them:
        the judge has kept those apart with both in view, and they stay apart.
        """
        names = {place: self.clusters[place] for place in window}
        n_clusters = 1 + max((c for c in self.clusters if c is not None), default=-1)
        for numbers in sorted(lists, key=min):
            places = sorted(window[number - 1] for number in numbers)
            known = [name for place in places if (name := names[place]) is not None]
            cluster = known[0] if known else n_clusters
            n_clusters += not known
            for place in places:
                if names[place] is None:
                    self.clusters[place] = cluster

    def _known(self) -> list[int]:
        """Return the shortest solution of each strategy, those of the most frequent strategies, within a third of the room."""
        members: dict[int, list[int]] = {}
        for place, cluster in enumerate(self.clusters):
            if cluster is not None:
                members.setdefault(cluster, []).append(place)
        most_frequent = sorted(members, key=lambda cluster: (-len(members[cluster]), cluster))
        shown: list[int] = []
        for cluster in most_frequent[: self.max_shown // 2]:
            shortest = min(members[cluster], key=lambda place: self._costs[place])
            if sum(self._costs[place] for place in [*shown, shortest]) <= self.room // 3 or not shown:
                shown.append(shortest)
        return sorted(shown)

    def _that_fit(self, fresh: Sequence[int], known: Sequence[int]) -> list[int]:
        used, chosen = sum(self._costs[place] for place in known), list[int]()
        for place in fresh:
            if len(known) + len(chosen) >= self.max_shown or used + self._costs[place] > self.room:
                break
            used += self._costs[place]
            chosen.append(place)
        return chosen
