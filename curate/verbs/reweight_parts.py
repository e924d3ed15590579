"""What ``curate reweight`` reads: which table has which column, and one part with all that a recipe asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from curate.dataset import Dataset, TableRef
    from curate.reweighting import Recipe

KEY = ["group_id", "sample_index"]
PROMPT = "prompt_id"
PROMPTS = "prompts"
TABLES = ("verdicts", "likelihoods", "feedback")
BRANCHES = "branches"
ANSWERS = "answer_mean_logprob"
ALWAYS_OR_RARELY_KNOWN = ("prompt_id", "n_ids", "n_initial")
REFERENCE = "reference"  # likelihoods of a second scorer; their log-probs are ref_logprobs


def tables(data: Dataset, recipe: Recipe, chosen: Mapping[str, str | None]) -> list[TableRef]:
    """Return samples and the variants that the recipe reads; raises ConfigError where one is missing or unclear."""
    from curate.errors import ConfigError

    inputs = [data.choose("samples")]
    for table in TABLES:
        if read := read_of(recipe, table):
            if read == ["n_tokens"] and not chosen[table] and len(data.variants(table)) != 1:
                continue  # the samples' own token ids tell
            try:
                inputs.append(
                    _with_answers(data, chosen[table]) if ANSWERS in read else data.choose(table, chosen[table])
                )
            except ConfigError as error:
                raise ConfigError(f"recipe {recipe.name} needs {', '.join(read)}: {error}") from None
    return inputs


def _with_answers(data: Dataset, scorer: str | None) -> TableRef:
    """Return the likelihoods; raises ConfigError for those that no answers were asked of: every group would be dropped."""
    from curate.console import command
    from curate.errors import ConfigError
    from curate.jobrecord import read_record

    if not data.variants("likelihoods"):
        again = command("logprob", data.root, model="PATH", verifier="NAME")
        raise ConfigError(f"{data.root} has no likelihoods: run `{again}`")
    ref = data.choose("likelihoods", scorer)
    record = read_record(data, ref)
    if record and not any(text.startswith("verdicts/") for text in record.inputs):
        raise ConfigError(
            f"{data.root}/{ref} scored no answers: run `{record.command_for(data)} --verifier NAME --overwrite`"
        )
    return ref


def of_tokens(data: Dataset, recipe: Recipe, by: str | None, ref_scorer: str | None) -> dict[str, TableRef]:
    """Return the variants beside those that a recipe reads for single tokens.

    By what they are read as: ``branches``, and ``reference``, the likelihoods of the second scorer. Raises ConfigError
    where one is missing, or named for a recipe that does not read it.
    """
    from curate.errors import ConfigError

    found = {}
    asked = ((BRANCHES, BRANCHES, "by", by), (REFERENCE, "likelihoods", "ref-scorer", ref_scorer))
    for name, table, option, chosen in asked:
        read = read_of(recipe, name)
        if not read and chosen is not None:
            raise ConfigError(f"recipe {recipe.name} reads no {name}: leave --{option} {chosen} away")
        if not read:
            continue
        try:
            if name == REFERENCE and chosen is None:
                raise ConfigError("name the likelihoods of the reference model with --ref-scorer NAME")
            found[name] = data.choose(table, chosen)
        except ConfigError as error:
            raise ConfigError(f"recipe {recipe.name} needs {', '.join(read)}: {error}") from None
    return found


def extras(data: Dataset, inputs: list[TableRef], chosen: Mapping[str, str | None]) -> list[TableRef]:
    """Return variants that the recipe does not read but the diagnostics can: the one named, or the only one."""
    from curate.dataset import TableRef

    read = {ref.table for ref in inputs}
    found = []
    for table in TABLES:
        names = data.variants(table)
        if table not in read and (chosen[table] is not None or len(names) == 1):
            found.append(data.choose(table, chosen[table]) if chosen[table] else TableRef(table, names[0]))
    return found


def refuse_unknown(data: Dataset, recipe: Recipe, inputs: list[TableRef]) -> None:
    """Raise ConfigError where a column of samples or prompts that the recipe reads is null in every row.

    Every sample would be dropped for it, or a gate or weighting would do nothing, and the name would promise otherwise.
    """
    from curate.dataset import TableRef
    from curate.errors import ConfigError
    from curate.reweighting import column_of, needed_columns
    from curate.reweighting.columns import IMPORT

    samples, is_scored = inputs[0], any(ref.table == "likelihoods" for ref in inputs)
    read = {name: (samples, name) for name in read_of(recipe, "samples") if name not in ALWAYS_OR_RARELY_KNOWN}
    read |= {name: (TableRef(PROMPTS), name) for name in read_of(recipe, PROMPTS)}
    if "n_tokens" in needed_columns(recipe) and not is_scored:
        read["n_tokens"] = (samples, "completion_ids")
    for name, (ref, stored) in read.items():
        if _is_null_throughout(data, ref, stored):
            known = column_of(name)
            raise ConfigError(
                f"recipe {recipe.name} needs {name}, and {stored} is null in every row of {data.root}/{ref}; it comes "
                f"from `{known.command if known else IMPORT}`"
            )


def _is_null_throughout(data: Dataset, ref: TableRef, column: str) -> bool:
    """Say whether a table has rows and none of them has a value in that column."""
    import polars as pl

    has_rows = False
    for name in data.parts(ref):
        part = pl.scan_parquet(data.part(ref, name), hive_partitioning=False, glob=False).select(column)
        if part.drop_nulls().head(1).collect().height:
            return False
        has_rows = has_rows or part.head(1).collect().height > 0
    return has_rows


def read_of(recipe: Recipe, table: str) -> list[str]:
    """Name what a recipe reads of a table, sorted."""
    from curate.reweighting import column_of, needed_columns

    columns = ((name, column_of(name)) for name in needed_columns(recipe))
    return [name for name, column in columns if column and column.table == table]


def shown_of(table: str) -> list[str]:
    """Name what the diagnostics want of a table that is read."""
    from curate.reweighting import COLUMNS

    return [name for name, column in COLUMNS.items() if column.table == table and column.is_shown]


@dataclass(frozen=True)
class Parts:
    """The parts of a dataset as one recipe reads them."""

    data: Dataset
    recipe: Recipe
    inputs: list[TableRef]
    extras: list[TableRef]
    unparsable: str = "zero"
    of_tokens: Mapping[str, TableRef] = field(default_factory=dict)

    @property
    def lookups(self) -> list[TableRef]:
        """Return the tables that are read as a whole."""
        from curate.dataset import TableRef

        return [TableRef(PROMPTS)] if read_of(self.recipe, PROMPTS) else []

    def frame(self, name: str) -> pl.DataFrame:
        """Put the columns of one part of every table side by side; every part holds the same samples in the same order."""
        import polars as pl

        from curate.stage import same_keys

        frame = self._samples(name)
        refs = [*self.inputs[1:], *(ref for ref in self.extras if self.data.part(ref, name).exists())]
        for ref in refs:
            other = self._columns(ref, name)
            same_keys(frame, other, f"{ref}/{name}")
            frame = frame.with_columns(other.get_columns()[len(KEY) :])
        if BRANCHES in self.of_tokens:
            frame = frame.join(self._branches(name), on=KEY, how="left", maintain_order="left")
        if REFERENCE in self.of_tokens:
            frame = frame.with_columns(ref_logprobs=self._reference(name, frame))
        if read_of(self.recipe, PROMPTS):
            frame = frame.join(self._prompts, on=PROMPT, how="left", maintain_order="left")
        if self.unparsable == "null":
            frame = frame.with_columns(reward=pl.when(pl.col("outcome") != "unparsable").then("reward"))
        return frame

    def _samples(self, name: str) -> pl.DataFrame:
        import polars as pl

        from curate.reweighting import needed_columns
        from curate.stage import read_frame

        own = {"stopping_rule", "n_initial", *read_of(self.recipe, "samples")} - {"n_ids"}
        own |= {PROMPT} if read_of(self.recipe, PROMPTS) else set()
        needed, is_scored = needed_columns(self.recipe), any(ref.table == "likelihoods" for ref in self.inputs)
        lengths = ["n_ids"] if "n_ids" in needed else []
        lengths += ["n_tokens"] if "n_tokens" in needed and not is_scored else []
        if not lengths:
            return read_frame(self.data, self.inputs[0], name, [*KEY, *sorted(own)])
        frame = read_frame(self.data, self.inputs[0], name, [*KEY, *sorted(own), "completion_ids", "loss_mask"])
        n = pl.col("completion_ids").list.len()
        counted = pl.when(pl.col("loss_mask").is_null()).then(n).otherwise(pl.col("loss_mask").list.sum())
        of = {"n_ids": n, "n_tokens": counted}
        return frame.with_columns(of[each].alias(each) for each in lengths).drop("completion_ids", "loss_mask")

    def _branches(self, name: str) -> pl.DataFrame:
        """Return one row a branched sample: the tokens that each state keeps, and the rewards after it."""
        import polars as pl

        from curate.stage import read_frame

        frame = read_frame(self.data, self.of_tokens[BRANCHES], name, [*KEY, "n_kept", "rewards"])
        return frame.group_by(KEY, maintain_order=True).agg(
            branch_kept=pl.col("n_kept").sort(), branch_rewards=pl.col("rewards").sort_by("n_kept")
        )

    def _reference(self, name: str, frame: pl.DataFrame) -> pl.Series:
        from curate.stage import read_frame, same_keys

        ref = self.of_tokens[REFERENCE]
        other = read_frame(self.data, ref, name, [*KEY, "logprobs"])
        same_keys(frame, other, f"{ref}/{name}")
        return other["logprobs"]

    def _columns(self, ref: TableRef, name: str) -> pl.DataFrame:
        import polars as pl

        from curate.reweighting import SCORE
        from curate.stage import read_frame

        wanted = read_of(self.recipe, ref.table)
        scores = [column for column in wanted if column.startswith(SCORE)]
        plain = dict.fromkeys([*shown_of(ref.table), *(column for column in wanted if column not in scores)])
        if not scores:
            return read_frame(self.data, ref, name, [*KEY, *plain])
        of_judge = {score: pl.col("judge_scores").map.get(score.removeprefix(SCORE)) for score in scores}
        frame = read_frame(self.data, ref, name, [*KEY, *plain, "judge_scores"])
        return frame.with_columns(**of_judge).drop("judge_scores")

    @cached_property
    def _prompts(self) -> pl.DataFrame:
        import polars as pl

        from curate.dataset import TableRef
        from curate.stage import read_frame

        ref = TableRef(PROMPTS)
        columns = [PROMPT, *read_of(self.recipe, PROMPTS)]
        return pl.concat([read_frame(self.data, ref, name, columns) for name in self.data.parts(ref)])
