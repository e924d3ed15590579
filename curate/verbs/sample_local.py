"""The stage that samples from a checkpoint in this process."""

from __future__ import annotations

import time
from collections import Counter, deque
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.dataset import TableRef
from curate.verbs.sample_groups import GOLD_FAILED, Drawn, Group, Prompt

if TYPE_CHECKING:
    import pyarrow as pa

    from curate.dataset import Dataset
    from curate.sampling.completion import Setting
    from curate.sampling.local import LocalSampler
    from curate.sampling.stopping import Rule
    from curate.stage import Made, Stage
    from curate.verbs.judging import Choice, Judging

PROMPTS, SAMPLES = TableRef("prompts"), TableRef("samples")


@dataclass
class LocalJob:
    """One job: a group of ``group_size`` completions of every prompt, from the checkpoint in ``path``.

    With a ``rule`` a group whose outcomes, as ``verifier`` judges them, do not meet it gets more. ``opened`` is closed
    when the job ends.
    """

    data: Dataset
    path: Path
    setting: Setting
    group_size: int
    seed: int
    dtype: str
    device: str
    batch_rows: int
    rule: Rule | None = None
    verifier: Choice | None = None
    top_k: int = 0
    opened: ExitStack = field(default_factory=ExitStack)
    drawn: Drawn = field(init=False)

    def __post_init__(self) -> None:
        self.drawn = Drawn(self.rule)

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """What the samples follow from; how they are batched moves them only by the rounding of logits."""
        from dataclasses import asdict

        from curate.models.fingerprint import fingerprint

        policy = {"policy": self.path.resolve().name, "policy_version": fingerprint(self.path)}
        job = {"group_size": self.group_size, "seed": self.seed, "dtype": self.dtype}
        job |= {"top_k_logprobs": self.top_k} if self.top_k else {}
        stopping = self.rule.parameters | self.verifier.parameters if self.rule and self.verifier else {}
        return policy | asdict(self.setting) | job | stopping

    @cached_property
    def judge(self) -> Judging:
        """The verifier that the rule looks through, at work until the job ends."""
        from curate.verbs.judging import Judging

        assert self.verifier
        return self.opened.enter_context(Judging(self.verifier))

    @cached_property
    def failed_golds(self) -> dict[str, str]:
        """The prompts that a self-test has found unfit."""
        from curate.verbs.self_test import failed_golds

        return failed_golds(self.data)

    @cached_property
    def sampler(self) -> LocalSampler:
        """The checkpoint, loaded when first needed."""
        from curate.sampling.local import LocalSampler

        return LocalSampler(
            self.path, dtype=self.dtype, device=self.device, batch_rows=self.batch_rows, top_k=self.top_k
        )

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
        groups: list[Group] = []
        prompts = read(self.data, PROMPTS, name, ["prompt_id", "prompt_ids", "answer"]).to_pylist()
        for prompt, why in zip(prompts, self._reasons(prompts), strict=True):
            if why:
                failed[why] += 1
            else:
                groups.append(Group(self._group_id(prompt), prompt))
        dropped = {GOLD_FAILED: n} if (n := failed.pop(GOLD_FAILED, 0)) else {}
        rows = self._journaled(journal, sorted(groups, key=lambda group: len(group.prompt["prompt_ids"])))
        return Made(_in_order(rows, [group.id for group in groups]), dropped=dropped, failed=dict(failed))

    def _reasons(self, prompts: list[Prompt]) -> list[str | None]:
        """Return why each prompt cannot be sampled, or null."""
        from curate.verbs.stopping import unjudgeable

        reasons = [self._reason(prompt) for prompt in prompts]
        if not self.rule:
            return reasons
        answers = unjudgeable(self.judge, [prompt["answer"] for prompt in prompts])
        return [why or answer for why, answer in zip(reasons, answers, strict=True)]

    def _reason(self, prompt: Prompt) -> str | None:
        if prompt["prompt_id"] in self.failed_golds:
            return GOLD_FAILED
        ids = prompt["prompt_ids"]
        return "unreadable_prompt" if ids is None else self.sampler.reason(ids, self.setting)

    def _group_id(self, prompt: Prompt) -> int:
        from curate.ids import group_id

        setting = {name: self.parameters[name] for name in ("temperature", "top_p", "max_new_tokens")}
        return group_id([prompt["prompt_id"], self.parameters["policy"], self.parameters["policy_version"], setting])

    def _journaled(self, journal: Path, groups: list[Group]) -> pa.Table:
        """Return the samples of these groups; those that a killed run has finished come from the journal.

        The rest is sampled a batch at a time, groups that want more before new ones. Where no rule asks for more, a run
        with the same ``batch_rows`` on the same device cuts the rest into the batches of the run that was killed.
        """
        import pyarrow as pa

        from curate.contracts import contract
        from curate.journal import Journal
        from curate.stage import progress

        schema = contract("samples").loose_schema
        n_rows = self._rows_at_once(groups)
        with Journal(journal, schema) as finished, progress(len(groups) * self.group_size, "completions") as bar:
            done = {id_ for batch in finished.batches() for id_ in batch["group_id"].to_pylist()}
            bar.update(len(done) * self.group_size)
            waiting = deque(group for group in groups if group.id not in done)
            while waiting:
                batch = self._next_batch(waiting, n_rows)
                self._draw(batch)
                whole = [group for group in batch if not self._n_more(group)]
                waiting.extendleft(reversed([group for group in batch if self._n_more(group)]))
                if whole:
                    finished.append(self._rows(whole).combine_chunks().to_batches()[0])
                    self.drawn.finish(whole)
                    bar.update(len(whole) * self.group_size)
            finished.sync()
            return pa.Table.from_batches(finished.batches(), schema=schema)

    def _rows_at_once(self, groups: list[Group]) -> int:
        longest = max((len(group.prompt["prompt_ids"]) for group in groups), default=0)
        return self.sampler.rows_at_once(longest, self.setting)

    def _n_more(self, group: Group) -> int:
        return self.rule.n_more(group.outcomes) if self.rule else self.group_size - len(group.completions)

    def _next_batch(self, waiting: deque[Group], n_rows: int) -> list[Group]:
        """Take groups from the left of ``waiting``, as many as want no more than ``n_rows`` samples now, at least one."""
        batch = [waiting.popleft()]
        n = self._n_more(batch[0])
        while waiting and n + (more := self._n_more(waiting[0])) <= n_rows:
            batch.append(waiting.popleft())
            n += more
        return batch

    def _draw(self, batch: list[Group]) -> None:
        """Draw for every group of a batch what it wants now, in one call of the sampler, and judge it for the rule."""
        from curate.sampling.seeds import sample_seeds
        from curate.verbs.stopping import outcomes

        wanted = [(len(group.completions), self._n_more(group)) for group in batch]
        seeds = [
            sample_seeds(self.seed, group.id, n_drawn + more)[n_drawn:]
            for group, (n_drawn, more) in zip(batch, wanted, strict=True)
        ]
        started = time.monotonic()
        drawn = self.sampler.sample([group.prompt["prompt_ids"] for group in batch], seeds, self.setting)
        self.drawn.add([completion for own in drawn for completion in own], time.monotonic() - started)
        for group, completions in zip(batch, drawn, strict=True):
            texts = self.sampler.texts(completions)
            group.completions += completions
            group.texts += texts
            if self.rule:
                group.outcomes += outcomes(self.judge, texts, group.prompt["answer"])

    def _rows(self, groups: list[Group]) -> pa.Table:
        """Return the rows of finished groups."""
        from curate.contracts import contract
        from curate.sampling.seeds import sample_seeds
        from curate.verbs.hinted import is_hinted

        completions = [completion for group in groups for completion in group.completions]
        sizes = [len(group.completions) for group in groups]
        same = {
            "policy": self.parameters["policy"],
            "policy_version": self.parameters["policy_version"],
            "temperature": self.setting.temperature,
            "top_p": self.setting.top_p,
            "token_exact": True,
            "logprob_semantics": self.setting.logprob_semantics,
        }
        if self.rule:
            same |= {"n_initial": self.rule.n_initial, "stopping_rule": self.rule.text}
        own = {
            "group_id": [group.id for group, n in zip(groups, sizes, strict=True) for _ in range(n)],
            "sample_index": [index for n in sizes for index in range(n)],
            "prompt_id": [group.prompt["prompt_id"] for group, n in zip(groups, sizes, strict=True) for _ in range(n)],
            "hinted": [
                is_hinted(group.prompt["prompt_id"]) for group, n in zip(groups, sizes, strict=True) for _ in range(n)
            ],
            "seed": [
                seed for group, n in zip(groups, sizes, strict=True) for seed in sample_seeds(self.seed, group.id, n)
            ],
            "completion": [text for group in groups for text in group.texts],
            "completion_ids": [completion.ids for completion in completions],
            "logprobs": [completion.logprobs for completion in completions],
            "finish_reason": [completion.finish_reason for completion in completions],
            "topk_ids": [completion.topk_ids for completion in completions],
            "topk_logprobs": [completion.topk_logprobs for completion in completions],
        }
        return contract("samples").rows(own | {key: [value] * len(completions) for key, value in same.items()})


def _in_order(rows: pa.Table, ids: list[int]) -> pa.Table:
    """Put groups that were sampled in any order into the order of ``ids``."""
    places: dict[int, list[int]] = {}
    for place, id_ in enumerate(rows["group_id"].to_pylist()):
        places.setdefault(id_, []).append(place)
    return rows.take([place for id_ in ids for place in places[id_]])
