"""The stage of a judge that is a program: a rule for steps, or the strategies of correct completions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from curate.verbs.judge_rows import (
    Known,
    Row,
    Scope,
    feedback_row,
    feedback_table,
    known_prompts,
    read_groups,
    reasons_not_to_ask,
)

if TYPE_CHECKING:
    from curate.dataset import Dataset, TableRef
    from curate.records import Judgment, Step
    from curate.stage import Made, Stage

RuleAndSplit = tuple["Callable[[str, str | None, list[Step]], Judgment]", "Callable[[str], list[Step]]"]
Clusters = Callable[[Sequence[str], str], list[int | None]]


def rule_stage(data: Dataset, ref: TableRef, rule: str, scope: Scope, verifier: str | None, as_: str | None) -> Stage:
    """Return the stage of a rule; raises ConfigError for an unknown one and for a table that is missing."""
    from curate.console import command
    from curate.jobrecord import DATASET
    from curate.stage import Stage
    from curate.verbs.lookup import find_clusters, find_rule

    clusters = find_clusters(rule)
    rule_and_split = None if clusters else find_rule(rule)
    samples, verdicts, prompts = data.choose("samples"), data.choose("verdicts", verifier), data.choose("prompts")
    known: dict[str, Known] = {}

    def judge_group(group: list[Row]) -> list[Row]:
        if clusters:
            return strategies(group, known.get(group[0]["prompt_id"]), clusters)
        assert rule_and_split is not None
        return steps_of_group(group, known, rule_and_split, scope)

    return Stage(
        verb="judge",
        ref=ref,
        inputs=[samples, verdicts],
        lookups=[prompts],
        parameters={"rule": rule, "scope": scope},
        command=command("judge", DATASET, rule=rule, scope=scope, verifier=verdicts.variant, as_=as_),
        prepare=lambda: known.update(known_prompts(data)),
        make=lambda name, journal: _judge_part(data, samples, verdicts, name, journal, judge_group),
    )


def _judge_part(
    data: Dataset,
    samples: TableRef,
    verdicts: TableRef,
    name: str,
    journal: Path,
    judge_group: Callable[[list[Row]], list[Row]],
) -> Made:
    """Judge one part group by group; each finished group is in the journal before it counts."""
    from collections import Counter

    from curate.stage import Made, journaled
    from curate.verbs.judge_strategies import FIGURES, strategy_figures

    groups = read_groups(data, samples, verdicts, name)
    rows = journaled(journal, "feedback", groups, lambda group: feedback_table(judge_group(group)))
    not_judged = Counter(error for error in rows["error"].to_pylist() if error)
    about = {FIGURES: strategy_figures(rows)} if rows["cluster"].null_count < rows.num_rows else {}
    return Made(rows, dropped=dict(not_judged), about=about)


def steps_of_group(group: list[Row], known: dict[str, Known], rule: RuleAndSplit, scope: Scope) -> list[Row]:
    """Return the feedback rows of one group; ``error`` says why where there is no judgment."""
    from curate.records import Judgment

    judge_steps, split = rule
    rows = []
    for row, reason in zip(group, reasons_not_to_ask(group, scope), strict=True):
        about = known.get(row["prompt_id"])
        steps = [] if reason else split(row["completion"])
        judgment = (
            Judgment(error=reason)
            if reason
            else judge_steps((about.prompt if about else None) or "", about.reference if about else None, steps)
        )
        rows.append(feedback_row(row, judgment, steps))
    return rows


def strategies(group: list[Row], known: Known | None, clusters: Clusters) -> list[Row]:
    """Return the feedback rows of one group: cluster and diversity of its correct samples, a reason for the others.

    Correct is what the verdict says. Diversity = share of the group outside the sample's cluster, wrong and unjudged
    samples counted: a lone success of G samples has (G - 1)/G, a group of one 0. The problem is the prompt's answer or
    its text, whichever states one; a correct sample that does not solve it has a reason in place of a cluster.
    """
    from curate.tasks.countdown import parse
    from curate.tasks.strategy import diversity

    texts_of_prompt = (known.answer, known.prompt) if known else ()
    problem = next((text for text in texts_of_prompt if text and parse(text)), "")
    texts = [row["completion"] if row["outcome"] == "correct" else None for row in group]
    numbers = clusters([text or "" for text in texts], problem)
    return [
        {
            "group_id": row["group_id"],
            "sample_index": row["sample_index"],
            "cluster": cluster,
            "diversity": share,
            "error": None if cluster is not None else _reason_without_cluster(row),
        }
        for row, cluster, share in zip(group, numbers, diversity(numbers), strict=True)
    ]


def _reason_without_cluster(row: Row) -> str:
    if row["outcome"] in ("incorrect", "unparsable"):
        return "not correct"
    if row["outcome"] != "correct":
        return "not verified"
    return "no completion text" if row["completion"] is None else "no solution of a countdown problem"
