"""Faults that stored tables show by themselves: rewards, duplicates, truncation and steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from curate.dataset import Dataset, TableRef

if TYPE_CHECKING:
    from curate.checking import Finding
    from curate.checking.steps import Judged

SAMPLES, PROMPTS = TableRef("samples"), TableRef("prompts")
N_JUDGED = 2_048


def mixed_policies(data: Dataset) -> Iterator[Finding]:
    """Yield the groups that several policies sampled: a fault of what was sampled here, a note of an import."""
    from curate.checking import Finding
    from curate.jobrecord import read_record
    from curate.query import MIXED_POLICY, group_violations

    if mixed := group_violations(data, SAMPLES, MIXED_POLICY):
        record = read_record(data, SAMPLES)
        said = "groups mix" if len(mixed) > 1 else "group mixes"
        yield Finding(
            "mixed_policies",
            "samples",
            f"{len(mixed):,} {said} several policies",
            len(mixed),
            n_groups(data),
            "groups",
            f"group_id={min(mixed)[0]}",
            "Recipes that read likelihoods refuse them without --allow-mixed-policy: keep each policy's samples apart.",
            is_note=record is None or record.verb != "sample",
        )


def n_groups(data: Dataset) -> int:
    """Return the number of groups of samples."""
    from curate.query import group_violations

    count: Any = group_violations(data, SAMPLES, "SELECT count(DISTINCT group_id) FROM part")[0][0]
    return int(count)


def misread_rewards(data: Dataset) -> Iterator[Finding]:
    """Yield what the rewards and outcomes of each variant of verdicts contradict."""
    from curate.checking import rewards
    from curate.jobrecord import read_record
    from curate.query import group_violations

    for ref in (TableRef("verdicts", name) for name in data.variants("verdicts")):
        record = read_record(data, ref)
        counts: list[Any] = group_violations(data, ref, rewards.COUNTS) if data.parts(ref) else []
        is_verified = record is not None and record.verb == "verify"
        if found := rewards.misread_rewards(str(ref), [rewards.Count(*row) for row in counts], is_verified):
            yield found


def duplicated_groups(data: Dataset) -> Iterator[Finding]:
    """Yield the groups that repeat another one of the same prompt."""
    from curate.checking import duplicates
    from curate.query import group_violations

    rows: list[Any] = group_violations(data, SAMPLES, duplicates.SIGNATURES)
    texts: dict[str, object] = {}
    if rows and data.parts(PROMPTS):
        prompts = data.scan("prompts").select("prompt_id", "prompt_format", "prompt", "prompt_ids").collect()
        asked = {row[2] for row in rows}
        texts = {row[0]: str(row[1:]) for row in prompts.iter_rows() if row[0] in asked}
    if found := duplicates.duplicated_groups(rows, texts, n_groups(data) if rows else 0):
        yield found


def unflagged_truncation(data: Dataset) -> Iterator[Finding]:
    """Yield the samples that were cut at the limit and do not say so."""
    import polars as pl

    from curate.checking import truncation
    from curate.jobrecord import read_record

    record = read_record(data, SAMPLES)
    limit = record.parameters.get("max_new_tokens") if record and record.verb == "sample" else None
    ids = pl.col("completion_ids")
    rows = data.scan("samples").select(
        "group_id", "sample_index", "finish_reason", n=ids.list.len().cast(pl.Int64), last=ids.list.last()
    )
    if found := truncation.unflagged_truncation(rows, limit if isinstance(limit, int) else None):
        yield found


def mixed_steps(data: Dataset, not_looked_at: list[str]) -> Iterator[Finding]:
    """Yield the judgments whose stored step is one off their votes, their reply, or the rule that made them."""
    from curate.checking import steps
    from curate.jobrecord import read_record

    for ref in (TableRef("feedback", name) for name in data.variants("feedback")):
        record = read_record(data, ref)
        parameters = record.parameters if record and record.verb == "judge" else {}
        rows, zeros, n_replies = _judged(data, ref, parameters)
        evidence = f"what {'rule ' + parameters['rule'] if 'rule' in parameters else 'its votes and reply'} says"
        findings = [steps.mixed_steps(str(ref), rows, evidence), steps.zero_steps(str(ref), zeros, n_replies)]
        yield from (found for found in findings if found)
        if not rows and not n_replies and _has_steps(data, ref):
            not_looked_at.append(
                f"{ref}: its first wrong steps: it has no votes, no replies and no rule to hold them against"
            )


def _has_steps(data: Dataset, ref: TableRef) -> bool:
    import polars as pl

    scan = data.scan(ref.table, ref.variant).filter(pl.col("first_error_step").is_not_null())
    return not scan.select("group_id").head(1).collect().is_empty()


def _judged(data: Dataset, ref: TableRef, parameters: dict[str, Any]) -> tuple[list[Judged], list[str], int]:
    """Return judgments with what their evidence says, the replies that name step 0, and how many replies there were."""
    from curate.checking.finding import key
    from curate.checking.steps import Judged
    from curate.verbs.check_rows import beside
    from curate.verbs.check_steps import by_reply, by_rule, names_step_zero
    from curate.verbs.judge_rows import known_prompts

    columns = ["n_steps", "first_error_step", "votes", "reply", "error"]
    rows = beside(data, ["prompt_id", "completion"], ref, columns, N_JUDGED)
    known = known_prompts(data) if data.parts(PROMPTS) else {}
    judge = by_rule(parameters["rule"], known) if "rule" in parameters else by_reply(parameters)
    found, zeros, n_replies = [], [], 0
    for row in rows.iter_rows(named=True):
        place = key(row["group_id"], row["sample_index"])
        n_replies += row["reply"] is not None
        if row["reply"] is not None and row["n_steps"] is None and names_step_zero(row["reply"]):
            zeros.append(place)
        if row["n_steps"] and (says := judge(row)) is not None:
            found.append(Judged(place, row["first_error_step"], says or None))
    return found, zeros, n_replies
