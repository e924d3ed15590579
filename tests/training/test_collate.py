"""The tensors of a micro-batch, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from curate.training.collate import Collator, token_batch
from curate.training.rows import Rows


def rows() -> Rows:
    """Three rows: prompt [7, 8] with completions [1, 2, 3] and [4], prompt [9] with [5, 6], the last token untrained."""
    return Rows(
        prompt_tokens=np.array([7, 8, 9], np.int32),
        prompt_starts=np.array([0, 2, 3]),
        prompt_of=np.array([0, 0, 1]),
        tokens=np.array([1, 2, 3, 4, 5, 6], np.int32),
        starts=np.array([0, 3, 4, 6]),
        is_trained=np.array([True, True, True, True, True, False]),
        behaviour=np.full(6, np.nan, np.float32),
        advantage=np.array([1, -1, 0.5], np.float32),
        token_advantages=None,
        weight=np.array([1, 2, 3], np.float32),
        temperature=np.array([1, 0.7, 1], np.float32),
        group_id=np.array([0, 0, 1]),
        is_own=np.zeros(3, np.bool_),
    )


def test_padded() -> None:
    old = np.array([-1, -2, -3, -4, -5, -6], np.float32)
    batch = Collator(rows(), old=old)([0, 2])
    assert batch["input_ids"].tolist() == [[7, 8, 1, 2, 3], [9, 5, 6, 0, 0]]
    assert batch["mask"].tolist() == [[True, True, True], [True, False, False]]
    assert batch["advantages"].tolist() == [[1, 1, 1], [0.5, 0.5, 0.5]]
    assert batch["old"][0].tolist() == [-1, -2, -3]
    assert batch["old"][1, :2].tolist() == [-5, -6]
    assert batch["weights"].tolist() == [1, 3]
    assert batch["row"].tolist() == [0, 2]
    tokens = token_batch(batch)
    assert (tokens.rows.tolist(), tokens.starts.tolist(), tokens.lengths.tolist()) == ([0, 1], [2, 1], [3, 2])
    assert tokens.attention_mask is None
    assert tokens.position_ids is None


def test_packed_lines_are_as_long_as_the_longest_row_and_filled_by_the_others() -> None:
    long = replace(rows(), prompt_tokens=np.array([7, 8, 8, 9], np.int32), prompt_starts=np.array([0, 3, 4]))
    batch = Collator(long, is_packed=True)([2, 0, 2])
    assert batch["input_ids"].tolist() == [[7, 8, 8, 1, 2, 3], [9, 5, 6, 9, 5, 6]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 3, 4, 5], [0, 1, 2, 0, 1, 2]]
    assert (batch["rows"].tolist(), batch["starts"].tolist()) == ([1, 0, 1], [1, 3, 4])


def test_no_row_gives_one_that_is_masked_whole() -> None:
    batch = Collator(rows())([])
    assert batch["mask"].any().item() is False
    assert batch["row"].tolist() == [-1]


def test_kl_scales_are_there_where_rows_have_any() -> None:
    assert "kl_scale" not in Collator(rows())([0])
    scaled = replace(rows(), kl_scale=np.array([1, 0.5, 2], np.float32))
    assert Collator(scaled)([2, 1])["kl_scale"].tolist() == [2, 0.5]


def test_token_advantages_take_the_place_of_the_row_s() -> None:
    given = replace(rows(), token_advantages=np.array([1, 2, 3, 4, 5, 6], np.float32))
    assert Collator(given)([0, 1])["advantages"][:, :1].tolist() == [[1], [4]]
    assert Collator(given)([0])["advantages"].tolist() == [[1, 2, 3]]
