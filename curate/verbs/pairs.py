"""``curate pairs``: samples with verdicts, scores or explanations -> preference pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.verbs.options import As, DatasetDir, JudgeVariant, Overwrite, ScorerVariant, VerifierVariant

if TYPE_CHECKING:
    import polars as pl

    from curate.dataset import Dataset, TableRef
    from curate.pairing import PairRecipe
    from curate.stage import Made, Stage

KEY = ["group_id", "sample_index"]
SCORE = "score_"  # score_NAME is judge_scores[NAME]
OF_SAMPLES = [*KEY, "completion", "completion_ids", "hinted", "policy", "policy_version"]
COLUMNS = {"verdicts": ("reward", "outcome"), "likelihoods": ("mean_logprob", "sum_logprob"), "feedback": ()}


def pairs(
    dataset: DatasetDir,
    recipe: Annotated[str, typer.Option(metavar="NAME", help="A recipe of pairs; `curate recipes` lists them.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A parameter of the recipe; may be repeated.")
    ] = None,
    verifier: VerifierVariant = None,
    scorer: ScorerVariant = None,
    judge: JudgeVariant = None,
    as_: As = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the figures, write nothing.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Choose pairs of samples of a group, one preferred to the other, for losses that compare two."""
    from curate.console import command, say
    from curate.dataset import VARIANT_KEYS, Dataset, TableRef, variant_name
    from curate.job import split_setting
    from curate.jobrecord import DATASET
    from curate.stage import Stage, run_stage
    from curate.verbs.pair_recipes import build

    made = build(recipe, dict(split_setting(setting) for setting in set_ or []))
    data = Dataset(dataset)
    parts = _Parts(data, made, {"verdicts": verifier, "likelihoods": scorer, "feedback": judge})
    variants = {VARIANT_KEYS[ref.table]: ref.variant for ref in parts.inputs if ref.variant}
    stage = Stage(
        verb="pairs",
        ref=TableRef("pairs", variant_name(as_ or recipe)),
        inputs=parts.inputs,
        parameters={"recipe": made.name, **made.parameters},
        command=command("pairs", DATASET, recipe=recipe, set_=set_, **variants, as_=as_),
        make=lambda name, _: parts.make(name),
    )
    if dry_run:
        _dry_run(data, stage)
        return
    say(run_stage(data, stage, overwrite=overwrite))
    _print_stored(data, stage.ref)


@dataclass(frozen=True)
class _Parts:
    """The parts of a dataset as one recipe of pairs reads them."""

    data: Dataset
    recipe: PairRecipe
    chosen: dict[str, str | None]

    @property
    def inputs(self) -> list[TableRef]:
        """Return samples and the variants that the recipe reads; raises ConfigError where one is missing or unclear."""
        from curate.errors import ConfigError

        refs = [self.data.choose("samples")]
        for table in COLUMNS:
            if read := self._read_of(table):
                try:
                    refs.append(self.data.choose(table, self.chosen[table]))
                except ConfigError as error:
                    raise ConfigError(f"recipe {self.recipe.name} needs {', '.join(read)}: {error}") from None
        return refs

    def make(self, name: str) -> Made:
        """Pair one part; the footer gets recipe, parameters, source and the part's figures."""
        import polars as pl

        from curate.contracts import contract
        from curate.pairing import diagnose, pair
        from curate.stage import Made

        frame = self._frame(name)
        paired = pair(frame, self.recipe)
        rows = paired.pairs.to_arrow(compat_level=pl.CompatLevel.oldest())
        about = {
            "recipe": self.recipe.name,
            "parameters": dict(self.recipe.parameters),
            "source": list(self.recipe.source),
            "pairs": diagnose(frame, paired),
        }
        columns = {column: rows[column] for column in contract("pairs").schema.names}
        return Made(contract("pairs").rows(columns), dropped=paired.samples_left, about=about)

    def _read_of(self, table: str) -> list[str]:
        reads = self.recipe.reads
        return [c for c in reads if c in COLUMNS[table] or (table == "feedback" and c.startswith(SCORE))]

    def _frame(self, name: str) -> pl.DataFrame:
        """Put the columns of one part of every table side by side; the only likelihoods there are serve the figures."""
        from curate.stage import read_frame, same_keys

        inputs = self.inputs
        frame = read_frame(self.data, inputs[0], name, OF_SAMPLES)
        for ref in [*inputs[1:], *self._shown(inputs, name)]:
            other = self._columns(ref, name)
            same_keys(frame, other, f"{ref}/{name}")
            frame = frame.hstack(other.drop(KEY))
        return frame

    def _shown(self, inputs: list[TableRef], name: str) -> list[TableRef]:
        from curate.dataset import TableRef

        named, found = self.chosen["likelihoods"], self.data.variants("likelihoods")
        if any(ref.table == "likelihoods" for ref in inputs) or (named is None and len(found) != 1):
            return []
        ref = self.data.choose("likelihoods", named) if named else TableRef("likelihoods", found[0])
        return [ref] if self.data.part(ref, name).exists() else []

    def _columns(self, ref: TableRef, name: str) -> pl.DataFrame:
        import polars as pl

        from curate.stage import read_frame

        if ref.table != "feedback":
            return read_frame(self.data, ref, name, [*KEY, *COLUMNS[ref.table]])
        frame = read_frame(self.data, ref, name, [*KEY, "judge_scores"])
        scores = {s: pl.col("judge_scores").map.get(s.removeprefix(SCORE)) for s in self._read_of("feedback")}
        return frame.select(*KEY, **scores)


def _dry_run(data: Dataset, stage: Stage) -> None:
    """Make every part whose inputs are there, show the figures, keep nothing."""
    from curate.console import say
    from curate.pairing import merge
    from curate.stage import progress, refuse_stale

    refuse_stale(data, stage.inputs)
    everything = data.parts(stage.inputs[0])
    names = [n for n in everything if all(data.part(ref, n).exists() for ref in stage.inputs)]
    found = []
    with progress(len(names), "pairs --dry-run", unit="part") as bar:
        for name in names:
            found.append(stage.make(name, data.private).about["pairs"])
            bar.update()
    waiting = f", {len(everything) - len(names)} wait for an input" if len(names) < len(everything) else ""
    say(f"dry run of {stage.ref}: {len(names)} part(s) read{waiting}, nothing written")
    _print_figures(str(stage.ref), merge(found))


def _print_stored(data: Dataset, ref: TableRef) -> None:
    from curate.pairing import merge
    from curate.parts import read_footer

    footers = [read_footer(data.part(ref, name)) for name in data.parts(ref)]
    _print_figures(str(ref), merge(footer.about["pairs"] for footer in footers if "pairs" in footer.about))


def _print_figures(title: str, s: dict[str, Any]) -> None:
    from curate.console import print_table
    from curate.pairing.diagnostics import mean
    from curate.summary import by_reason
    from curate.verbs.figures import number

    if not s:
        return
    n_groups, n_samples = s["groups"] - s["groups_paired"], sum(s["samples_left"].values())
    lines = [
        ("pairs", f"{s['pairs']:,} of {s['groups_paired']:,} groups of {s['groups']:,}"),
        ("groups without a pair", by_reason("", s["groups_left"]).replace("  ", " ") if n_groups else "0"),
        ("samples in no pair", by_reason("", s["samples_left"]).replace("  ", " ") if n_samples else "0"),
        ("mean target, mean smoothing", f"{number(mean(s['targets']))}, {number(mean(s['smoothings']))}"),
    ]
    if "chosen_logprob" in s:
        known = [number(mean(s[f"{side}_logprob"])) for side in ("chosen", "rejected")]
        lines += [
            ("log-prob of chosen, of rejected, mean", ", ".join(known)),
            ("pairs whose rejected side is the likelier", f"{s['pairs_rejected_likelier']:,}"),
        ]
    versions = s.get("sides_by_version", {})
    if s.get("pairs_of_two_versions") or len(versions) > 1:
        gap = number(mean(s["version_gap"]))
        lines.append(("pairs of two policy versions, mean gap", f"{s['pairs_of_two_versions']:,}, {gap}"))
        lines.append(
            ("policy versions of the sides", ", ".join(f"{v}: {n:,}" for v, n in sorted(versions.items())[:8]))
        )
    print_table(("figure", "value"), lines, title=title)
