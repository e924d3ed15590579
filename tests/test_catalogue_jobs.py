"""The two jobs of the catalogue: every recipe on one dataset, and what `curate compare` says of them side by side."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset
from curate.reweighting import names

JOBS = Path(__file__).parents[1] / "jobs"
KEY = ["group_id", "sample_index"]
pytestmark = pytest.mark.slow

# What a recipe needs that countdown has not: answers scored, domains, options, a judge's scores, branches, top-k, hints.
NOT_ON_COUNTDOWN = {
    *("grpo_care", "group_dro", "group_invariant", "multi_choice_grpo", "multi_objective", "gdpo"),
    *("vineppo", "trepo", "tw_grpo", "q_star", "expo"),
}
# Nor has GSM8K's file lengths, likelihoods and strategies.
OF_TOKENS = {"dapo", "opo", "lens", "unlikely_grpo", "unlikely_spectral", "he2025_release", "diverse_grpo"}
NOT_ON_GSM8K = NOT_ON_COUNTDOWN - {"group_dro", "group_invariant"} | OF_TOKENS


def run(job: str, *settings: str) -> str:
    words = [word for setting in settings for word in ("--set", setting)]
    result = CliRunner().invoke(app, ["run", str(JOBS / job), *words])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module", params=["countdown", "gsm8k"])
def compared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what a job has made, what it printed last, and what `compare --json` says of it."""
    folder = tmp_path_factory.mktemp(request.param) / "data"
    if request.param == "countdown":
        shown, expected = run("catalogue.toml", f"dataset.path={folder}", "prompts.n=48"), NOT_ON_COUNTDOWN
    else:
        if "CURATE_TEST_DATA" not in os.environ:
            pytest.skip("CURATE_TEST_DATA is not set: it names the folder of gsm8k/example_model_solutions.jsonl")
        source = Path(os.environ["CURATE_TEST_DATA"]) / "gsm8k" / "example_model_solutions.jsonl"
        shown = run("catalogue-gsm8k.toml", f"dataset.path={folder}", f"import.path={source}")
        expected = NOT_ON_GSM8K
    result = CliRunner().invoke(app, ["compare", str(folder), "--json"])
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    return {"data": Dataset(folder), "shown": shown, "figures": figures, "recipes": set(names()) - expected}


def stored(data: Dataset, recipe: str) -> pl.DataFrame:
    """Return the rows of one variant in the order of the samples, with who is correct."""
    verdicts = data.choose("verdicts", "gsm8k" if "gsm8k" in data.variants("verdicts") else "countdown")
    outcomes = pl.read_parquet(data.folder(verdicts) / "*.parquet", hive_partitioning=False).select(*KEY, "outcome")
    return data.scan("advantages", recipe).collect().join(outcomes, on=KEY, how="left", maintain_order="left")


def test_every_recipe_that_the_data_allows_is_there(compared: dict[str, Any]) -> None:
    assert set(compared["figures"]) == compared["recipes"]
    for recipe in compared["recipes"]:
        assert f" {recipe} " in compared["shown"]


def test_the_figures_are_those_of_the_stored_advantages(compared: dict[str, Any]) -> None:
    for recipe, figures in compared["figures"].items():
        rows = stored(compared["data"], recipe)
        kept = rows.filter(pl.col("drop_reason").is_null())
        mass = (kept["advantage"] * kept["weight"]).abs()
        correct = kept["outcome"] == "correct"
        assert figures["rows_kept"] == kept.height, recipe
        assert figures["groups_kept"] == kept["group_id"].n_unique(), recipe
        assert figures["mass_correct"] == pytest.approx(mass.filter(correct).sum(), abs=1e-9), recipe
        assert figures["mass_wrong"] == pytest.approx(mass.filter(~correct).sum(), abs=1e-9), recipe
        assert figures["effective_samples"] == pytest.approx(mass.sum() ** 2 / (mass**2).sum()), recipe
        flips, phantoms = kept["advantage"].filter(correct) < 0, kept["advantage"].filter(~correct) > 0
        assert figures["share_correct_negative"] == pytest.approx(flips.mean()), recipe
        assert figures["share_wrong_positive"] == pytest.approx(phantoms.mean()), recipe


def test_the_correlations_are_those_of_the_stored_advantages(compared: dict[str, Any]) -> None:
    grpo = stored(compared["data"], "grpo")
    for recipe, known in compared["figures"]["grpo"]["correlation"].items():
        both = grpo.select("advantage", other=stored(compared["data"], recipe)["advantage"]).drop_nulls()
        spread = both["other"].max() - both["other"].min()  # type: ignore[operator]
        expected = both.select(pl.corr("advantage", "other")).item() if spread > 1e-12 else None
        if expected is None or math.isnan(expected):
            assert known is None, recipe
        else:
            assert known == pytest.approx(expected, abs=1e-9), recipe


def test_ranks_are_shown_where_there_are_likelihoods_alone(compared: dict[str, Any]) -> None:
    has_ranks = bool(compared["data"].variants("likelihoods"))
    assert ("mean advantage of the correct samples, by quarter" in compared["shown"]) == has_ranks
