"""Trees of a search: every node is a sample under its parent's group, with q and visits as judge scores."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset

ROOT: dict[str, Any] = {"tree": "a", "node": 0, "parent": None, "prompt": "2+2?", "answer": "4", "policy": "tiny"}
NODES: list[dict[str, Any]] = [
    {"tree": "a", "node": 1, "parent": 0, "text": "Two", "q": 0.5, "visits": 3},
    {"tree": "a", "node": 2, "parent": 0, "text": "One", "q": -0.5, "visits": 1},
    {"tree": "a", "node": 3, "parent": 1, "text": " and two.", "q": 1, "visits": 2, "terminal": True},
    {"tree": "a", "node": 4, "parent": 1, "text": " and one.", "terminal": False},
]
OTHER: list[dict[str, Any]] = [
    {"tree": "b", "node": "r", "parent": None, "prompt": "3+3?", "temperature": 0.7},
    {"tree": "b", "node": "x", "parent": "r", "text": "6", "q": 1.0, "visits": 0},
]

Bring = Callable[..., tuple[Dataset, str]]


@pytest.fixture
def bring(tmp_path: Path) -> Bring:
    def run(lines: list[Any], *options: str) -> tuple[Dataset, str]:
        file = tmp_path / "search.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        arguments = ["import", str(file), "--to", str(tmp_path / "data"), "--max-bad-share", "1", *options]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        return Dataset(tmp_path / "data"), result.stderr

    return run


def rows(data: Dataset) -> list[tuple[Any, ...]]:
    samples, feedback = data.scan("samples"), data.scan("feedback").select("group_id", "sample_index", "judge_scores")
    both = samples.join(feedback, on=["group_id", "sample_index"], maintain_order="left").with_columns(
        *(pl.col("judge_scores").map.get(name).alias(name) for name in ("q", "visits"))
    )
    return list(both.select("completion", "sample_index", "finish_reason", "q", "visits").collect().iter_rows())


def test_children_of_a_node_are_a_group_and_a_completion_is_the_path(bring: Bring) -> None:
    data, said = bring([ROOT, *NODES, *OTHER])
    assert "format tree (fields tree, node, parent, text: nodes of search trees)" in said
    assert "roots, which carry the prompts: 2 rows left out" in said
    assert rows(data) == [
        ("Two", 0, "length", 0.5, 3.0),
        ("One", 1, "length", -0.5, 1.0),
        ("Two and two.", 0, "stop", 1.0, 2.0),
        ("Two and one.", 1, "length", None, None),
        ("6", 0, "length", 1.0, 0.0),
    ]
    samples = data.scan("samples").collect()
    assert samples["group_id"].n_unique() == 3
    assert samples["policy"].to_list() == ["tiny"] * 4 + [None]
    assert samples["temperature"].to_list() == [None] * 4 + [0.7]
    assert data.scan("prompts").collect().select("prompt", "answer").rows() == [("2+2?", "4"), ("3+3?", None)]
    assert data.variants("verdicts") == []
    assert CliRunner().invoke(app, ["check", str(data.root)]).exit_code == 0


def test_parts_cut_the_tree_between_groups(bring: Bring) -> None:
    data, _ = bring([ROOT, *NODES, *OTHER], "--rows-per-part", "2")
    assert len(data.parts(data.choose("feedback"))) == 3
    assert [row[0] for row in rows(data)] == ["Two", "One", "Two and two.", "Two and one.", "6"]


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (
            {"tree": "a", "node": 9, "parent": 7, "text": "x"},
            "parent 7 of tree a does not stand in the lines before it",
        ),
        (
            {"tree": "b", "node": 9, "parent": 0, "text": "x"},
            "parent 0 of tree b does not stand in the lines before it",
        ),
        ({"tree": "a", "node": 2, "parent": 0, "text": "x"}, "node 2 stands in tree a twice"),
        ({"tree": "a", "node": 9, "parent": None, "text": "x"}, "has neither a parent nor a prompt"),
        ({"tree": "a", "node": 9, "parent": None, "prompt": "again"}, "tree a came before"),
        ({"tree": "a", "node": 9, "parent": 0}, "has no text"),
        ({"tree": "a", "parent": 0, "text": "x"}, "has no node"),
        ({"tree": "a", "node": 9, "parent": 0, "text": "x", "q": "high"}, "q is text, not a number"),
        ({"tree": "a", "node": 9, "parent": 0, "text": "x", "q": float("nan")}, "q is NaN"),
        ({"tree": "a", "node": 9, "parent": 0, "text": "x", "visits": -1}, "visits is outside 0.."),
        ({"tree": "a", "node": 9, "parent": 0, "text": "x", "visits": 1.5}, "visits is a number, not a whole number"),
        ({"tree": "a", "node": 9, "parent": 0, "text": "x", "terminal": "yes"}, "terminal is text, neither"),
        ({"tree": {}, "node": 9, "parent": 0, "text": "x"}, "tree is an object, not a whole number"),
        ({"tree": "a", "node": 9, "parent": [1], "text": "x"}, "parent is a list, not a whole number"),
    ],
)
def test_a_node_that_cannot_be_a_sample_is_a_reject(bring: Bring, node: dict[str, Any], reason: str) -> None:
    data, said = bring([ROOT, *NODES, node])
    assert "1 rejected" in said
    assert reason in (data.private / "rejects" / "import.jsonl").read_text()
    assert len(rows(data)) == 4


def test_a_tree_that_comes_twice_is_not_mixed_with_the_first(bring: Bring) -> None:
    data, said = bring([ROOT, NODES[0], *OTHER, ROOT, NODES[1]])
    assert "2 rejected" in said
    assert [row[0] for row in rows(data)] == ["Two", "6"]


def test_nodes_without_scores_give_no_feedback(bring: Bring) -> None:
    plain = [{name: value for name, value in node.items() if name not in ("q", "visits")} for node in NODES]
    data, _ = bring([ROOT, *plain])
    assert data.variants("feedback") == []
    result = CliRunner().invoke(app, ["pairs", str(data.root), "--recipe", "mcts"])
    assert result.exit_code == 2
    assert "recipe mcts needs score_q, score_visits" in result.stderr


def test_step_pairs_of_a_tree(bring: Bring) -> None:
    data, _ = bring([ROOT, *NODES, *OTHER])
    result = CliRunner().invoke(app, ["pairs", str(data.root), "--recipe", "mcts"])
    assert result.exit_code == 0, result.output
    made = data.scan("pairs").collect()
    assert made.select("chosen", "rejected", "target", "smoothing").rows() == [(0, 1, None, 0.25)]
    assert "4 dropped" not in result.stderr
    assert "3 dropped (no_score 1, singleton 2)" in result.stderr
