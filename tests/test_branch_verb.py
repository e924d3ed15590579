"""``curate branch`` end to end: where it cuts, what it samples and judges, how it goes on after a kill, what it refuses."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

import fake_model
from curate.cli import app
from curate.dataset import Dataset
from curate.parts import read_footer
from curate.sampling.completion import Setting
from curate.sampling.local import LocalSampler
from curate.sampling.seeds import branch_seeds
from curate.tasks import moves
from curate.verbs.check import find_problems
from curate.verbs.lookup import POLICIES, find_verifier
from fake_server import FakeServer
from stored import PROMPTS, SAMPLES, countdown_prompts, small_dataset, write_rows

EARLY = POLICIES / "countdown-early"
GROUP_SIZE, N, MOST = 6, 3, 40
ALL = ("--split", "countdown", "--scope", "all", "--n", N)


def curate(*arguments: object, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def refused(*arguments: object) -> str:
    return str(curate(*arguments, code=2).stderr)


def judged(path: Path, n: int = 6) -> Dataset:
    """Return a dataset of countdown groups, sampled and verified, three prompts a part."""
    data = countdown_prompts(path, n=n, prompts_per_part=3)
    curate("sample", path, "--local", EARLY, "--group-size", GROUP_SIZE, "--max-new-tokens", MOST)
    curate("verify", path, "--verifier", "countdown")
    return data


def rows(data: Dataset, by: str = "countdown-early") -> pl.DataFrame:
    return data.scan("branches", by).sort("group_id", "sample_index", "step").collect()


def all_of(data: Dataset) -> pl.DataFrame:
    """Return the branches with the samples and prompts they came from."""
    samples = data.scan("samples").select("group_id", "sample_index", "prompt_id", "completion", "completion_ids")
    prompts = data.scan("prompts").select("prompt_id", "prompt_ids", "answer")
    joined = data.scan("branches").join(samples, on=["group_id", "sample_index"]).join(prompts, on="prompt_id")
    return joined.sort("group_id", "sample_index", "step").collect()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A dataset branched once, which tests only read."""
    data = judged(tmp_path_factory.mktemp("branched") / "data")
    curate("branch", data.root, "--local", EARLY, *ALL)
    return data


@pytest.fixture(scope="module")
def sampler() -> LocalSampler:
    return LocalSampler(EARLY)


def test_every_step_but_the_last_has_its_continuations(data: Dataset) -> None:
    found = all_of(data)
    assert find_problems(data) == []
    for key, of_sample in found.group_by("group_id", "sample_index"):
        steps = moves.split(of_sample["completion"][0])
        assert of_sample["step"].to_list() == list(range(max(1, len(steps)))), key
        for n_kept, step in zip(of_sample["n_kept"][1:], steps[1:], strict=True):
            assert n_kept == step.offset  # a token of the task is a character
    assert found["n"].unique().to_list() == [N]
    assert found.select("group_id", "sample_index").unique().height == 6 * GROUP_SIZE


def test_the_rewards_are_those_of_the_seeded_continuations(data: Dataset, sampler: LocalSampler) -> None:
    verifier = find_verifier("countdown")
    for row in all_of(data).sample(25, seed=1).iter_rows(named=True):
        of_prompt = row["step"] == 0
        seeds = branch_seeds(0, row["group_id"], -1 if of_prompt else row["sample_index"], row["step"], N)
        kept = row["completion_ids"][: row["n_kept"]]
        drawn = sampler.sample([[*row["prompt_ids"], *kept]], [seeds], Setting(max_new_tokens=MOST - len(kept)))[0]
        texts = [sampler.tokenizer.decode([*kept, *each.ids], skip_special_tokens=True) for each in drawn]
        assert row["rewards"] == [verifier(text, row["answer"]).reward for text in texts]


def test_the_bare_prompt_is_sampled_once_a_group(data: Dataset) -> None:
    first = rows(data).filter(pl.col("step") == 0)
    assert first.group_by("group_id").agg(pl.col("rewards").n_unique())["rewards"].to_list() == [1] * 6


def test_what_will_be_sampled_is_said_before_and_what_was_after(tmp_path: Path) -> None:
    data = judged(tmp_path / "data", n=3)
    said = curate("branch", data.root, "--local", EARLY, *ALL).stderr.splitlines()
    n_states = rows(data).filter(pl.col("step") > 0).height + 3
    assert said[0] == (
        f"branches/by=countdown-early: {n_states * N} continuations at most, {N} from each of {n_states} places in "
        f"{3 * GROUP_SIZE} completions of 3 groups, up to {MOST} tokens a completion"
    )
    assert said[-1].startswith(f"sampled {n_states * N} continuations from {n_states} places, ")
    again = curate("branch", data.root, "--local", EARLY, *ALL).stderr
    assert "nothing to do, 1 part(s) are done" in again


def test_only_groups_in_scope_are_branched(data: Dataset) -> None:
    curate("branch", data.root, "--local", EARLY, "--split", "countdown", "--n", 2, "--as", "mixed")
    outcomes = data.scan("verdicts").group_by("group_id").agg(n=(pl.col("outcome") == "correct").sum()).collect()
    mixed = outcomes.filter(pl.col("n").is_between(1, GROUP_SIZE - 1))["group_id"]
    assert set(rows(data, "mixed")["group_id"]) == set(mixed)
    counts = [read_footer(p).about["counts"] for p in sorted(data.folder(data.choose("branches", "mixed")).iterdir())]
    assert sum(count["dropped"].get("out_of_scope", 0) for count in counts) == (6 - len(mixed)) * GROUP_SIZE
    (data.root / "branches" / "by=mixed").rename(data.private / "mixed")


def test_random_positions(data: Dataset) -> None:
    curate("branch", data.root, "--local", EARLY, "--scope", "all", "--positions", 2, "--n", 1, "--as", "positions")
    lengths = data.scan("samples").select("group_id", "sample_index", t=pl.col("completion_ids").list.len()).collect()
    found = rows(data, "positions").join(lengths, on=["group_id", "sample_index"])
    sizes = found.group_by("group_id", "sample_index").agg(pl.len(), pl.col("t").first())
    assert sizes.select((pl.col("len") == pl.min_horizontal(3, "t")).all()).item()
    assert (found["n_kept"] < found["t"]).all()
    (data.root / "branches" / "by=positions").rename(data.private / "positions")


def test_step_credit_reaches_every_token_of_the_kept_samples(data: Dataset) -> None:
    said = curate("reweight", data.root, "--recipe", "vineppo", "--set", "keep_groups=all").stderr
    assert f"from {N}.0 judged continuations each; mean standard error 0." in said
    found = data.scan("advantages", "vineppo").collect()
    lengths = data.scan("samples").collect()["completion_ids"].list.len()
    assert found["drop_reason"].null_count() == found.height
    assert found["token_advantages"].list.len().to_list() == lengths.to_list()
    first = data.scan("branches").filter(pl.col("step") == 0).collect()["rewards"].list.mean()
    assert found["advantage"].to_list() == pytest.approx((found["reward"] - first).to_list())
    about = read_footer(data.part(data.choose("advantages", "vineppo"), data.parts(SAMPLES)[0])).about
    assert about["credit"]["states"] == about["credit"]["states_used"] > 18
    assert find_problems(data) == []


def test_a_recipe_without_branches_names_the_command(tmp_path: Path) -> None:
    data = judged(tmp_path / "data", n=3)
    said = refused("reweight", data.root, "--recipe", "trepo")
    assert f"recipe trepo needs branch_kept, branch_rewards: {data.root} has no branches: run `curate branch" in said


def test_text_without_token_ids_is_counted(tmp_path: Path) -> None:
    data = small_dataset(tmp_path / "data", n_parts=1)
    curate("verify", data.root, "--verifier", "exact")
    said = curate("branch", data.root, "--local", EARLY).stderr
    assert "8 rows in, 0 out, 8 dropped (no_tokens 8)" in said


def samples_of(data: Dataset, *changes: dict[str, Any]) -> None:
    """Write one mixed group, each sample as the task's tokenizer would have it but for a change."""
    write_rows(data, PROMPTS, "part-00000.parquet", [PROMPT])
    right = "3+5=8;8*8=64"
    samples = [
        {
            "group_id": 7,
            "sample_index": i,
            "prompt_id": "p",
            "completion": text,
            "completion_ids": [CHARACTERS[c] for c in text] + [1],
            "token_exact": True,
            "hinted": False,
            **change,
        }
        for i, (text, change) in enumerate(zip((right, "3+5=8;8+8=16", right), changes, strict=True))
    ]
    write_rows(data, SAMPLES, "part-00000.parquet", samples)
    curate("verify", data.root, "--verifier", "countdown")


CHARACTERS = {c: n for n, c in enumerate(" 0123456789:>+-*/=;", start=3)}
PROMPT = {
    "prompt_id": "p",
    "prompt": "3 5 8:64>",
    "prompt_format": "text",
    "answer": "3 5 8:64",
    "source": "test",
}


def test_samples_that_cannot_be_branched_are_counted_by_reason(tmp_path: Path) -> None:
    data = Dataset(tmp_path / "data", create=True)
    samples_of(data, {"hinted": True}, {"completion_ids": [CHARACTERS["3"]] * 3}, {})
    said = curate("branch", data.root, "--local", EARLY, *ALL, "--max-failed-share", 1).stderr
    assert "3 rows in, 2 out, 1 dropped (hinted 1), 0 rejected, 1 failed (other_tokenizer 1)" in said
    assert rows(data)["n_kept"].to_list() == [0, 6]


def test_a_prompt_without_stored_ids_is_tokenized(tmp_path: Path) -> None:
    data = Dataset(tmp_path / "data", create=True)
    samples_of(data, {}, {}, {})
    curate("branch", data.root, "--local", EARLY, *ALL)
    assert rows(data)["step"].to_list() == [0, 1] * 3
    assert data.scan("prompts").collect()["prompt_ids"].to_list() == [None]


def test_a_completion_longer_than_allowed_has_no_room(tmp_path: Path) -> None:
    data = Dataset(tmp_path / "data", create=True)
    samples_of(data, {}, {}, {})
    said = curate("branch", data.root, "--local", EARLY, *ALL, "--max-new-tokens", 6, code=1).stderr
    assert "(no_room 3)" in said
    assert rows(data)["step"].to_list() == [0, 0, 0]


def test_a_verifier_that_gives_up_leaves_a_null(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from curate.records import Verdict
    from curate.tasks import verify as countdown

    data = Dataset(tmp_path / "data", create=True)
    samples_of(data, {}, {}, {})
    monkeypatch.setattr(countdown, "compare", lambda extracted, answer: Verdict("timeout"))
    said = curate("branch", data.root, "--local", EARLY, *ALL).stderr
    assert rows(data)["rewards"].to_list() == [[None] * N] * 6
    assert "sampled 12 continuations from 4 places, 12 that the verifier gave up on" in said
    assert find_problems(data) == []
    curate("reweight", data.root, "--recipe", "vineppo")
    assert data.scan("advantages").collect()["drop_reason"].to_list() == ["no_branches"] * 3


def test_another_policy_than_the_sampler_is_said(data: Dataset) -> None:
    said = curate("branch", data.root, "--local", "countdown-strong", *ALL, "--as", "strong").stderr
    assert "come from another policy than" in said
    (data.root / "branches" / "by=strong").rename(data.private / "strong")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give either local (--local PATH: a checkpoint) or server"),
        (("--local", EARLY, "--server", "http://x"), "give either local"),
        (("--local", "nowhere"), "nowhere is not a folder"),
        (("--server", "http://127.0.0.1:1", "--model", "m"), "api vllm takes token ids: give --tokenizer PATH"),
        (("--local", EARLY, "--split", "line"), "steps cannot be split by 'line' (did you mean 'lines'?)"),
        (("--local", EARLY, "--temperature", 0), "at 0 all continuations of a place are one"),
        (("--local", EARLY, "--top-p", 0), "top_p is 0: give a share above 0"),
        (("--local", EARLY, "--as", "No"), "'No' cannot name a variant"),
    ],
)
def test_wrong_commands_are_refused_before_any_work(data: Dataset, options: tuple[object, ...], message: str) -> None:
    assert message in refused("branch", data.root, *options)


def test_other_parameters_are_refused_with_the_difference(data: Dataset) -> None:
    said = refused("branch", data.root, "--local", EARLY, *ALL[:-1], 4)
    assert "n: 3 then, 4 now" in said


def test_samples_of_several_temperatures_need_one_named(tmp_path: Path) -> None:
    data = Dataset(tmp_path / "data", create=True)
    samples_of(data, {"temperature": 0.5}, {"temperature": 1.0}, {"temperature": 1.0})
    said = refused("branch", data.root, "--local", EARLY)
    assert "have temperature 0.5, 1: say at which to go on, with --temperature (above 0)" in said
    curate("branch", data.root, "--local", EARLY, *ALL, "--temperature", 1)


def test_verdicts_from_elsewhere_cannot_judge_continuations(tmp_path: Path) -> None:
    data = judged(tmp_path / "data", n=3)
    (data.private / "jobs" / "verdicts.verifier=countdown.json").unlink()
    said = refused("branch", data.root, "--local", EARLY)
    assert "so that nobody can judge continuations alike: run `curate verify" in said


def test_a_section_of_a_job_is_checked_before_anything_runs(tmp_path: Path) -> None:
    job = tmp_path / "job.toml"
    job.write_text(f'[dataset]\npath = "{tmp_path}"\n[branch]\nlocal = "countdown-early"\nsplit = "line"\n')
    assert "[branch]: steps cannot be split by 'line'" in refused("run", job)


@pytest.mark.slow
@pytest.mark.parametrize("kill", range(2))
def test_a_killed_run_goes_on_to_the_same_branches(kill: int, tmp_path: Path) -> None:
    whole, data = (judged(tmp_path / name, n=24) for name in ("whole", "data"))
    words = ["branch", "--local", EARLY, *ALL, "--batch-rows", 16]
    curate(*words, whole.root)
    command = [sys.executable, "-c", "from curate.cli import main; main()", *map(str, words), str(data.root)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    n_parts = random.Random(kill).randint(0, 5)
    while process.poll() is None and not (len(list(data.root.glob("branches/*/*"))) >= n_parts and n_bytes(data)):
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    curate(*words, data.root)
    assert find_problems(data) == []
    assert rows(data).select(pl.exclude("rewards")).equals(rows(whole).select(pl.exclude("rewards")))
    same = (rows(data)["rewards"] == rows(whole)["rewards"]).mean()
    assert isinstance(same, float)
    assert same > 0.95  # the same seeds; the rounding of logits moves with the batch


def n_bytes(data: Dataset) -> int:
    return sum(path.stat().st_size for path in (data.private / "journal").rglob("*.arrows") if path.exists())


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer(vocabulary=22) as server:
        yield server


def served(data: Dataset, server: FakeServer, *options: object) -> list[object]:
    link = ("--server", server.url, "--model", server.model, "--tokenizer", EARLY)
    return ["branch", data.root, *link, *ALL, *options]


def test_a_server_goes_on_from_every_step(server: FakeServer, tmp_path: Path) -> None:
    data = judged(tmp_path / "data")
    said = curate(*served(data, server, "--price-out", 1000)).stderr
    assert "tokens of prompts and kept steps" in said
    assert "$" in said
    assert find_problems(data) == []
    decode = LocalSampler(EARLY).tokenizer.decode
    verifier = find_verifier("countdown")
    for row in all_of(data).iter_rows(named=True):
        of_prompt = row["step"] == 0
        seeds = branch_seeds(0, row["group_id"], -1 if of_prompt else row["sample_index"], row["step"], N)
        kept = row["completion_ids"][: row["n_kept"]]
        drawn = [fake_model.complete([*row["prompt_ids"], *kept], s, MOST - len(kept), 22) for s in seeds]
        texts = [decode([*kept, *ids], skip_special_tokens=True) for ids in drawn]
        assert row["rewards"] == [verifier(text, row["answer"]).reward for text in texts]
    assert "nothing to do" in curate(*served(data, server)).stderr


@pytest.mark.slow
def test_a_served_run_that_is_killed_asks_only_for_the_rest(server: FakeServer, tmp_path: Path) -> None:
    whole, data = judged(tmp_path / "whole"), judged(tmp_path / "data")
    curate(*served(whole, server))
    words = [str(word) for word in served(data, server, "--max-requests", 1)]
    command = [sys.executable, "-c", "from curate.cli import main; main()", *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and n_bytes(data) < 2_000:
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    curate(*words)
    assert rows(data, "fake").equals(rows(whole, "fake"))
    assert find_problems(data) == []
