"""``curate reweight``: verdicts, likelihoods and feedback -> advantages, with diagnostics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from curate.verbs.options import As, DatasetDir, JudgeVariant, Overwrite, ScorerVariant, VerifierVariant

if TYPE_CHECKING:
    import polars as pl

    from curate.dataset import Dataset, TableRef
    from curate.reweighting import Recipe
    from curate.stage import Made, Stage

COLUMNS = {
    "verdicts": ("reward", "outcome"),
    "likelihoods": ("mean_logprob", "sum_logprob", "n_tokens", "likelihood_rank"),
    "feedback": ("rts", "first_error_step", "n_steps"),
}
KEY = ["group_id", "sample_index"]


def reweight(
    dataset: DatasetDir,
    recipe: Annotated[str, typer.Option(metavar="NAME", help="A recipe; `curate recipes` lists them.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A parameter of the recipe; may be repeated.")
    ] = None,
    verifier: VerifierVariant = None,
    scorer: ScorerVariant = None,
    judge: JudgeVariant = None,
    as_: As = None,
    unparsable: Annotated[
        Literal["zero", "null"],
        typer.Option(help="zero: no answer is a wrong answer; null: it is not judged, and dropped."),
    ] = "zero",
    allow_mixed_policy: Annotated[
        bool, typer.Option("--allow-mixed-policy", help="Rank likelihoods inside groups sampled by several policies.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the diagnostics, write nothing.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Turn rewards into advantages by a recipe, and say what that does to the data."""
    from curate.console import command, say
    from curate.dataset import VARIANT_KEYS, Dataset, TableRef, variant_name
    from curate.job import split_setting
    from curate.jobrecord import DATASET
    from curate.reweighting import build
    from curate.stage import Stage, run_stage
    from curate.verbs.figures import print_figures, stored_statistics

    settings = dict(split_setting(setting) for setting in set_ or [])
    made = build(recipe, settings)
    data = Dataset(dataset)
    if not allow_mixed_policy:
        _refuse_mixed_policy(data, made)
    chosen = {"verdicts": verifier, "likelihoods": scorer, "feedback": judge}
    inputs = _inputs(data, made, chosen)
    extras = _extras(data, inputs, chosen)
    again = command(
        "reweight",
        DATASET,
        recipe=recipe,
        set_=set_,
        **{VARIANT_KEYS[ref.table]: ref.variant for ref in inputs if ref.variant},
        as_=as_,
        unparsable=None if unparsable == "zero" else unparsable,
        allow_mixed_policy=allow_mixed_policy,
    )
    stage = Stage(
        verb="reweight",
        ref=TableRef("advantages", variant_name(as_ or recipe)),
        inputs=inputs,
        parameters={"recipe": made.name, **made.parameters, "unparsable": unparsable},
        command=again,
        make=lambda name, _: make_part(data, made, inputs, extras, name, unparsable),
    )
    if dry_run:
        _dry_run(data, stage)
        return
    summary = run_stage(data, stage, overwrite=overwrite)
    say(summary)
    print_figures(str(stage.ref), stored_statistics(data, stage.ref))


def _inputs(data: Dataset, recipe: Recipe, chosen: dict[str, str | None]) -> list[TableRef]:
    """Return samples and the variants that the recipe reads; raises ConfigError where one is missing or unclear."""
    from curate.errors import ConfigError
    from curate.reweighting import needed_columns

    needed = set(needed_columns(recipe))
    inputs = [data.choose("samples")]
    for table, columns in COLUMNS.items():
        if read := needed & set(columns):
            try:
                inputs.append(data.choose(table, chosen[table]))
            except ConfigError as error:
                raise ConfigError(f"recipe {recipe.name} needs {', '.join(sorted(read))}: {error}") from None
    return inputs


def _extras(data: Dataset, inputs: list[TableRef], chosen: dict[str, str | None]) -> list[TableRef]:
    """Return variants that the recipe does not read but the diagnostics can: the one named, or the only one."""
    from curate.dataset import TableRef

    read = {ref.table for ref in inputs}
    extras = []
    for table in COLUMNS:
        names = data.variants(table)
        if table not in read and (chosen[table] is not None or len(names) == 1):
            extras.append(data.choose(table, chosen[table]) if chosen[table] else TableRef(table, names[0]))
    return extras


def _refuse_mixed_policy(data: Dataset, recipe: Recipe) -> None:
    """Raise ConfigError where the recipe reads likelihoods and a group mixes policies: before anybody pays for scoring."""
    from curate.errors import ConfigError
    from curate.query import mixed_policy_groups
    from curate.reweighting import needed_columns

    if not set(needed_columns(recipe)) & set(COLUMNS["likelihoods"]):
        return
    mixed = mixed_policy_groups(data, data.choose("samples"))
    if mixed:
        raise ConfigError(
            f"{mixed:,} groups of {data.root} mix several policies, and {recipe.name} compares likelihoods inside a group: "
            "log-probs of different policies do not rank. If you know that they do, add --allow-mixed-policy."
        )


def make_part(
    data: Dataset, recipe: Recipe, inputs: list[TableRef], extras: list[TableRef], name: str, unparsable: str
) -> Made:
    """Re-weight one part; the footer gets recipe, parameters, source and the part's diagnostics."""
    import polars as pl

    from curate.contracts import contract
    from curate.reweighting import apply, diagnose
    from curate.stage import Made

    frame = _zip(data, [*inputs, *(ref for ref in extras if data.part(ref, name).exists())], name)
    if unparsable == "null":
        frame = frame.with_columns(reward=pl.when(pl.col("outcome") != "unparsable").then("reward"))
    weighted = apply(frame, recipe)
    columns = [c for c in contract("advantages").schema.names if c in weighted.columns]
    rows = weighted.select(columns).to_arrow(compat_level=pl.CompatLevel.oldest())
    reasons = weighted["drop_reason"].drop_nulls().value_counts()
    dropped = dict(zip(reasons["drop_reason"].cast(pl.String).to_list(), reasons["count"].to_list(), strict=True))
    about = {
        "recipe": recipe.name,
        "parameters": dict(recipe.parameters),
        "source": list(recipe.source),
        "diagnostics": diagnose(weighted),
    }
    return Made(contract("advantages").rows({c: rows[c] for c in columns}), dropped=dropped, about=about)


def _zip(data: Dataset, refs: list[TableRef], name: str) -> pl.DataFrame:
    """Put the columns of one part of every table side by side; every part holds the same samples in the same order."""
    from curate.stage import read_frame, refuse_other_keys

    frame = read_frame(data, refs[0], name, KEY)
    for ref in refs[1:]:
        other = read_frame(data, ref, name, [*KEY, *COLUMNS[ref.table]])
        refuse_other_keys(all(frame[key].equals(other[key]) for key in KEY), f"{ref}/{name}")
        frame = frame.with_columns(other.get_columns()[len(KEY) :])
    return frame


def _dry_run(data: Dataset, stage: Stage) -> None:
    """Make every part whose inputs are there, show the diagnostics, keep nothing."""
    from curate.console import say
    from curate.reweighting import merge
    from curate.stage import progress, refuse_stale
    from curate.verbs.figures import print_figures

    refuse_stale(data, stage.inputs)
    everything = data.parts(stage.inputs[0])
    names = [n for n in everything if all(data.part(ref, n).exists() for ref in stage.inputs)]
    diagnostics = []
    with progress(len(names), "reweight --dry-run") as bar:
        for name in names:
            diagnostics.append(stage.make(name, data.private).about["diagnostics"])
            bar.update()
    waiting = f", {len(everything) - len(names)} wait for an input" if len(names) < len(everything) else ""
    say(f"dry run of {stage.ref}: {len(names)} part(s) read{waiting}, nothing written")
    print_figures(str(stage.ref), merge(diagnostics))
