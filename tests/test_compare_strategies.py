"""``curate compare``: how far judges agree on strategies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset, TableRef
from stored import write_rows
from test_judge_canonical import OTHER, SAME, WRONG, dataset

PART = "part-00000.parquet"


def curate(*arguments: object, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def judged(root: Path) -> Dataset:
    """Return one group of five with the strategies {0, 1}, {2, 4} of its correct samples, and one of a single success."""
    data = dataset(root, [[SAME[0], SAME[1], OTHER, WRONG, OTHER], [WRONG, OTHER]])
    curate("verify", root, "--verifier", "countdown")
    curate("judge", root, "--rule", "canonical")
    return data


def write_clusters(data: Dataset, name: str, clusters: list[list[int | None]]) -> None:
    rows = [
        {
            "group_id": g,
            "sample_index": i,
            "cluster": cluster,
            "diversity": None if cluster is None else (len(group) - group.count(cluster)) / len(group),
            "error": "unreadable_reply" if cluster is None else None,
        }
        for g, group in enumerate(clusters)
        for i, cluster in enumerate(group)
    ]
    write_rows(data, TableRef("feedback", name), PART, rows)


def test_a_judge_that_agrees(tmp_path: Path) -> None:
    data = judged(tmp_path)
    write_clusters(data, "model", [[1, 1, 0, None, 0], [None, 0]])
    shown = curate("compare", tmp_path).stdout
    assert "feedback/judge=model against canonical" in shown
    assert "100.0%" in shown
    assert "disagree" not in shown
    found = json.loads(curate("compare", tmp_path, "--json").stdout)["feedback/judge=model against canonical"]
    assert (found["n_pairs"], found["n_agree"], found["share"], found["adjusted_rand"]) == (6, 6, 1.0, 1.0)
    assert found["disagreements"] == []


def test_a_judge_that_disagrees_is_shown_with_the_texts(tmp_path: Path) -> None:
    data = judged(tmp_path)
    write_clusters(data, "model", [[0, 1, 1, None, 1], [None, None]])
    shown = curate("compare", tmp_path).stdout
    assert "the first pairs on which they disagree, one a group" in shown
    assert SAME[0] in shown
    assert SAME[1] in shown
    found = json.loads(curate("compare", tmp_path, "--json").stdout)["feedback/judge=model against canonical"]
    # pairs of {0, 1, 2, 4}: canonical has {0,1} {2,4} together, the judge {1,2} {1,4} {2,4}: they agree on 02, 04, 24
    assert (found["n_pairs"], found["n_agree"], found["n_only_other"]) == (6, 3, 1)
    assert found["disagreements"] == [
        {"group_id": "0", "sample_indices": [0, 1], "texts": SAME, "together_for": "other"}
    ]
    # different texts: 0, 1, 2 -> pairs 01 no, 02 yes, 12 no
    assert (found["n_distinct_pairs"], found["n_distinct_agree"]) == (3, 1)


def test_advantages_and_strategies_stand_in_one_report(tmp_path: Path) -> None:
    data = judged(tmp_path)
    write_clusters(data, "model", [[0, 0, 1, None, 1], [None, 0]])
    curate("reweight", tmp_path, "--recipe", "dr_grpo")
    found = json.loads(curate("compare", tmp_path, "--json").stdout)
    assert sorted(found) == ["dr_grpo", "feedback/judge=model against canonical"]
    assert "groups kept" in curate("compare", tmp_path).stdout


def test_without_canonical_the_first_variant_is_the_baseline(tmp_path: Path) -> None:
    data = dataset(tmp_path, [[SAME[0], OTHER]])
    curate("verify", tmp_path, "--verifier", "countdown")
    write_clusters(data, "a", [[0, 1]])
    write_clusters(data, "b", [[0, 0]])
    found = json.loads(curate("compare", tmp_path, "--json").stdout)
    assert found["feedback/judge=b against a"]["share"] == 0.0


def test_one_variant_of_strategies_is_nothing_to_compare(tmp_path: Path) -> None:
    judged(tmp_path)
    assert "no advantages" in curate("compare", tmp_path, code=2).stderr


def test_a_variant_that_is_not_finished_is_said_and_left_out(tmp_path: Path) -> None:
    data = judged(tmp_path)
    curate("reweight", tmp_path, "--recipe", "dr_grpo")
    write_clusters(data, "model", [[0, 0, 1, None, 1], [None, 0]])
    for table in ("prompts", "samples", "verdicts/verifier=countdown", "feedback/judge=canonical"):
        (tmp_path / table / "part-00001.parquet").write_bytes((tmp_path / table / PART).read_bytes())
    result = curate("compare", tmp_path)
    assert "strategies of model and canonical are not compared: " in result.stderr
    assert "against canonical" not in result.stdout


def test_a_hostile_text_prints_no_control_character(tmp_path: Path) -> None:
    evil = "\x1b[31m" + "long " * 100
    data = dataset(tmp_path, [[evil, "b"]], prompt="say", answer="x")
    write_clusters(data, "a", [[0, 1]])
    write_clusters(data, "b", [[0, 0]])
    shown = curate("compare", tmp_path).stdout
    assert "\x1b" not in shown
    assert "..." in shown
