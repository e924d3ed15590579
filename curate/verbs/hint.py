"""``curate hint``: the prompts of all-wrong groups once more, with the answer shown, in a dataset of their own."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.dataset import TableRef
from curate.verbs.hinted import TEMPLATE
from curate.verbs.options import DatasetDir, Overwrite, VerifierVariant

if TYPE_CHECKING:
    import polars as pl

    from curate.dataset import Dataset

PROMPTS = TableRef("prompts")
COLUMNS = ["prompt_id", "prompt", "prompt_format", "answer", "reference", "domain"]


def hint(
    dataset: DatasetDir,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder of the hinted prompts.", show_default=False)],
    verifier: VerifierVariant = None,
    template: Annotated[
        str, typer.Option(metavar="TEXT", help="Words around {prompt} and {answer} or {reference}.")
    ] = TEMPLATE,
    overwrite: Overwrite = False,
) -> None:
    """Write the prompts of all-wrong groups with the answer shown, for the policy to explain (ExPO)."""
    from curate.console import command, say
    from curate.dataset import Dataset
    from curate.jobrecord import DATASET, JobRecord, versions
    from curate.stage import refuse_stale, variant_lock
    from curate.states import ContentIds
    from curate.verbs.sources import is_done

    data, target = Dataset(dataset), Dataset(to, create=True)
    refs = [data.choose("prompts"), data.choose("samples"), data.choose("verdicts", verifier)]
    _refuse(data, target, template)
    ids = ContentIds(data)
    refuse_stale(data, refs, ids)
    parameters = {"template": template, "of": {str(ref): ids.of_head(ref) for ref in refs}}
    shown = template if template != TEMPLATE else None
    again = command("hint", dataset, to=DATASET, verifier=refs[2].variant, template=shown)
    record = JobRecord("hint", str(PROMPTS), parameters, [], [], again, versions())
    with variant_lock(target, PROMPTS):
        if is_done(target, {PROMPTS: record}, record.hash, overwrite):
            say(f"{PROMPTS}: nothing to do, {len(target.parts(PROMPTS))} part(s) are there")
        else:
            _write(data, target, refs, template, record, overwrite)


def _refuse(data: Dataset, target: Dataset, template: str) -> None:
    from curate.errors import ConfigError
    from curate.jobrecord import read_record
    from curate.verbs.hinted import check_template

    check_template(template)
    if data.root.resolve() == target.root.resolve():
        raise ConfigError("--to is the dataset itself: hinted prompts need a folder of their own")
    old = read_record(target, PROMPTS)
    if old and old.verb != "hint" and target.parts(PROMPTS):
        raise ConfigError(
            f"{target.root}/{PROMPTS} came with `{old.command_for(target)}`: hinted prompts need a folder of their own"
        )


def _write(data: Dataset, target: Dataset, refs: list[TableRef], template: str, record: Any, overwrite: bool) -> None:
    from curate.console import say
    from curate.contracts import contract
    from curate.errors import ConfigError
    from curate.parts import Footer, write_part
    from curate.stage import temporary_folder
    from curate.summary import Summary
    from curate.verbs.sources import make_room, mark_finished

    started = time.monotonic()
    wanted, counts = _all_wrong(data, refs)
    rows, dropped = _hinted(_prompts(data, wanted), template)
    if not rows:
        raise ConfigError(
            f"{data.root}: no prompt to hint: {counts['all_wrong']:,} of {counts['groups']:,} groups are all wrong"
            + (f", and of their prompts {dict(dropped)} cannot be hinted" if dropped else "")
        )
    make_room(target, {PROMPTS: record}, overwrite)
    rules, name = contract("prompts"), "part-00000.parquet"
    summary = Summary(str(PROMPTS), dropped=dict(dropped))
    about = {"counts": {"rows_in": len(wanted), "dropped": dict(dropped), "failed": {}}}
    table = rules.rows({column: [row[column] for row in rows] for column in rows[0]})
    footer = Footer(rules.hash, record.hash, {}, record.versions, about)
    write_part(target.part(PROMPTS, name), table, rules, footer, temporary_folder(target, PROMPTS))
    mark_finished(target, record.hash, {str(PROMPTS): [name]})
    summary.add(len(wanted), len(rows), {}, {})
    summary.seconds = time.monotonic() - started
    say(f"{counts['all_wrong']:,} of {counts['groups']:,} groups are all wrong, of {len(wanted):,} prompts")
    say(summary)


def all_wrong_groups(rows: pl.DataFrame) -> pl.DataFrame:
    """Return group_id and prompt_id of the groups with a judged sample and no correct one, in order.

    ``rows``: group_id, prompt_id, reward, outcome. A group of a judged sample without an outcome is left out: nobody
    knows.
    """
    import polars as pl

    is_judged = pl.col("reward").is_not_null()
    groups = rows.group_by("group_id", maintain_order=True).agg(
        pl.col("prompt_id").first(),
        is_wrong=is_judged.any() & (pl.col("outcome").filter(is_judged) != "correct").fill_null(False).all(),
    )
    return groups.filter("is_wrong").drop("is_wrong")


def read_verdicts(data: Dataset, samples: TableRef, verdicts: TableRef, name: str, columns: list[str]) -> pl.DataFrame:
    """Return columns of one part of samples with reward and outcome beside them."""
    from curate.stage import read_frame, same_keys

    key = ["group_id", "sample_index"]
    frame = read_frame(data, samples, name, [*key, *columns])
    judged = read_frame(data, verdicts, name, [*key, "reward", "outcome"])
    same_keys(frame, judged, f"{verdicts}/{name}")
    return frame.hstack(judged.drop(key))


def _all_wrong(data: Dataset, refs: list[TableRef]) -> tuple[list[str], Counter[str]]:
    _, samples, verdicts = refs
    counts, wanted = Counter[str](), dict[str, None]()
    for name in data.parts(verdicts):
        rows = read_verdicts(data, samples, verdicts, name, ["prompt_id"])
        found = all_wrong_groups(rows)
        counts.update(groups=rows["group_id"].n_unique(), all_wrong=found.height)
        wanted |= dict.fromkeys(found["prompt_id"].to_list())
    return list(wanted), counts


def _prompts(data: Dataset, wanted: list[str]) -> list[dict[str, Any]]:
    from curate.stage import read_frame

    known = {
        row["prompt_id"]: row
        for name in data.parts(PROMPTS)
        for row in read_frame(data, PROMPTS, name, COLUMNS).iter_rows(named=True)
    }
    return [known[prompt_id] for prompt_id in wanted if prompt_id in known]


def _hinted(prompts: list[dict[str, Any]], template: str) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Return the rows of the hinted prompts, and why others have none: hinted, no_text, no_user_turn, no_answer."""
    from curate.verbs.hinted import hinted_id, is_hinted

    rows, dropped = [], Counter[str]()
    for prompt in prompts:
        text, why = (None, "hinted") if is_hinted(prompt["prompt_id"]) else _shown(prompt, template)
        if text is None:
            dropped[why] += 1
            continue
        rows.append(prompt | {"prompt_id": hinted_id(prompt["prompt_id"]), "prompt": text, "source": "curate hint"})
    return rows, dropped


def _shown(prompt: dict[str, Any], template: str) -> tuple[str | None, str]:
    """Return a prompt's text with the answer shown, in a chat in its last message of the user, or why there is none."""
    import json

    from curate.ids import canonical_json
    from curate.verbs.hinted import hinted_text

    answer, reference = prompt["answer"], prompt["reference"]
    if prompt["prompt"] is None:
        return None, "no_text"
    if prompt["prompt_format"] == "text":
        return hinted_text(template, prompt["prompt"], answer, reference), "no_answer"
    messages = json.loads(prompt["prompt"])
    if messages[-1].get("role") != "user" or not isinstance(messages[-1].get("content"), str):
        return None, "no_user_turn"
    text = hinted_text(template, messages[-1]["content"], answer, reference)
    if text is None:
        return None, "no_answer"
    return canonical_json([*messages[:-1], messages[-1] | {"content": text}]).decode(), ""
