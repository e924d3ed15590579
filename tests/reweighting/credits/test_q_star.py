"""From r to Q*: the credit of each token, and the advantage shared by it."""

from __future__ import annotations

import math

import polars as pl
import pytest

from curate.errors import ContractError
from curate.reweighting import recipes
from curate.reweighting.apply import reweight

Values = list[float] | None


def frame_of(rewards: list[float | None], logprobs: list[Values], ref_logprobs: list[Values]) -> pl.DataFrame:
    lists = {"logprobs": logprobs, "ref_logprobs": ref_logprobs}
    columns = {"group_id": [1] * len(rewards), "sample_index": list(range(len(rewards))), "reward": rewards, **lists}
    return pl.DataFrame(columns, schema_overrides=dict.fromkeys(lists, pl.List(pl.Float64)) | {"reward": pl.Float64})


FRAME = frame_of([1.0, 0.0], [[-1.0, -2.0], [-1.0, -3.0, -2.0]], [[-2.0, -2.0], [-1.0, -1.0, -2.0]])


def test_the_credit_is_shown_and_the_advantage_stays() -> None:
    found = reweight(FRAME, recipes.q_star(beta=0.5))
    assert found["token_credit"].to_list() == [[0.5, 0.0], [0.0, -1.0, 0.0]]
    assert found.schema["token_credit"] == pl.List(pl.Float32)
    assert "token_advantages" not in found.columns
    assert found["advantage"].to_list() == reweight(FRAME, recipes.grpo())["advantage"].to_list()


def test_the_weights_share_the_advantage_by_hand() -> None:
    found = reweight(FRAME, recipes.q_star(beta=0.5, weigh=True))
    a = found["advantage"][0]
    # A > 0: T softmax(1/2, 0) = 2 (e^.5, 1) / (e^.5 + 1); A < 0: 3 softmax(0, 1, 0) = 3 (1, e, 1) / (2 + e)
    up, down = math.exp(0.5), math.e
    assert found["token_advantages"][0].to_list() == pytest.approx([a * 2 * up / (up + 1), a * 2 / (up + 1)])
    assert found["token_advantages"][1].to_list() == pytest.approx([-a * 3 * w / (2 + down) for w in (1, down, 1)])
    assert [sum(row) / len(row) for row in found["token_advantages"]] == pytest.approx(found["advantage"].to_list())


def test_beta_0_is_grpo() -> None:
    found = reweight(FRAME, recipes.q_star(beta=0, weigh=True))
    a = found["advantage"].to_list()
    assert [row.to_list() for row in found["token_advantages"]] == [
        pytest.approx([a[0]] * 2, abs=1e-6),
        pytest.approx([a[1]] * 3, abs=1e-6),
    ]


def test_a_large_credit_is_no_overflow() -> None:
    frame = frame_of([1.0, 0.0], [[0.0, -9000.0], [-1.0]], [[-9000.0, 0.0], [-1.0]])
    found = reweight(frame, recipes.q_star(beta=1.0, weigh=True))
    assert found["token_advantages"][0].to_list() == pytest.approx([2 * found["advantage"][0], 0.0])


def test_a_sample_that_was_not_scored_leaves() -> None:
    frame = frame_of([1.0, 0.0, 1.0, 0.0], [[-1.0], [-1.0], None, [-1.0]], [[-1.0], [-1.0], [-1.0], None])
    found = reweight(frame, recipes.q_star())
    assert found["drop_reason"].to_list() == [None, None, "no_likelihood", "no_likelihood"]
    assert found["token_credit"].is_null().to_list() == [False, False, True, True]


def test_an_empty_completion_has_no_tokens_to_credit() -> None:
    found = reweight(frame_of([1.0, 0.0], [[], [-1.0]], [[], [-2.0]]), recipes.q_star(weigh=True))
    assert found["token_credit"][0] is None
    assert found["advantage"][0] > 0


def test_scorers_of_two_tokenizers_are_refused() -> None:
    with pytest.raises(ContractError, match="two scorers differ in how many tokens"):
        reweight(frame_of([1.0, 0.0], [[-1.0], [-1.0]], [[-1.0], [-1.0, -1.0]]), recipes.q_star())
