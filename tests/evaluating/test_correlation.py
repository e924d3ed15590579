import polars as pl
import pytest

from curate.evaluating.correlation import correlations, pair_sums


def test_pairs_are_correlated_over_the_rows_that_both_have() -> None:
    frame = pl.DataFrame(
        {
            "a": [1.0, 2.0, 3.0, None],
            "b": [2.0, 4.0, None, 9.0],  # with a over two rows: a line
            "c": [
                1.0,
                0.0,
                2.0,
                5.0,
            ],  # with a: means 2 and 1, shared (-1 * 0) + (0 * -1) + (1 * 1) = 1, spreads 2 and 2
            "d": [7.0, 7.0, 7.0, 7.0],
            "e": [None, None, None, 1.0],
        }
    )
    found = correlations(pair_sums(frame))
    assert [found[0][i] for i in range(3)] == pytest.approx([1.0, 1.0, 0.5])
    assert found[3] == [None] * 5
    assert found[4] == [None] * 5
    # b with c over rows 0, 1, 3: means 5 and 2, shared 3 + 2 + 12, spreads 9 + 1 + 16 and 1 + 4 + 9
    assert found[2][1] == found[1][2] == pytest.approx(17 / (26 * 14) ** 0.5)


def test_sums_of_parts_add_up() -> None:
    frame = pl.DataFrame({"a": [1.0, -2.0, 3.0, None, 0.5], "b": [0.5, None, -1.0, 2.0, 4.0]})
    parts = pair_sums(frame[:2]) + pair_sums(frame[2:2]) + pair_sums(frame[2:])
    assert correlations(parts) == correlations(pair_sums(frame))


def test_a_constant_but_for_rounding_has_no_correlation() -> None:
    frame = pl.DataFrame({"a": [0.1 + 0.2, 0.3, 0.3, 0.1 + 0.2], "b": [1.0, 2.0, 3.0, 4.0]})
    assert correlations(pair_sums(frame))[0][1] is None
