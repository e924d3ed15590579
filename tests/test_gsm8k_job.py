"""jobs/gsm8k.toml on the published solutions: the figures that anyone can count from the file."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset
from curate.parts import read_footer

JOB = Path(__file__).parent.parent / "jobs" / "gsm8k.toml"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory):
    """Run the job on the real file into a temporary folder; a second call runs it again."""
    if "CURATE_TEST_DATA" not in os.environ:
        pytest.skip("CURATE_TEST_DATA is not set: it names the folder that holds gsm8k/example_model_solutions.jsonl")
    source = Path(os.environ["CURATE_TEST_DATA"]) / "gsm8k" / "example_model_solutions.jsonl"
    folder = tmp_path_factory.mktemp("gsm8k")
    settings = [f"dataset.path={folder}", f"import.path={source}"]
    settings += [f"export.{name}.out={folder}/train-{name}.parquet" for name in ("grpo", "spectral_grpo")]
    arguments = ["run", str(JOB), *(word for setting in settings for word in ("--set", setting))]

    def invoke():
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        return result

    invoke.first = invoke()
    invoke.data = Dataset(folder)
    return invoke


def test_groups_samples_and_outcomes(run) -> None:
    counts = run.data.sql("SELECT outcome, count(*) FROM verdicts WHERE verifier = 'gsm8k' GROUP BY ALL ORDER BY ALL")
    assert counts.fetchall() == [("correct", 2001), ("incorrect", 3264), ("unparsable", 11)]
    assert run.data.sql("SELECT count(*), count(DISTINCT group_id) FROM samples").fetchall() == [(5276, 1319)]


def test_verdicts_agree_with_every_published_flag(run) -> None:
    disagreements = run.data.sql(
        "SELECT count(*) FROM verdicts a JOIN verdicts b USING (group_id, sample_index) WHERE a.verifier = 'gsm8k'"
        " AND b.verifier = 'imported' AND (a.outcome = 'correct') <> (b.outcome = 'correct')"
    )
    assert disagreements.fetchall() == [(0,)]


def test_groups_by_number_correct(run) -> None:
    query = (
        "SELECT n, count(*) FROM (SELECT count(*) FILTER (outcome = 'correct') n FROM verdicts WHERE verifier = 'gsm8k'"
        " GROUP BY group_id) GROUP BY n ORDER BY n"
    )
    assert [count for _, count in run.data.sql(query).fetchall()] == [432, 290, 236, 205, 156]


def test_what_each_recipe_keeps(run) -> None:
    kept = dict(
        run.data.sql(
            "SELECT recipe, count(DISTINCT group_id) FILTER (advantage IS NOT NULL) FROM advantages GROUP BY 1"
        ).fetchall()
    )
    assert kept == {"grpo": 731, "spectral_grpo": 731 + 315}


def test_why_the_other_all_wrong_groups_are_dropped(run) -> None:
    diagnostics = read_footer(
        run.data.part(run.data.choose("advantages", "spectral_grpo"), "part-00000.parquet")
    ).about["diagnostics"]
    dropped = {reason: n for reason, n in diagnostics["groups_dropped"].items() if n}
    assert dropped == {"all_correct": 156, "degenerate": 106, "no_rts": 6, "singleton": 5}
    assert 315 + 106 + 6 + 5 == 432


def test_the_exports_hold_the_kept_rows(run) -> None:
    exported = pl.read_parquet(run.data.root / "train-spectral_grpo.parquet")
    kept = run.data.sql(
        "SELECT count(advantage), round(sum(abs(advantage)), 6) FROM advantages WHERE recipe = 'spectral_grpo'"
    )
    assert kept.fetchall() == [(len(exported), round(exported["advantage"].abs().sum(), 6))]
    assert exported["completion_ids"].null_count() == len(exported) == 4140


def test_a_second_run_does_nothing(run) -> None:
    before = {p: p.stat().st_mtime_ns for p in run.data.root.rglob("*.parquet")}
    again = run()
    assert again.stderr.count("nothing to do") == 7
    assert {p: p.stat().st_mtime_ns for p in run.data.root.rglob("*.parquet")} == before


def test_unlikely_grpo_refuses_groups_of_mixed_policies(run) -> None:
    arguments = [
        "reweight",
        str(run.data.root),
        "--recipe",
        "unlikely_grpo",
        "--set",
        "beta_rank=0.25",
        "--verifier",
        "gsm8k",
    ]
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 2
    assert "1,319 groups" in refused.stderr
    assert "--allow-mixed-policy" in refused.stderr


def test_a_reverified_variant_makes_its_advantages_stale(run) -> None:
    root = str(run.data.root)
    assert CliRunner().invoke(app, ["verify", root, "--verifier", "gsm8k", "--overwrite"]).exit_code == 0
    stale = CliRunner().invoke(app, ["reweight", root, "--recipe", "grpo", "--verifier", "gsm8k", "--as", "grpo"])
    assert stale.exit_code == 2
    assert "advantages/recipe=grpo is stale" in stale.stderr
    assert "Run `curate reweight" in stale.stderr
    assert "--overwrite`" in stale.stderr
    check = CliRunner().invoke(app, ["check", root])
    assert check.exit_code == 1
    assert "advantages/recipe=grpo is stale" in check.stderr
    mended = CliRunner().invoke(
        app, ["reweight", root, "--recipe", "grpo", "--verifier", "gsm8k", "--as", "grpo", "--overwrite"]
    )
    assert mended.exit_code == 0, mended.output
