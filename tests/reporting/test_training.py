"""The section on training."""

from __future__ import annotations

import polars as pl

from curate.reporting.training import thinned, training


def steps(n: int, name: str = "run") -> pl.DataFrame:
    numbers = [float(i) for i in range(n)]
    columns = {"step": numbers, "tokens": numbers, "drift": numbers, "entropy": numbers, "loss": numbers}
    return pl.DataFrame({"name": [name] * n, **columns, "grad_norm": pl.Series([None] * n, dtype=pl.Float64)})


def test_drift_and_entropy_have_a_figure_each() -> None:
    text = training(pl.concat([steps(5), steps(3, "<other>")]))
    assert text.count("<figure>") == 2
    assert "KL(old || new)" in text
    assert "&lt;other&gt;" in text


def test_what_was_not_logged_has_no_figure() -> None:
    text = training(steps(5).with_columns(entropy=pl.lit(None, pl.Float64)), ["no log"])
    assert text.count("<figure>") == 1
    assert "<li>no log</li>" in text
    assert training(steps(0)).count("<figure>") == 0


def test_long_logs_are_thinned_to_even_steps_and_the_last() -> None:
    shown = thinned(pl.concat([steps(130), steps(4, "b")]))
    assert shown.filter(pl.col("name") == "run")["step"].to_list() == [float(i) for i in range(0, 130, 3)]
    assert thinned(steps(121))["step"].to_list()[-2:] == [117.0, 120.0]
    assert shown.filter(pl.col("name") == "b").height == 4
