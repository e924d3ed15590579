"""What a branching job is, wherever its continuations come from: tables, plan, prompts, counts and what a user is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.verbs.branch_groups import Cutter, Decode, Group, Judge, Plan, count_states, read_groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate.dataset import Dataset, TableRef
    from curate.verbs.judging import Judging


@dataclass
class BranchJob:
    """One job: ``plan`` over the samples that ``verdicts`` judged, with the tokenizer of the checkpoint in ``path``.

    ``opened`` is closed when the job ends.
    """

    data: Dataset
    ref: TableRef
    verdicts: TableRef
    plan: Plan
    path: Path
    overwrite: bool = False
    told: Counter[str] = field(default_factory=Counter)
    opened: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        from curate.dataset import TableRef

        self.samples, self.prompts = TableRef("samples"), TableRef("prompts")
        self._known: dict[str, tuple[list[int] | None, str | None]] = {}

    def say_how_many(self) -> None:
        """Say, before anything is sampled, how many continuations this run asks for at most."""
        from curate.console import say

        done = set() if self.overwrite else set(self.data.parts(self.ref))
        n_groups = n_samples = n_states = 0
        for name in self.data.parts(self.samples):
            if name in done or not self.data.part(self.verdicts, name).exists():
                continue
            for group in read_groups(self.data, self.samples, self.verdicts, name):
                samples, states = count_states(group, self.plan)
                n_groups, n_samples, n_states = n_groups + bool(samples), n_samples + samples, n_states + states
        self.n_continuations = n_states * self.plan.n
        say(
            f"{self.ref}: {self.n_continuations:,} continuations at most, {self.plan.n} from each of {n_states:,} places in "
            f"{n_samples:,} completions of {n_groups:,} groups, up to {self.plan.setting.max_new_tokens:,} tokens a completion"
        )

    def read_prompts(self, load: Callable[[], Any]) -> None:
        """Read the ids and answers of all prompts; ``load()`` gives the tokenizer for those without stored ids."""
        columns = ["prompt_id", "prompt", "prompt_format", "prompt_ids", "answer"]
        for row in self.data.scan("prompts").select(columns).collect().iter_rows(named=True):
            ids = row["prompt_ids"]
            self._known[row["prompt_id"]] = (self._encoded(row, load()) if ids is None else ids, row["answer"])

    def _encoded(self, row: dict[str, Any], tokenizer: Any) -> list[int] | None:
        from curate.console import say
        from curate.errors import ContractError
        from curate.models.encode import encode_prompt

        if row["prompt"] is None:
            return None
        try:
            return encode_prompt(tokenizer, row["prompt"], row["prompt_format"], self.path)
        except ContractError as error:
            say(f"prompt {row['prompt_id']} cannot be sampled: {error}")
            return None

    def groups(self, name: str, cutter: Cutter) -> list[Group]:
        """Return the groups of a part that are branched, with their states."""
        found = []
        for rows in read_groups(self.data, self.samples, self.verdicts, name):
            prompt, answer = self._known.get(rows[0]["prompt_id"], (None, None))
            if group := cutter.group(rows, prompt, answer):
                found.append(group)
        return found

    def judge(self, decode: Decode) -> Judge:
        """Return the judge of continuations."""
        return Judge(self.judging, decode)

    @cached_property
    def judging(self) -> Judging:
        """The verifier that made the verdicts read, at work until the job ends."""
        from curate.verbs.judging import Judging

        return self.opened.enter_context(Judging(self.plan.verifier))

    def add(self, rewards: Sequence[Sequence[float | None]]) -> None:
        """Count what was sampled and judged."""
        self.told["continuations"] += sum(map(len, rewards))
        self.told["unjudged"] += sum(reward is None for own in rewards for reward in own)
        self.told["correct"] += sum(reward == 1 for own in rewards for reward in own)
        self.told["states"] += len(rewards)

    def __str__(self) -> str:
        told = self.told
        judged = told["continuations"] - told["unjudged"]
        gave_up = f", {told['unjudged']:,} that the verifier gave up on" if told["unjudged"] else ""
        correct = f", {told['correct'] / judged:.1%} of them correct" if judged else ""
        return f"sampled {told['continuations']:,} continuations from {told['states']:,} places{correct}{gave_up}"


def decoder(tokenizer: Any) -> Decode:
    """Return how ids become text everywhere here: special tokens left out, blanks as they are."""

    def decode(ids: Sequence[int]) -> str:
        return str(tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    return decode
