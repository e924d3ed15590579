import polars as pl
import pytest

from curate.reweighting.estimators.dr_grpo import center
from curate.reweighting.estimators.grpo import standardize
from curate.reweighting.estimators.rloo import leave_one_out
from curate.reweighting.shaping.graded import damp
from curate.reweighting.shaping.unlikeliness import clamp_correct


def values(expression: pl.Expr, rewards: list[float | None], **columns: list[object]) -> list[float | None]:
    return pl.DataFrame({"shaped": rewards, **columns}).select(expression.alias("a"))["a"].to_list()


R = pl.col("shaped")


def test_center_takes_the_mean_away_and_passes_over_nulls() -> None:
    assert values(center(R), [1.0, None, 0.0, 0.5]) == [0.5, None, -0.5, 0.0]


def test_standardize_divides_by_the_sample_std() -> None:
    # mean 1/4, std = sqrt(((3/4)^2 + 3 * (1/4)^2) / 3) = 1/2
    assert values(standardize(0.0)(R), [1.0, 0.0, 0.0, 0.0]) == [1.5, -0.5, -0.5, -0.5]
    assert values(standardize(0.5)(R), [1.0, 0.0, 0.0, 0.0]) == [0.75, -0.25, -0.25, -0.25]


def test_standardize_has_no_value_for_a_group_of_one() -> None:
    assert values(standardize(1e-6)(R), [1.0, None]) == [None, None]


def test_leave_one_out_compares_with_the_mean_of_the_others() -> None:
    # 3 - mean(1, 2) = 1.5, 1 - mean(3, 2) = -1.5, 2 - mean(3, 1) = 0
    assert values(leave_one_out(R), [3.0, 1.0, None, 2.0]) == [1.5, -1.5, None, 0.0]


def test_clamp_correct_lifts_correct_samples_only() -> None:
    found = values(clamp_correct(R), [-1.0, -1.0, 2.0], correct=[True, False, True])
    assert found == [0.0, -1.0, 2.0]


@pytest.mark.parametrize(("one_sided", "expected"), [(False, [0.5, -0.5, None]), (True, [0.0, -0.5, None])])
def test_damp_scales_and_clips_where_it_acts(one_sided: bool, expected: list[float | None]) -> None:
    rewards = [2.0, -2.0, None]
    assert values(damp(R, pl.lit(True), 0.25, one_sided), rewards) == expected
    assert values(damp(R, pl.lit(False), 0.25, one_sided), rewards) == rewards
