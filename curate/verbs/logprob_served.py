"""The stage that scores stored completions with a served model: a request for each different completion of a group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from curate.dataset import TableRef

if TYPE_CHECKING:
    import pyarrow as pa

    from curate.dataset import Dataset
    from curate.fanout import Fanout
    from curate.likelihood.served import ServedScorer
    from curate.stage import Made, Stage
    from curate.verbs.connect import Connection
    from curate.verbs.logprob_answers import Answers

PROMPTS = TableRef("prompts")
KEY = ["group_id", "sample_index"]
COLUMNS = [*KEY, "prompt_id", "completion", "completion_ids", "loss_mask", "temperature"]
MOST_SAID = 10
PROBED_ROWS = 100  # the shortest of so many is the one that is tried

Row = dict[str, Any]
Ids = tuple[list[int], list[int]]


class Group(NamedTuple):
    """One group: where its rows lie in their part."""

    id: int
    prompt_id: str
    start: int
    length: int


def score_served(
    data: Dataset,
    samples: TableRef,
    ref: TableRef,
    model: str,
    api: str,
    tokenizer: Path | None,
    connection: Connection,
    answers: Answers,
    as_: str | None,
    max_failed_share: float,
    overwrite: bool,
) -> None:
    """Run the stage, and say what it did."""
    from curate.console import command, say
    from curate.fanout import Fanout
    from curate.jobrecord import DATASET
    from curate.stage import run_stage

    verifier = answers.verdicts.variant if answers.verdicts else None
    given = {"model": model, "api": api, "tokenizer": tokenizer, "verifier": verifier, "as_": as_}
    again = command("logprob", DATASET, **connection.options(), **given)
    with Fanout(connection.max_requests) as fanout:
        job = ServedJob(data, samples, ref, model, api, answers, connection, max_failed_share, fanout)
        summary = run_stage(data, job.stage(again), overwrite=overwrite, max_failed_share=max_failed_share)
    say(summary)
    answers.say_found(ref)
    if job.n_raw:
        say(
            f"{job.n_raw:,} samples were not drawn at temperature 1, which a server scores at: their log-probs are stored as "
            "raw. Ranks can be made from them; for a ratio or a reference in training score in process with --model PATH"
        )


@dataclass
class ServedJob:
    """One job: the log-probs of every completion under ``model``, asked of the servers of ``connection``.

    The tokenizer of ``answers`` is the model's, for samples that came without token ids too.
    """

    data: Dataset
    samples: TableRef
    ref: TableRef
    model: str
    api: str
    answers: Answers
    connection: Connection
    max_failed_share: float
    fanout: Fanout
    n_raw: int = 0
    prompts: dict[str, Row] = field(default_factory=dict)
    _n_said: int = 0

    def stage(self, command: str) -> Stage:
        """Return the stage: likelihoods part k comes from samples part k."""
        from curate.stage import Stage

        return Stage(
            verb="logprob",
            ref=self.ref,
            inputs=[self.samples, *self.answers.inputs],
            lookups=[PROMPTS],
            parameters={"served_model": self.model, **self.answers.parameters},
            command=command,
            prepare=self._prepare,
            make=self._make,
            ahead=1,
            stop=self.fanout.stop,
        )

    @cached_property
    def scorer(self) -> ServedScorer:
        """The scorer, connected when first needed."""
        from curate.likelihood.served import ServedScorer

        return ServedScorer(self.fanout.open(self.connection.client()), self.api, self.model)

    def _prepare(self) -> None:
        """Read the prompts and score one row: a server that cannot score is refused before any work."""
        from curate.stage import read

        self.answers.prepare()
        prompts = self.data.scan("prompts").select("prompt_id", "prompt", "prompt_format", "prompt_ids").collect()
        self.prompts = {row["prompt_id"]: row for row in prompts.iter_rows(named=True)}
        for name in self.data.parts(self.samples):
            first = read(self.data, self.samples, name, COLUMNS).slice(0, PROBED_ROWS).to_pylist()
            scorable = [ids for ids in map(self._ids, first) if all(ids)]
            if scorable:
                self.fanout.run(self.scorer.probe(*min(scorable, key=lambda ids: len(ids[0]) + len(ids[1]))))
                return

    def _make(self, name: str, journal: Path) -> Made:
        """Score one part, many groups at a time; each finished group is in the journal before it counts."""
        import polars as pl

        from curate.failures import settle
        from curate.stage import read
        from curate.verbs.logprob import finish

        rows = self.answers.beside(read(self.data, self.samples, name, COLUMNS), name)
        groups = _groups(rows)

        async def work(group: Group) -> pa.RecordBatch:
            return await self._scored(rows.slice(group.start, group.length).to_pylist())

        done = self.fanout.groups(journal, "likelihoods", groups, lambda group: group.id, work)
        settle(self.data, self.ref, name, done.failed, {g.id: g.prompt_id for g in groups}, self.max_failed_share)
        scored = pl.DataFrame(done.rows.select([*KEY, "logprobs", "answer_mean_logprob"]))
        is_processed = (pl.col("temperature") == 1).fill_null(False)
        frame = pl.DataFrame(rows).join(scored, on=KEY, how="left", maintain_order="left")
        frame = frame.with_columns(
            logprob_semantics=pl.when(is_processed).then(pl.lit("processed")).otherwise(pl.lit("raw"))
        )
        self.n_raw += int((frame["logprob_semantics"] == "raw").sum())
        failed = Counter[str]()
        for group in groups:
            if group.id in done.failed:
                failed[done.failed[group.id].reason] += group.length
        failed["not_scored"] = frame["logprobs"].null_count() - failed.total()
        return finish(frame, stored=frame["logprobs"], failed=dict(+failed))

    async def _scored(self, rows: list[Row]) -> pa.RecordBatch:
        """Score one group, equal completions once; raises GroupFailed where a server did not answer."""
        from curate.contracts import contract
        from curate.fanout import GroupFailed
        from curate.sampling.served import together
        from curate.serving import Failed

        ids = [self._ids(row) for row in rows]
        asked = dict.fromkeys((tuple(prompt), tuple(completion)) for prompt, completion in ids)
        try:
            scores = await together([self._score(prompt, completion) for prompt, completion in asked])
        except Failed as error:
            raise GroupFailed(error.reason, str(error)) from error
        known = dict(zip(asked, scores, strict=True))
        found = [known[tuple(prompt), tuple(completion)] for prompt, completion in ids]
        for row, score in zip(rows, found, strict=True):
            if isinstance(score, str):
                self._say_not_scored(row, score)
        columns = {key: [row[key] for row in rows] for key in KEY}
        logprobs = [None if isinstance(score, str) else score for score in found]
        answers = [
            self.answers.mean_logprob(row, completion, values)
            for row, (_, completion), values in zip(rows, ids, logprobs, strict=True)
        ]
        scored = {"logprobs": logprobs, "answer_mean_logprob": answers}
        table = contract("likelihoods").rows(columns | scored)
        return table.combine_chunks().to_batches()[0]

    async def _score(self, prompt: Sequence[int], completion: Sequence[int]) -> list[float] | str:
        """Return the log-probs of one completion, or why it has none.

        Raises Failed, Gone, and ServerError where a server refuses the key or the model.
        """
        from curate.errors import ServerError
        from curate.likelihood.served import ReplyError
        from curate.serving import Refused

        if not prompt or not completion:
            return f"the {'completion' if prompt else 'prompt'} has no tokens"
        try:
            return await self.scorer.score(prompt, completion)
        except (Refused, ReplyError) as error:
            if isinstance(error, Refused) and error.is_for_every_request:
                raise ServerError(
                    f"{error}. What was scored is kept: run the same command again when it is mended"
                ) from error
            return str(error)

    def _ids(self, row: Row) -> Ids:
        from curate.verbs.logprob import token_ids

        return token_ids(row, self.prompts[row["prompt_id"]], self._encode)

    def _encode(self, prompt: str, completion: str, prompt_format: str) -> Ids:
        from curate.errors import ConfigError
        from curate.models.encode import encode_completion, encode_prompt

        if self.answers.tokenizer is None:
            raise ConfigError(
                f"samples of {self.data.root} have no token ids: name the folder of the model's tokenizer with "
                "--tokenizer PATH"
            )
        encoded = encode_prompt(self._tokenizer, prompt, prompt_format, self.answers.tokenizer)
        return encoded, encode_completion(self._tokenizer, completion)

    @cached_property
    def _tokenizer(self) -> Any:
        from curate.models.tokenizer import load_tokenizer

        assert self.answers.tokenizer is not None
        return load_tokenizer(self.answers.tokenizer)

    def _say_not_scored(self, row: Row, why: str) -> None:
        from curate.console import say

        self._n_said += 1
        if self._n_said <= MOST_SAID:
            say(f"group {row['group_id']} sample {row['sample_index']} is not scored: {why}")
        elif self._n_said == MOST_SAID + 1:
            say("more are not scored; they are counted")


def _groups(rows: pa.Table) -> list[Group]:
    """Return the groups of a part, in order: contiguous rows of one group_id."""
    keys = zip(rows["group_id"].to_pylist(), rows["prompt_id"].to_pylist(), strict=True)
    groups: list[Group] = []
    for place, (group_id, prompt_id) in enumerate(keys):
        if not groups or groups[-1].id != group_id:
            groups.append(Group(group_id, prompt_id, place, 0))
        groups[-1] = groups[-1]._replace(length=place + 1 - groups[-1].start)
    return groups
