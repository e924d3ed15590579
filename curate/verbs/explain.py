"""``curate explain``: explanations sampled with the answer shown -> samples that train without it, beside the wrong ones."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.dataset import TableRef
from curate.verbs.options import Overwrite, VerifierVariant

if TYPE_CHECKING:
    import polars as pl

    from curate.dataset import Dataset
    from curate.jobrecord import JobRecord

PROMPTS, SAMPLES = TableRef("prompts"), TableRef("samples")
# What belongs to the sampling under the hint: no log-prob of it is one without the hint.
OF_THE_HINT = ("logprobs", "logprob_semantics", "topk_ids", "topk_logprobs", "n_initial", "stopping_rule")


def explain(
    dataset: Annotated[
        Path, typer.Argument(metavar="HINTED", help="Samples of hinted prompts (`curate hint`).", show_default=False)
    ],
    of: Annotated[
        Path,
        typer.Option("--of", metavar="DIR", help="The dataset that was hinted, with verdicts.", show_default=False),
    ],
    to: Annotated[
        Path, typer.Option("--to", metavar="DIR", help="Folder of the dataset that is written.", show_default=False)
    ],
    verifier: VerifierVariant = None,
    overwrite: Overwrite = False,
) -> None:
    """Put each all-wrong group's verified explanation beside its wrong samples, under the prompt without the hint (ExPO)."""
    from curate.console import command, say
    from curate.dataset import Dataset
    from curate.jobrecord import DATASET, JobRecord, versions
    from curate.stage import refuse_stale, variant_lock
    from curate.states import ContentIds
    from curate.verbs.sources import is_done

    hinted, data, target = Dataset(dataset), Dataset(of), Dataset(to, create=True)
    template = _template(hinted)
    _refuse(hinted, data, target)
    heads = {}
    for name, each in (("hinted", hinted), ("of", data)):
        refs = [each.choose("prompts"), each.choose("samples"), each.choose("verdicts", verifier)]
        ids = ContentIds(each)
        refuse_stale(each, refs, ids)
        heads[name] = {str(ref): ids.of_head(ref) for ref in refs}
    again = command("explain", dataset, of=of, to=DATASET, verifier=verifier)
    record = {ref: JobRecord("explain", str(ref), heads, [], [], again, versions()) for ref in (PROMPTS, SAMPLES)}
    with variant_lock(target, SAMPLES):
        if is_done(target, record, record[SAMPLES].hash, overwrite):
            say(f"{SAMPLES}: nothing to do, {len(target.parts(SAMPLES))} part(s) are there")
            return
        started = time.monotonic()
        found, left = _explanations(hinted, verifier, template)
        say(f"{found.height:,} explanations to train on; left out: {_listed(left)}")
        _write(data, target, found, verifier, template, record, overwrite, started)


def _template(hinted: Dataset) -> str:
    """Return the words around the answer; raises ConfigError where ``curate hint`` did not write these prompts."""
    from curate.errors import ConfigError
    from curate.jobrecord import read_record

    record = read_record(hinted, PROMPTS)
    if record is None or record.verb != "hint":
        raise ConfigError(
            f"{hinted.root} has no hinted prompts that `curate hint DIR --to {hinted.root}` wrote: nobody knows the words of "
            "the hint, so no leak could be found"
        )
    return str(record.parameters["template"])


def _refuse(hinted: Dataset, data: Dataset, target: Dataset) -> None:
    from curate.errors import ConfigError
    from curate.jobrecord import read_record

    if len({each.root.resolve() for each in (hinted, data, target)}) < 3:
        raise ConfigError(
            "HINTED, --of and --to are three folders: what is trained on lies apart from what was sampled"
        )
    for ref in (PROMPTS, SAMPLES):
        old = read_record(target, ref)
        if old and old.verb != "explain" and target.parts(ref):
            raise ConfigError(
                f"{target.root}/{ref} came with `{old.command_for(target)}`: explanations need a folder of their own"
            )


def _explanations(hinted: Dataset, verifier: str | None, template: str) -> tuple[pl.DataFrame, Counter[str]]:
    """Return one verified explanation a prompt, and why other samples are none: not_hinted, unjudged, wrong,
    no_text, gives_hint_away, surplus.
    """
    import polars as pl

    from curate.contracts import contract
    from curate.stage import read, same_keys
    from curate.verbs.hinted import SHOWN, gives_away

    verdicts, kept, left = hinted.choose("verdicts", verifier), [], Counter[str]()
    for name in hinted.parts(verdicts):
        samples, judged = read(hinted, SAMPLES, name), read(hinted, verdicts, name)
        same_keys(samples, judged, f"{verdicts}/{name}")
        for row, reward, outcome in zip(
            samples.to_pylist(), judged["reward"].to_pylist(), judged["outcome"].to_pylist(), strict=True
        ):
            is_plain = not row["hinted"] or not row["prompt_id"].endswith(SHOWN)
            if why := _why_not(row, is_plain, reward, outcome):
                left[why] += 1
            elif gives_away(row["completion"], template):
                left["gives_hint_away"] += 1
            else:
                kept.append(row | {"prompt_id": row["prompt_id"].removesuffix(SHOWN)})
    frame = pl.from_arrow(
        contract("samples").rows({c: [row[c] for row in kept] for c in contract("samples").schema.names})
    )
    assert isinstance(frame, pl.DataFrame)
    first = frame.unique("prompt_id", keep="first", maintain_order=True)
    left["surplus"] += frame.height - first.height
    return first, left


def _why_not(row: dict[str, Any], is_plain: bool, reward: float | None, outcome: str | None) -> str | None:
    if is_plain:
        return "not_hinted"
    if reward is None:
        return "unjudged"
    if outcome != "correct":
        return "wrong"
    return "no_text" if row["completion"] is None else None


def _write(
    data: Dataset,
    target: Dataset,
    found: pl.DataFrame,
    verifier: str | None,
    template: str,
    records: dict[TableRef, JobRecord],
    overwrite: bool,
    started: float,
) -> None:
    from curate.console import say
    from curate.errors import ConfigError
    from curate.summary import Summary
    from curate.verbs.sources import make_room, mark_finished

    summary, parts, seen = Summary(str(SAMPLES)), dict[str, list[str]](), set[str]()
    prompts = _training_prompts(data, found, template)
    made = [(name, *_part(data, name, found, verifier)) for name in data.parts(SAMPLES)]
    if not any(rows.height for _, _, rows, _ in made):
        raise ConfigError("no all-wrong group has an explanation to train on: nothing was written")
    make_room(target, records, overwrite)
    for name, n_in, rows, dropped in made:
        own = prompts.join(rows.select("prompt_id").unique(), on="prompt_id", how="semi", maintain_order="left")
        own = own.filter(~own["prompt_id"].is_in(list(seen)))
        seen |= set(own["prompt_id"].to_list())
        _write_part(target, records[PROMPTS], PROMPTS, name, own, {})
        _write_part(target, records[SAMPLES], SAMPLES, name, rows, {"rows_in": n_in, "dropped": dropped, "failed": {}})
        for ref in (PROMPTS, SAMPLES):
            parts.setdefault(str(ref), []).append(name)
        summary.add(n_in, rows.height, dropped, {})
    mark_finished(target, records[SAMPLES].hash, parts)
    summary.seconds = time.monotonic() - started
    say(summary)


def _training_prompts(data: Dataset, found: pl.DataFrame, template: str) -> pl.DataFrame:
    """Return the prompts of the explanations as the policy meets them; raises ConfigError where one shows the hint."""
    import polars as pl

    from curate.errors import ConfigError
    from curate.stage import read
    from curate.verbs.hinted import gives_away, is_hinted

    frames = [pl.DataFrame(read(data, PROMPTS, name)) for name in data.parts(PROMPTS)]
    prompts = pl.concat(frames).join(found.select("prompt_id"), on="prompt_id", how="semi", maintain_order="left")
    for prompt_id, text in prompts.select("prompt_id", "prompt").iter_rows():
        if is_hinted(prompt_id) or gives_away(text or "", template):
            raise ConfigError(
                f"prompt {prompt_id!r} of {data.root} shows the hint itself: training on it would train on the answer"
            )
    return prompts


def _part(
    data: Dataset, name: str, found: pl.DataFrame, verifier: str | None
) -> tuple[int, pl.DataFrame, dict[str, int]]:
    """Return rows in, the all-wrong groups of a part with an explanation each, and the other samples by reason."""
    import polars as pl

    from curate.stage import read
    from curate.verbs.hint import all_wrong_groups, read_verdicts

    rows = pl.DataFrame(read(data, SAMPLES, name))
    wrong = all_wrong_groups(read_verdicts(data, SAMPLES, data.choose("verdicts", verifier), name, ["prompt_id"]))
    explained = wrong.join(found.select("prompt_id"), on="prompt_id", how="semi")
    kept = rows.join(explained.select("group_id"), on="group_id", how="semi", maintain_order="left")
    n_wrong = rows.join(wrong.select("group_id"), on="group_id", how="semi").height
    dropped = {"not_all_wrong": rows.height - n_wrong, "no_explanation": n_wrong - kept.height}
    return rows.height, _with_explanations(kept, found), {why: n for why, n in dropped.items() if n}


def _with_explanations(rows: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Add to each group the explanation of its prompt, as its last sample, sampled by the policy with the answer shown."""
    import polars as pl

    from curate.verbs.hinted import SHOWN

    groups = rows.with_row_index("nth").group_by("group_id", maintain_order=True)
    last = groups.agg(pl.col("prompt_id").first(), pl.col("sample_index").max() + 1, pl.col("nth").max())
    own = found.drop("group_id", "sample_index", *OF_THE_HINT).with_columns(
        policy=pl.col("policy").fill_null("unknown") + SHOWN, hinted=pl.lit(False)
    )
    added = last.join(own, on="prompt_id", how="left", maintain_order="left")
    return pl.concat([rows.with_row_index("nth"), added], how="diagonal").sort("nth", "sample_index").drop("nth")


def _write_part(
    target: Dataset, record: JobRecord, ref: TableRef, name: str, rows: pl.DataFrame, counts: dict[str, Any]
) -> None:
    import polars as pl

    from curate.contracts import contract
    from curate.parts import Footer, write_part
    from curate.stage import temporary_folder

    rules = contract(ref.table)
    columns = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
    table = rules.rows({name: columns[name] for name in rules.schema.names})
    counts = counts or {"rows_in": rows.height, "dropped": {}, "failed": {}}
    footer = Footer(rules.hash, record.hash, {}, record.versions, {"counts": counts})
    write_part(target.part(ref, name), table, rules, footer, temporary_folder(target, ref))


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{why} {n:,}" for why, n in sorted(counts.items()) if n) or "none"
