"""Export for TRL's KTOTrainer (arXiv 2402.01306): prompt, completion and a label that is the sign of the advantage.

Only signs are kept, so the export is lossy, and a manifest beside the file says what was left out and what was lost.
TRL 1.16.0 trains on the rows in their order, and takes for the completion of another prompt, from which it estimates
the KL, the one of the row before in its batch. So the rows of a part come by sample_index, not by group: neighbours
are of different prompts.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from curate.dataset import Dataset, TableRef
from curate.exporting.rows import INSTEAD, KEY, beside, recipe_of
from curate.exporting.whole import manifest_path, nothing_to_do, write_whole
from curate.jobrecord import versions
from curate.parts import FOOTER_KEY, ROWS_PER_ROW_GROUP, Footer
from curate.stage import read_frame, refuse_hinted

SCHEMA = pa.schema(
    [
        pa.field("prompt", pa.large_string(), nullable=False),
        pa.field("completion", pa.large_string(), nullable=False),
        pa.field("label", pa.bool_(), nullable=False),
    ]
)
LABEL_RULE = (
    "label is true (desirable) where the advantage is above 0 and false (undesirable) where it is below 0; a row whose "
    "advantage is exactly 0 has no label and is left out"
)
ORDER = "within a part by sample_index, so that neighbours are of different prompts: TRL estimates the KL from them"

# Why a row is left out, the first that applies. A weight of 0 takes a row out of the recipe's loss; KTO would train it.
REASON = pl.coalesce(
    "drop_reason",
    pl.when(pl.col("advantage") == 0).then(pl.lit("zero_advantage")),
    pl.when(pl.col("weight") == 0).then(pl.lit("zero_weight")),
    pl.when(pl.col("prompt").is_null()).then(pl.lit("no_prompt_text")),
    pl.when(pl.col("completion").is_null()).then(pl.lit("no_completion_text")),
)
# What the labelled rows have that the file has not: name, rows that have it, what becomes of them.
LOST = [
    ("advantage", pl.col("advantage").is_not_null(), "its size: only the sign is kept"),
    ("weight", pl.col("weight") != 1, "KTO weighs every row of a label the same"),
    ("kl_scale", pl.col("kl_scale") != 1, "KTO's beta is one for all rows"),
    ("token_advantages", pl.col("token_advantages").is_not_null(), "one label stands for the whole completion"),
    ("completion_ids", pl.col("completion_ids").is_not_null(), "the text is tokenised again, perhaps to other ids"),
    ("loss_mask", ~pl.col("loss_mask").list.all(), "tokens that were masked are trained"),
    ("finish_reason", pl.col("finish_reason") == "length", "TRL ends a truncated completion with the end token too"),
    ("prompt_format", pl.col("prompt_format") == "chat", "TRL takes the JSON of the messages for text"),
]
_SAMPLE_COLUMNS = [*KEY, "prompt_id", "completion", "completion_ids", "loss_mask", "finish_reason", "hinted"]
_ADVANTAGE_COLUMNS = ["advantage", "weight", "kl_scale", "token_advantages", "drop_reason"]


def write_kto(data: Dataset, samples: TableRef, advantages: TableRef, out: Path, *, overwrite: bool) -> str:
    """Write prompt, completion and label of the kept rows to ``out``, and its manifest; return what was done.

    Every row that is not written is counted by the reason (``REASON``). A file that was already made from the same
    parts is left alone. Raises ConfigError where ``out`` holds something else or lies in a table, or where a kept row
    is hinted.
    """

    def write(raw: BinaryIO, inputs: dict[str, str]) -> Footer:
        return _write_rows(data, samples, advantages, raw, inputs)

    footer = write_whole(data, [samples, advantages], out, "kto", write, overwrite=overwrite, manifest=manifest)
    return _said(out, footer.about) if footer else nothing_to_do(out)


def manifest(footer: Footer) -> bytes:
    """Return the manifest of a file, made of its footer alone."""
    told = {**footer.about, "inputs": footer.inputs, "versions": footer.versions}
    return json.dumps(told, indent=2, ensure_ascii=False, sort_keys=True).encode() + b"\n"


def balance(n_desirable: int, n_undesirable: int) -> dict[str, float] | None:
    """Return the weights of the two labels for TRL's KTOConfig; null where a label has no rows.

    The ratio (desirable_weight n_desirable) / (undesirable_weight n_undesirable) is to lie in [1, 4/3] (Eq. 8 of
    arXiv 2402.01306, which TRL 1.16.0 checks). Where it does not, the rarer label is weighed up, to the middle, 7/6.
    """
    if not n_desirable or not n_undesirable:
        return None
    ratio = n_desirable / n_undesirable
    return {
        "desirable_weight": 1.0 if ratio >= 1 else round(7 / 6 / ratio, 2),
        "undesirable_weight": 1.0 if ratio <= 4 / 3 else round(ratio * 6 / 7, 2),
    }


def _write_rows(
    data: Dataset, samples: TableRef, advantages: TableRef, raw: BinaryIO, inputs: dict[str, str]
) -> Footer:
    prompts = data.scan("prompts").select("prompt_id", "prompt", "prompt_format").collect()
    n_in, labels, dropped, lost = 0, Counter[bool](), Counter[str](), Counter[str]()
    with pq.ParquetWriter(raw, SCHEMA, compression="zstd") as writer:
        for name in data.parts(samples):
            rows = _rows(data, samples, advantages, name, prompts)
            labelled = rows.filter(pl.col("reason").is_null()).sort("sample_index", maintain_order=True)
            frame = labelled.select("prompt", "completion", label=pl.col("advantage") > 0)
            table = frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(SCHEMA)
            writer.write_table(table, row_group_size=ROWS_PER_ROW_GROUP)
            n_in += len(rows)
            labels.update(dict(frame["label"].value_counts().iter_rows()))
            dropped.update(dict(rows["reason"].drop_nulls().value_counts().iter_rows()))
            lost.update(labelled.select(has.sum().alias(name) for name, has, _ in LOST).row(0, named=True))
        about = {
            "format": "kto",
            "recipe": {"variant": advantages.variant, "recipe": recipe_of(data, advantages)},
            **_figures(n_in, labels, dropped, lost),
        }
        footer = Footer("", "", inputs, versions(), about)
        writer.add_key_value_metadata({FOOTER_KEY: footer.to_bytes()})
    return footer


def _rows(data: Dataset, samples: TableRef, advantages: TableRef, name: str, prompts: pl.DataFrame) -> pl.DataFrame:
    """Return every sample of a part with its advantage, its prompt and the reason why it has no label."""
    rows = read_frame(data, samples, name, _SAMPLE_COLUMNS)
    rows = rows.with_columns(beside(data, rows, advantages, name, _ADVANTAGE_COLUMNS))
    refuse_hinted(rows.filter(pl.col("advantage").is_not_null()), name, INSTEAD)
    return rows.join(prompts, on="prompt_id", how="left", maintain_order="left").with_columns(reason=REASON)


def _figures(n_in: int, labels: Counter[bool], dropped: Counter[str], lost: Counter[str]) -> dict[str, Any]:
    return {
        "label_rule": LABEL_RULE,
        "order": ORDER,
        "rows": {
            "in": n_in,
            "out": labels.total(),
            "desirable": labels[True],
            "undesirable": labels[False],
            "dropped": dict(sorted(dropped.items())),
        },
        "desirable_per_undesirable": labels[True] / labels[False] if labels[False] else None,
        "weights": balance(labels[True], labels[False]),
        "lost": {name: {"rows": lost[name], "what": what} for name, _, what in LOST},
    }


def _said(out: Path, about: dict[str, Any]) -> str:
    rows = about["rows"]
    reasons = ", ".join(f"{reason} {n:,}" for reason, n in rows["dropped"].items())
    left_out = f"{rows['in'] - rows['out']:,} of {rows['in']:,} left out" + (f" ({reasons})" if reasons else "")
    return (
        f"{out}: {rows['desirable']:,} desirable and {rows['undesirable']:,} undesirable rows written, {left_out}; "
        f"{_advice(about)}{_chat(about)}; {manifest_path(out).name} says what was lost"
    )


def _advice(about: dict[str, Any]) -> str:
    """Return what to do about the two labels: weights for KTOConfig, or another recipe where one has no rows."""
    if about["weights"] is None:
        none = " or ".join(label for label in ("desirable", "undesirable") if not about["rows"][label])
        return (
            f"warning: no row is {none}, and KTO needs both labels: export advantages of both signs, such as grpo's "
            "on groups that are neither all wrong nor all correct"
        )
    weights = ", ".join(f"{name}={weight:g}" for name, weight in about["weights"].items())
    return f"{about['desirable_per_undesirable']:.3g} desirable per undesirable: train with KTOConfig({weights})"


def _chat(about: dict[str, Any]) -> str:
    n_chat = about["lost"]["prompt_format"]["rows"]
    return (
        f"; warning: {n_chat:,} prompts are the JSON of chat messages, which TRL takes for text: make messages of prompt "
        "and completion first"
        if n_chat
        else ""
    )
