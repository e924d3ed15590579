"""``curate pairs`` end to end: parts, counts, dry run, job file, staleness, and a step of training on what it made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset, TableRef
from curate.parts import read_footer
from stored import SAMPLES, VERDICTS, small_dataset, write_rows
from train_case import rewrite, write_groups, write_policy

LIKELIHOODS = TableRef("likelihoods", "ref")


def run(*arguments: object, fails: bool = False) -> Any:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert (result.exit_code != 0) == fails, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def judged(data: Dataset) -> Dataset:
    """Judge even samples correct, odd ones wrong, the last of each group not at all."""
    for name in data.parts(SAMPLES):
        keys = keys_of(data, name)
        last = {group: max(i for g, i in keys if g == group) for group, _ in keys}
        rows = []
        for group, index in keys:
            known = {"reward": float(index % 2 == 0), "outcome": "incorrect" if index % 2 else "correct"}
            rows.append({"group_id": group, "sample_index": index} | (known if index < last[group] else {}))
        write_rows(data, VERDICTS, name, rows, {"samples": read_footer(data.part(SAMPLES, name)).content_id})
    return data


def keys_of(data: Dataset, name: str) -> list[tuple[int, int]]:
    import pyarrow.parquet as pq

    rows = pq.read_table(data.part(SAMPLES, name), columns=["group_id", "sample_index"]).to_pylist()
    return [(row["group_id"], row["sample_index"]) for row in rows]


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return judged(small_dataset(tmp_path / "data"))


def made(data: Dataset, variant: str | None = None) -> list[tuple[Any, ...]]:
    return list(data.scan("pairs", variant).collect().iter_rows())


def test_pairs_of_every_part(data: Dataset) -> None:
    result = run("pairs", data.root, "--recipe", "best_worst")
    assert made(data) == [(group, 0, 1, None, None) for group in (1000, 1001, 1002, 1003)]
    assert "pairs/recipe=best_worst: 16 rows in, 4 out, 8 dropped (unjudged 4, unpaired 4)" in result.stderr
    assert "4 of 4 groups of 4" in result.stdout
    about = read_footer(data.part(TableRef("pairs", "best_worst"), "part-00000.parquet")).about
    assert about["recipe"] == "best_worst"
    assert about["parameters"] == {"ties": "index"}
    assert about["source"] == ["arXiv 2305.18290", "arXiv 2404.14367"]
    assert about["counts"]["dropped"] == about["pairs"]["samples_left"] == {"unjudged": 2, "unpaired": 2}
    assert "nothing to do, 2 part(s) are done" in run("pairs", data.root, "--recipe", "best_worst").stderr
    status = json.loads(run("status", data.root, "--json").stdout)
    assert [s["done"] for s in status if s["table"] == "pairs/recipe=best_worst"] == [2]
    assert run("check", data.root).exit_code == 0
    counted = run("sql", data.root, "SELECT recipe, count(*) FROM pairs GROUP BY 1", "--json").stdout
    assert "best_worst" in counted
    shown = json.loads(run("show", data.root, "1000", "--json").stdout)["variants"]["pairs/recipe=best_worst"]
    assert shown == [{"chosen": 0, "rejected": 1, "target": None, "smoothing": None}]


def test_parameters_names_and_other_variants(data: Dataset) -> None:
    run("pairs", data.root, "--recipe", "rebel", "--set", "eta=2", "--as", "steep")
    assert made(data, "steep")[0] == (1000, 0, 1, 2.0, None)
    refused = run("pairs", data.root, "--recipe", "rebel", "--as", "steep", fails=True).stderr
    assert "eta: 2.0 then, 1.0 now" in refused
    run("pairs", data.root, "--recipe", "rebel", "--as", "steep", "--overwrite")
    assert made(data, "steep")[0] == (1000, 0, 1, 1.0, None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--recipe", "best_wurst"], "no recipe of pairs 'best_wurst' (did you mean 'best_worst'?)"),
        (["--recipe", "grpo"], "grpo is a recipe of advantages: use `curate reweight`"),
        (["--recipe", "rebel", "--set", "eat=1"], "rebel has no parameter 'eat' (did you mean 'eta'?)"),
        (["--recipe", "rebel", "--set", "eta=steep"], "rebel: eta must be a finite number"),
        (["--recipe", "rebel", "--set", "eta=0"], "eta must be above 0, got 0.0"),
        (["--recipe", "best_worst", "--set", "ties=chance"], 'ties must be "index" | "likelihood"'),
        (["--recipe", "best_worst", "--set", "ties=likelihood"], "needs mean_logprob: "),
        (["--recipe", "mcts"], "recipe mcts needs score_q, score_visits: "),
        (["--recipe", "rebel", "--verifier", "nope"], "has no verdicts of verifier 'nope'"),
        (["--recipe", "rebel", "--as", "A b"], "cannot name a variant"),
    ],
)
def test_wrong_arguments_are_refused(data: Dataset, options: list[str], words: str) -> None:
    assert words in run("pairs", data.root, *options, fails=True).stderr
    assert data.variants("pairs") == []


def test_a_dry_run_writes_nothing(data: Dataset) -> None:
    result = run("pairs", data.root, "--recipe", "prdp", "--dry-run")
    assert "dry run of pairs/recipe=prdp: 2 part(s) read, nothing written" in result.stderr
    assert "4 of 4 groups of 4" in result.stdout
    assert data.variants("pairs") == []


def test_changed_verdicts_make_pairs_stale(data: Dataset) -> None:
    run("pairs", data.root, "--recipe", "best_worst")
    rewrite(data, VERDICTS, lambda row: row | {"reward": 1.0, "outcome": "correct"})
    refused = run("pairs", data.root, "--recipe", "best_worst", fails=True).stderr
    assert "pairs/recipe=best_worst is stale" in refused
    assert "--overwrite" in refused
    assert "is stale" in run("check", data.root, fails=True).stderr
    result = run("pairs", data.root, "--recipe", "best_worst", "--overwrite")
    assert "groups without a pair         4 (no_failure 4)" in result.stdout
    assert made(data) == []


def test_a_missing_part_waits(data: Dataset) -> None:
    (data.part(VERDICTS, "part-00001.parquet")).unlink()
    assert "1 wait for an input" in run("pairs", data.root, "--recipe", "rebel", "--dry-run").stderr
    assert "1 part(s) wait for an input" in run("pairs", data.root, "--recipe", "rebel").stderr


def test_how_likely_the_sides_are_is_shown_where_it_is_known(data: Dataset) -> None:
    for name in data.parts(SAMPLES):
        rows = [
            {
                "group_id": g,
                "sample_index": i,
                "n_tokens": 2,
                "sum_logprob": -1.0 - i,
                "mean_logprob": -0.5 - i / 2,
                "likelihood_rank": i + 1.0,
            }
            for g, i in keys_of(data, name)
        ]
        write_rows(data, LIKELIHOODS, name, rows, {"samples": read_footer(data.part(SAMPLES, name)).content_id})
    result = run("pairs", data.root, "--recipe", "best_worst", "--set", "ties=likelihood")
    # The least likely correct sample is 2, the only judged wrong one is 1.
    assert made(data)[0][1:3] == (2, 1)
    assert "-3.000, -2.000" in result.stdout
    plain = run("pairs", data.root, "--recipe", "rebel")
    assert "-1.000, -2.000" in plain.stdout


def test_a_job_file_makes_pairs_and_trains_on_them(tmp_path: Path) -> None:
    policy = write_policy(tmp_path / "policy")
    data = judged(write_groups(tmp_path / "data", policy, n_groups=4))
    job = tmp_path / "job.toml"
    sections = (
        f'[dataset]\npath = "{data.root}"\n[pairs.best]\nrecipe = "best_worst"\n'
        '[pairs.gap]\nrecipe = "rebel"\neta = 0.5\n'
    )
    trains = (
        '[train.{0}]\nmodel = "{1}"\nout = "{2}/{0}"\nobjective = "{0}"\npairs = "{3}"\nmax_drift = 0\nlearning_rate = 1e-3\n'
        "batch_size = 4\n"
    )
    both = (
        trains.format("dpo", policy, tmp_path, "best")
        + "beta = 0.5\n"
        + trains.format("rebel", policy, tmp_path, "gap")
    )
    job.write_text(sections.replace("eta", "eat") + both)
    assert "[pairs.gap]: rebel has no parameter 'eat'" in run("run", job, fails=True).stderr
    job.write_text(sections + both)
    run("run", job)
    assert data.variants("pairs") == ["best", "gap"]
    assert {row[3] for row in made(data, "gap")} == {0.5}
    for name, variant in (("dpo", "best"), ("rebel", "gap")):
        facts = json.loads((tmp_path / name / "manifest.json").read_text())
        assert facts["pairs"] == {"in": 4, "trained": 4, "left_out": {}}
        assert facts["recipe"]["variant"] == variant


def test_prdp_trains_too(tmp_path: Path) -> None:
    policy = write_policy(tmp_path / "policy")
    data = judged(write_groups(tmp_path / "data", policy, n_groups=4))
    run("pairs", data.root, "--recipe", "prdp")
    options = ("--objective", "prdp", "--log-clip", 0.5, "--learning-rate", 1e-3, "--max-drift", 0)
    run("train", data.root, "--model", policy, "--out", tmp_path / "out", *options)
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["pairs"]["trained"] == 4


def test_step_pairs_train_from_the_first_difference(tmp_path: Path) -> None:
    policy, file = write_policy(tmp_path / "policy"), tmp_path / "search.jsonl"
    nodes = [
        {"tree": 1, "node": 0, "parent": None, "prompt": "abc"},
        {"tree": 1, "node": 1, "parent": 0, "text": "de", "q": 0.5, "visits": 4},
        {"tree": 1, "node": 2, "parent": 1, "text": "fg", "q": 1, "visits": 3, "terminal": True},
        {"tree": 1, "node": 3, "parent": 1, "text": "hh", "q": 0, "visits": 1},
    ]
    file.write_text("".join(json.dumps(node) + "\n" for node in nodes))
    data = tmp_path / "data"
    run("import", file, "--to", data)
    run("pairs", data, "--recipe", "mcts")
    options = ("--objective", "dpo", "--beta", 0.5, "--from-first-difference", "--learning-rate", 1e-3)
    run("train", data, "--model", policy, "--out", tmp_path / "out", *options)
    lines = [json.loads(line) for line in (tmp_path / "out" / "train_log.jsonl").read_text().splitlines()]
    # "fg" and its end token on one side, "hh" (cut, so without an end) on the other.
    assert [line["tokens"] for line in lines if "loss" in line] == [5]
