import polars as pl
import pytest

from curate.errors import ConfigError
from curate.reweighting import compose, estimators, gates, reweight
from curate.reweighting.shaping import overlong
from curate.reweighting.shaping.overlong import punishment
from group_case import group, reasons, shaped


def test_zero_then_linear_then_minus_one() -> None:
    # limit 100, cache 20: 0 up to 80, (80 - n) / 20 up to 100, -1 beyond
    frame = group([1.0, 1, 0, 0, 1, 0], n_tokens=[10, 80, 85, 90, 100, 140])
    assert shaped(frame, overlong(100, 20)) == [1.0, 1.0, -0.25, -0.5, 0.0, -1.0]
    assert shaped(frame, overlong(100, 20, factor=0.5)) == [1.0, 1.0, -0.125, -0.25, 0.5, -0.5]
    assert shaped(frame, overlong(100, 100))[:2] == [0.9, 0.2]
    assert shaped(frame, overlong(100, 20, factor=0)) == [1.0, 1, 0, 0, 1, 0]


def test_the_same_as_trl() -> None:
    trl = pytest.importorskip("trl.rewards")  # 1.16.0 when written
    lengths = list(range(0, 260))
    for limit, cache in [(200, 50), (200, 200), (17, 1), (256, 100)]:
        theirs = trl.get_soft_overlong_punishment(limit, cache)(completion_ids=[[1] * n for n in lengths])
        ours = pl.DataFrame({"n_tokens": lengths}).select(p=punishment(limit, cache))["p"].to_list()
        assert ours == pytest.approx(theirs, abs=1e-15)


def test_a_sample_without_a_length_leaves_where_its_group_trains() -> None:
    frame = group([1.0, 0.0, 0.0], n_tokens=[90, None, 100])
    assert reasons(frame, overlong(100, 20)) == [None, "no_likelihood", None]
    assert shaped(frame, overlong(100, 20)) == [0.5, None, -1.0]
    solved = group([1.0, 1.0], n_tokens=[None, 100])
    assert reasons(solved, overlong(100, 20), gate=[gates.mixed()]) == ["all_correct"] * 2
    assert shaped(solved, overlong(100, 20), gate=[gates.mixed()]) == [1.0, 1.0]


def test_only_overlong_samples_of_a_mixed_group_move() -> None:
    made = compose(estimators.dr_grpo(), shape=[overlong(100, 20)])
    # R = 1, 0, -1: mean 0
    found = reweight(group([1.0, 0.0, 0.0], n_tokens=[5, 5, 400]), made)
    assert found["advantage"].to_list() == [1.0, 0.0, -1.0]


@pytest.mark.parametrize(("limit", "cache"), [(100, 0), (100, 101), (0, 0), (-5, -6)])
def test_a_cache_outside_the_limit_is_refused(limit: int, cache: int) -> None:
    with pytest.raises(ConfigError, match="cache is"):
        overlong(limit, cache)
