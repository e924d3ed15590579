"""What ``curate branch`` samples from: the places in stored completions where a step ends, and the rows that come of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

    from curate.dataset import Dataset, TableRef
    from curate.sampling.completion import Setting
    from curate.verbs.judging import Choice, Judging

Row = dict[str, Any]
Scope = Literal["mixed", "not_all_correct", "all"]
Decode = Callable[[Sequence[int]], str]
JUDGED = ("correct", "incorrect", "unparsable")
PROMPT = -1  # the sample_index of the state that all samples of a group share


@dataclass(frozen=True)
class Plan:
    """Where to cut, and how many continuations of what length and by what verifier; ``positions`` stands before ``split``."""

    split: str
    positions: int | None
    n: int
    scope: Scope
    setting: Setting
    seed: int
    verifier: Choice

    @property
    def parameters(self) -> dict[str, Any]:
        """What the continuations follow from, beside the policy."""
        from dataclasses import asdict

        cut = {"split": self.split} if self.positions is None else {"positions": self.positions}
        more = {"n": self.n, "scope": self.scope, "seed": self.seed}
        return cut | more | self.verifier.parameters | asdict(self.setting)


class State(NamedTuple):
    """One place to go on from: ``kept`` tokens of a sample, by its index (PROMPT: none), at most ``limit`` new ones."""

    sample: int
    step: int
    kept: list[int]
    limit: int


@dataclass
class Group:
    """The samples of one group that are branched, by index, and the states to sample from."""

    id: int
    prompt_id: str
    prompt: list[int]
    answer: str | None
    states: dict[int, list[State]] = field(default_factory=dict)

    @property
    def all_states(self) -> list[State]:
        return [state for states in self.states.values() for state in states]

    @property
    def n_samples(self) -> int:
        return sum(index != PROMPT for index in self.states)


def read_groups(data: Dataset, samples: TableRef, verdicts: TableRef, name: str) -> Iterator[list[Row]]:
    """Yield the samples of each group with their outcomes, in the order of the part."""
    from itertools import groupby

    from curate.stage import read, same_keys

    columns = ["group_id", "sample_index", "prompt_id", "completion", "completion_ids", "hinted"]
    left = read(data, samples, name, columns)
    right = read(data, verdicts, name, ["group_id", "sample_index", "outcome"])
    same_keys(left, right, f"{verdicts}/{name}")
    rows = left.append_column("outcome", right["outcome"])
    records = (row for batch in rows.to_batches(max_chunksize=4096) for row in batch.to_pylist())
    for _, group in groupby(records, key=lambda row: row["group_id"]):
        yield list(group)


def is_in_scope(group: Sequence[Row], scope: Scope) -> bool:
    """Say whether the outcomes of a group's judged samples let it be branched; a group without any is not."""
    outcomes = [row["outcome"] == "correct" for row in group if row["outcome"] in JUDGED]
    if not outcomes or (scope != "all" and all(outcomes)):
        return False
    return scope != "mixed" or any(outcomes)


def reason_not_to_branch(row: Row) -> str | None:
    """Return why a sample of a group in scope is passed over, or null: hinted, unjudged, no_tokens."""
    if row["hinted"]:
        return "hinted"
    if row["outcome"] not in JUDGED:
        return "unjudged"
    return None if row["completion_ids"] else "no_tokens"


@dataclass
class Cutter:
    """Cut completions into states; ``dropped`` and ``failed`` count the samples that were not, or not wholly, by reason.

    ``max_length`` is the model's, of prompt and completion together, where known.
    """

    plan: Plan
    decode: Decode
    max_length: int | None
    dropped: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    def group(self, rows: Sequence[Row], prompt: list[int] | None, answer: str | None) -> Group | None:
        """Return a group with its states; null where no sample is branched.

        The bare prompt is one state for all samples of the group: their value of it is the same number.
        """
        if not is_in_scope(rows, self.plan.scope):
            self.dropped["out_of_scope"] += len(rows)
            return None
        reasons = [reason_not_to_branch(row) for row in rows]
        self.dropped.update(filter(None, reasons))
        asked = [row for row, why in zip(rows, reasons, strict=True) if why is None]
        if not prompt or (room := self._room(prompt, 0)) < 1:
            self.failed["prompt_too_long" if prompt else "unreadable_prompt"] += len(asked)
            return None
        made = Group(rows[0]["group_id"], rows[0]["prompt_id"], prompt, answer)
        for row in asked:
            if (states := self._states(row, prompt)) is not None:
                made.states[row["sample_index"]] = states
        if not made.states:
            return None
        made.states = {PROMPT: [State(PROMPT, 0, [], room)]} | made.states
        return made

    def _states(self, row: Row, prompt: list[int]) -> list[State] | None:
        """Return the states after the steps of one completion but the last; null where it is of another tokenizer."""
        ids = row["completion_ids"]
        if row["completion"] is not None and self.decode(ids) != row["completion"]:
            self.failed["other_tokenizer"] += 1
            return None
        borders = self._borders(row)
        states = [
            State(row["sample_index"], step, ids[:n_kept], self._room(prompt, n_kept)) for step, n_kept in borders
        ]
        if any(state.limit < 1 for state in states):
            self.failed["no_room"] += 1
        return [state for state in states if state.limit >= 1]

    def _borders(self, row: Row) -> list[tuple[int, int]]:
        """Return (step, tokens kept), from the first step on; a border in the token of the border before it is none."""
        from curate.sampling.borders import random_borders, token_borders
        from curate.sampling.seeds import branch_seeds
        from curate.verbs.judge_rows import find_split

        ids, plan = row["completion_ids"], self.plan
        if plan.positions is not None:
            seed = branch_seeds(plan.seed, row["group_id"], row["sample_index"], 0, 1)[0]
            return list(enumerate(random_borders(len(ids), plan.positions, seed), 1))
        offsets = [step.offset for step in find_split(plan.split)(self.decode(ids))[1:]]
        kept = [0, *token_borders(ids, offsets, self.decode)]
        return [(step, kept[step]) for step in range(1, len(kept)) if kept[step] > kept[step - 1]]

    def _room(self, prompt: list[int], n_kept: int) -> int:
        """Return how many tokens may follow: a whole completion is no longer than the setting and the model allow."""
        room = self.plan.setting.max_new_tokens - n_kept
        return room if self.max_length is None else min(room, self.max_length - len(prompt) - n_kept)


def count_states(group: Sequence[Row], plan: Plan) -> tuple[int, int]:
    """Return how many samples of a group are branched and from how many states, at most, without looking at tokens."""
    from curate.verbs.judge_rows import find_split

    if not is_in_scope(group, plan.scope):
        return 0, 0
    asked = [row for row in group if reason_not_to_branch(row) is None]
    if plan.positions is not None:
        inner = [min(plan.positions, len(row["completion_ids"]) - 1) for row in asked]
    else:
        split = find_split(plan.split)
        inner = [max(0, len(split(row["completion"] or "")) - 1) for row in asked]
    return len(asked), sum(inner) + bool(asked)


Place = tuple[Group, State]
Rewards = dict[tuple[int, int, int], list[float | None]]  # by group, sample index and step


class Judge:
    """Judge whole completions as ``curate verify`` does; each distinct answer once."""

    def __init__(self, judging: Judging, decode: Decode) -> None:
        self.judging, self.decode = judging, decode

    def rewards(self, drawn: Sequence[tuple[Place, Sequence[Sequence[int]]]]) -> Rewards:
        """Return the reward of each continuation of each place; null where the verifier gave up."""
        from itertools import islice

        verdicts = self.judging.verdicts(
            (self.decode([*state.kept, *ids]), group.answer) for (group, state), own in drawn for ids in own
        )
        return {
            (group.id, state.sample, state.step): [verdict.reward for verdict, _ in islice(verdicts, len(own))]
            for (group, state), own in drawn
        }


def rows_of(groups: Sequence[Group], rewards: Mapping[tuple[int, int, int], list[float | None]]) -> pa.Table:
    """Return the rows of whole groups; ``rewards`` by group, sample index and step, those of the bare prompt by PROMPT."""
    from curate.contracts import contract

    rows = []
    for group in groups:
        of_prompt = group.states[PROMPT]
        for index, states in group.states.items():
            for state in [*of_prompt, *states] if index != PROMPT else []:
                found = rewards[group.id, state.sample, state.step]
                rows.append((group.id, index, state.step, len(state.kept), len(found), found))
    names = ("group_id", "sample_index", "step", "n_kept", "n", "rewards")
    return contract("branches").rows({name: [row[place] for row in rows] for place, name in enumerate(names)})
