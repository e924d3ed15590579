"""The stage of a step judge behind a server."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.verbs.judge_rows import (
    Known,
    Row,
    Scope,
    feedback_row,
    feedback_table,
    find_split,
    known_prompts,
    read_groups,
    reasons_not_to_ask,
)
from curate.verbs.judge_told import Asking, Told
from curate.verbs.sample_progress import Watch

if TYPE_CHECKING:
    import pyarrow as pa

    from curate.dataset import Dataset, TableRef
    from curate.fanout import Fanout
    from curate.judging.served import ServedJudge
    from curate.records import Judgment
    from curate.serving import Client
    from curate.stage import Made, Stage
    from curate.verbs.connect import Connection

MAX_REPLY_TOKENS = 1024
_SCORE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9_.-]+")


@dataclass(frozen=True)
class Judging:
    """What a served step judge is asked, and how."""

    model: str
    votes: int = 1
    split: str = "auto"
    scores: tuple[str, ...] = ()
    context: int | None = None
    max_reply_tokens: int = MAX_REPLY_TOKENS

    def check(self) -> None:
        """Raise ConfigError for a way to split or a name of a score that cannot be."""
        from curate.errors import ConfigError
        from curate.judging.verdict import FIELD

        find_split(self.split)
        for place, name in enumerate(self.scores):
            if not _SCORE_NAME.fullmatch(name) or name in (FIELD, "reason", "scores") or name in self.scores[:place]:
                raise ConfigError(
                    f"--score {name!r} cannot name a score: use up to 40 lower-case letters, digits, '_' and '-', each name once"
                )

    def parameters(self, scope: Scope) -> dict[str, Any]:
        """Return what the judgments follow from; ``context`` null is the server's own."""
        from curate.judging.served import prompt_hash

        return {
            "task": "steps",
            "model": self.model,
            "votes": self.votes,
            "split": self.split,
            "scores": list(self.scores),
            "scope": scope,
            "context": self.context,
            "max_reply_tokens": self.max_reply_tokens,
            "prompt_hash": prompt_hash(self.scores),
        }


def judge_name(model: str) -> str:
    """Return the variant's name for a model: its last path component in lower case, ``Qwen/Qwen3-8B`` -> ``qwen3-8b``."""
    name = _NOT_IN_A_NAME.sub("-", model.rstrip("/").rpartition("/")[2].lower()).strip("-.")
    return (name if name[:1].isalpha() else f"judge-{name}")[:100]


def open_judge(fanout: Fanout, client: Client, judging: Judging) -> ServedJudge:
    """Probe the server and return the judge; raises JudgeError or ServerError with what the server answered."""
    from curate.console import say
    from curate.judging.probe import probe
    from curate.judging.served import ServedJudge

    probed = fanout.run(probe(client, judging.model, judging.context))
    if probed.note:
        say(probed.note)
    return ServedJudge(
        client,
        judging.model,
        votes=judging.votes,
        scores=judging.scores,
        context=probed.context,
        max_reply_tokens=judging.max_reply_tokens,
        takes_schema=probed.takes_schema,
    )


def groups_at_once(data: Dataset, max_requests: int, votes: int) -> int:
    """Return how many groups to work on: twice as many requests as may be in flight, in as few groups as that takes.

    A run that is killed loses what it was told of the groups it was working on. The size of a group is the mean of the
    first part.
    """
    from curate.stage import read

    samples = data.choose("samples")
    ids = [read(data, samples, name, ["group_id"])["group_id"] for name in data.parts(samples)[:1]]
    size = len(ids[0]) / len(ids[0].unique()) if ids and len(ids[0]) else 1.0
    return max(2, math.ceil(2 * max_requests / (votes * size)))


@dataclass
class ServedJob:
    """One job: the first wrong step of every completion in scope, asked of a served judge."""

    data: Dataset
    ref: TableRef
    judging: Judging
    connection: Connection
    scope: Scope
    verifier: str | None
    max_failed_share: float
    fanout: Fanout
    overwrite: bool = False
    told: Told = field(default_factory=Told)
    judge: ServedJudge | None = None
    known: dict[str, Known] = field(default_factory=dict)

    def stage(self, as_: str | None) -> Stage:
        """Return the stage; raises ConfigError for a table that is missing."""
        from curate.console import command
        from curate.jobrecord import DATASET
        from curate.stage import Stage

        self.samples, self.prompts = self.data.choose("samples"), self.data.choose("prompts")
        self.verdicts = self.data.choose("verdicts", self.verifier)
        self.split = find_split(self.judging.split)
        given = self.judging
        return Stage(
            verb="judge",
            ref=self.ref,
            inputs=[self.samples, self.verdicts],
            lookups=[self.prompts],
            parameters=given.parameters(self.scope),
            command=command(
                "judge",
                DATASET,
                **self.connection.options(),
                model=given.model,
                votes=given.votes,
                split=given.split,
                score=list(given.scores),
                scope=self.scope,
                context=given.context,
                max_reply_tokens=given.max_reply_tokens,
                verifier=self.verdicts.variant,
                as_=as_,
            ),
            prepare=self._prepare,
            make=self._make,
            ahead=1,
            stop=self.fanout.stop,
            has_own_progress=True,
        )

    def advice(self) -> list[str]:
        """Return what to do about replies that could not be used, one sentence a cause."""
        from curate.console import command
        from curate.judging.replies import UNREADABLE
        from curate.judging.served import TOO_LONG

        again = command("judge", self.data.root, reparse=True, as_=self.ref.variant)
        n_unreadable, n_long = self.told.failed[UNREADABLE], self.told.failed[TOO_LONG]
        n_cut = self.judge.asked.n_cut if self.judge else 0
        context = self.judge.about["context"] if self.judge else 0
        found = {
            f"{n_unreadable:,} completions got replies that could not be read, even after a stricter request: the replies "
            f"are kept, look at them with `curate sql`; a later version may read more of them with `{again}`": n_unreadable,
            f"{n_cut:,} replies were cut at --max-reply-tokens {self.judging.max_reply_tokens}": n_cut,
            f"{n_long:,} completions hold a step or problem that does not fit the judge's context ({context:,} tokens, of which "
            f"--max-reply-tokens {self.judging.max_reply_tokens} are for the reply): lower that, or serve it with a longer one "
            "(vLLM: --max-model-len), and run with --overwrite": n_long,
        }
        return [sentence for sentence, count in found.items() if count]

    @cached_property
    def client(self) -> Client:
        """The client of all servers, open until the fan-out ends."""
        return self.fanout.open(self.connection.client())

    def _prepare(self) -> None:
        """Refuse a server that cannot judge before any work, then start the clock and the bar."""
        self.judge = self._open()
        self.known.update(known_prompts(self.data))
        self.asking = Asking(self.client, self.judge.asked)
        self.watch = self.fanout.open(Watch(self.asking, self._n_groups(), "judge"))

    def _open(self) -> ServedJudge:
        return open_judge(self.fanout, self.client, self.judging)

    def _n_groups(self) -> int:
        """Return how many groups the pending parts hold."""
        from curate.stage import read

        there = set(self.data.parts(self.samples)) & set(self.data.parts(self.verdicts))
        pending = there if self.overwrite else there - set(self.data.parts(self.ref))
        return sum(len(read(self.data, self.samples, name, ["group_id"])["group_id"].unique()) for name in pending)

    def _make(self, name: str, journal: Path) -> Made:
        """Judge one part, many groups at one time; each finished group is in the journal before it counts.

        A group in which a judgment failed in a way that may pass is not put there: where they are few its rows are
        taken as they are, else the part stays unfinished and the next run asks about that group again.
        """
        from curate.failures import settle
        from curate.stage import Made

        groups = list(read_groups(self.data, self.samples, self.verdicts, name))
        passing: dict[int, pa.Table] = {}
        begun: set[int] = set()

        async def work(group: list[Row]) -> pa.RecordBatch:
            begun.add(_key(group))
            return await self._judged(group, passing)

        def count(key: int) -> None:
            self.watch.done() if key in begun else self.watch.skip(1)

        done = self.fanout.groups(journal, "feedback", groups, _key, work, count)
        settle(self.data, self.ref, name, done.failed, {g[0]["group_id"]: g[0]["prompt_id"] for g in groups}, 1.0)
        self._refuse_passing(Counter(why.reason for key, why in done.failed.items() if key not in passing), 0)
        rows = _in_order(done.rows, [passing[key] for key in done.failed], groups)
        failed, dropped = _counts(rows)
        self._refuse_passing(failed, rows.num_rows)
        self.told.add(rows, failed)
        assert self.judge is not None
        return Made(rows, dropped, failed, about={"judge": self.judge.about})

    def _refuse_passing(self, failed: Mapping[str, int], n_rows: int) -> None:
        """Raise Unfinished where asking again may help, and more of ``n_rows`` judgments need it than may fail."""
        from curate.judging.served import FAILURES, TRANSIENT
        from curate.stage import Unfinished

        passing = {reason: n for reason, n in failed.items() if reason in TRANSIENT or reason not in FAILURES}
        if sum(passing.values()) > self.max_failed_share * n_rows:
            raise Unfinished(passing, n_rows)

    async def _judged(self, group: list[Row], passing: dict[int, pa.Table]) -> pa.RecordBatch:
        """Return the rows of one group; raises GroupFailed, its rows kept in ``passing``, where a failure may pass."""
        from curate.fanout import GroupFailed
        from curate.judging.served import FAILURES, TRANSIENT

        rows = feedback_table(await self._rows(group)).combine_chunks()
        errors = [error for error in rows["error"].to_pylist() if error in FAILURES]
        self.asking.n_failed += len(errors)
        reasons = [error for error in errors if error in TRANSIENT]
        if reasons:
            self.watch.done()
            passing[_key(group)] = rows
            raise GroupFailed(reasons[0], f"{len(reasons)} of {len(group)} judgments failed")
        return rows.to_batches()[0]

    async def _rows(self, group: list[Row]) -> list[Row]:
        """Return the feedback rows of one group; the same completion twice is asked about once."""
        from curate.judging.served import together
        from curate.records import Judgment

        assert self.judge is not None
        known = self.known.get(group[0]["prompt_id"])
        reasons = reasons_not_to_ask(group, self.scope)
        if known is None or known.prompt is None:
            reasons = [reason or "no prompt text" for reason in reasons]
        asked = [row["completion"] for row, reason in zip(group, reasons, strict=True) if reason is None]
        steps = {text: self.split(text) for text in asked}
        problem, reference = (known.prompt or "", known.reference) if known else ("", None)
        answers = await together(self.judge.judge(problem, reference, steps[text]) for text in steps)
        judgments: dict[str, Judgment] = dict(zip(steps, answers, strict=True))
        return [
            feedback_row(row, Judgment(error=reason), [])
            if reason
            else feedback_row(row, judgments[row["completion"]], steps[row["completion"]], self.judge.prompt_hash)
            for row, reason in zip(group, reasons, strict=True)
        ]


def _key(group: Sequence[Row]) -> int:
    return int(group[0]["group_id"])


def _in_order(rows: pa.Table, more: Sequence[pa.Table], groups: Sequence[Sequence[Row]]) -> pa.Table:
    """Return all rows in the order of their groups; ``more`` are those of groups that the journal does not hold."""
    import pyarrow as pa

    if not more:
        return rows
    whole = pa.concat_tables([rows, *more])
    starts: dict[int, int] = {}
    for place, key in enumerate(whole["group_id"].to_pylist()):
        starts.setdefault(key, place)
    return whole.take([starts[group[0]["group_id"]] + index for group in groups for index in range(len(group))])


def _counts(rows: pa.Table) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many rows failed, and how many were never to be judged, by reason."""
    from curate.judging.served import FAILURES

    errors = Counter(error for error in rows["error"].to_pylist() if error)
    failed = {reason: count for reason, count in errors.items() if reason in FAILURES}
    return failed, {reason: count for reason, count in errors.items() if reason not in FAILURES}
