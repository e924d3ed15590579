"""``curate reweight`` on recipes composed of pieces, and on those that read the whole dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset, TableRef
from curate.jobrecord import read_record
from curate.parts import read_footer
from curate.states import ContentIds
from stored import PROMPTS, SAMPLES, VERDICTS, small_dataset, write_rows

N_PARTS = 3


def curate(*arguments: object, fails: bool = False) -> Any:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert (result.exit_code != 0) is fails, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def add_verdicts(data: Dataset, name: str, n_correct: int) -> None:
    """Judge the two groups of a part: the first n_correct samples of each are correct."""
    samples = pl.read_parquet(data.part(SAMPLES, name), hive_partitioning=False)
    rows = [
        {
            "group_id": group_id,
            "sample_index": i,
            "outcome": "correct" if i < n_correct else "incorrect",
            "reward": float(i < n_correct),
        }
        for group_id, i in samples.select("group_id", "sample_index").iter_rows()
    ]
    write_rows(data, VERDICTS, name, rows, {str(SAMPLES): ContentIds(data).of_part(SAMPLES, name) or ""})


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """Three parts of two groups of four samples, 1, 2 and 3 of each correct."""
    made = small_dataset(tmp_path / "data", n_parts=N_PARTS)
    for part in range(N_PARTS):
        add_verdicts(made, f"part-{part:05d}.parquet", part + 1)
    return made


def advantages(data: Dataset, variant: str) -> pl.DataFrame:
    return data.scan("advantages", variant).sort("group_id", "sample_index").collect()


def states(data: Dataset, variant: str) -> tuple[int, int]:
    status = json.loads(curate("status", data.root, "--json").stdout)
    found = next(row for row in status if row["table"] == f"advantages/recipe={variant}")
    return found["done"], found["stale"]


SAMPLES_ONLY = ("--set", "over=samples")


def test_sums_are_those_of_all_parts(data: Dataset) -> None:
    curate("reweight", data.root, "--recipe", "reinforce_pp", *SAMPLES_ONLY)
    found = advantages(data, "reinforce_pp")
    # 24 samples, half of them correct: var = 24 * (1/4) / 23
    expected = 0.5 / (6 / 23) ** 0.5
    assert found["advantage"].to_list() == pytest.approx(
        [expected if reward else -expected for reward in found["reward"]], abs=1e-7
    )
    about = read_footer(data.part(TableRef("advantages", "reinforce_pp"), "part-00001.parquet")).about
    assert about["dataset"] == {
        "groups_that_train": 6,
        "sums": {"n": 24.0, "sum": 12.0, "squares": 12.0},
        "effective_groups": None,
    }


def test_a_part_that_is_added_or_changed_makes_all_parts_stale(data: Dataset) -> None:
    reweight = ("reweight", data.root, "--recipe", "reinforce_pp", *SAMPLES_ONLY)
    curate(*reweight)
    curate("reweight", data.root, "--recipe", "grpo")
    assert states(data, "reinforce_pp") == (3, 0)
    assert "nothing to do" in curate(*reweight).stderr
    add_verdicts(data, "part-00002.parquet", 1)
    assert states(data, "reinforce_pp") == (0, 3)
    assert states(data, "grpo") == (2, 1)
    refused = curate(*reweight, fails=True)
    assert "advantages/recipe=reinforce_pp is stale: 3 part(s)" in refused.stderr
    assert "verdicts/verifier=exact, which changed since" in refused.stderr
    assert "--overwrite" in refused.stderr
    curate(*reweight, "--overwrite")
    assert states(data, "reinforce_pp") == (3, 0)
    small_dataset(data.root, n_parts=4)  # writes the first three again, as they were
    add_verdicts(data, "part-00003.parquet", 4)
    assert states(data, "reinforce_pp") == (0, 3)
    assert states(data, "grpo")[1] == 1
    assert "is stale" in curate("check", data.root, fails=True).output


def test_a_part_that_waits_is_no_part_of_a_sum(data: Dataset) -> None:
    data.part(VERDICTS, "part-00001.parquet").unlink()
    refused = curate("reweight", data.root, "--recipe", "reinforce_pp", *SAMPLES_ONLY, fails=True)
    assert (
        "reinforce_pp reads the whole dataset, and verdicts/verifier=exact lacks 1 part(s), first part-00001"
        in refused.stderr
    )
    assert "curate verify" in refused.stderr
    assert data.parts(TableRef("advantages", "reinforce_pp")) == []
    curate("reweight", data.root, "--recipe", "grpo")
    dry = curate("reweight", data.root, "--recipe", "reinforce_pp", *SAMPLES_ONLY, "--dry-run")
    assert "2 part(s) read, 1 wait for an input" in dry.stderr


def test_a_dry_run_reads_the_whole_dataset_too(data: Dataset) -> None:
    arguments = ("reweight", data.root, "--recipe", "cvar_dro", "--set", "alpha=0.5")
    dry = curate(*arguments, "--dry-run")
    assert data.variants("advantages") == []
    assert curate(*arguments).stdout == dry.stdout


def test_how_a_dataset_is_cut_into_parts_changes_no_whitened_advantage(data: Dataset, tmp_path: Path) -> None:
    whole = Dataset(tmp_path / "whole", create=True)
    for ref in (PROMPTS, SAMPLES, VERDICTS):
        frame = pl.concat([pl.read_parquet(data.part(ref, name), hive_partitioning=False) for name in data.parts(ref)])
        inputs = (
            {str(SAMPLES): ContentIds(whole).of_part(SAMPLES, "part-00000.parquet") or ""} if ref == VERDICTS else {}
        )
        write_rows(whole, ref, "part-00000.parquet", frame.to_dicts(), inputs)
    for recipe, setting in (("reinforce_pp_baseline", "over=samples"), ("kl_ball_dro", "rho=0.1")):
        for folder in (data, whole):
            curate("reweight", folder.root, "--recipe", recipe, "--set", setting)
        assert advantages(data, recipe).equals(advantages(whole, recipe))


def test_weights_of_prompts_over_all_parts(data: Dataset) -> None:
    curate("reweight", data.root, "--recipe", "grpo", "--weighting", "cvar", "--set", "cvar.alpha=0.5", "--as", "worst")
    # pass rates 1/4, 1/4, 1/2, 1/2, 3/4, 3/4: the worst half is the first two, and half of the next two
    weights = advantages(data, "worst").group_by("group_id", maintain_order=True).agg(pl.col("weight").first())
    assert weights["weight"].to_list() == pytest.approx([2.0, 2.0, 1.0, 1.0, 0.0, 0.0])
    about = read_footer(data.part(TableRef("advantages", "worst"), "part-00001.parquet")).about
    assert about["dataset"]["effective_groups"] == pytest.approx(36 / 10)


def test_domains_come_from_the_prompts(data: Dataset) -> None:
    for part, name in enumerate(data.parts(PROMPTS)):
        prompts = pl.read_parquet(data.part(PROMPTS, name), hive_partitioning=False)
        write_rows(data, PROMPTS, name, prompts.with_columns(domain=pl.lit(["hard", None, "easy"][part])).to_dicts())
    curate("reweight", data.root, "--recipe", "group_invariant", "--set", "eta=1.0")
    found = (
        advantages(data, "group_invariant")
        .group_by("group_id", maintain_order=True)
        .agg(pl.col("weight", "kl_scale").first())
    )
    hard, unknown, easy = found["weight"].to_list()[::2]
    assert hard > unknown == 1.0 > easy
    scales = found["kl_scale"].to_list()[::2]
    assert scales[0] < scales[1] == 1.0 < scales[2]
    record = read_record(data, TableRef("advantages", "group_invariant"))
    assert record is not None
    assert record.lookups == ["prompts"]


def test_a_composition_on_the_command_line_and_in_a_job_file_is_one(data: Dataset, tmp_path: Path) -> None:
    curate(
        *("reweight", data.root, "--estimator", "grpo", "--shape", "positive", "--gate", "not_all_wrong"),
        *("--gate", "mixed", "--set", "grpo.eps=1e-4", "--as", "mine"),
    )
    job = tmp_path / "job.toml"
    job.write_text(
        f'[dataset]\npath = "{data.root}"\n'
        '[reweight.same]\ngate = ["not_all_wrong", "mixed"]\nshape = "positive"\nestimator = "grpo"\n'
        "[reweight.same.grpo]\neps = 1e-4\n"
    )
    curate("run", job)
    assert advantages(data, "mine").equals(advantages(data, "same"))
    expected = {
        "gate": [{"name": "not_all_wrong"}, {"name": "mixed", "gate_on": "outcome"}],
        "shape": [{"name": "positive"}],
        "estimator": {"name": "grpo", "eps": 1e-4},
    }
    for variant in ("mine", "same"):
        ref = TableRef("advantages", variant)
        record = read_record(data, ref)
        assert record is not None
        assert {key: record.parameters[key] for key in expected} == expected
        assert record.about == {"composition": expected}
        assert read_footer(data.part(ref, "part-00000.parquet")).about["composition"] == expected


def test_the_stored_command_makes_a_composition_again(data: Dataset) -> None:
    curate("reweight", data.root, "--estimator", "rloo", "--gate", "mixed", "--as", "mine")
    record = read_record(data, TableRef("advantages", "mine"))
    assert record is not None
    before = advantages(data, "mine")
    import shlex

    curate(*shlex.split(record.command_for(data))[1:], "--overwrite")
    assert advantages(data, "mine").equals(before)


def test_a_gate_before_a_recipe_is_another_job(data: Dataset) -> None:
    curate("reweight", data.root, "--recipe", "grpo", "--set", "keep_groups=all", "--as", "plain")
    gated = ("reweight", data.root, "--recipe", "grpo", "--set", "keep_groups=all", "--gate", "not_all_wrong")
    refused = curate(*gated, "--as", "plain", fails=True)
    assert "gate: not set then" in refused.stderr
    curate(*gated, "--as", "gated")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--estimator", "rloo"], "a recipe composed of pieces has no name: give one with --as NAME"),
        (["--as", "x"], "give recipe (--recipe NAME), or estimator"),
        (["--estimator", "rlo", "--as", "x"], "no estimator 'rlo' (did you mean 'rloo'?)"),
        (["--recipe", "grpo", "--gate", "mixd"], "no gate 'mixd' (did you mean 'mixed'?)"),
        (
            ["--estimator", "grpo", "--as", "x", "--set", "grpo.epss=1"],
            "grpo has no parameter 'epss' (did you mean 'eps'?)",
        ),
        (["--estimator", "grpo", "--as", "x", "--set", "eps=1"], "set a parameter as PIECE.PARAMETER = VALUE"),
        (["--recipe", "grpo", "--set", "eps=1", "--set", "eps.a=1"], "eps has a value already"),
    ],
)
def test_wrong_pieces_are_refused_with_what_to_do(data: Dataset, arguments: list[str], message: str) -> None:
    result = curate("reweight", data.root, *arguments, fails=True)
    assert result.exit_code == 2
    assert message in result.stderr


def test_recipes_lists_pieces_and_explains_one() -> None:
    listed = curate("recipes").stdout
    for word in ("spectral_grpo", "group relative", "unlikeliness", "not_all_correct", "rloo", "kl_ball"):
        assert word in listed
    explained = curate("recipes", "unlikely_grpo").stdout
    for text in (
        "arXiv 2506.02355",
        "Known pitfalls: ",
        "Pieces: gate mixed",
        "all-wrong",
        "dropped: all_wrong",
        "beta_rank",
    ):
        assert text in explained
    assert "(shaping)" in curate("recipes", "unlikeliness").stdout
    found = json.loads(curate("recipes", "--json").stdout)
    assert set(found) == {"recipe", "gate", "shaping", "estimator", "weighting", "pairs"}
    assert "did you mean 'unlikeliness'" in curate("recipes", "unlikelines", fails=True).stderr
