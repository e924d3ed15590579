"""Which group each sample is in, said by the source or inferred from (step, exact prompt), and how sure that is."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass

from curate.ids import group_id
from curate.importing.prompts import Prompts
from curate.importing.rollout import Rollout

N_SHOWN = 5


@dataclass(frozen=True, slots=True)
class GroupReport:
    """What the user must see of the grouping before he trusts it.

    ``sizes`` counts groups by their number of samples; ``common_size`` is the most frequent one (the smaller of two);
    ``n_odd`` groups have another size. ``n_ambiguous`` inferred groups have a multiple of the common size: their
    prompt probably came more than once in a step, and several groups lie in one. ``inferred_from`` is null where the
    source names every group.
    """

    n_groups: int
    n_inferred: int
    inferred_from: str | None
    sizes: dict[int, int]
    common_size: int | None
    n_odd: int
    n_ambiguous: int
    first_ambiguous: list[str]


class Groups:
    """Groups in the order in which their first samples came: a few numbers each, whatever the number of rows."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._ordinals: dict[int, int] = {}
        self.ids = array("q")
        self.sizes = array("q")
        self._prompts = array("q")
        self._first_rows = array("q")
        self._first_files = array("l")
        self._files: dict[str, int] = {}
        self._inferred = bytearray()
        self._indexed = bytearray()
        self._has_step = False
        self._lacks_step = False

    def place(self, rollout: Rollout, prompts: Prompts) -> tuple[int, str] | str:
        """Find a sample's group: (ordinal, prompt_id), or the reason why the sample cannot be in the group it names."""
        prompt = prompts.identify(rollout)
        if isinstance(prompt, str):
            return prompt
        key = rollout.group_key
        if key is None:
            key = {"prompt": prompts.name(prompt), "step": rollout.step}
        identity = group_id([self._source, key])
        ordinal = self._ordinals.get(identity)
        if ordinal is None:
            ordinal = self._add(identity, rollout, prompt)
        elif self._prompts[ordinal] != prompt:
            return f"group {str(rollout.group_key)[:100]} has another prompt in {self._first(ordinal)}"
        elif self._indexed[ordinal] != (rollout.sample_index is not None):
            return f"group mixes samples with and without a sample_index, unlike {self._first(ordinal)}"
        self.sizes[ordinal] += 1
        prompts.keep(prompt, rollout, ordinal)
        return ordinal, prompts.name(prompt)

    def _add(self, identity: int, rollout: Rollout, prompt: int) -> int:
        ordinal = self._ordinals[identity] = len(self.ids)
        self.ids.append(identity)
        self.sizes.append(0)
        self._prompts.append(prompt)
        self._first_rows.append(rollout.row)
        self._first_files.append(self._files.setdefault(rollout.file, len(self._files)))
        self._inferred.append(rollout.group_key is None)
        self._indexed.append(rollout.sample_index is not None)
        if rollout.group_key is None:
            self._has_step |= rollout.step is not None
            self._lacks_step |= rollout.step is None
        return ordinal

    def report(self) -> GroupReport:
        """Count sizes and name what looks wrong; a group left without samples does not count."""
        sizes = Counter(size for size in self.sizes if size)
        common = max(sizes, key=lambda size: (sizes[size], -size), default=None)
        ambiguous = [
            ordinal
            for ordinal, size in enumerate(self.sizes)
            if common and self._inferred[ordinal] and size > common and size % common == 0
        ]
        return GroupReport(
            n_groups=sizes.total(),
            n_inferred=sum(self._inferred),
            inferred_from=self._inferred_from(),
            sizes=dict(sorted(sizes.items())),
            common_size=common,
            n_odd=sizes.total() - sizes[common] if common else 0,
            n_ambiguous=len(ambiguous),
            first_ambiguous=[f"{self._first(o)}: {self.sizes[o]} samples" for o in ambiguous[:N_SHOWN]],
        )

    def _inferred_from(self) -> str | None:
        if not any(self._inferred):
            return None
        if not self._has_step:
            return "the exact prompt alone: the source has no step, so samples of a prompt from all steps are one group"
        return "step and exact prompt" + (", where there is a step" if self._lacks_step else "")

    def _first(self, ordinal: int) -> str:
        names = list(self._files)
        return f"{names[self._first_files[ordinal]]}:{self._first_rows[ordinal]}"
