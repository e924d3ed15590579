import math

import polars as pl
import pytest

from curate.reweighting.shaping.graded import NoError, trajectory_score
from curate.reweighting.shaping.graded import grade as graded
from curate.reweighting.shaping.unlikeliness import rank_factor as unlikeliness
from curate.reweighting.shaping.unlikeliness import ranked_likelihood


def unlikeliness_of(logprobs: list[float | None], beta: float, ties: str = "average") -> list[float | None]:
    frame = pl.DataFrame({"mean_logprob": pl.Series(logprobs, dtype=pl.Float64)})
    return frame.select(unlikeliness(pl.col("mean_logprob"), beta, ties)).to_series().to_list()  # type: ignore[arg-type]


def test_unlikeliness_takes_most_from_the_most_likely_and_nothing_from_the_rarest() -> None:
    # G = 4, ranks 1, 2, 3, 4: 1 - 0.25 * (4 - rank) / 4
    assert unlikeliness_of([-0.1, -0.2, -0.3, -0.4], 0.25) == [0.8125, 0.875, 0.9375, 1.0]


@pytest.mark.parametrize("size", [2, 8, 32])
def test_the_most_likely_sample_loses_beta_times_g_minus_1_over_g(size: int) -> None:
    factors = unlikeliness_of([-float(i) for i in range(size)], 0.25)
    assert factors[0] == pytest.approx(1 - 0.25 * (size - 1) / size, abs=1e-15)
    assert factors[-1] == 1.0


def test_equal_likelihoods_share_the_average_rank() -> None:
    # G = 3, both likely samples at rank 1.5
    assert unlikeliness_of([-1.0, -1.0, -2.0], 0.5) == [0.75, 0.75, 1.0]


def test_ties_by_index_count_the_lower_sample_index_as_less_likely() -> None:
    assert unlikeliness_of([-1.0, -1.0, -1.0, -1.0], 0.5, "index") == [1.0, 0.875, 0.75, 0.625]


def test_samples_without_a_likelihood_are_no_part_of_the_ranking() -> None:
    assert unlikeliness_of([-1.0, None, -2.0], 0.5) == [0.75, None, 1.0]
    assert unlikeliness_of([-1.0], 0.5) == [1.0]


def test_ranking_among_correct_samples_leaves_the_others_out() -> None:
    frame = pl.DataFrame({"sum_logprob": [-1.0, -2.0], "correct": [False, True]})
    assert frame.select(ranked_likelihood("sum", "correct")).to_series().to_list() == [None, -2.0]
    assert frame.select(ranked_likelihood("sum", "group")).to_series().to_list() == [-1.0, -2.0]


@pytest.mark.parametrize(("no_error", "expected"), [("null", [0.6, None, None]), ("last_step", [0.6, 0.75, None])])
def test_trajectory_score_of_a_found_error_of_none_found_and_of_no_judgment(
    no_error: NoError, expected: list[float | None]
) -> None:
    frame = pl.DataFrame({"rts": [0.6, None, None], "first_error_step": [4, None, None], "n_steps": [5, 4, None]})
    assert frame.select(trajectory_score(no_error)).to_series().to_list() == expected


def grade(rts: float | None, *parameters: object) -> float | None:
    frame = pl.DataFrame({"rts": pl.Series([rts], dtype=pl.Float64)})
    return frame.select(graded(pl.col("rts"), *parameters)).item()  # type: ignore[arg-type, no-any-return]


def test_graded_is_the_logistic_of_the_rts() -> None:
    assert grade(0.5, 10.0, 0.5, "logistic", 1.0) == 0.5
    assert grade(0.6, 10.0, 0.5, "logistic", 1.0) == pytest.approx(0.7310585786300049, abs=1e-15)
    assert grade(0.0, 10.0, 0.5, "logistic", 1.0) == pytest.approx(0.0066928509242848554, abs=1e-15)


def test_the_other_order_of_the_papers_two_values_hardly_grades_at_all() -> None:
    assert grade(0.0, 0.5, 10.0, "logistic", 1.0) == pytest.approx(0.0067, abs=5e-5)
    assert grade(1.0, 0.5, 10.0, "logistic", 1.0) == pytest.approx(0.0110, abs=5e-5)


def test_graded_max_is_the_ceiling_of_both_shapes() -> None:
    assert grade(1.0, 1e6, 0.5, "logistic", 0.4) == pytest.approx(0.4)
    assert grade(0.75, 10.0, 0.5, "linear", 0.4) == pytest.approx(0.3)
    assert grade(None, 10.0, 0.5, "linear", 1.0) is None


def test_graded_survives_a_beta_whose_exponential_overflows() -> None:
    assert grade(0.0, 1e9, 0.5, "logistic", 1.0) == 0.0
    assert math.isfinite(grade(1.0, 1e9, 0.5, "logistic", 1.0) or 0.0)
