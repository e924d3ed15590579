"""``curate compare``: every recipe of a dataset side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset, TableRef
from curate.parts import FOOTER_KEY, read_footer
from stored import VERDICTS, small_dataset, write_rows

PART = "part-00000.parquet"


def curate(*arguments: object, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


def judged(root: Path, n_parts: int = 2) -> Dataset:
    """Return groups of four of which the first of a part has one correct sample, the second three."""
    data = small_dataset(root, n_parts=n_parts)
    for part in range(n_parts):
        rows = [
            {
                "group_id": 1000 + 2 * part + g,
                "sample_index": i,
                "outcome": "correct" if i < (1, 3)[g] else "incorrect",
                "reward": float(i < (1, 3)[g]),
                "seconds": 0.0,
            }
            for g in range(2)
            for i in range(4)
        ]
        name = f"part-{part:05d}.parquet"
        inputs = {"samples": read_footer(data.part(TableRef("samples"), name)).content_id}
        write_rows(data, VERDICTS, name, rows, inputs)
    return data


def test_recipes_stand_side_by_side_with_figures_by_hand(tmp_path: Path) -> None:
    judged(tmp_path)
    for recipe in ("dr_grpo", "psr", "w_reinforce"):
        curate("reweight", tmp_path, "--recipe", recipe)
    found = json.loads(curate("compare", tmp_path, "--json").stdout)
    assert sorted(found) == ["dr_grpo", "psr", "w_reinforce"]
    # dr_grpo, a group: 3/4 and three of -1/4; three of 1/4 and -3/4. Two parts of each.
    centred = found["dr_grpo"]
    assert (centred["groups_kept"], centred["rows_kept"]) == (4, 16)
    assert centred["mass_correct"] == centred["mass_wrong"] == 2 * (3 / 4 + 3 / 4)
    assert centred["effective_samples"] == 6**2 / (4 * (9 / 16 + 3 / 16))
    signs = found["w_reinforce"]
    assert signs["mass_correct"] == pytest.approx(0.8)
    assert signs["mass_wrong"] == pytest.approx(8.0)
    # psr is constant where it trains
    assert found["psr"]["correlation"] == {"dr_grpo": None, "w_reinforce": None}
    # signs and centred rewards over 16 rows, both of mean 0 (8 of each sign): sum xy = 6, 6 / sqrt(16 * 3)
    assert signs["correlation"]["dr_grpo"] == pytest.approx(6 / 48**0.5)


def test_the_tables_show_the_figures(tmp_path: Path) -> None:
    data = judged(tmp_path, n_parts=1)
    rows = [
        {"group_id": 1000 + g, "sample_index": i, "mean_logprob": -1.0 - i, "sum_logprob": -2.0 - 2 * i, "n_tokens": 2}
        | {"likelihood_rank": i + 1.0}
        for g in range(2)
        for i in range(4)
    ]
    write_rows(data, TableRef("likelihoods", "m"), PART, rows)
    for recipe in ("dr_grpo", "psr"):
        curate("reweight", tmp_path, "--recipe", recipe)
    shown = curate("compare", tmp_path).stdout
    for text in ("groups kept", "effective", "correlation of A where both keep"):
        assert text in shown
    assert "2 of 2" in shown
    assert "2 psr" in shown
    ranks = shown.split("mean advantage of the correct samples")[1]
    # correct: rank 1 of both groups, (3/4 + 1/4) / 2; ranks 2 and 3 of the second; the last known stands as the rarest
    (row,) = [line.split() for line in ranks.splitlines() if line.split()[:1] == ["dr_grpo"]]
    assert row == ["dr_grpo", "0.500", "0.250", "-", "0.250"]


def test_without_likelihoods_there_is_no_table_by_rank(tmp_path: Path) -> None:
    judged(tmp_path, n_parts=1)
    curate("reweight", tmp_path, "--recipe", "dr_grpo")
    result = curate("compare", tmp_path)
    assert "mean advantage of the correct samples" not in result.stdout
    assert "mean advantage by likelihood rank is not known" in result.stderr
    assert f"curate logprob {tmp_path}" in result.stderr


def test_one_recipe_has_nothing_to_correlate_with(tmp_path: Path) -> None:
    judged(tmp_path)
    curate("reweight", tmp_path, "--recipe", "dr_grpo")
    assert "correlation" not in curate("compare", tmp_path).stdout
    assert json.loads(curate("compare", tmp_path, "--json").stdout)["dr_grpo"]["correlation"] == {}


def test_a_part_that_one_recipe_lacks_is_said_and_left_out(tmp_path: Path) -> None:
    data = judged(tmp_path)
    for recipe in ("dr_grpo", "w_reinforce"):
        curate("reweight", tmp_path, "--recipe", recipe)
    data.part(TableRef("advantages", "dr_grpo"), "part-00001.parquet").unlink()
    result = curate("compare", tmp_path)
    assert "1 part(s) that not every recipe has are left out" in result.stderr
    assert "0.87" in result.stdout


def test_parts_of_an_older_version_show_a_dash_for_what_they_lack(tmp_path: Path) -> None:
    data = judged(tmp_path, n_parts=1)
    for recipe in ("dr_grpo", "grpo"):
        curate("reweight", tmp_path, "--recipe", recipe)
        make_older(data, TableRef("advantages", recipe))
    result = curate("compare", tmp_path)
    assert "correlations are left out: " in result.stderr
    assert "correlation of A" not in result.stdout
    (row,) = [line.split() for line in result.stdout.splitlines() if line.split()[:1] == ["dr_grpo"] and "of" in line]
    assert row == ["dr_grpo", "2", "of", "2", "100.0%", "8", "-", "-", "-", "0.0%", "0.0%", "0.750"]
    found = json.loads(curate("compare", tmp_path, "--json").stdout)["dr_grpo"]
    assert (found["mass_correct"], found["correlation"]) == (None, {"grpo": None})


def make_older(data: Dataset, ref: TableRef) -> None:
    """Write a part as before there were mass sums and the column kl_scale."""
    import pyarrow.parquet as pq

    path = data.part(ref, PART)
    table = pq.read_table(path, partitioning=None)
    footer = json.loads(pq.read_metadata(path).metadata[FOOTER_KEY])
    del footer["about"]["diagnostics"]["mass"]
    older = table.drop_columns(["kl_scale"])
    footer["contract_hash"] = "an older one"
    pq.write_table(older.replace_schema_metadata({FOOTER_KEY: json.dumps(footer).encode()}), path)
