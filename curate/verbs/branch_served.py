"""The stage that samples continuations from served models: many groups at one time, each durable before it counts."""

from __future__ import annotations

import asyncio
import copy
import math
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from curate.console import dollars
from curate.verbs.branch_groups import Cutter, Group, Judge, State, rows_of
from curate.verbs.branch_job import BranchJob, decoder

if TYPE_CHECKING:
    import pyarrow as pa

    from curate.fanout import Fanout, GroupFailed
    from curate.sampling.served import ServedSampler
    from curate.stage import Made, Stage
    from curate.verbs.connect import Connection

Api = Literal["vllm", "sglang"]
GROUPS_AT_ONCE = 256
LEAST_REQUESTS_A_GROUP = 2


def groups_at_once(max_requests: int) -> int:
    """Return how many groups to work on: enough to fill the servers with the requests of two places each."""
    return min(GROUPS_AT_ONCE, math.ceil(max_requests / LEAST_REQUESTS_A_GROUP) + 1)


@dataclass(kw_only=True)
class ServedBranches(BranchJob):
    """Continuations from the servers of ``connection``; ``path`` is the folder of the tokenizer that they use."""

    connection: Connection
    fanout: Fanout
    api: Api
    model: str
    max_failed_share: float

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """What the continuations follow from; which server answered is not."""
        return {"policy": self.model, "api": self.api} | self.plan.parameters

    def stage(self, command: str) -> Stage:
        """Return the stage: branches part k comes from samples and verdicts part k."""
        from curate.stage import Stage

        return Stage(
            verb="branch",
            ref=self.ref,
            inputs=[self.samples, self.verdicts],
            lookups=[self.prompts],
            parameters=self.parameters,
            command=command,
            prepare=self._prepare,
            make=self._make,
            ahead=1,
            stop=self.fanout.stop,
            has_own_progress=True,
        )

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, loaded when first needed."""
        from curate.models.tokenizer import load_tokenizer

        return load_tokenizer(self.path)

    def _prepare(self) -> None:
        """Say how much will be asked, and refuse servers that cannot be used before any work."""
        self.say_how_many()
        self.read_prompts(lambda: self.tokenizer)
        self.sampler = self._probed()
        _ = self.judging  # its workers start before any work, and in this thread

    def _probed(self) -> ServedSampler:
        from curate.console import say
        from curate.errors import ConfigError
        from curate.sampling.probe import probe_all
        from curate.sampling.served import DIALECTS, ServedSampler
        from curate.sampling.vocabulary import vocabulary

        dialect, link = DIALECTS[self.api], self.connection
        size, ends = vocabulary(self.path, self.tokenizer)
        prompts = [ids for ids, _ in self._known.values() if ids]
        if not prompts:
            raise ConfigError(f"{self.data.root} has no prompt that can be sampled: `curate show {self.data.root}`")
        shortest = min(prompts, key=lambda ids: len(ids))
        setting, known = self.plan.setting, {"vocab_size": size, "end_ids": ends}
        probing = probe_all(
            link.urls,
            link.limits,
            link.api_key,
            dialect,
            self.model,
            setting,
            shortest,
            n=min(16, self.plan.n),
            **known,
        )
        probed = self.fanout.run(probing)
        for note in probed.notes:
            say(note)
        client = self.fanout.open(link.client())
        return ServedSampler(client, dialect, self.model, setting, probed, vocab_size=size, end_ids=ends)

    def _make(self, name: str, journal: Path) -> Made:
        """Branch one part; a group is in the journal before it counts, in whatever order groups finish."""
        from curate.failures import settle
        from curate.stage import Made, progress

        decode = decoder(self.tokenizer)
        cutter, judge = Cutter(self.plan, decode, self.sampler.probed.max_length), self.judge(decode)
        groups = self.groups(name, cutter)
        sizes = {group.id: len(group.all_states) * self.plan.n for group in groups}

        async def work(group: Group) -> pa.RecordBatch:
            return await self._branched(group, judge)

        with progress(sum(sizes.values()), "continuations") as bar:
            done = self.fanout.groups(
                journal, "branches", groups, lambda group: group.id, work, lambda key: bar.update(sizes.get(key, 0))
            )
        prompts = {group.id: group.prompt_id for group in groups}
        settle(self.data, self.ref, name, done.failed, prompts, self.max_failed_share)
        failed = cutter.failed + _by_sample(groups, done.failed)
        return Made(done.rows, dropped=dict(cutter.dropped), failed=dict(failed))

    async def _branched(self, group: Group, judge: Judge) -> pa.RecordBatch:
        """Return the rows of one group; raises GroupFailed where one of its places could not be sampled from."""
        from curate.fanout import GroupFailed
        from curate.sampling.served import SamplingFailed, together

        states = group.all_states
        try:
            drawn = await together([self._continued(group, state) for state in states])
        except SamplingFailed as error:
            raise GroupFailed(error.reason, error.detail, error.is_final) from None
        continued = [((group, state), ids) for state, ids in zip(states, drawn, strict=True)]
        is_pooled = judge.judging.is_pooled  # then this waits, and the event loop must not
        rewards = await asyncio.to_thread(judge.rewards, continued) if is_pooled else judge.rewards(continued)
        self.add(list(rewards.values()))
        return rows_of([group], rewards).combine_chunks().to_batches()[0]

    async def _continued(self, group: Group, state: State) -> list[list[int]]:
        from curate.sampling.seeds import branch_seeds
        from curate.sampling.served import SamplingFailed

        prompt = [*group.prompt, *state.kept]
        sampler = copy.copy(self.sampler)  # the same client and the same counts, another longest completion
        sampler.setting = replace(self.plan.setting, max_new_tokens=state.limit)
        if why := sampler.reason(prompt, sampler.setting):
            raise SamplingFailed(why, "told from the tokens alone: it was not asked", is_final=True)
        seed = branch_seeds(self.plan.seed, group.id, state.sample, state.step, 1)[0]
        found = await sampler.sample(prompt, self.plan.n, seed)
        return [each.ids or [] for each in found]

    def asked_told(self) -> str:
        """Return what was asked of the servers, as a sentence."""
        usage, counted = self.sampler.client.usage, self.sampler.counted
        cost = self.connection.cost(counted.n_prompt, counted.n_completion)
        price = "" if cost is None else f"; {dollars(cost)} at the prices given"
        return (
            f"asked {usage.n_requests:,} requests: {counted.n_prompt:,} tokens of prompts and kept steps, "
            f"{counted.n_completion:,} of continuations as the server counts{price}"
        )


def _by_sample(groups: list[Group], failed: dict[int, GroupFailed]) -> Counter[str]:
    """Count the samples of failed groups by reason."""
    counts = Counter[str]()
    for group in groups:
        if group.id in failed:
            counts[failed[group.id].reason] += group.n_samples
    return counts
