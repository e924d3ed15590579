"""``curate judge``: samples, verdicts and reference solutions -> feedback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from curate.verbs.options import As, DatasetDir, Overwrite, VerifierVariant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from curate.dataset import Dataset, TableRef
    from curate.records import Judgment, Step
    from curate.stage import Made

    Row = dict[str, Any]
    RuleAndSplit = tuple[Callable[[str, str | None, list[Step]], Judgment], Callable[[str], list[Step]]]
    Clusters = Callable[[Sequence[str], str], list[int | None]]


class Known(NamedTuple):
    """What is known of a prompt, beside its id."""

    prompt: str | None
    answer: str | None
    reference: str | None


def judge(
    dataset: DatasetDir,
    rule: Annotated[
        str, typer.Option(metavar="NAME", help="arithmetic, reference-values or countdown; canonical: strategies.")
    ],
    scope: Annotated[
        Literal["all_wrong", "all"] | None,
        typer.Option(help="Groups to judge: all_wrong, but canonical reads all.", show_default=False),
    ] = None,
    verifier: VerifierVariant = None,
    as_: As = None,
    overwrite: Overwrite = False,
) -> None:
    """Find the first wrong step of each wrong completion, or the strategies of the correct ones: -> feedback."""
    from curate.console import command, say
    from curate.dataset import Dataset, TableRef, variant_name
    from curate.jobrecord import DATASET
    from curate.stage import Stage, run_stage
    from curate.verbs.lookup import find_clusters, find_rule

    clusters = find_clusters(rule)
    scope = choose_scope(rule, scope)
    rule_and_split = None if clusters else find_rule(rule)
    data = Dataset(dataset)
    samples, verdicts, prompts = data.choose("samples"), data.choose("verdicts", verifier), data.choose("prompts")
    ref = TableRef("feedback", variant_name(as_ or rule))
    known: dict[str, Known] = {}

    def judge_group(group: list[Row]) -> list[Row]:
        if clusters:
            return strategies(group, known.get(group[0]["prompt_id"]), clusters)
        assert rule_and_split is not None
        is_asked = scope == "all" or _is_all_wrong(group)
        return [_feedback(row, known.get(row["prompt_id"]), rule_and_split, is_asked) for row in group]

    stage = Stage(
        verb="judge",
        ref=ref,
        inputs=[samples, verdicts],
        lookups=[prompts],
        parameters={"rule": rule, "scope": scope},
        command=command("judge", DATASET, rule=rule, scope=scope, verifier=verdicts.variant, as_=as_),
        prepare=lambda: known.update(_known(data)),
        make=lambda name, journal: _judge_part(journal, _groups(data, samples, verdicts, name), judge_group),
    )
    summary = run_stage(data, stage, overwrite=overwrite)
    say(summary)


def choose_scope(rule: str, scope: Literal["all_wrong", "all"] | None) -> Literal["all_wrong", "all"]:
    """Return which groups a rule judges; raises ConfigError for strategies of groups without a success."""
    from curate.errors import ConfigError
    from curate.verbs.lookup import CLUSTERING

    if rule != CLUSTERING:
        return scope or "all_wrong"
    if scope == "all_wrong":
        raise ConfigError(
            f"--rule {rule} reads correct completions, and an all-wrong group has none: leave --scope away"
        )
    return "all"


def _known(data: Dataset) -> dict[str, Known]:
    frame = data.scan("prompts").select("prompt_id", "prompt", "answer", "reference").collect()
    return {prompt_id: Known(*rest) for prompt_id, *rest in frame.iter_rows()}


def _judge_part(journal: Path, groups: Iterator[list[Row]], judge_group: Callable[[list[Row]], list[Row]]) -> Made:
    """Judge one part group by group; each finished group is in the journal before it counts."""
    from collections import Counter

    from curate.contracts import contract
    from curate.stage import Made, journaled

    def work(group: list[Row]) -> pa.Table:
        rows = judge_group(group)
        return contract("feedback").rows({key: [row[key] for row in rows] for key in rows[0]})

    rows = journaled(journal, "feedback", groups, work)
    not_judged = Counter(error for error in rows["error"].to_pylist() if error)
    return Made(rows, dropped=dict(not_judged))


def _groups(data: Dataset, samples: TableRef, verdicts: TableRef, name: str) -> Iterator[list[Row]]:
    """Yield the rows of each group, in the order of the part."""
    from itertools import groupby

    from curate.stage import read, same_keys

    left = read(data, samples, name, ["group_id", "sample_index", "prompt_id", "completion", "finish_reason"])
    right = read(data, verdicts, name, ["group_id", "sample_index", "outcome"])
    same_keys(left, right, f"{verdicts}/{name}")
    rows = left.append_column("outcome", right["outcome"])
    records = (row for batch in rows.to_batches(max_chunksize=4096) for row in batch.to_pylist())
    for _, group in groupby(records, key=lambda row: row["group_id"]):
        yield list(group)


def _is_all_wrong(group: list[Row]) -> bool:
    outcomes = [row["outcome"] for row in group]
    return "correct" not in outcomes and any(o in ("incorrect", "unparsable") for o in outcomes)


def _feedback(row: Row, known: Known | None, rule: RuleAndSplit, is_asked: bool) -> Row:
    """Return one feedback row; ``error`` says why where there is no judgment."""
    from curate.judging import rts

    blank = {
        "group_id": row["group_id"],
        "sample_index": row["sample_index"],
        "n_steps": None,
        "first_error_step": None,
        "rts": None,
        "step_offsets": None,
        "error": _reason_not_to_ask(row, is_asked),
    }
    if blank["error"]:
        return blank
    judge_steps, split = rule
    steps = split(row["completion"])
    judgment = judge_steps((known.prompt if known else None) or "", known.reference if known else None, steps)
    if judgment.error is not None:
        return blank | {"error": judgment.error}
    e = judgment.first_error_step
    return blank | {
        "n_steps": len(steps),
        "first_error_step": e,
        "rts": rts(e, len(steps)),
        "step_offsets": [step.offset for step in steps],
    }


def _reason_not_to_ask(row: Row, is_asked: bool) -> str | None:
    if not is_asked or row["outcome"] not in ("incorrect", "unparsable"):
        return "out_of_scope"
    if row["finish_reason"] == "length":
        return "truncated"
    if row["outcome"] == "unparsable":
        return "unparsable"
    return "no completion text" if row["completion"] is None else None


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
