"""``curate judge``: samples, verdicts and reference solutions -> feedback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from curate.verbs.options import As, DatasetDir, Overwrite, VerifierVariant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pyarrow as pa

    from curate.dataset import Dataset, TableRef
    from curate.records import Judgment, Step
    from curate.stage import Made

    RuleAndSplit = tuple[Callable[[str, str | None, list[Step]], Judgment], Callable[[str], list[Step]]]


def judge(
    dataset: DatasetDir,
    rule: Annotated[str, typer.Option(metavar="NAME", help="arithmetic, reference-values or countdown.")],
    scope: Annotated[Literal["all_wrong", "all"], typer.Option(help="Groups to judge.")] = "all_wrong",
    verifier: VerifierVariant = None,
    as_: As = None,
    overwrite: Overwrite = False,
) -> None:
    """Find the first wrong step of each wrong completion: samples, verdicts -> feedback."""
    from curate.console import command, say
    from curate.dataset import Dataset, TableRef, variant_name
    from curate.jobrecord import DATASET
    from curate.stage import Stage, run_stage
    from curate.verbs.lookup import find_rule

    rule_and_split = find_rule(rule)
    data = Dataset(dataset)
    samples, verdicts, prompts = data.choose("samples"), data.choose("verdicts", verifier), data.choose("prompts")
    ref = TableRef("feedback", variant_name(as_ or rule))
    references: dict[str, tuple[str | None, str | None]] = {}
    stage = Stage(
        verb="judge",
        ref=ref,
        inputs=[samples, verdicts],
        lookups=[prompts],
        parameters={"rule": rule, "scope": scope},
        command=command("judge", DATASET, rule=rule, scope=scope, verifier=verdicts.variant, as_=as_),
        prepare=lambda: references.update(_references(data)),
        make=lambda name, journal: _judge_part(
            journal, _groups(data, samples, verdicts, name), scope, rule_and_split, references
        ),
    )
    summary = run_stage(data, stage, overwrite=overwrite)
    say(summary)


def _references(data: Dataset) -> dict[str, tuple[str | None, str | None]]:
    frame = data.scan("prompts").select("prompt_id", "prompt", "reference").collect()
    return {prompt_id: (prompt, reference) for prompt_id, prompt, reference in frame.iter_rows()}


def _judge_part(
    journal: Path,
    groups: Iterator[list[dict[str, Any]]],
    scope: str,
    rule: RuleAndSplit,
    references: dict[str, tuple[str | None, str | None]],
) -> Made:
    """Judge one part group by group; each finished group is in the journal before it counts."""
    from collections import Counter

    from curate.contracts import contract
    from curate.stage import Made, journaled

    def judge_group(group: list[dict[str, Any]]) -> pa.Table:
        is_asked = scope == "all" or _is_all_wrong(group)
        rows = [_feedback(row, references.get(row["prompt_id"], (None, None)), rule, is_asked) for row in group]
        return contract("feedback").rows({key: [row[key] for row in rows] for key in rows[0]})

    rows = journaled(journal, "feedback", groups, judge_group)
    not_judged = Counter(error for error in rows["error"].to_pylist() if error)
    return Made(rows, dropped=dict(not_judged))


def _groups(data: Dataset, samples: TableRef, verdicts: TableRef, name: str) -> Iterator[list[dict[str, Any]]]:
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


def _is_all_wrong(group: list[dict[str, Any]]) -> bool:
    outcomes = [row["outcome"] for row in group]
    return "correct" not in outcomes and any(o in ("incorrect", "unparsable") for o in outcomes)


def _feedback(
    row: dict[str, Any], known: tuple[str | None, str | None], rule: RuleAndSplit, is_asked: bool
) -> dict[str, Any]:
    """Return one feedback row; ``error`` says why where there is no judgment."""
    from curate.judging import rts

    problem, reference = known
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
    judgment = judge_steps(problem or "", reference, steps)
    if judgment.error is not None:
        return blank | {"error": judgment.error}
    e = judgment.first_error_step
    return blank | {
        "n_steps": len(steps),
        "first_error_step": e,
        "rts": rts(e, len(steps)),
        "step_offsets": [step.offset for step in steps],
    }


def _reason_not_to_ask(row: dict[str, Any], is_asked: bool) -> str | None:
    if not is_asked or row["outcome"] not in ("incorrect", "unparsable"):
        return "out_of_scope"
    if row["finish_reason"] == "length":
        return "truncated"
    if row["outcome"] == "unparsable":
        return "unparsable"
    return "no completion text" if row["completion"] is None else None
