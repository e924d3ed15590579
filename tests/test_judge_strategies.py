"""``curate judge --task strategies``: the strategies of correct completions, asked of a served judge."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset, TableRef
from curate.parts import read_footer
from curate.tasks.countdown import parse
from curate.tasks.solve import solutions
from curate.tasks.strategy import clusters
from curate.verbs.check import find_problems
from fake_server import FakeServer
from stored import SAMPLES, countdown_prompts, write_rows

MODEL = "judge"
PART = "part-00000.parquet"
VARIANT = f"{MODEL}-strategies"
JUDGED = TableRef("feedback", VARIANT)
PROBLEM = re.compile(r"<problem key=[0-9a-f]+>\n(.*?)>\n</problem", re.DOTALL)
SOLUTION = re.compile(r"<solution \d+ key=[0-9a-f]+>\n(.*?)\n</solution", re.DOTALL)
Sort = Callable[[list[str], str], Any]


def curate(*arguments: object, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def sampled(root: Path, n_prompts: int = 40, group_size: int = 12, numbers: int = 3) -> Dataset:
    """Return verified countdown groups: known solutions, drawn with replacement, among as many wrong answers."""
    from curate.verbs.prompts import prompts

    if numbers == 3:
        data = countdown_prompts(root, n=n_prompts)
    else:
        prompts("countdown", root, n=n_prompts, numbers=numbers)
        data = Dataset(root)
    rng = random.Random(0)
    rows = []
    for g, prompt in enumerate(data.scan("prompts").collect().iter_rows(named=True)):
        problem = parse(prompt["answer"])
        assert problem
        known = solutions(problem)
        for i in range(group_size):
            text = rng.choice(known) if rng.random() < 0.7 else f"{i}+1={i}"
            key = {"group_id": g, "sample_index": i, "prompt_id": prompt["prompt_id"]}
            rows.append({**key, "completion": text, "token_exact": False, "hinted": False})
    write_rows(data, SAMPLES, PART, rows)
    curate("verify", root, "--verifier", "countdown")
    curate("judge", root, "--rule", "canonical")
    return data


def right(shown: list[str], problem: str) -> Any:
    """Sort by the exact rule."""
    groups: dict[int | None, list[int]] = {}
    for number, cluster in enumerate(clusters(shown, problem), start=1):
        assert cluster is not None
        groups.setdefault(cluster, []).append(number)
    return {"groups": list(groups.values())}


def by_first_number(shown: list[str], problem: str) -> Any:
    """Sort by the number a solution starts with: a judge that looks at the surface takes 2*3 and 3*2 for two ideas."""
    groups: dict[str, list[int]] = {}
    for number, text in enumerate(shown, start=1):
        groups.setdefault(re.split(r"\D", text)[0], []).append(number)
    return {"groups": list(groups.values())}


def serving(sort: Sort, **options: Any) -> FakeServer:
    def chat(body: dict[str, Any]) -> str:
        user = body["messages"][-1]["content"]
        problem = PROBLEM.search(user)
        if problem is None:
            return '{"reason": "a probe", "first_error_step": -1}'
        made = sort(SOLUTION.findall(user), problem[1])
        return made if isinstance(made, str) else json.dumps(made)

    return FakeServer(model=MODEL, max_model_len=32_768, chat=chat, **options)


def ask(data: Dataset, server: FakeServer, *options: object, code: int = 0) -> Any:
    line = ("judge", data.root, "--server", server.url, "--model", MODEL, "--task", "strategies")
    return curate(*line, *options, code=code)


def feedback(data: Dataset, variant: str = VARIANT) -> pl.DataFrame:
    return data.scan("feedback", variant).collect()


def against_canonical(data: Dataset) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(curate("compare", data.root, "--json").stdout)
    return found[f"feedback/judge={VARIANT} against canonical"]  # type: ignore[no-any-return]


def test_a_judge_that_is_right_agrees_with_the_exact_rule(tmp_path: Path) -> None:
    data = sampled(tmp_path)
    with serving(right) as server:
        said = ask(data, server).stderr
        n_asked = server.n_requests
        assert "nothing to do" in ask(data, server).stderr
        assert server.n_requests == n_asked
    found = against_canonical(data)
    assert found["n_pairs"] > 500
    assert found["share"] == found["adjusted_rand"] == 1.0
    assert found["disagreements"] == []
    assert find_problems(data) == []
    exact, asked = feedback(data, "canonical"), feedback(data)
    assert asked["diversity"].to_list() == exact["diversity"].to_list()
    assert asked["error"].to_list() == exact["error"].to_list()
    effective = re.search(r"([0-9.]+) strategies a group in effect, mean over the ([0-9]+) groups", said)
    assert effective
    assert int(effective[2]) == 40
    figures = read_footer(data.part(JUDGED, PART)).about["strategies"]
    assert figures["n_groups"] == 40
    assert float(effective[1]) == pytest.approx(figures["sum_effective"] / 40, abs=0.005)
    assert read_footer(data.part(TableRef("feedback", "canonical"), PART)).about["strategies"] == figures


def test_only_groups_with_two_distinct_correct_texts_are_asked_about_and_each_text_once(tmp_path: Path) -> None:
    data = sampled(tmp_path)
    with serving(right) as server:
        ask(data, server)
        shown = [SOLUTION.findall(body["messages"][-1]["content"]) for body in server.bodies]
    asked = [texts for texts in shown if texts]
    assert all(len(texts) == len(set(texts)) >= 2 for texts in asked)
    rows = feedback(data)
    joined = data.scan("samples").collect().with_columns(rows["cluster", "prompt_hash", "reply"])
    correct = joined.filter(pl.col("cluster").is_not_null())
    several = correct.group_by("group_id").agg(n=pl.col("completion").n_unique(), hashes=pl.col("prompt_hash").count())
    assert several.filter(pl.col("n") == 1)["hashes"].sum() == 0
    assert several.filter(pl.col("n") > 1).height == len(asked)
    assert correct.filter(pl.col("prompt_hash").is_not_null())["reply"].null_count() == 0


def test_a_judge_that_looks_at_the_surface_is_shown_to_disagree(tmp_path: Path) -> None:
    data = sampled(tmp_path)
    with serving(by_first_number, guided=False) as server:
        ask(data, server)
    found = against_canonical(data)
    assert found["share"] < 0.9
    assert len(found["disagreements"]) == 5
    shown = curate("compare", data.root).stdout
    assert "the first pairs on which they disagree" in shown
    assert found["disagreements"][0]["texts"][0] in shown
    assert find_problems(data) == []


def test_a_group_of_more_solutions_than_a_window_shows(tmp_path: Path) -> None:
    data = sampled(tmp_path, n_prompts=2, group_size=150, numbers=4)
    n_distinct = data.scan("samples").group_by("group_id").agg(pl.col("completion").n_unique()).collect()
    assert n_distinct["completion"].max() > 40  # type: ignore[operator]
    with serving(right) as server:
        ask(data, server)
    found = against_canonical(data)
    assert found["share"] >= 0.9
    assert found["n_only_other"] == 0


def test_replies_that_leave_a_solution_out_end_as_null_with_their_reason(tmp_path: Path) -> None:
    data = sampled(tmp_path)
    with serving(lambda shown, problem: {"groups": [[1]]}) as server:
        said = ask(data, server, code=1).stderr
    assert "unreadable_reply" in said
    rows = feedback(data).filter(pl.col("error") == "unreadable_reply")
    assert rows.height > 100
    assert rows["cluster"].null_count() == rows["diversity"].null_count() == rows.height
    assert rows["reply"].null_count() == 0
    assert find_problems(data) == []
    curate("reweight", data.root, "--recipe", "diverse_grpo", "--set", "lambda_div=0.5", "--judge", VARIANT)
    dropped = data.scan("advantages").collect()["drop_reason"].drop_nulls().to_list()
    assert dropped.count("no_diversity") > 100


def test_diverse_grpo_reads_the_judge_as_it_reads_the_rule(tmp_path: Path) -> None:
    data = sampled(tmp_path)
    with serving(right) as server:
        ask(data, server)
    line = ("reweight", data.root, "--recipe", "diverse_grpo", "--set", "lambda_div=0.5", "--judge")
    by_judge = curate(*line, VARIANT, "--as", "by_judge")
    curate(*line, "canonical", "--as", "by_rule")
    assert "calibrate" not in by_judge.stderr
    one, other = (data.scan("advantages", name).collect() for name in ("by_judge", "by_rule"))
    assert one.equals(other)
    shaped = one.join(feedback(data), on=["group_id", "sample_index"]).filter(
        pl.col("advantage").is_not_null() & (pl.col("reward") == 1)
    )
    assert shaped.height > 100
    assert (shaped["shaped"] - (1 + 0.5 * shaped["diversity"])).abs().max() < 1e-12  # type: ignore[operator]


@pytest.mark.parametrize(
    "options", [("--votes", 3), ("--scope", "all_wrong"), ("--score", "clarity"), ("--split", "lines")]
)
def test_options_of_a_step_judge_are_refused(tmp_path: Path, options: tuple[object, ...]) -> None:
    data = sampled(tmp_path, n_prompts=2)
    with serving(right) as server:
        assert str(options[0]) in ask(data, server, *options, code=2).stderr
    assert server.n_requests == 0
    assert data.variants("feedback") == ["canonical"]


def test_kept_replies_are_read_again_without_asking(tmp_path: Path) -> None:
    data = sampled(tmp_path)
    with serving(right) as server:
        ask(data, server)
    rows = feedback(data)
    said = curate("judge", data.root, "--reparse", "--task", "strategies", "--model", MODEL).stderr
    assert "0 rows changed" in said
    assert feedback(data).equals(rows)
    lost = {"cluster": None, "diversity": None, "error": "unreadable_reply"}  # as a worse parser would have it
    old = [row | (lost if row["prompt_hash"] else {}) for row in rows.to_dicts()]
    footer = read_footer(data.part(JUDGED, PART))
    write_rows(data, JUDGED, PART, old, footer.inputs)
    said = curate("judge", data.root, "--reparse", "--as", VARIANT).stderr
    n_lost = rows["prompt_hash"].count()
    assert f"{n_lost:,} rows changed ({n_lost:,} judgments gained, 0 lost)" in said
    assert feedback(data).equals(rows)
    assert read_footer(data.part(JUDGED, PART)).about["strategies"] == footer.about["strategies"]
