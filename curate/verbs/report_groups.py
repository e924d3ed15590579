"""The groups a report shows: the first mixed, all-wrong and all-correct one of every dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from curate.dataset import Dataset, TableRef
    from curate.reporting import GroupView
    from curate.verbs.report_folders import Folders

KEY = ["group_id", "sample_index"]
NO_TEXT = "(only token ids)"
NO_PROMPT = "(no text)"
KINDS = ("mixed", "all wrong", "all correct")


def groups_section(folders: Folders, verifier: str | None) -> str:
    """Return the section on groups, as HTML; nothing where no dataset has verdicts."""
    from curate.reporting import groups

    return groups([(label, _views(data, verifier)) for label, data in folders.datasets.items()])


def _views(data: Dataset, verifier: str | None) -> list[GroupView]:
    from curate.dataset import TableRef
    from curate.errors import ConfigError
    from curate.verbs.report_passk import chosen

    try:
        verdicts = data.choose("verdicts", chosen(data, verifier))
    except ConfigError:  # the section on pass@k says so
        return []
    found: dict[str, tuple[str, int]] = {}
    samples = set(data.parts(TableRef("samples")))
    for name in (each for each in data.parts(verdicts) if each in samples):
        found = _first_groups(data, verdicts, name) | found
        if len(found) == len(KINDS):
            break
    return [_view(data, verdicts, kind, *found[kind]) for kind in KINDS if kind in found]


def _first_groups(data: Dataset, verdicts: TableRef, name: str) -> dict[str, tuple[str, int]]:
    """Return the first group of each kind in one part, as (part, group_id) by kind; unjudged samples do not count."""
    import polars as pl

    from curate.stage import read_frame

    outcomes = read_frame(data, verdicts, name, ["group_id", "outcome", "reward"])
    judged = outcomes.filter(pl.col("reward").is_not_null())
    groups = judged.group_by("group_id", maintain_order=True).agg(
        n=pl.len(), c=(pl.col("outcome").cast(pl.String) == "correct").sum()
    )
    is_mixed = (pl.col("c") > 0) & (pl.col("c") < pl.col("n"))
    kinds = {"mixed": is_mixed, "all wrong": pl.col("c") == 0, "all correct": pl.col("c") == pl.col("n")}
    firsts = {kind: groups.filter(is_kind)["group_id"].head(1).to_list() for kind, is_kind in kinds.items()}
    return {kind: (name, ids[0]) for kind, ids in firsts.items() if ids}


def _view(data: Dataset, verdicts: TableRef, kind: str, name: str, group_id: int) -> GroupView:
    import polars as pl

    from curate.dataset import TableRef
    from curate.reporting import GroupView

    samples = _rows(data, TableRef("samples"), name, group_id, pl.col("prompt_id"), pl.col("completion"))
    rows = samples.join(_rows(data, verdicts, name, group_id, pl.col("outcome")), on=KEY, how="left")
    for ref, column in _beside(data, name):
        rows = rows.join(_rows(data, ref, name, group_id, column), on=KEY, how="left")
    prompt, answer = _prompt(data, samples["prompt_id"][0])
    shown = _shown(rows.drop(*KEY, "prompt_id"))
    title = f"{kind}: group {group_id}, {rows.height} samples"
    return GroupView(title, prompt or NO_PROMPT, answer, shown.columns, shown.rows())


def _prompt(data: Dataset, prompt_id: str) -> tuple[str | None, str | None]:
    import polars as pl

    from curate.dataset import TableRef

    if not data.parts(TableRef("prompts")):
        return None, None
    asked = data.scan("prompts").filter(pl.col("prompt_id") == prompt_id).select("prompt", "answer").head(1).collect()
    return asked.row(0) if asked.height else (None, None)


def _shown(rows: pl.DataFrame) -> pl.DataFrame:
    """Return equal samples as one row with how many they are, likeliest or most frequent first, without empty columns."""
    import polars as pl

    filled = rows.with_columns(pl.col("completion").fill_null(NO_TEXT))
    counted = filled.group_by(filled.columns, maintain_order=True).agg(times=pl.len())
    is_ranked = "rank" in counted.columns
    by = "rank" if is_ranked else "times"
    counted = counted.sort(by, descending=not is_ranked, nulls_last=True, maintain_order=True)
    known = [c for c in counted.columns if counted[c].null_count() < counted.height]
    return counted.select("completion", "times", *(c for c in known if c not in ("completion", "times")))


def _beside(data: Dataset, name: str) -> list[tuple[TableRef, pl.Expr]]:
    """Return the variants that have this part, and what to show of them: a dropped sample shows why it was."""
    import polars as pl

    from curate.dataset import TableRef

    scorers, judges = data.variants("likelihoods"), data.variants("feedback")
    ranks = "sampler" if "sampler" in scorers else next(iter(scorers), None)
    advantage = pl.coalesce(pl.col("advantage").round(3).cast(pl.String), "drop_reason")
    wanted = [(TableRef("likelihoods", ranks), pl.col("likelihood_rank").alias("rank"))] if ranks else []
    wanted += [
        (TableRef("feedback", j), pl.col("rts").alias("rts" if len(judges) == 1 else f"rts {j}")) for j in judges
    ]
    wanted += [(TableRef("advantages", r), advantage.alias(f"A {r}")) for r in data.variants("advantages")]
    return [(ref, column) for ref, column in wanted if name in data.parts(ref)]


def _rows(data: Dataset, ref: TableRef, name: str, group_id: int, *columns: pl.Expr) -> pl.DataFrame:
    import polars as pl

    from curate.stage import read_frame

    part = read_frame(data, ref, name, [*KEY, *(root for each in columns for root in each.meta.root_names())])
    return part.filter(pl.col("group_id") == group_id).select(*KEY, *columns)
