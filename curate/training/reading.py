"""Read the rows that train: samples zipped with the advantages of one recipe, text turned into token ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from curate.dataset import Dataset, TableRef
from curate.errors import ConfigError, ContractError
from curate.models.encode import encode_prompt
from curate.stage import read_frame, refuse_hinted, same_keys
from curate.training.behaviour import BEHAVIOUR, PROBLEM
from curate.training.rows import Rows, flatten

SAMPLE_COLUMNS = [
    "group_id",
    "sample_index",
    "prompt_id",
    "completion",
    "completion_ids",
    "logprobs",
    "loss_mask",
    "finish_reason",
    "policy_version",
    "temperature",
    "top_p",
    "token_exact",
    "logprob_semantics",
    "hinted",
]
ADVANTAGE_COLUMNS = ["group_id", "sample_index", "advantage", "token_advantages", "weight", "kl_scale", "drop_reason"]
IDS = pl.List(pl.Int32)
HAS_PROMPT_IDS = pl.col("prompt_ids").is_not_null()


@dataclass
class Found:
    """What reading found beside the rows: counts of rows, and of pairs, by reason, and facts for checks and the manifest."""

    rows_in: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    n_text_only: int = 0
    n_no_temperature: int = 0
    pairs_in: int = 0
    pairs_left_out: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Reader:
    """How rows are read. ``tokenizer`` is called only where text has no ids; ``is_supervised`` leaves out rows whose
    advantage times weight is 0, as they have no loss, and refuses those where it is below.
    """

    checkpoint: Path
    tokenizer: Callable[[], Any]
    fingerprint: str
    max_length: int | None
    vocabulary: int
    mask_truncated: bool = False
    is_supervised: bool = False


def read_rows(data: Dataset, samples: TableRef, advantages: TableRef, reader: Reader) -> tuple[Rows, Found]:
    """Zip the parts of samples and advantages, keep the rows that train, and return them with what was counted.

    A row with a null advantage was dropped by the recipe. Left out with a reason are ``truncated`` (mask_truncated),
    ``no_weight`` (is_supervised), ``no_prompt``, ``no_tokens``, ``masked`` (no trained token) and ``too_long`` (more tokens
    than the model has positions). An unknown temperature, or 0, counts as 1. Raises ConfigError for hinted rows, ids
    outside the vocabulary and where no row is left; ContractError where parts do not match.
    """
    found = Found()
    frames = [_read_part(data, samples, advantages, name, reader, found) for name in data.parts(samples)]
    if not frames or not sum(map(len, frames)):
        raise ConfigError(_nothing_left(data, advantages, found))
    rows, prompts = with_prompts(data, pl.concat(frames), reader)
    rows = _keep(rows, reader, found)
    if not len(rows):
        raise ConfigError(_nothing_left(data, advantages, found))
    return flat(rows, prompts, reader), found


def with_prompts(data: Dataset, rows: pl.DataFrame, reader: Reader) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows with the place of their prompt and the reason why they cannot train, and the prompts."""
    prompts = _read_prompts(data, rows, reader)
    places = prompts.select("prompt_id", "place", "n_prompt")
    rows = rows.join(places, on="prompt_id", how="left", maintain_order="left")
    return rows.with_columns(reason=_reason(reader)), prompts


def flat(rows: pl.DataFrame, prompts: pl.DataFrame, reader: Reader) -> Rows:
    """Return the rows as arrays; raises ConfigError for token ids outside the model's vocabulary."""
    made = flatten(rows, prompts, reader.fingerprint)
    _refuse_foreign_ids(made, reader)
    return made


def _read_part(
    data: Dataset, samples: TableRef, advantages: TableRef, name: str, reader: Reader, found: Found
) -> pl.DataFrame:
    """Read one part's kept rows, text turned into ids."""
    frame = read_frame(data, samples, name, SAMPLE_COLUMNS)
    weighted = read_frame(data, advantages, name, ADVANTAGE_COLUMNS)
    same_keys(frame, weighted, f"{advantages}/{name}")
    frame = frame.hstack(weighted.drop(ADVANTAGE_COLUMNS[:2]))
    found.rows_in += len(frame)
    found.dropped += counted(frame["drop_reason"])
    frame = prepared(frame.filter(pl.col("advantage").is_not_null()), name, reader, found)
    if frame.filter(pl.col("token_advantages").list.len() != pl.col("completion_ids").list.len()).height:
        raise ContractError(
            f"{advantages}/{name} has token advantages of another length than the completions: reweight with --overwrite"
        )
    return frame.drop("drop_reason")


def prepared(frame: pl.DataFrame, name: str, reader: Reader, found: Found) -> pl.DataFrame:
    """Return kept samples of a part with text turned into ids and the log-probs that may be used; refuses hinted ones."""
    refuse_hinted(frame, name, "train on a dataset without hinted samples")
    found.problems += counted(frame.select(PROBLEM.alias("problem"))["problem"])
    found.n_no_temperature += frame["temperature"].null_count()
    frame = _tokenized(frame, reader, found)
    return frame.with_columns(logprobs=BEHAVIOUR).drop("completion", "token_exact", "hinted", "top_p")


def _tokenized(frame: pl.DataFrame, reader: Reader, found: Found) -> pl.DataFrame:
    """Fill missing completion ids with the tokenizer's; the end token follows where the text is not truncated."""
    is_text = frame["completion_ids"].is_null()
    found.n_text_only += int(is_text.sum())
    if not is_text.any():
        return frame
    tokenizer = reader.tokenizer()
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    texts = frame.filter(is_text).select("completion", (pl.col("finish_reason") == "length").fill_null(False))
    encoded = tokenizer(texts["completion"].to_list(), add_special_tokens=False)["input_ids"]
    ids = [one if is_cut else [*one, *end] for one, is_cut in zip(encoded, texts["finish_reason"], strict=True)]
    column = pl.Series("completion_ids", ids, dtype=IDS)
    places = pl.Series("place", is_text.arg_true())
    filled = pl.DataFrame({"place": places, "ids": column})
    joined = frame.with_row_index("place").join(filled, on="place", how="left", maintain_order="left")
    return joined.with_columns(completion_ids=pl.coalesce("completion_ids", "ids")).drop("place", "ids")


def _read_prompts(data: Dataset, rows: pl.DataFrame, reader: Reader) -> pl.DataFrame:
    """Return the prompts that the rows answer, each with ids, their number and its place."""
    columns = ["prompt_id", "prompt", "prompt_format", "prompt_ids"]
    ref, used = data.choose("prompts"), rows.select("prompt_id").unique()
    parts = [read_frame(data, ref, name, columns).join(used, on="prompt_id", how="semi") for name in data.parts(ref)]
    if not parts:
        raise ConfigError(f"{data.root}/{ref} has no part: run `{data.maker('prompts')}`")
    prompts = pl.concat(parts).sort("prompt_id")
    missing = rows.join(prompts, on="prompt_id", how="anti")
    if len(missing):
        raise ContractError(
            f"{data.root}: {len(missing):,} samples answer a prompt that table prompts lacks, first "
            f"{missing['prompt_id'][0]!r}: `curate check {data.root}` names them"
        )
    if prompts["prompt_ids"].null_count():
        tokenizer = reader.tokenizer()
        ids = [
            stored if stored is not None else encode_prompt(tokenizer, text or "", kind, reader.checkpoint)
            for text, kind, stored in prompts.select("prompt", "prompt_format", "prompt_ids").iter_rows()
        ]
        prompts = prompts.with_columns(pl.Series("prompt_ids", ids, dtype=IDS))
    return prompts.with_columns(n_prompt=pl.col("prompt_ids").list.len()).with_row_index("place")


def _reason(reader: Reader) -> pl.Expr:
    """Say why a row cannot train, the first reason that applies; null = it can."""
    n_tokens = pl.col("completion_ids").list.len()
    is_truncated = (pl.col("finish_reason") == "length").fill_null(False)
    return (
        pl.when(is_truncated & reader.mask_truncated)
        .then(pl.lit("truncated"))
        .when((pl.col("advantage") * pl.col("weight") == 0) & reader.is_supervised)
        .then(pl.lit("no_weight"))
        .when(pl.col("n_prompt") == 0)
        .then(pl.lit("no_prompt"))
        .when(n_tokens == 0)
        .then(pl.lit("no_tokens"))
        .when(pl.col("loss_mask").list.any().not_())
        .then(pl.lit("masked"))
        .when(n_tokens + pl.col("n_prompt") > (reader.max_length or 2**31))
        .then(pl.lit("too_long"))
    )


def _keep(rows: pl.DataFrame, reader: Reader, found: Found) -> pl.DataFrame:
    """Keep the rows that can train; count the others by reason."""
    n_negative = rows.filter(pl.col("advantage") * pl.col("weight") < 0).height
    if reader.is_supervised and n_negative:
        raise ConfigError(
            f"objective sft would push {n_negative:,} rows of negative advantage down without bound: use asymre, which "
            "lowers the baseline instead, or the advantages of `curate reweight --recipe raft`"
        )
    found.left_out += counted(rows["reason"])
    return rows.filter(pl.col("reason").is_null())


def counted(reasons: pl.Series) -> Counter[str]:
    """Count every value of a column that is not null."""
    counts = reasons.drop_nulls().value_counts().sort(reasons.name)
    return Counter(dict(zip(counts[reasons.name].cast(pl.String).to_list(), counts["count"].to_list(), strict=True)))


def _refuse_foreign_ids(rows: Rows, reader: Reader) -> None:
    highest = max(int(rows.tokens.max()), int(rows.prompt_tokens.max(initial=0)))
    if highest >= reader.vocabulary:
        raise ConfigError(
            f"the dataset holds token id {highest}, outside the vocabulary of {reader.vocabulary:,} of "
            f"{reader.checkpoint}: it was sampled with another tokenizer; train the model that sampled, or import text only"
        )


def _nothing_left(data: Dataset, advantages: TableRef, found: Found) -> str:
    if not found.rows_in:
        return f"{data.root} holds no sample: import or sample some first"
    reasons = found.dropped + found.left_out
    counts = ", ".join(f"{name} {n:,}" for name, n in reasons.most_common())
    return (
        f"{data.root}/{advantages} keeps none of {found.rows_in:,} samples that could train ({counts}): "
        "`curate compare` shows which recipe keeps some"
    )
