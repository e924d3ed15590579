"""Read the pairs that train: samples beside the pairs of one recipe, as rows and pairs of row numbers."""

from __future__ import annotations

import numpy as np
import polars as pl

from curate.dataset import Dataset, TableRef
from curate.errors import ConfigError, ContractError
from curate.stage import read_frame
from curate.training.objective import Objective
from curate.training.pairs import Pairs, shared_prefix
from curate.training.reading import SAMPLE_COLUMNS, Found, Reader, counted, flat, prepared, with_prompts
from curate.training.rows import Rows

PAIR_COLUMNS = ["group_id", "chosen", "rejected", "target", "smoothing"]
KEY = ["group_id", "sample_index"]
SIDES = ("chosen", "rejected")
# What rows of advantages have and samples of pairs do not.
PLAIN = {"advantage": pl.lit(1.0), "weight": pl.lit(1.0), "kl_scale": pl.lit(None, pl.Float64)}


def read_pairs(
    data: Dataset, samples: TableRef, pairs: TableRef, reader: Reader, objective: Objective
) -> tuple[Rows, Pairs, Found]:
    """Read the samples that some pair names, and the pairs both of whose sides can train.

    A pair is left out for the reason of a side that cannot train (see ``read_rows``), or as ``identical`` where both sides
    have the same tokens. Raises ConfigError where the objective needs a target and a pair has none, for hinted samples
    and where no pair is left; ContractError for a pair of a sample that is not there.
    """
    found = Found()
    parts = [_read_part(data, samples, pairs, name, reader, found) for name in data.parts(samples)]
    named = pl.concat([part for _, part in parts]) if parts else pl.DataFrame()
    if not len(named):
        raise ConfigError(f"{data.root}/{pairs} holds no pair of {found.rows_in:,} samples")
    _refuse_null_targets(named, pairs, objective)
    rows, prompts = with_prompts(data, pl.concat([frame for frame, _ in parts]), reader)
    found.left_out += counted(rows["reason"])
    named = _with_sides(named, rows.select(*KEY, "reason", "completion_ids"))
    found.pairs_in = len(named)
    found.pairs_left_out = counted(named["reason"])
    named = named.filter(pl.col("reason").is_null())
    if not len(named):
        counts = ", ".join(f"{name} {n:,}" for name, n in found.pairs_left_out.most_common())
        raise ConfigError(f"{data.root}/{pairs} has no pair of two sides that can train ({counts})")
    rows = rows.filter(pl.col("reason").is_null()).join(_used(named), on=KEY, how="semi", maintain_order="left")
    made = flat(rows, prompts, reader)
    return made, _numbered(named, rows, made, objective), found


def _read_part(
    data: Dataset, samples: TableRef, pairs: TableRef, name: str, reader: Reader, found: Found
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read one part's pairs and the samples they name; the other samples are counted as ``in_no_pair``."""
    frame, named = read_frame(data, samples, name, SAMPLE_COLUMNS), read_frame(data, pairs, name, PAIR_COLUMNS)
    used = _used(named)
    missing = used.join(frame, on=KEY, how="anti")
    if len(missing):
        group, index = missing.sort(KEY).row(0)
        raise ContractError(
            f"{pairs}/{name}: {len(missing):,} sides of pairs are samples that {samples}/{name} does not hold, first "
            f"sample {index} of group {group}: make the pairs again with --overwrite"
        )
    kept = frame.join(used, on=KEY, how="semi", maintain_order="left")
    found.rows_in += len(frame)
    found.dropped["in_no_pair"] += len(frame) - len(kept)
    kept = prepared(kept, name, reader, found)
    return kept.with_columns(**PLAIN, token_advantages=pl.lit(None, pl.List(pl.Float32))), named


def _used(named: pl.DataFrame) -> pl.DataFrame:
    """Return the keys of the samples that pairs name, each once."""
    return pl.concat([named.select("group_id", sample_index=side) for side in SIDES]).unique()


def _refuse_null_targets(named: pl.DataFrame, pairs: TableRef, objective: Objective) -> None:
    n_null = named["target"].null_count()
    if objective.name != "dpo" and n_null:
        raise ConfigError(
            f"objective {objective.name} regresses on a target, which {n_null:,} of {len(named):,} pairs of {pairs} lack: "
            "make pairs by a recipe with targets (`curate pairs DIR --recipe rebel`), or use --objective dpo"
        )


def _with_sides(named: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Say of every pair why it cannot train, the chosen side's reason first; null = it can."""
    for side in SIDES:
        of_side = rows.rename({"sample_index": side, "reason": f"reason_{side}", "completion_ids": f"ids_{side}"})
        named = named.join(of_side, on=["group_id", side], how="left", maintain_order="left")
    identical = pl.when(pl.col("ids_chosen") == pl.col("ids_rejected")).then(pl.lit("identical"))
    reason = pl.coalesce("reason_chosen", "reason_rejected", identical)
    return named.select(*PAIR_COLUMNS, reason=reason)


def _numbered(named: pl.DataFrame, rows: pl.DataFrame, made: Rows, objective: Objective) -> Pairs:
    """Return the pairs by the numbers of their rows."""
    places = rows.select(*KEY).with_row_index("row")
    sides = [
        named.join(places.rename({"sample_index": side}), on=["group_id", side], how="left", maintain_order="left")
        for side in SIDES
    ]
    chosen, rejected = (side["row"].to_numpy().astype(np.int64) for side in sides)
    is_cut = objective.from_first_difference
    return Pairs(
        chosen=chosen,
        rejected=rejected,
        target=named["target"].fill_null(float("nan")).to_numpy().astype(np.float32),
        smoothing=named["smoothing"].fill_null(0.0).to_numpy().astype(np.float32),
        shared=shared_prefix(made, chosen, rejected) if is_cut else np.zeros(len(chosen), np.int64),
    )
