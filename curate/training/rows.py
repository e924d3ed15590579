"""The rows that train: samples zipped with the advantages of one recipe, as flat arrays.

Completions lie one after another in arrays over tokens, ``starts`` tells where each begins: some 20 bytes a token, and
no Python object a row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curate.dataset import Dataset, TableRef
from curate.errors import ConfigError, ContractError
from curate.models.encode import encode_prompt
from curate.stage import read_frame, refuse_other_keys
from curate.training.behaviour import BEHAVIOUR, PROBLEM

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
ADVANTAGE_COLUMNS = ["group_id", "sample_index", "advantage", "token_advantages", "weight", "drop_reason"]
IDS = pl.List(pl.Int32)
HAS_PROMPT_IDS = pl.col("prompt_ids").is_not_null()


@dataclass(frozen=True)
class Rows:
    """``N`` rows, ``T`` completion tokens in all, ``P`` different prompts.

    ``starts`` (N + 1,) and ``prompt_starts`` (P + 1,) are places in the arrays over tokens. ``behaviour`` (T,) is NaN
    where the sampling policy's log-prob is unknown. ``token_advantages`` (T,) is null where no row has any, else it
    holds the row's advantage where the row has none. ``is_own`` (N,) is true where the samples name the fingerprint of
    the model that is trained as their policy's version.
    """

    prompt_tokens: NDArray[np.int32]
    prompt_starts: NDArray[np.int64]
    prompt_of: NDArray[np.int64]
    tokens: NDArray[np.int32]
    starts: NDArray[np.int64]
    is_trained: NDArray[np.bool_]
    behaviour: NDArray[np.float32]
    advantage: NDArray[np.float32]
    token_advantages: NDArray[np.float32] | None
    weight: NDArray[np.float32]
    temperature: NDArray[np.float32]
    group_id: NDArray[np.int64]
    is_own: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.advantage)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Completion tokens of each row, (N,)."""
        return np.diff(self.starts)

    @cached_property
    def total_lengths(self) -> NDArray[np.int64]:
        """Prompt and completion tokens of each row, (N,)."""
        return self.lengths + np.diff(self.prompt_starts)[self.prompt_of]

    @cached_property
    def n_trained(self) -> NDArray[np.int64]:
        """Trained tokens of each row, (N,); every row has some."""
        return np.add.reduceat(self.is_trained, self.starts[:-1], dtype=np.int64)

    def prompt(self, row: int) -> NDArray[np.int32]:
        """Return the token ids of one row's prompt."""
        place = self.prompt_of[row]
        return self.prompt_tokens[self.prompt_starts[place] : self.prompt_starts[place + 1]]

    def completion(self, row: int) -> slice:
        """Return where one row lies in the arrays over tokens."""
        return slice(self.starts[row], self.starts[row + 1])


@dataclass
class Found:
    """What reading found beside the rows: counts of rows by reason, and facts for checks and the manifest."""

    rows_in: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    n_text_only: int = 0
    n_no_temperature: int = 0


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
    rows = pl.concat(frames)
    prompts = _read_prompts(data, rows, reader)
    rows = rows.join(
        prompts.select("prompt_id", "place", "n_prompt"), on="prompt_id", how="left", maintain_order="left"
    )
    rows = _keep(rows, reader, found)
    if not len(rows):
        raise ConfigError(_nothing_left(data, advantages, found))
    flat = _flatten(rows, prompts, reader.fingerprint)
    _refuse_foreign_ids(flat, reader)
    return flat, found


def _read_part(
    data: Dataset, samples: TableRef, advantages: TableRef, name: str, reader: Reader, found: Found
) -> pl.DataFrame:
    """Read one part's kept rows, text turned into ids."""
    frame = read_frame(data, samples, name, SAMPLE_COLUMNS)
    weighted = read_frame(data, advantages, name, ADVANTAGE_COLUMNS)
    keys = ADVANTAGE_COLUMNS[:2]
    refuse_other_keys(all(frame[key].equals(weighted[key]) for key in keys), f"{advantages}/{name}")
    frame = frame.hstack(weighted.drop(keys))
    found.rows_in += len(frame)
    found.dropped += _counted(frame["drop_reason"])
    frame = frame.filter(pl.col("advantage").is_not_null())
    n_hinted = frame["hinted"].sum()
    if n_hinted:
        raise ConfigError(
            f"{n_hinted:,} kept samples of {name} were sampled with the answer shown, and would train on the hint: "
            "train on a dataset without hinted samples"
        )
    found.problems += _counted(frame.select(PROBLEM.alias("problem"))["problem"])
    found.n_no_temperature += frame["temperature"].null_count()
    frame = _tokenized(frame, reader, found)
    if frame.filter(pl.col("token_advantages").list.len() != pl.col("completion_ids").list.len()).height:
        raise ContractError(
            f"{advantages}/{name} has token advantages of another length than the completions: reweight with --overwrite"
        )
    return frame.with_columns(logprobs=BEHAVIOUR).drop("completion", "token_exact", "hinted", "drop_reason", "top_p")


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
    used = (
        data.scan("prompts").select(columns).join(rows.lazy().select("prompt_id").unique(), on="prompt_id", how="semi")
    )
    prompts = used.sort("prompt_id").collect()
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


def _keep(rows: pl.DataFrame, reader: Reader, found: Found) -> pl.DataFrame:
    """Keep the rows that can train; count the others by the first reason that applies."""
    n_tokens = pl.col("completion_ids").list.len()
    is_truncated = (pl.col("finish_reason") == "length").fill_null(False)
    reason = (
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
    n_negative = rows.filter(pl.col("advantage") * pl.col("weight") < 0).height
    if reader.is_supervised and n_negative:
        raise ConfigError(
            f"objective sft would push {n_negative:,} rows of negative advantage down without bound: use asymre, which "
            "lowers the baseline instead, or the advantages of `curate reweight --recipe raft`"
        )
    rows = rows.with_columns(reason=reason)
    found.left_out += _counted(rows["reason"])
    return rows.filter(pl.col("reason").is_null())


def _flatten(rows: pl.DataFrame, prompts: pl.DataFrame, fingerprint: str) -> Rows:
    lengths = rows["completion_ids"].list.len().to_numpy().astype(np.int64)
    starts = _starts(lengths)
    n_tokens = int(starts[-1])
    behaviour = _spread(rows["logprobs"], lengths, np.full(n_tokens, np.nan, np.float32))
    advantage = rows["advantage"].to_numpy().astype(np.float32)
    token_advantages = None
    if rows["token_advantages"].null_count() < len(rows):
        token_advantages = _spread(rows["token_advantages"], lengths, np.repeat(advantage, lengths))
    return Rows(
        prompt_tokens=_values(prompts["prompt_ids"]).astype(np.int32),
        prompt_starts=_starts(prompts["n_prompt"].to_numpy()),
        prompt_of=rows["place"].to_numpy().astype(np.int64),
        tokens=_values(rows["completion_ids"]).astype(np.int32),
        starts=starts,
        is_trained=_spread(rows["loss_mask"], lengths, np.ones(n_tokens, np.bool_)),
        behaviour=behaviour,
        advantage=advantage,
        token_advantages=token_advantages,
        weight=rows["weight"].to_numpy().astype(np.float32),
        temperature=rows["temperature"].fill_null(1.0).replace(0.0, 1.0).to_numpy().astype(np.float32),
        group_id=rows["group_id"].to_numpy(),
        is_own=(rows["policy_version"] == fingerprint).fill_null(False).to_numpy(),
    )


def _starts(lengths: NDArray[Any]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def _values(lists: pl.Series) -> NDArray[Any]:
    """Return the values of a list column one after another; null and empty lists give none."""
    values: NDArray[Any] = lists.to_arrow().flatten().to_numpy(zero_copy_only=False)
    return values


def _spread(lists: pl.Series, lengths: NDArray[np.int64], values: NDArray[Any]) -> NDArray[Any]:
    """Overwrite ``values`` (T,) by those of the rows whose list is not null."""
    values[np.repeat(lists.is_not_null().to_numpy(), lengths)] = _values(lists)
    return values


def _counted(reasons: pl.Series) -> Counter[str]:
    counts = reasons.drop_nulls().value_counts()
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
