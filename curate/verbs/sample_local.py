"""The stage that samples from a checkpoint in this process."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.dataset import TableRef

if TYPE_CHECKING:
    import pyarrow as pa

    from curate.dataset import Dataset
    from curate.sampling.completion import Completion, Setting
    from curate.sampling.local import LocalSampler
    from curate.stage import Made, Stage

PROMPTS, SAMPLES = TableRef("prompts"), TableRef("samples")

Prompt = dict[str, Any]


@dataclass
class Drawn:
    """What this run has sampled; ``str()`` is the line a user reads."""

    n_groups: int = 0
    n_completions: int = 0
    n_tokens: int = 0
    n_ended: int = 0
    seconds: float = 0.0

    def add(self, groups: Sequence[Sequence[Completion]], seconds: float) -> None:
        """Count some groups and the time they took."""
        completions = [completion for group in groups for completion in group]
        self.n_groups += len(groups)
        self.n_completions += len(completions)
        self.n_tokens += sum(len(completion.ids) for completion in completions)
        self.n_ended += sum(completion.finish_reason == "stop" for completion in completions)
        self.seconds += seconds

    def __str__(self) -> str:
        return (
            f"sampled {self.n_groups:,} groups, {self.n_completions:,} completions of {self.n_tokens:,} tokens, "
            f"{self.n_ended / self.n_completions:.1%} ended by themselves; "
            f"{self.n_completions / self.seconds:,.0f} completions/s, {self.n_tokens / self.seconds:,.0f} tokens/s"
        )


@dataclass
class LocalJob:
    """One job: a group of ``group_size`` completions of every prompt, from the checkpoint in ``path``."""

    data: Dataset
    path: Path
    setting: Setting
    group_size: int
    seed: int
    dtype: str
    device: str
    batch_rows: int
    drawn: Drawn = field(default_factory=Drawn)

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """What the samples follow from; how they are batched moves them only by the rounding of logits."""
        from dataclasses import asdict

        from curate.models.fingerprint import fingerprint

        policy = {"policy": self.path.resolve().name, "policy_version": fingerprint(self.path)}
        return policy | asdict(self.setting) | {"group_size": self.group_size, "seed": self.seed, "dtype": self.dtype}

    @cached_property
    def sampler(self) -> LocalSampler:
        """The checkpoint, loaded when first needed."""
        from curate.sampling.local import LocalSampler

        return LocalSampler(self.path, dtype=self.dtype, device=self.device, batch_rows=self.batch_rows)

    def fill_prompt_ids(self, overwrite: bool) -> None:
        """Tokenize the prompts that have no ids, where this job may go on; see ``verbs.prompt_ids``."""
        from curate.jobrecord import read_record
        from curate.verbs.prompt_ids import fill_prompt_ids

        old = read_record(self.data, SAMPLES)
        is_first = overwrite or not self.data.parts(SAMPLES)
        if is_first or (old and old.parameters == self.parameters):  # any other job is refused, and changes nothing
            fill_prompt_ids(self.data, self.path, lambda: self.sampler.tokenizer, is_first=is_first)

    def stage(self, command: str) -> Stage:
        """Return the stage: samples part k comes from prompts part k."""
        from curate.stage import Stage

        return Stage(
            verb="sample",
            ref=SAMPLES,
            inputs=[PROMPTS],
            parameters=self.parameters,
            command=command,
            prepare=self._prepare,
            make=self._make,
        )

    def _prepare(self) -> None:
        from curate.console import say

        if not self.sampler.end_ids:
            say(f"{self.path} names no end token: every completion has {self.setting.max_new_tokens} tokens")

    def _make(self, name: str, journal: Path) -> Made:
        """Sample one part, some groups at a time; each finished batch of groups is in the journal before it counts.

        Prompts of like length are sampled together, so that little is padded; the part has its groups in the order of
        the prompts again.
        """
        from curate.stage import Made, read

        failed: Counter[str] = Counter()
        prompts: list[Prompt] = []
        for prompt in read(self.data, PROMPTS, name, ["prompt_id", "prompt_ids"]).to_pylist():
            if why := self._reason(prompt):
                failed[why] += 1
            else:
                prompts.append(prompt)
        order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]["prompt_ids"]))
        rows = self._journaled(journal, [prompts[place] for place in order])
        return Made(_in_order(rows, order, self.group_size), failed=dict(failed))

    def _reason(self, prompt: Prompt) -> str | None:
        ids = prompt["prompt_ids"]
        return "unreadable_prompt" if ids is None else self.sampler.reason(ids, self.setting)

    def _journaled(self, journal: Path, prompts: list[Prompt]) -> pa.Table:
        """Return the samples of these prompts in order; groups that a killed run has finished come from the journal.

        The rest is cut into batches from where the journal ends: a run with the same ``batch_rows`` on the same device
        cuts alike.
        """
        import pyarrow as pa

        from curate.contracts import contract
        from curate.journal import Journal
        from curate.stage import progress

        schema = contract("samples").loose_schema
        size = self._groups_at_once(prompts)
        total = len(prompts) * self.group_size
        with Journal(journal, schema) as finished, progress(total, "completions") as bar:
            n_rows = sum(batch.num_rows for batch in finished.batches())
            bar.update(n_rows)
            for start in range(n_rows // self.group_size, len(prompts), size):
                rows = self._sampled(prompts[start : start + size])
                finished.append(rows.combine_chunks().to_batches()[0])
                bar.update(rows.num_rows)
            finished.sync()
            return pa.Table.from_batches(finished.batches(), schema=schema)

    def _groups_at_once(self, prompts: list[Prompt]) -> int:
        longest = max((len(prompt["prompt_ids"]) for prompt in prompts), default=0)
        return max(1, self.sampler.rows_at_once(longest, self.setting) // self.group_size)

    def _sampled(self, prompts: list[Prompt]) -> pa.Table:
        """Sample one batch of groups."""
        from curate.ids import group_id
        from curate.sampling.seeds import sample_seeds

        policy, version = self.parameters["policy"], self.parameters["policy_version"]
        setting = {name: self.parameters[name] for name in ("temperature", "top_p", "max_new_tokens")}
        ids = [group_id([prompt["prompt_id"], policy, version, setting]) for prompt in prompts]
        seeds = [sample_seeds(self.seed, each, self.group_size) for each in ids]
        started = time.monotonic()
        groups = self.sampler.sample([prompt["prompt_ids"] for prompt in prompts], seeds, self.setting)
        self.drawn.add(groups, time.monotonic() - started)
        keys = [
            {"group_id": id_, "sample_index": index, "prompt_id": prompt["prompt_id"], "seed": seed}
            for id_, prompt, own in zip(ids, prompts, seeds, strict=True)
            for index, seed in enumerate(own)
        ]
        return self._rows(keys, [completion for group in groups for completion in group])

    def _rows(self, keys: list[dict[str, Any]], completions: list[Completion]) -> pa.Table:
        from curate.contracts import contract

        n = len(keys)
        same = {
            "policy": self.parameters["policy"],
            "policy_version": self.parameters["policy_version"],
            "temperature": self.setting.temperature,
            "top_p": self.setting.top_p,
            "token_exact": True,
            "logprob_semantics": self.setting.logprob_semantics,
            "hinted": False,
        }
        own = {
            "completion": self.sampler.texts(completions),
            "completion_ids": [completion.ids for completion in completions],
            "logprobs": [completion.logprobs for completion in completions],
            "finish_reason": [completion.finish_reason for completion in completions],
        }
        return contract("samples").rows(
            {key: [row[key] for row in keys] for key in keys[0]} | {key: [v] * n for key, v in same.items()} | own
        )


def _in_order(rows: pa.Table, order: list[int], group_size: int) -> pa.Table:
    """Put groups that were sampled in ``order`` back into the order of their prompts."""
    starts = sorted(range(len(order)), key=order.__getitem__)
    return rows.take([start * group_size + index for start in starts for index in range(group_size)])
