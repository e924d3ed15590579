"""The stage that samples from served models: many groups at one time, each durable before it counts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from curate.dataset import TableRef
from curate.verbs.sample_progress import Served, Watch

if TYPE_CHECKING:
    import pyarrow as pa

    from curate.dataset import Dataset
    from curate.fanout import Fanout
    from curate.records import Outcome
    from curate.sampling.completion import Setting
    from curate.sampling.dialect import Prompt
    from curate.sampling.dialect import Served as Completion
    from curate.sampling.served import ServedSampler
    from curate.sampling.stopping import Rule
    from curate.serving import Client
    from curate.stage import Made, Stage
    from curate.verbs.connect import Connection
    from curate.verifying import Verifier

Api = Literal["vllm", "sglang", "openai"]

PROMPTS, SAMPLES = TableRef("prompts"), TableRef("samples")
SPARE = 1.25  # groups alive beside those whose requests fill the servers, so that the next one never has to be made


def groups_at_once(max_requests: int, group_size: int) -> int:
    """Return how many groups to work on: a few more than fill the servers; a kill loses what they have so far."""
    from curate.sampling.requests import MAX_N

    return math.ceil(SPARE * max_requests / math.ceil(group_size / MAX_N)) + 1


class Group(NamedTuple):
    """One group to be: its key, and its prompt as the server takes it."""

    id: int
    prompt_id: str
    prompt: Prompt
    answer: str | None


@dataclass
class ServedJob:
    """One job: a group of ``group_size`` completions of every prompt, from the servers of ``connection``.

    ``tokenizer`` is the checkpoint folder whose tokenizer the servers use; null for servers that take text alone.
    With a ``rule`` a group whose outcomes, as ``verifier`` judges them, do not meet it gets more.
    """

    data: Dataset
    connection: Connection
    api: Api
    model: str
    tokenizer: Path | None
    setting: Setting
    group_size: int
    seed: int
    max_failed_share: float
    fanout: Fanout
    rule: Rule | None = None
    verifier: str | None = None
    served: Served = field(init=False)

    def __post_init__(self) -> None:
        self.served = Served(self.connection, self.rule)

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """What the samples follow from; which server answered, and how many requests there were at once, is not."""
        from dataclasses import asdict

        policy = {"api": self.api, "policy": self.model, "policy_version": self._version()}
        stopping = self.rule.parameters | {"verifier": self.verifier} if self.rule else {}
        return policy | asdict(self.setting) | {"group_size": self.group_size, "seed": self.seed} | stopping

    def fill_prompt_ids(self, overwrite: bool) -> None:
        """Tokenize the prompts that have no ids, where this job may go on; see ``verbs.prompt_ids``."""
        from curate.jobrecord import read_record
        from curate.verbs.prompt_ids import fill_prompt_ids

        if self.tokenizer is None:
            return
        old = read_record(self.data, SAMPLES)
        is_first = overwrite or not self.data.parts(SAMPLES)
        if is_first or (old and old.parameters == self.parameters):  # any other job is refused, and changes nothing
            fill_prompt_ids(self.data, self.tokenizer, lambda: self._tokens, is_first=is_first)

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
            ahead=1,
            stop=self.fanout.stop,
            has_own_progress=True,
        )

    @cached_property
    def sampler(self) -> ServedSampler:
        """The sampler, its servers probed with the shortest prompt of the first part that has one."""
        from curate.console import say
        from curate.sampling.probe import probe_all
        from curate.sampling.served import DIALECTS, ServedSampler
        from curate.sampling.vocabulary import vocabulary

        dialect, link = DIALECTS[self.api], self.connection
        known: dict[str, Any] = {"vocab_size": None, "end_ids": frozenset()}
        if self.tokenizer is not None:
            known["vocab_size"], known["end_ids"] = vocabulary(self.tokenizer, self._tokens)
        n = min(16, self.group_size)
        probed = self.fanout.run(
            probe_all(
                link.urls, link.limits, link.api_key, dialect, self.model, self.setting, self._shortest(), n=n, **known
            )
        )
        for note in probed.notes:
            say(note)
        return ServedSampler(self.client, dialect, self.model, self.setting, probed, **known)

    @cached_property
    def client(self) -> Client:
        """The client of all servers, open until the fan-out ends."""
        return self.fanout.open(self.connection.client())

    @cached_property
    def judge(self) -> Verifier:
        """The verifier that the rule looks through."""
        from curate.verbs.lookup import find_verifier

        assert self.verifier
        return find_verifier(self.verifier)

    @cached_property
    def _tokens(self) -> Any:
        from curate.models.load import load_tokenizer

        assert self.tokenizer
        return load_tokenizer(self.tokenizer)

    def _version(self) -> str | None:
        """Return the fingerprint of the weights beside the tokenizer; null where there are none: it is not known."""
        from curate.models.fingerprint import fingerprint

        folder = self.tokenizer
        has_weights = folder is not None and (any(folder.glob("*.safetensors")) or any(folder.glob("*.bin")))
        return fingerprint(folder) if folder is not None and has_weights else None

    def _prepare(self) -> None:
        """Refuse servers that cannot be used before any work."""
        sampler = self.sampler
        self.served.start(sampler)

    def _shortest(self) -> Prompt:
        """Return the shortest prompt of the first part that has one; ConfigError where none can be asked."""
        from curate.errors import ConfigError

        for name in self.data.parts(PROMPTS):
            prompts = [group.prompt for group in self._groups(name)[0]]
            if prompts:
                return min(prompts, key=lambda prompt: len(str(prompt)))
        raise ConfigError(f"{self.data.root} has no prompt that can be sampled: look at it with `curate sql`")

    def _groups(self, name: str) -> tuple[list[Group], list[tuple[str, str]]]:
        """Return the groups of a part, and the prompts that cannot be sampled with the reason for each."""
        from curate.ids import group_id
        from curate.stage import read

        columns = ["prompt_id", "prompt", "prompt_format", "prompt_ids", "answer"]
        key = [self.parameters[each] for each in ("policy", "policy_version")]
        setting = {each: self.parameters[each] for each in ("temperature", "top_p", "max_new_tokens")}
        groups, left = [], []
        for row in read(self.data, PROMPTS, name, columns).to_pylist():
            prompt, why = self._prompt(row)
            if prompt is None:
                left.append((row["prompt_id"], why))
            else:
                id_ = group_id([row["prompt_id"], *key, setting])
                groups.append(Group(id_, row["prompt_id"], prompt, row["answer"]))
        return groups, left

    def _prompt(self, row: dict[str, Any]) -> tuple[Prompt | None, str]:
        """Return a prompt as the server takes it, or null and why there is none."""
        from curate.errors import ContractError
        from curate.sampling.openai import messages
        from curate.verbs.stopping import unjudgeable

        if self.rule and (why := unjudgeable(self.judge, row["answer"])):
            return None, why
        if self.tokenizer is not None:
            return (row["prompt_ids"], "") if row["prompt_ids"] is not None else (None, "unreadable_prompt")
        try:
            return messages(row["prompt"] or "", row["prompt_format"]), ""
        except ContractError:
            return None, "unreadable_prompt"

    def _make(self, name: str, journal: Path) -> Made:
        """Sample one part; a group is in the journal before it counts, in whatever order groups finish."""
        from collections import Counter

        from curate.failures import settle
        from curate.fanout import GroupFailed
        from curate.stage import Made

        groups, left = self._groups(name)
        failed = Counter(why for _, why in left)
        asked: list[Group] = []
        refused: dict[int, GroupFailed] = {}
        for group in groups:
            if why := self.sampler.reason(group.prompt, self.setting):
                refused[group.id] = GroupFailed(why, "told from the prompt alone: it was not asked", is_final=True)
            else:
                asked.append(group)
        with Watch(self.served, len(asked)) as watch:
            work: Callable[[Group], Any] = watch.counted(self._sampled)
            done = self.fanout.groups(journal, "samples", asked, lambda group: group.id, work, watch.done)
        prompts = {group.id: group.prompt_id for group in groups}
        failed.update(settle(self.data, SAMPLES, name, refused | done.failed, prompts, self.max_failed_share))
        return Made(done.rows, failed=dict(failed), about={"probe": self._about()})

    def _about(self) -> dict[str, Any]:
        from dataclasses import asdict

        return asdict(self.sampler.probed)

    async def _sampled(self, group: Group) -> pa.RecordBatch:
        """Return the rows of one group, sampled until it is as large as was asked for or the rule is met."""
        from curate.fanout import GroupFailed
        from curate.sampling.seeds import sample_seeds
        from curate.sampling.served import SamplingFailed
        from curate.verbs.stopping import outcomes

        found: list[Completion] = []
        texts: list[str | None] = []
        seen: list[Outcome] = []
        first = sample_seeds(self.seed, group.id, 1)[0]
        try:
            while n := self._n_more(len(found), seen):
                more = await self.sampler.sample(group.prompt, n, first + len(found))
                found += more
                texts += self._texts(more)
                if self.rule:
                    seen += outcomes(self.judge, texts[len(seen) :], group.answer)
        except SamplingFailed as error:
            raise GroupFailed(error.reason, error.detail, error.is_final) from None
        self.served.add(group.prompt, found, seen)
        return self._rows(group, first, found, texts)

    def _n_more(self, n_found: int, seen: list[Outcome]) -> int:
        return self.rule.n_more(seen) if self.rule else self.group_size - n_found

    def _texts(self, completions: list[Completion]) -> list[str | None]:
        """Return the text of each completion, special tokens left out."""
        if self.tokenizer is None:
            return [completion.text for completion in completions]
        ids = [completion.ids for completion in completions]
        return list(self._tokens.batch_decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _rows(self, group: Group, first: int, found: list[Completion], texts: list[str | None]) -> pa.RecordBatch:
        import pyarrow as pa

        from curate.contracts import contract

        n = len(found)
        is_exact = self.tokenizer is not None
        same = {
            "group_id": group.id,
            "prompt_id": group.prompt_id,
            "policy": self.model,
            "policy_version": self.parameters["policy_version"],
            "temperature": self.setting.temperature,
            "top_p": self.setting.top_p,
            "token_exact": is_exact,
            "logprob_semantics": self.sampler.probed.logprob_semantics if is_exact else None,
            "hinted": False,
        }
        if self.rule:
            same |= {"n_initial": self.rule.n_initial, "stopping_rule": self.rule.text}
        own: dict[str, Any] = {
            "sample_index": list(range(n)),
            "seed": [first + index for index in range(n)] if self.sampler.probed.is_seeded else [None] * n,
            "completion": texts,
            "completion_ids": [completion.ids for completion in found],
            "logprobs": [completion.logprobs for completion in found],
            "finish_reason": [completion.finish_reason for completion in found],
        }
        columns = own | {key: [value] * n for key, value in same.items()}
        schema = contract("samples").loose_schema
        return pa.record_batch(
            [pa.array(columns[f.name], f.type) if f.name in columns else pa.nulls(n, f.type) for f in schema],
            schema=schema,
        )
