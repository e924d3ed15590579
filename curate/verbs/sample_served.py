"""The stage that samples from served models: many groups at one time, each durable before it counts."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from curate.dataset import TableRef
from curate.verbs.sample_groups import GOLD_FAILED
from curate.verbs.sample_progress import Served, Watch

if TYPE_CHECKING:
    import pyarrow as pa

    from curate.dataset import Dataset
    from curate.fanout import Fanout, GroupFailed
    from curate.records import Outcome
    from curate.sampling.completion import Setting
    from curate.sampling.dialect import Prompt
    from curate.sampling.dialect import Served as Completion
    from curate.sampling.served import ServedSampler
    from curate.sampling.stopping import Rule
    from curate.serving import Client
    from curate.stage import Made, Stage
    from curate.verbs.connect import Connection
    from curate.verbs.judging import Choice, Judging

Api = Literal["vllm", "sglang", "openai"]

PROMPTS, SAMPLES = TableRef("prompts"), TableRef("samples")
HOPELESS_SHARE = 0.5
SPARE = 1.25  # groups alive beside those whose requests fill the servers, so that the next one never has to be made
PLAIN_TOKENIZER = "TokenizersBackend"  # its batch_decode does nothing more, but walks over every id first


def groups_at_once(max_requests: int, group_size: int) -> int:
    """Return how many groups to work on: a few more than fill the servers; a kill loses what they have so far."""
    from curate.sampling.requests import MAX_N

    return math.ceil(SPARE * max_requests / math.ceil(group_size / MAX_N)) + 1


class Group(NamedTuple):
    """One group to be: its key, and its prompt as the server takes it; null where ``why`` says what is wrong with it."""

    id: int
    prompt_id: str
    prompt: Prompt | None
    answer: str | None
    why: str | None


@dataclass
class ServedJob:
    """One job: a group of ``group_size`` completions of every prompt, from the servers of ``connection``.

    ``tokenizer`` is the checkpoint folder whose tokenizer the servers use; null for servers that take text alone.
    With a ``rule`` a group whose outcomes, as ``verifier`` judges them, do not meet it gets more. ``opened`` is closed
    when the job ends, before the fan-out: it waits for the threads that wait for a verdict.
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
    verifier: Choice | None = None
    overwrite: bool = False
    served: Served | None = None
    opened: ExitStack = field(default_factory=ExitStack)

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """What the samples follow from; which server answered, and how many requests there were at once, is not."""
        from dataclasses import asdict

        policy = {"api": self.api, "policy": self.model, "policy_version": self._version()}
        stopping = self.rule.parameters | self.verifier.parameters if self.rule and self.verifier else {}
        return policy | asdict(self.setting) | {"group_size": self.group_size, "seed": self.seed} | stopping

    def fill_prompt_ids(self) -> None:
        """Tokenize the prompts that have no ids, where this job may go on; see ``verbs.prompt_ids``."""
        from curate.jobrecord import read_record
        from curate.verbs.prompt_ids import fill_prompt_ids

        if self.tokenizer is None:
            return
        old = read_record(self.data, SAMPLES)
        journals = (self.data.private / "journal" / str(SAMPLES)).glob("*.arrows")
        is_first = self.overwrite or not (self.data.parts(SAMPLES) or any(journals))
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
    def _tokens(self) -> Any:
        from curate.models.tokenizer import load_tokenizer

        assert self.tokenizer
        return load_tokenizer(self.tokenizer)

    def _version(self) -> str | None:
        """Return the fingerprint of the weights beside the tokenizer; null where there are none: it is not known."""
        from curate.models.fingerprint import fingerprint

        folder = self.tokenizer
        has_weights = folder is not None and (any(folder.glob("*.safetensors")) or any(folder.glob("*.bin")))
        return fingerprint(folder) if folder is not None and has_weights else None

    def _prepare(self) -> None:
        """Refuse servers that cannot be used before any work, then start the clock and the bar."""
        from curate.parts import n_rows

        self.served = Served(self.sampler, self.connection, self.rule)
        done = set() if self.overwrite else set(self.data.parts(SAMPLES))
        pending = [name for name in self.data.parts(PROMPTS) if name not in done]
        self.watch = self.fanout.open(
            Watch(self.served, sum(n_rows(self.data.part(PROMPTS, each)) for each in pending))
        )

    def _shortest(self) -> Prompt:
        """Return the shortest prompt of the first part that has one; ConfigError where none can be asked."""
        from curate.errors import ConfigError

        for name in self.data.parts(PROMPTS):
            prompts = [group.prompt for group in self._groups(name) if group.prompt]
            if prompts:
                return min(prompts, key=len if self.tokenizer else lambda prompt: len(str(prompt)))
        raise ConfigError(
            f"{self.data.root} has no prompt that can be sampled: look at them with "
            f"`curate sql {self.data.root} 'SELECT prompt, prompt_ids, answer FROM prompts'`"
        )

    def _groups(self, name: str) -> list[Group]:
        """Return a group for every prompt of a part."""
        from curate.ids import group_id
        from curate.stage import read

        columns = ["prompt_id", "prompt", "prompt_format", "prompt_ids", "answer"]
        policy = [self.parameters[each] for each in ("policy", "policy_version")]
        setting = {each: self.parameters[each] for each in ("temperature", "top_p", "max_new_tokens")}
        rows = read(self.data, PROMPTS, name, columns).to_pylist()
        return [
            Group(group_id([row["prompt_id"], *policy, setting]), row["prompt_id"], *self._prompt(row, why))
            for row, why in zip(rows, self._unfit(rows), strict=True)
        ]

    def _unfit(self, rows: list[dict[str, Any]]) -> list[str | None]:
        """Return why the answer of each prompt makes it of no use, or null."""
        from curate.verbs.stopping import unjudgeable

        failed = [GOLD_FAILED if row["prompt_id"] in self.failed_golds else None for row in rows]
        if not self.rule:
            return failed
        answers = unjudgeable(self.judge, [row["answer"] for row in rows])
        return [why or answer for why, answer in zip(failed, answers, strict=True)]

    def _prompt(self, row: dict[str, Any], why: str | None) -> tuple[Prompt | None, str | None, str | None]:
        """Return a prompt as the server takes it (null where it cannot), its answer, and why it cannot be asked."""
        from curate.errors import ContractError
        from curate.sampling.openai import messages

        answer = row["answer"]
        if why:
            return None, answer, why
        if self.tokenizer is not None:
            ids = row["prompt_ids"]
            return ids, answer, "unreadable_prompt" if ids is None else None
        if not row["prompt"]:
            return None, answer, "unreadable_prompt" if row["prompt"] is None else "empty_prompt"
        try:
            return messages(row["prompt"], row["prompt_format"]), answer, None
        except ContractError:
            return None, answer, "unreadable_prompt"

    def _make(self, name: str, journal: Path) -> Made:
        """Sample one part; a group is in the journal before it counts, in whatever order groups finish."""
        from curate.failures import settle
        from curate.fanout import GroupFailed
        from curate.stage import Made

        groups = self._groups(name)
        failed = {
            group.id: GroupFailed(why, "told from the prompt alone: it was not asked", is_final=True)
            for group in groups
            if (why := self._reason(group))
        }
        asked = [group for group in groups if group.id not in failed]
        self.watch.fail(len(failed))
        begun: set[int] = set()

        async def work(group: Group) -> pa.RecordBatch:
            begun.add(group.id)
            return await self._sampled(group)

        def count(key: int) -> None:
            self.watch.done() if key in begun else self.watch.skip(1)

        done = self.fanout.groups(journal, "samples", asked, lambda group: group.id, work, count)
        _doubt(done.failed, len(asked))
        prompts = {group.id: group.prompt_id for group in groups}
        counts = settle(self.data, SAMPLES, name, failed | done.failed, prompts, self.max_failed_share)
        dropped = {GOLD_FAILED: n} if (n := counts.pop(GOLD_FAILED, 0)) else {}
        return Made(done.rows, dropped=dropped, failed=counts, about={"probe": self._about()})

    def _reason(self, group: Group) -> str | None:
        """Return why a prompt cannot be sampled, or null."""
        return group.why or self.sampler.reason(group.prompt or [], self.setting)

    def _about(self) -> dict[str, Any]:
        from dataclasses import asdict

        return asdict(self.sampler.probed)

    async def _sampled(self, group: Group) -> pa.RecordBatch:
        """Return the rows of one group, sampled until it is as large as was asked for or the rule is met."""
        from curate.fanout import GroupFailed
        from curate.sampling.seeds import sample_seeds
        from curate.sampling.served import SamplingFailed
        from curate.verbs.stopping import outcomes_soon

        assert group.prompt is not None
        assert self.served is not None
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
                    seen += await outcomes_soon(self.judge, texts[len(seen) :], group.answer)
        except SamplingFailed as error:
            self.watch.fail(1)
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
        if type(self._tokens).__name__ == PLAIN_TOKENIZER:
            decode = self._tokens.backend_tokenizer.decode  # not decode_batch: its threads do not survive a fork
            return [decode(each, skip_special_tokens=True) for each in ids]
        return list(self._tokens.batch_decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _rows(self, group: Group, first: int, found: list[Completion], texts: list[str | None]) -> pa.RecordBatch:
        from curate.verbs.sample_rows import served_rows

        probed, is_exact = self.sampler.probed, self.tokenizer is not None
        same = {
            "policy": self.model,
            "policy_version": self.parameters["policy_version"],
            "temperature": self.setting.temperature,
            "top_p": self.setting.top_p,
            "token_exact": is_exact,
            "logprob_semantics": probed.logprob_semantics if is_exact else None,
        }
        if self.rule:
            same |= {"n_initial": self.rule.n_initial, "stopping_rule": self.rule.text}
        return served_rows(group.id, group.prompt_id, first if probed.is_seeded else None, found, texts, same)


def _doubt(failed: dict[int, GroupFailed], n_asked: int) -> None:
    """Where a server refuses most of a part, it is the server that has changed and not the prompts: ask again later."""
    refused = [why for why in failed.values() if why.is_final]
    if len(refused) > HOPELESS_SHARE * n_asked:
        for why in refused:
            why.is_final = False
