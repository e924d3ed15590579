"""What is read of samples and advantages, and how it lies in the arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curate.dataset import Dataset
from curate.errors import ConfigError, ContractError
from curate.models.tokenizer import load_tokenizer
from curate.training.reading import Found, Reader, read_rows
from curate.training.rows import Rows
from stored import PROMPTS, SAMPLES, write_rows
from train_case import GRPO, write_policy

PROMPT = {"prompt_id": "p", "prompt": "ab", "prompt_format": "text", "prompt_ids": [3, 4], "source": "test"}
SAMPLE = {
    "group_id": 1,
    "prompt_id": "p",
    "completion": "cd",
    "completion_ids": [5, 6],
    "logprobs": [-1.0, -2.0],
    "token_exact": True,
    "hinted": False,
    "policy_version": "f",
    "temperature": 0.5,
}
ADVANTAGE = {"group_id": 1, "reward": 1.0, "advantage": 0.5, "weight": 2.0, "group_size": 1}
DROPPED = {"advantage": None, "weight": None, "drop_reason": "gated"}


def read(
    folder: Path, *rows: tuple[dict[str, Any], dict[str, Any]], prompt: Any = None, **how: Any
) -> tuple[Rows, Found]:
    """Write and read samples that differ from SAMPLE and ADVANTAGE as given."""
    data = Dataset(folder / "data", create=True)
    write_rows(data, PROMPTS, "part-00000.parquet", [PROMPT | (prompt or {})])
    keys = [{"sample_index": n} for n in range(len(rows))]
    write_rows(data, SAMPLES, "part-00000.parquet", [SAMPLE | k | s for k, (s, _) in zip(keys, rows, strict=True)])
    write_rows(
        data,
        GRPO,
        "part-00000.parquet",
        [ADVANTAGE | {"group_size": len(rows)} | k | a for k, (_, a) in zip(keys, rows, strict=True)],
    )

    def tokenizer() -> Any:
        return load_tokenizer(write_policy(folder / "policy"))

    reader = Reader(folder, tokenizer, "f", max_length=8, vocabulary=20, **how)
    return read_rows(data, SAMPLES, GRPO, reader)


def test_rows_lie_one_after_another(tmp_path: Path) -> None:
    rows, found = read(
        tmp_path,
        ({}, {}),
        ({"completion_ids": [7], "logprobs": None, "policy_version": "g", "temperature": None}, {"advantage": -1.0}),
        ({}, DROPPED),
        ({"loss_mask": [False, True], "temperature": 0.0}, {"token_advantages": [3.0, 4.0]}),
    )
    assert len(rows) == 3
    assert rows.tokens.tolist() == [5, 6, 7, 5, 6]
    assert rows.starts.tolist() == [0, 2, 3, 5]
    assert rows.prompt(1).tolist() == [3, 4]
    assert rows.total_lengths.tolist() == [4, 3, 4]
    assert rows.is_trained.tolist() == [True, True, True, False, True]
    assert rows.n_trained.tolist() == [2, 1, 1]
    assert np.nan_to_num(rows.behaviour, nan=9).tolist() == [-1, -2, 9, -1, -2]
    assert rows.advantage.tolist() == [0.5, -1.0, 0.5]
    assert rows.token_advantages is not None
    assert rows.token_advantages.tolist() == [0.5, 0.5, -1.0, 3.0, 4.0]
    assert rows.weight.tolist() == [2.0, 2.0, 2.0]
    assert rows.temperature.tolist() == [0.5, 1.0, 1.0]
    assert rows.is_own.tolist() == [True, False, True]
    assert (found.rows_in, dict(found.dropped), found.n_no_temperature) == (4, {"gated": 1}, 1)
    assert dict(found.problems) == {"absent": 1, "greedy": 1}


def test_no_token_advantages_take_no_memory(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, ({}, {}))
    assert rows.token_advantages is None
    assert rows.kl_scale is None


def test_a_scale_of_the_kl_is_1_where_a_row_has_none(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, ({}, {"kl_scale": 0.25}), ({}, {}))
    assert rows.kl_scale is not None
    assert rows.kl_scale.tolist() == [0.25, 1.0]


def test_text_gets_the_tokenizer_s_ids_and_the_end_unless_truncated(tmp_path: Path) -> None:
    text = {"completion_ids": None, "logprobs": None, "token_exact": False}
    rows, found = read(
        tmp_path, (text, {}), ({}, {}), (text | {"finish_reason": "length"}, {}), prompt={"prompt_ids": None}
    )
    assert rows.tokens.tolist() == [5, 6, 1, 5, 6, 5, 6]
    assert rows.prompt(0).tolist() == [3, 4]
    assert found.n_text_only == 2


@pytest.mark.parametrize(
    ("sample", "advantage", "how", "reason"),
    [
        ({"completion_ids": [5] * 7, "logprobs": [-1.0] * 7}, {}, {}, "too_long"),
        ({"completion_ids": [], "logprobs": []}, {}, {}, "no_tokens"),
        ({"loss_mask": [False, False]}, {}, {}, "masked"),
        ({"finish_reason": "length"}, {}, {"mask_truncated": True}, "truncated"),
        ({}, {"weight": 0.0}, {"is_supervised": True}, "no_weight"),
    ],
)
def test_rows_that_cannot_train_are_counted_with_a_reason(
    tmp_path: Path, sample: dict[str, Any], advantage: dict[str, Any], how: dict[str, Any], reason: str
) -> None:
    rows, found = read(tmp_path, ({}, {}), (sample, advantage), **how)
    assert len(rows) == 1
    assert dict(found.left_out) == {reason: 1}


def test_an_empty_prompt_conditions_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no_prompt 1"):
        read(tmp_path, ({}, {}), prompt={"prompt_ids": []})


def test_token_advantages_of_another_length_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="another length"):
        read(tmp_path, ({}, {"token_advantages": [1.0]}))


def test_samples_without_their_prompt_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="lacks, first 'q'"):
        read(tmp_path, ({"prompt_id": "q"}, {}))


def test_a_negative_advantage_is_no_supervision(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="1 rows of negative advantage"):
        read(tmp_path, ({}, {}), ({}, {"advantage": -1.0}), is_supervised=True)
