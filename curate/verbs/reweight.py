"""``curate reweight``: verdicts, likelihoods and feedback -> advantages, with diagnostics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from curate.verbs.options import As, ByVariant, DatasetDir, JudgeVariant, Overwrite, ScorerVariant, VerifierVariant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from curate.dataset import Dataset
    from curate.reweighting import Recipe, Whole
    from curate.stage import Made, Stage
    from curate.verbs.reweight_parts import Parts


def reweight(
    dataset: DatasetDir,
    recipe: Annotated[
        str | None, typer.Option(metavar="NAME", help="A recipe; `curate recipes` lists them, and the pieces below.")
    ] = None,
    gate: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A gate before the recipe's own; may be repeated.")
    ] = None,
    shape: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A shaping, with --estimator; may be repeated, in order.")
    ] = None,
    estimator: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="An estimator, in place of --recipe: compose one, named with --as."),
    ] = None,
    weighting: Annotated[
        str | None, typer.Option(metavar="NAME", help="Weigh the groups of the dataset against each other.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A parameter of the recipe, or PIECE.KEY=VALUE of a piece; may be repeated.",
        ),
    ] = None,
    verifier: VerifierVariant = None,
    scorer: ScorerVariant = None,
    judge: JudgeVariant = None,
    by: ByVariant = None,
    ref_scorer: Annotated[
        str | None,
        typer.Option("--ref-scorer", metavar="NAME", help="Variant of likelihoods of the reference, for q_star."),
    ] = None,
    as_: As = None,
    unparsable: Annotated[
        Literal["zero", "null"],
        typer.Option(help="zero: no answer is a wrong answer; null: it is not judged, and dropped."),
    ] = "zero",
    draw: Annotated[
        int | None,
        typer.Option(
            min=2,
            metavar="G",
            help="Samples that a group sampled under a stopping rule trains on; if not set, the first number drawn.",
        ),
    ] = None,
    allow_mixed_policy: Annotated[
        bool, typer.Option("--allow-mixed-policy", help="Rank likelihoods inside groups sampled by several policies.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the diagnostics, write nothing.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Turn rewards into advantages by a recipe, and say what that does to the data."""
    from curate.console import command, say
    from curate.dataset import VARIANT_KEYS, Dataset, TableRef
    from curate.jobrecord import DATASET
    from curate.parts import read_footer
    from curate.stage import Stage, run_stage
    from curate.verbs.calibrate import warn_uncalibrated
    from curate.verbs.figures import print_figures, stored_statistics
    from curate.verbs.reweight_parts import BRANCHES, REFERENCE, Parts, extras, of_tokens, refuse_unknown, tables

    made = make_recipe(recipe, gate, shape, estimator, weighting, set_)
    variant = name_of(recipe, as_)
    data = Dataset(dataset)
    if not allow_mixed_policy:
        _refuse_mixed_policy(data, made)
    chosen = {"verdicts": verifier, "likelihoods": scorer, "feedback": judge}
    inputs = tables(data, made, chosen)
    more = of_tokens(data, made, by, ref_scorer)
    refuse_unknown(data, made, inputs)
    parts = Parts(data, made, inputs, extras(data, inputs, chosen), unparsable, more)
    again = command(
        "reweight",
        DATASET,
        recipe=recipe,
        gate=gate,
        shape=shape,
        estimator=estimator,
        weighting=weighting,
        set_=set_,
        **{VARIANT_KEYS[ref.table]: ref.variant for ref in inputs if ref.variant},
        by=more[BRANCHES].variant if BRANCHES in more else None,
        ref_scorer=more[REFERENCE].variant if REFERENCE in more else None,
        as_=as_,
        unparsable=None if unparsable == "zero" else unparsable,
        draw=draw,
        allow_mixed_policy=allow_mixed_policy,
    )
    surveyed = Surveyed(parts, draw)
    stage = Stage(
        verb="reweight",
        ref=TableRef("advantages", variant),
        inputs=[*inputs, *more.values()],
        lookups=parts.lookups,
        parameters={"recipe": made.name, **made.parameters, "unparsable": unparsable}
        | ({} if draw is None else {"draw": draw}),
        about={"composition": made.composition},
        command=again,
        prepare=surveyed.prepare,
        make=lambda name, _: make_part(parts, name, draw, surveyed.whole),
        reads_all_parts=made.reads_dataset,
    )
    for ref in inputs:
        if ref.table == "feedback":
            warn_uncalibrated(data, ref)
    if dry_run:
        _dry_run(data, stage, surveyed)
        return
    summary = run_stage(data, stage, overwrite=overwrite)
    say(summary)
    print_figures(str(stage.ref), stored_statistics(data, stage.ref))
    abouts = [read_footer(data.part(stage.ref, name)).about for name in data.parts(stage.ref)]
    _say_credit(made, [about.get("credit", {}) for about in abouts])
    _say_weights(abouts)


def make_recipe(
    recipe: str | None,
    gate: list[str] | None,
    shape: list[str] | None,
    estimator: str | None,
    weighting: str | None,
    set_: list[str] | None,
) -> Recipe:
    """Build the recipe that the options describe; raises ConfigError."""
    from curate.reweighting import compose_named

    return compose_named(
        recipe,
        estimator=estimator,
        shape=shape or [],
        gate=gate or [],
        weighting=weighting,
        settings=_nested(set_ or []),
    )


def name_of(recipe: str | None, as_: str | None) -> str:
    """Return the name of the variant; raises ConfigError for a composition without one."""
    from curate.dataset import variant_name
    from curate.errors import ConfigError

    if as_ is None and recipe is None:
        raise ConfigError("a recipe composed of pieces has no name: give one with --as NAME")
    return variant_name(as_ or recipe or "")


def _nested(settings: list[str]) -> dict[str, Any]:
    """Return ``{"beta_rank": 0.25, "overlong": {"cache": 64}}`` for ``beta_rank=0.25`` and ``overlong.cache=64``."""
    from curate.errors import ConfigError
    from curate.job import split_setting

    nested: dict[str, Any] = {}
    for setting in settings:
        name, value = split_setting(setting)
        *path, key = name.split(".")
        table = nested
        for part in path:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise ConfigError(f"--set {setting}: {part} has a value already, so that it is no table")
        table[key] = value
    return nested


class Surveyed:
    """What a recipe needs to know of the whole dataset, read in a first pass over all parts."""

    def __init__(self, parts: Parts, draw: int | None) -> None:
        self.parts, self.draw = parts, draw
        self.whole: Whole | None = None

    def prepare(self) -> None:
        """Read all parts; raises ConfigError where one waits for an input: sums over the rest would be other sums."""
        from curate.errors import ConfigError

        if not self.parts.recipe.reads_dataset:
            return
        data, (samples, *others) = self.parts.data, self.parts.inputs
        names = data.parts(samples)
        for ref in others:
            missing = [name for name in names if not data.part(ref, name).exists()]
            if missing:
                raise ConfigError(
                    f"{self.parts.recipe.name} reads the whole dataset, and {ref} lacks {len(missing)} part(s), first "
                    f"{missing[0]}: run `{data.maker(ref.table)}` for the others first"
                )
        self.read(names)

    def read(self, names: list[str]) -> None:
        """Survey the parts named."""
        import polars as pl

        from curate.reweighting import conclude, survey
        from curate.stage import progress

        if not self.parts.recipe.reads_dataset or not names:
            return
        found = []
        with progress(len(names), "survey") as bar:
            for name in names:
                found.append(survey(self.parts.frame(name), self.parts.recipe, self.draw))
                bar.update()
        self.whole = conclude(pl.concat(found), self.parts.recipe)


def _refuse_mixed_policy(data: Dataset, recipe: Recipe) -> None:
    """Raise ConfigError where the recipe reads likelihoods and a group mixes policies: before anybody pays for scoring."""
    from curate.errors import ConfigError
    from curate.query import mixed_policy_groups
    from curate.verbs.reweight_parts import read_of

    if read_of(recipe, "likelihoods") in ([], ["n_tokens"]):
        return
    mixed = mixed_policy_groups(data, data.choose("samples"))
    if mixed:
        raise ConfigError(
            f"{mixed:,} groups of {data.root} mix several policies, and {recipe.name} compares likelihoods inside a group: "
            "log-probs of different policies do not rank. If you know that they do, add --allow-mixed-policy."
        )


def make_part(parts: Parts, name: str, draw: int | None, whole: Whole | None) -> Made:
    """Re-weight one part; the footer gets recipe, parameters, composition, source and the part's diagnostics."""
    import polars as pl

    from curate.contracts import contract
    from curate.reweighting import apply, diagnose
    from curate.stage import Made

    recipe = parts.recipe
    weighted = apply(parts.frame(name), recipe, draw, whole)
    columns = [c for c in contract("advantages").schema.names if c in weighted.columns]
    rows = weighted.select(columns).to_arrow(compat_level=pl.CompatLevel.oldest())
    reasons = weighted["drop_reason"].drop_nulls().value_counts()
    dropped = dict(zip(reasons["drop_reason"].cast(pl.String).to_list(), reasons["count"].to_list(), strict=True))
    about = {
        "recipe": recipe.name,
        "parameters": dict(recipe.parameters),
        "composition": recipe.composition,
        "source": list(recipe.source),
        "diagnostics": diagnose(weighted, draw),
    }
    if recipe.estimator.credit:
        about["credit"] = recipe.estimator.credit.count(weighted)
    if whole is not None:
        about["dataset"] = whole.figures
    return Made(contract("advantages").rows({c: rows[c] for c in columns}), dropped=dropped, about=about)


def _say_credit(recipe: Recipe, counts: Sequence[Mapping[str, float]]) -> None:
    """Say what the credit of single tokens rests on, summed over parts."""
    from collections import Counter

    from curate.console import say

    sums: Counter[str] = Counter()
    for count in counts:
        sums.update(count)
    for sentence in recipe.estimator.credit.told(sums) if recipe.estimator.credit and sums else []:
        say(sentence)


def _say_weights(abouts: Sequence[Mapping[str, Any]]) -> None:
    """Say how many groups the weighted ones are worth; every part's footer has it of the whole dataset."""
    from curate.console import say

    of_dataset = abouts[-1].get("dataset") if abouts else None
    if of_dataset and of_dataset["effective_groups"] is not None:
        say(
            f"weights of groups: the {of_dataset['groups_that_train']:,} that train are worth "
            f"{of_dataset['effective_groups']:,.1f} of equal weight"
        )


def _dry_run(data: Dataset, stage: Stage, surveyed: Surveyed) -> None:
    """Make every part whose inputs are there, show the diagnostics, keep nothing."""
    from curate.console import say
    from curate.reweighting import merge
    from curate.stage import progress, refuse_stale
    from curate.verbs.figures import print_figures

    refuse_stale(data, [*stage.inputs, *stage.lookups])
    everything = data.parts(stage.inputs[0])
    names = [n for n in everything if all(data.part(ref, n).exists() for ref in stage.inputs)]
    surveyed.read(names)
    made = []
    with progress(len(names), "reweight --dry-run") as bar:
        for name in names:
            made.append(stage.make(name, data.private).about)
            bar.update()
    waiting = f", {len(everything) - len(names)} wait for an input" if len(names) < len(everything) else ""
    say(f"dry run of {stage.ref}: {len(names)} part(s) read{waiting}, nothing written")
    print_figures(str(stage.ref), merge(about["diagnostics"] for about in made))
    _say_credit(surveyed.parts.recipe, [about.get("credit", {}) for about in made])
    _say_weights(made)
