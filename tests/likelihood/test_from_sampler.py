"""n, sum and mean of stored log-probs over the tokens that count; unknown is null, never 0."""

import polars as pl
import pytest

from curate.errors import ContractError
from curate.likelihood import from_sampler

SCHEMA = {"logprobs": pl.List(pl.Float32), "loss_mask": pl.List(pl.Boolean)}


def _score(logprobs: list[float | None] | None, mask: list[bool | None] | None) -> tuple[object, ...]:
    return from_sampler(pl.DataFrame({"logprobs": [logprobs], "loss_mask": [mask]}, schema=SCHEMA)).row(0)[2:]


@pytest.mark.parametrize(
    ("logprobs", "mask", "expected"),
    [
        ([-0.5, -0.25, -1.0], None, (3, -1.75, -1.75 / 3)),
        ([-0.5, -0.25, -1.0], [True, True, False], (2, -0.75, -0.375)),
        ([-0.5], [True], (1, -0.5, -0.5)),
        ([0.0, 0.0], None, (2, 0.0, 0.0)),
        ([-0.5, None], [True, False], (1, -0.5, -0.5)),
    ],
)
def test_counted_tokens(
    logprobs: list[float | None], mask: list[bool | None] | None, expected: tuple[object, ...]
) -> None:
    assert _score(logprobs, mask) == expected


@pytest.mark.parametrize(
    ("logprobs", "mask"),
    [
        (None, None),
        (None, [True]),
        ([], None),
        ([], []),
        ([-0.5, None], None),
        ([None], None),
        ([-0.5, None], [True, True]),
        ([-0.5, -0.25], [False, False]),
        ([-0.5, -0.25], [True, None]),
    ],
)
def test_what_is_unknown_is_null(logprobs: list[float | None] | None, mask: list[bool | None] | None) -> None:
    assert _score(logprobs, mask) == (None, None, None)


def test_sums_are_float64_and_rows_keep_their_order_and_columns() -> None:
    samples = pl.DataFrame(
        {"key": [2, 1], "logprobs": [[-0.1] * 1000, [-1.0]], "loss_mask": None},
        schema_overrides={"logprobs": pl.List(pl.Float32)},
    )
    scored = from_sampler(samples)
    assert scored.columns == ["key", "logprobs", "loss_mask", "n_tokens", "sum_logprob", "mean_logprob"]
    assert scored.schema["sum_logprob"] == scored.schema["mean_logprob"] == pl.Float64
    assert scored["key"].to_list() == [2, 1]
    assert scored["sum_logprob"][0] == pytest.approx(-100.0, abs=1e-5)


def test_empty_frame_gives_an_empty_frame() -> None:
    scored = from_sampler(pl.DataFrame(schema=SCHEMA))
    assert scored.shape == (0, 5)


def test_mask_of_another_length_is_refused_with_its_row() -> None:
    samples = pl.DataFrame({"logprobs": [[-1.0], [-1.0, -2.0]], "loss_mask": [[True], [True]]}, schema=SCHEMA)
    with pytest.raises(ContractError, match="differ in length in 1 of 2 samples, first in row 1"):
        from_sampler(samples)
