"""Strategies of correct completions by a served judge: the job, its rows, and what a dataset's groups amount to.

``StrategiesJob`` stands in for ``ServedJob`` where ``--task strategies`` was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.verbs.judge_rows import Known, Row
from curate.verbs.judge_served import ServedJob

if TYPE_CHECKING:
    import pyarrow as pa

    from curate.dataset import Dataset, TableRef
    from curate.judging.served import ServedJudge
    from curate.judging.sorter import ServedSorter, Sorted
    from curate.stage import Made, Stage
    from curate.verbs.judge_served import Judging

TASK = "strategies"
FIGURES = "strategies"  # the key of a part's figures in its footer


@dataclass
class StrategiesJob(ServedJob):
    """One job: the strategies of the correct completions of every group, asked of a served judge.

    Of ``judging`` it reads model, context and max_reply_tokens; every group is in scope.
    """

    sorter: ServedSorter | None = None

    def stage(self, as_: str | None) -> Stage:
        """Return the stage; raises ConfigError for a table that is missing, and for options of a step judge."""
        from curate.console import command
        from curate.jobrecord import DATASET

        given = self.judging
        _refuse_options(given)
        return replace(
            super().stage(as_),
            parameters=parameters(given.model, given.context, given.max_reply_tokens),
            command=command(
                "judge",
                DATASET,
                **self.connection.options(),
                model=given.model,
                task=TASK,
                context=given.context,
                max_reply_tokens=given.max_reply_tokens,
                verifier=self.verdicts.variant,
                as_=as_,
            ),
        )

    def _open(self) -> ServedJudge:
        from curate.console import say
        from curate.judging.probe import probe
        from curate.judging.sorter import ServedSorter

        given = self.judging
        probed = self.fanout.run(probe(self.client, given.model, given.context))
        if probed.note:
            say(probed.note)
        self.sorter = ServedSorter(
            self.client,
            given.model,
            context=probed.context,
            max_reply_tokens=given.max_reply_tokens,
            takes_schema=probed.takes_schema,
        )
        return self.sorter  # type: ignore[return-value]  # of the judge the base class reads ``about`` and ``asked`` alone

    def _make(self, name: str, journal: Path) -> Made:
        made = super()._make(name, journal)
        return replace(made, about={**made.about, FIGURES: strategy_figures(made.rows)})

    async def _rows(self, group: list[Row]) -> list[Row]:
        assert self.sorter is not None
        return await sort_group(group, self.known.get(group[0]["prompt_id"]), self.sorter)


def _refuse_options(judging: Judging) -> None:
    """Raise ConfigError for options that say something of steps alone: ignored they would look as if they acted."""
    from curate.errors import ConfigError

    given = {"votes": judging.votes != 1, "split": judging.split != "auto", "score": bool(judging.scores)}
    for option in (name for name, is_given in given.items() if is_given):
        raise ConfigError(f"--{option} is about the steps of one completion: leave it away with --task {TASK}")


def parameters(model: str, context: int | None, max_reply_tokens: int) -> dict[str, Any]:
    """Return what the clusters follow from; ``context`` null is the server's own."""
    from curate.judging.sorting import MAX_SHOWN
    from curate.judging.strategies import TEXT

    return {
        "task": TASK,
        "model": model,
        "scope": "all",
        "context": context,
        "max_reply_tokens": max_reply_tokens,
        "max_shown": MAX_SHOWN,
        "prompt_hash": TEXT.hash(),
    }


async def sort_group(group: Sequence[Row], known: Known | None, sorter: ServedSorter) -> list[Row]:
    """Return the feedback rows of one group: cluster and diversity of its correct samples, a reason for the others.

    Correct is what the verdict says. Equal texts are shown once and share a cluster; a group with one distinct correct
    text is one strategy, and nothing is asked. Diversity = share of the group outside the sample's cluster, wrong and
    unjudged samples counted: a lone success of G samples has (G - 1)/G, a group of one 0.
    """
    solutions = distinct_solutions(group)
    if known is None or known.prompt is None:
        return feedback_rows(group, None, "no prompt text")
    if not solutions:
        return feedback_rows(group, None)
    found = await sorter.sort(known.prompt, solutions)
    return feedback_rows(group, found, prompt_hash=sorter.prompt_hash if len(solutions) > 1 else None)


def reread_group(group: Sequence[Row], known: Known | None, kept: Sequence[Row]) -> list[Row]:
    """Return the rows of one group from the replies in its feedback, ``kept``, without asking again.

    A group that was not asked about keeps its rows.
    """
    from curate.judging.served import TOO_LONG
    from curate.judging.sorter import reread

    asked = next((row for row in kept if row["prompt_hash"] is not None), None)
    if asked is None or known is None or known.prompt is None:
        return list(kept)
    solutions = distinct_solutions(group)
    too_long = {each["completion"] for each, row in zip(group, kept, strict=True) if row["error"] == TOO_LONG}
    left_out = {place for place, text in enumerate(solutions) if text in too_long}
    found = reread(known.prompt, solutions, asked["reply"], left_out)
    return feedback_rows(group, found, prompt_hash=asked["prompt_hash"])


def distinct_solutions(group: Sequence[Row]) -> list[str]:
    """Return the texts of a group's correct samples, each once, in order."""
    return list(dict.fromkeys(row["completion"] for row in group if reason_without_cluster(row) is None))


def reason_without_cluster(row: Row) -> str | None:
    """Return why a sample has no strategy whatever a judge says, null where one can be found."""
    if row["outcome"] in ("incorrect", "unparsable"):
        return "not correct"
    if row["outcome"] != "correct":
        return "not verified"
    return "no completion text" if row["completion"] is None else None


def feedback_rows(
    group: Sequence[Row], found: Sorted | None, why: str | None = None, prompt_hash: str | None = None
) -> list[Row]:
    """Return the rows of one group from the clusters of its distinct solutions; ``why`` where there are none."""
    from curate.tasks.strategy import diversity

    solutions = distinct_solutions(group)
    clusters = dict(zip(solutions, found.clusters, strict=True)) if found else {}
    errors = dict(zip(solutions, found.errors, strict=True)) if found else dict.fromkeys(solutions, why)
    reasons = [reason_without_cluster(row) for row in group]
    numbers = [None if why else clusters.get(row["completion"]) for row, why in zip(group, reasons, strict=True)]
    return [
        {
            "group_id": row["group_id"],
            "sample_index": row["sample_index"],
            "cluster": cluster,
            "diversity": share,
            "reply": found.reply if found and reason is None else None,
            "prompt_hash": prompt_hash if reason is None else None,
            "error": reason or errors[row["completion"]],
        }
        for row, reason, cluster, share in zip(group, reasons, numbers, diversity(numbers), strict=True)
    ]


def strategy_figures(rows: pa.Table) -> dict[str, float]:
    """Return what a part's clusters amount to, additive over parts.

    ``n_groups`` with a clustered sample, ``n_several`` of them with more than one strategy, ``sum_effective`` over them.
    """
    import polars as pl

    from curate.evaluating import effective_by_group

    frame = pl.from_arrow(rows.select(["group_id", "cluster"]))
    assert isinstance(frame, pl.DataFrame)
    groups = effective_by_group(frame)
    return {
        "n_groups": groups.height,
        "n_several": groups.filter(pl.col("n_clusters") > 1).height,
        "sum_effective": float(groups["effective"].sum()),
    }


def strategies_told(data: Dataset, ref: TableRef) -> str:
    """Return the sentence on the effective number of strategies of a variant's groups."""
    from curate.parts import read_footer

    found = [read_footer(data.part(ref, name)).about.get(FIGURES) for name in data.parts(ref)]
    total = {key: sum(each[key] for each in found if each) for key in ("n_groups", "n_several", "sum_effective")}
    n = total["n_groups"]
    if not n:
        return f"{ref}: no group has a clustered sample"
    return (
        f"{ref}: {total['sum_effective'] / n:.2f} strategies a group in effect, mean over the {n:,} groups with a "
        f"clustered sample; {total['n_several']:,} of them have more than one"
    )
