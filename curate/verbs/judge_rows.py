"""What every step judge shares: the groups of a part, which samples are asked about, and the rows that come of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

    from curate.dataset import Dataset, TableRef
    from curate.records import Judgment, Step

Row = dict[str, Any]
Scope = Literal["all_wrong", "all"]


class Known(NamedTuple):
    """What is known of a prompt, beside its id."""

    prompt: str | None
    answer: str | None
    reference: str | None


def known_prompts(data: Dataset) -> dict[str, Known]:
    """Return what is known of every prompt, by prompt_id."""
    frame = data.scan("prompts").select("prompt_id", "prompt", "answer", "reference").collect()
    return {prompt_id: Known(*rest) for prompt_id, *rest in frame.iter_rows()}


def read_groups(data: Dataset, samples: TableRef, verdicts: TableRef, name: str) -> Iterator[list[Row]]:
    """Yield the samples of each group with their outcomes, in the order of the part."""
    from itertools import groupby

    from curate.stage import read, same_keys

    left = read(data, samples, name, ["group_id", "sample_index", "prompt_id", "completion", "finish_reason"])
    right = read(data, verdicts, name, ["group_id", "sample_index", "outcome"])
    same_keys(left, right, f"{verdicts}/{name}")
    rows = left.append_column("outcome", right["outcome"])
    records = (row for batch in rows.to_batches(max_chunksize=4096) for row in batch.to_pylist())
    for _, group in groupby(records, key=lambda row: row["group_id"]):
        yield list(group)


def find_split(name: str) -> Callable[[str], list[Step]]:
    """Return a way to cut completions into steps: a general one, or that of a built-in task; raises ConfigError."""
    from curate.errors import ConfigError, did_you_mean
    from curate.judging.splits import SPLITTERS
    from curate.tasks import moves

    known = SPLITTERS | {"countdown": moves.split}
    if name not in known:
        hint = did_you_mean(name, known)
        raise ConfigError(f"steps cannot be split by {name!r}{hint}; known: {', '.join(known)}")
    return known[name]


def reasons_not_to_ask(group: Sequence[Row], scope: Scope) -> list[str | None]:
    """Return for each sample why the judge is not asked about it, null where it is."""
    is_asked = scope == "all" or _is_all_wrong(group)
    return [_reason_not_to_ask(row, is_asked) for row in group]


def _is_all_wrong(group: Sequence[Row]) -> bool:
    outcomes = [row["outcome"] for row in group]
    return "correct" not in outcomes and any(o in ("incorrect", "unparsable") for o in outcomes)


def _reason_not_to_ask(row: Row, is_asked: bool) -> str | None:
    if not is_asked or row["outcome"] not in ("incorrect", "unparsable"):
        return "out_of_scope"
    if row["finish_reason"] == "length":
        return "truncated"
    if row["outcome"] == "unparsable":
        return "unparsable"
    return "no completion text" if row["completion"] is None else None


def feedback_row(row: Row, judgment: Judgment, steps: Sequence[Step], prompt_hash: str | None = None) -> Row:
    """Return the feedback row of one sample; without a judgment everything but the reason and the reply is null.

    ``prompt_hash`` names the text that a served judge was asked with; null where a rule judged or nothing was asked.
    """
    from curate.judging import rts

    e, is_judged = judgment.first_error_step, judgment.error is None
    return {
        "group_id": row["group_id"],
        "sample_index": row["sample_index"],
        "n_steps": len(steps) if is_judged else None,
        "first_error_step": e,
        "rts": rts(e, len(steps)) if is_judged else None,
        "judge_scores": None if judgment.scores is None else list(judgment.scores.items()),
        "votes": None if judgment.votes is None else list(judgment.votes),
        "reply": judgment.reply,
        "prompt_hash": prompt_hash,
        "step_offsets": [step.offset for step in steps] if is_judged else None,
        "error": judgment.error,
    }


def feedback_table(rows: Sequence[Row]) -> pa.Table:
    """Return feedback rows as an unchecked table."""
    from curate.contracts import contract

    return contract("feedback").rows({key: [row[key] for row in rows] for key in rows[0]})
