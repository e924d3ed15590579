"""Sampling until outcomes are mixed, on the shipped early policy: more groups teach, and no pass rate moves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset
from curate.errors import ConfigError
from curate.reweighting import recipes, reweight
from curate.sampling.local import LocalSampler
from curate.verbs.check import find_problems
from curate.verbs.evaluate_uplift import uplift_rows
from curate.verbs.figures import figures, stored_statistics
from curate.verbs.judging import Choice, Judging
from curate.verbs.reweight_parts import shown_of
from curate.verbs.stopping import outcomes, unjudgeable
from stored import PROMPTS, SAMPLES, countdown_prompts, write_rows

POLICY, N, GROUP_SIZE, MOST = "countdown-early", 24, 8, 30
UNTIL = ("--until", "mixed", "--max-samples", MOST, "--verifier", "countdown")


def curate(*arguments: object) -> Any:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result


def refused(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 2, result.output
    return str(result.stderr)


def sampled(data: Dataset, *options: object) -> Any:
    return curate("sample", data.root, "--local", POLICY, "--group-size", GROUP_SIZE, *options)


def rows(data: Dataset) -> pl.DataFrame:
    return data.scan("samples").sort("group_id", "sample_index").collect()


def judged(data: Dataset) -> pl.DataFrame:
    verdicts = data.scan("verdicts").select("group_id", "sample_index", "outcome", "reward").collect()
    return rows(data).join(verdicts, on=["group_id", "sample_index"], maintain_order="left")


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Groups of a fixed size, verified."""
    data = countdown_prompts(tmp_path_factory.mktemp("fixed") / "data", n=N, prompts_per_part=10)
    sampled(data)
    curate("verify", data.root, "--verifier", "countdown")
    return data


@pytest.fixture(scope="module")
def active(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The same prompts sampled until mixed, verified, ranked and re-weighted."""
    data = countdown_prompts(tmp_path_factory.mktemp("active") / "data", n=N, prompts_per_part=10)
    assert f"mixed, at most {MOST}: " in sampled(data, *UNTIL).stderr
    curate("verify", data.root, "--verifier", "countdown")
    curate("logprob", data.root, "--from-sampler")
    curate("reweight", data.root, "--recipe", "grpo")
    return data


def test_a_group_is_drawn_on_until_it_is_mixed_or_full(active: Dataset) -> None:
    assert find_problems(active) == []
    groups = (
        judged(active)
        .group_by("group_id", maintain_order=True)
        .agg(
            n=pl.len(),
            is_mixed=pl.col("reward").n_unique() == 2,
            before=pl.col("reward").head((pl.len() - 1) // GROUP_SIZE * GROUP_SIZE).n_unique(),
            rule=pl.col("stopping_rule").unique(),
            n_initial=pl.col("n_initial").unique(),
            indices=pl.col("sample_index"),
        )
    )
    assert set(groups["n"]) <= {8, 16, 24, 30}  # the last step is cut
    assert groups.filter(~pl.col("is_mixed"))["n"].unique().to_list() == [MOST]
    assert groups["before"].max() == 1  # nothing is drawn once a group is mixed
    assert groups["rule"].to_list() == [[f"mixed, at most {MOST}"]] * N
    assert groups["n_initial"].to_list() == [[GROUP_SIZE]] * N
    assert groups["indices"].to_list() == [list(range(n)) for n in groups["n"]]


def test_the_first_samples_are_those_of_a_fixed_group(active: Dataset, fixed: Dataset) -> None:
    columns = ["group_id", "sample_index", "prompt_id", "seed", "completion", "completion_ids", "finish_reason"]
    first = rows(active).filter(pl.col("sample_index") < GROUP_SIZE)
    assert first.select(columns).equals(rows(fixed).select(columns))
    assert rows(fixed)["n_initial"].null_count() == rows(fixed).height
    seeds = rows(active).select(pl.col("seed") - pl.col("sample_index"), "group_id").unique()
    assert seeds.height == N
    for name in active.parts(SAMPLES):
        asked, answered = (pl.read_parquet(active.part(ref, name))["prompt_id"] for ref in (PROMPTS, SAMPLES))
        assert answered.unique(maintain_order=True).to_list() == asked.to_list()


def test_more_groups_teach(active: Dataset, fixed: Dataset) -> None:
    def n_mixed(data: Dataset) -> int:
        groups = judged(data).group_by("group_id").agg(pl.col("reward").n_unique())
        return groups.filter(pl.col("reward") == 2).height

    assert n_mixed(fixed) < n_mixed(active)


def test_no_figure_of_the_policy_moves(active: Dataset, fixed: Dataset) -> None:
    evaluated = [
        json.loads(curate("evaluate", data.root, "-k", 1, "-k", 4, "-k", 8, "--json").stdout)
        for data in (active, fixed)
    ]
    of_active, of_fixed = (next(iter(each["datasets"].values())) for each in evaluated)
    left_out = of_active["counts"].pop("left_out")
    assert left_out == {"after_stopping_rule": rows(active).height - N * GROUP_SIZE}
    assert of_fixed["counts"].pop("left_out") == {}
    assert of_active["maj_at"]["8"]["value"] is not None
    assert of_active == of_fixed


def test_training_groups_have_one_size_and_say_what_was_left(active: Dataset) -> None:
    found = active.scan("advantages").collect()
    sizes = found.filter(pl.col("drop_reason").is_null()).group_by("group_id").len()["len"].unique().to_list()
    assert sizes == [GROUP_SIZE]
    assert found["group_size"].unique().to_list() == [GROUP_SIZE]
    n_surplus = found.filter(pl.col("drop_reason") == "surplus").height
    assert n_surplus == rows(active).height - N * GROUP_SIZE
    assert found["advantage"].abs().max() == pytest.approx((GROUP_SIZE - 1) / GROUP_SIZE**0.5, abs=1e-4)


def test_the_size_drawn_down_to_can_be_smaller(active: Dataset) -> None:
    shown = curate("reweight", active.root, "--recipe", "grpo", "--draw", 4, "--as", "four")
    assert "surplus" in shown.stderr
    found = active.scan("advantages", "four").collect()
    assert found["group_size"].unique().to_list() == [4]
    command = ["reweight", active.root, "--recipe", "grpo", "--as", "four"]
    assert "draw: 4 then, not set now" in refused(*command)
    assert "draw is 9, more than the 8 samples" in refused(*command, "--draw", 9, "--overwrite")


def test_a_notebook_does_the_same(active: Dataset) -> None:
    found = reweight(
        judged(active).select("group_id", "sample_index", *shown_of("verdicts"), "stopping_rule", "n_initial"),
        recipes.grpo(),
    )
    stored = active.scan("advantages", "grpo").sort("group_id", "sample_index").collect()
    assert found["drop_reason"].equals(stored["drop_reason"])
    assert found["advantage"].equals(stored["advantage"])


def test_a_policy_trains_on_it(active: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "policy"
    options = ["--learning-rate", 1e-4, "--batch-size", 64, "--max-drift", 0, "--epochs", 1]
    curate("train", active.root, "--recipe", "grpo", "--model", POLICY, "--out", out, *options)
    manifest = json.loads((out / "manifest.json").read_text())
    found = active.scan("advantages", "grpo").collect()
    n_surplus = found.filter(pl.col("drop_reason") == "surplus").height
    assert manifest["rows"]["dropped"]["surplus"] == n_surplus
    assert manifest["rows"]["trained"] == found.filter(pl.col("advantage").is_not_null()).height
    assert manifest["steps"] == 1


def test_uplift_ranks_only_the_first_samples(active: Dataset) -> None:
    curate("logprob", active.root, "--model", POLICY, "--as", "again")
    initial, again = (active.choose("likelihoods", name) for name in ("sampler", "again"))
    found = uplift_rows(active, initial, again)
    assert found.group_by("group_id").len()["len"].unique().to_list() == [GROUP_SIZE]
    assert found.height == N * GROUP_SIZE


def test_a_report_says_that_a_rule_was_at_work(active: Dataset, tmp_path: Path) -> None:
    lines = dict(figures(stored_statistics(active, active.choose("advantages", "grpo"))))
    n_surplus = rows(active).height - N * GROUP_SIZE
    assert lines["sampled under a stopping rule"] == f"{N} groups, {n_surplus:,} surplus samples not trained"
    assert lines["samples of them with A at the cap"] == "0"
    out = tmp_path / "report.html"
    curate("report", active.root, "--out", out)
    assert f"samples left out: after_stopping_rule {n_surplus}" in out.read_text()


@pytest.mark.slow
def test_a_stopped_run_asks_only_for_the_groups_that_were_not_finished(
    active: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = countdown_prompts(tmp_path / "data", n=N, prompts_per_part=10)
    calls: list[int] = []
    inner = LocalSampler.sample

    def stops(self: LocalSampler, prompt_ids: Any, seeds: Any, *rest: Any) -> Any:
        if len(calls) == 4:
            raise KeyboardInterrupt
        calls.append(sum(map(len, seeds)))
        return inner(self, prompt_ids, seeds, *rest)

    monkeypatch.setattr(LocalSampler, "sample", stops)
    command = ["sample", data.root, "--local", POLICY, "--group-size", GROUP_SIZE, *UNTIL, "--batch-rows", 32]
    assert CliRunner().invoke(app, [str(word) for word in command]).exit_code != 0
    assert calls == [32, 32, 32, 26]  # unfinished groups share a batch with new ones; a last step of 6 among these
    assert list((data.private / "journal").rglob("*.arrows")) != []
    monkeypatch.setattr(LocalSampler, "sample", inner)
    curate(*command)
    assert find_problems(data) == []
    columns = ["group_id", "sample_index", "seed", "completion_ids"]
    assert rows(data).select(columns).equals(rows(active).select(columns))


def test_the_rule_is_part_of_how_samples_were_made(active: Dataset) -> None:
    message = refused("sample", active.root, "--local", POLICY, "--group-size", GROUP_SIZE)
    for difference in ('until: "mixed" then', f"max_samples: {MOST} then", 'verifier: "countdown" then'):
        assert difference in message
    assert "nothing to do" in sampled(active, *UNTIL).stderr


def test_a_number_of_correct_samples_can_be_asked_for(tmp_path: Path) -> None:
    data = countdown_prompts(tmp_path / "data", n=12)
    sampled(data, "--target-correct", 2, "--max-samples", 24, "--verifier", "countdown")
    curate("verify", data.root, "--verifier", "countdown")
    groups = judged(data).group_by("group_id").agg(n=pl.len(), c=pl.col("reward").sum(), rule=pl.first("stopping_rule"))
    assert groups["rule"].unique().to_list() == ["2 correct, at most 24"]
    assert groups.filter((pl.col("c") < 2) & (pl.col("n") < 24)).height == 0
    assert groups.filter(pl.col("c") >= 2).height > 0


def test_options_that_make_no_rule_are_refused_before_any_work(tmp_path: Path) -> None:
    data = countdown_prompts(tmp_path / "data", n=2)
    command = ("sample", data.root, "--local", POLICY, "--group-size", GROUP_SIZE)
    assert "--verifier NAME" in refused(*command, "--until", "mixed")
    assert "no verifier is called 'exakt' (did you mean 'exact'?)" in refused(
        *command, "--until", "mixed", "--verifier", "exakt"
    )
    assert "fewer than group_size = 8" in refused(*command, *UNTIL, "--max-samples", 4)
    assert "goes with" in refused("sample", data.root, "--reference", *UNTIL)
    assert not data.folder(SAMPLES).exists()


def test_a_prompt_that_nobody_can_judge_is_not_sampled_to_the_limit(tmp_path: Path) -> None:
    data = Dataset(tmp_path / "data", create=True)
    texts = ["3 5 8:64>", "1 2 3:6>", "2 2 5:9>"]
    answers = ["3 5 8:64", None, "nine"]
    prompts = [
        {"prompt_id": f"p{i}", "prompt": text, "prompt_format": "text", "answer": answer, "source": "test"}
        for i, (text, answer) in enumerate(zip(texts, answers, strict=True))
    ]
    write_rows(data, PROMPTS, "part-00000.parquet", prompts)
    result = sampled(data, *UNTIL, "--max-failed-share", 1)
    assert "2 failed (no_answer 1, unreadable_answer 1)" in result.stderr
    assert rows(data)["prompt_id"].unique().to_list() == ["p0"]


def test_outcomes_are_those_that_verify_stores() -> None:
    with Judging(Choice("countdown")) as judging:
        found = outcomes(judging, ["3+5=8;8*8=64", "3+5=9", "no", None], "3 5 8:64")
        answers = unjudgeable(judging, ["3 5 8:64", None, "nine"])
    assert found == ["correct", "incorrect", "unparsable", "error"]
    assert answers == [None, "no_answer", "unreadable_answer"]
    with pytest.raises(ConfigError):
        Judging(Choice("nobody"))
