"""The stage that samples continuations from a checkpoint in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.verbs.branch_groups import Cutter, Group, Judge, rows_of
from curate.verbs.branch_job import BranchJob, decoder

if TYPE_CHECKING:
    import pyarrow as pa

    from curate.sampling.local import LocalSampler
    from curate.stage import Made, Stage

ROWS_A_BATCH = (
    4  # batches of the sampler between two looks at the journal: prefixes of like length are sampled together
)


@dataclass
class LocalBranches(BranchJob):
    """Continuations from the checkpoint in ``path``."""

    dtype: str = "float32"
    device: str = "auto"
    batch_rows: int = 512

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """What the continuations follow from; how they are batched moves them only by the rounding of logits."""
        from curate.models.fingerprint import fingerprint

        policy = {"policy": self.path.resolve().name, "policy_version": fingerprint(self.path), "dtype": self.dtype}
        return policy | self.plan.parameters

    @cached_property
    def sampler(self) -> LocalSampler:
        """The checkpoint, loaded when first needed."""
        from curate.sampling.local import LocalSampler

        return LocalSampler(self.path, dtype=self.dtype, device=self.device, batch_rows=self.batch_rows)

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
            has_own_progress=True,
        )

    def _prepare(self) -> None:
        self.say_how_many()
        self.read_prompts(lambda: self.sampler.tokenizer)

    def _make(self, name: str, journal: Path) -> Made:
        """Branch one part, some groups at a time; each finished batch of groups is in the journal before it counts."""
        import pyarrow as pa

        from curate.contracts import contract
        from curate.journal import Journal
        from curate.stage import Made, progress

        decode = decoder(self.sampler.tokenizer)
        cutter, judge = Cutter(self.plan, decode, self.sampler.max_length), self.judge(decode)
        groups = self.groups(name, cutter)
        n_all = sum(len(group.all_states) for group in groups) * self.plan.n
        with Journal(journal, contract("branches").loose_schema) as finished, progress(n_all, "continuations") as bar:
            done = {id_ for batch in finished.batches() for id_ in batch["group_id"].to_pylist()}
            bar.update(sum(len(group.all_states) for group in groups if group.id in done) * self.plan.n)
            for batch in self._batches([group for group in groups if group.id not in done]):
                finished.append(self._branched(batch, judge).combine_chunks().to_batches()[0])
                bar.update(sum(len(group.all_states) for group in batch) * self.plan.n)
            finished.sync()
            rows = pa.Table.from_batches(finished.batches(), schema=finished.schema)
        return Made(rows, dropped=dict(cutter.dropped), failed=dict(cutter.failed))

    def _batches(self, groups: Sequence[Group]) -> Iterator[list[Group]]:
        """Yield groups in order, at least one, while their continuations fill no more than some batches of the sampler."""
        batch: list[Group] = []
        n = 0
        for group in groups:
            more = len(group.all_states) * self.plan.n
            if batch and n + more > ROWS_A_BATCH * self.batch_rows:
                yield batch
                batch, n = [], 0
            batch.append(group)
            n += more
        if batch:
            yield batch

    def _branched(self, groups: list[Group], judge: Judge) -> pa.Table:
        """Return the rows of some groups."""
        from dataclasses import replace

        from curate.sampling.seeds import branch_seeds

        places = [(group, state) for group in groups for state in group.all_states]
        places.sort(key=lambda place: len(place[0].prompt) + len(place[1].kept))
        limits = [state.limit for _, state in places]
        drawn = self.sampler.sample(
            [[*group.prompt, *state.kept] for group, state in places],
            [branch_seeds(self.plan.seed, g.id, s.sample, s.step, self.plan.n) for g, s in places],
            replace(self.plan.setting, max_new_tokens=max(limits)),
            limits,
        )
        continued = [[each.ids for each in own] for own in drawn]
        rewards = judge.rewards(list(zip(places, continued, strict=True)))
        self.add(list(rewards.values()))
        return rows_of(groups, rewards)
