"""``curate sample`` end to end: what it writes, how it goes on after a kill, and what it refuses."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset
from curate.ids import group_id
from curate.models.fingerprint import fingerprint
from curate.sampling.local import LocalSampler
from curate.verbs.check import find_problems
from sampling_case import tiny_policy
from stored import PROMPTS, SAMPLES, countdown_prompts, small_dataset, write_rows

GROUP_SIZE = 4


def curate(*arguments: object) -> Any:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result


def refused(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 2, result.output
    return str(result.stderr)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_policy(tmp_path_factory.mktemp("models") / "Tiny Policy")


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return countdown_prompts(tmp_path / "data", n=8, prompts_per_part=3)


def sampled(data: Dataset, policy: Path, *options: object) -> Any:
    return curate("sample", data.root, "--local", policy, "--group-size", GROUP_SIZE, *options)


def rows(data: Dataset) -> pl.DataFrame:
    return data.scan("samples").sort("group_id", "sample_index").collect()


def test_every_prompt_gets_a_group_with_what_its_rows_must_say(data: Dataset, policy: Path) -> None:
    result = sampled(data, policy, "--temperature", 0.7, "--seed", 5)
    assert "8 rows in, 32 out" in result.stderr
    assert "sampled 8 groups, 32 completions of " in result.stderr
    assert data.parts(SAMPLES) == data.parts(PROMPTS)
    for name in data.parts(SAMPLES):
        asked, answered = (pl.read_parquet(data.part(ref, name))["prompt_id"] for ref in (PROMPTS, SAMPLES))
        assert answered.to_list() == [prompt for prompt in asked for _ in range(GROUP_SIZE)]
    frame = rows(data)
    same = frame.select(
        "policy", "policy_version", "temperature", "top_p", "token_exact", "logprob_semantics", "hinted"
    ).unique()
    assert same.row(0) == ("Tiny Policy", fingerprint(policy), 0.7, 1.0, True, "processed", False)
    assert len(same) == 1
    setting = {"temperature": 0.7, "top_p": 1.0, "max_new_tokens": 24}
    first = frame.row(0, named=True)
    assert first["group_id"] == group_id([first["prompt_id"], "Tiny Policy", fingerprint(policy), setting])
    assert frame["seed"].n_unique() == 32
    assert frame["finish_reason"].unique().sort().to_list() == ["length", "stop"]
    for row in frame.iter_rows(named=True):
        assert (row["completion_ids"][-1] == 1) == (row["finish_reason"] == "stop")
        assert "<eos>" not in row["completion"]
    assert find_problems(data) == []


def test_a_second_run_and_a_second_prompts_say_done(data: Dataset, policy: Path, tmp_path: Path) -> None:
    sampled(data, policy)
    assert "nothing to do" in sampled(data, policy).stderr
    again = curate("prompts", "countdown", "--to", data.root, "--n", 8, "--prompts-per-part", 3)
    assert "nothing to do" in again.stderr
    states = json.loads(curate("status", data.root, "--json").stdout)
    assert [(s["table"], s["done"], s["stale"]) for s in states] == [("prompts", 3, 0), ("samples", 3, 0)]
    copy = countdown_prompts(tmp_path / "copy", n=8, prompts_per_part=3)
    sampled(copy, policy)
    assert rows(copy).equals(rows(data))


def test_the_ids_of_prompts_are_filled_in_and_scored_alike(data: Dataset, policy: Path) -> None:
    sampled(data, policy, "--temperature", 0.7)
    prompts = data.scan("prompts").select("prompt", "prompt_ids").collect()
    character = {c: n for n, c in enumerate(" 0123456789:>+-*/=;", start=3)}
    for prompt, ids in prompts.iter_rows():
        assert ids == [character[c] for c in prompt]
    curate("logprob", data.root, "--from-sampler")
    curate("logprob", data.root, "--model", policy, "--as", "model")
    ours, theirs = (data.scan("likelihoods", name).collect()["sum_logprob"] for name in ("sampler", "model"))
    assert ours.to_list() == pytest.approx(theirs.to_list(), abs=1e-4)


def test_a_prompts_part_made_again_gets_its_ids_again(data: Dataset, policy: Path) -> None:
    sampled(data, policy)
    data.part(PROMPTS, "part-00001.parquet").unlink()
    assert "run `curate prompts" in refused("sample", data.root, "--local", policy, "--group-size", GROUP_SIZE)
    curate("prompts", "countdown", "--to", data.root, "--n", 8, "--prompts-per-part", 3)
    assert "nothing to do" in sampled(data, policy).stderr
    assert find_problems(data) == []


def test_ids_of_another_tokenizer_are_refused_before_anything_is_written(tmp_path: Path, policy: Path) -> None:
    data = Dataset(tmp_path / "data", create=True)
    row = {"prompt_id": "a", "prompt": "3 5:8>", "prompt_format": "text", "source": "x"}
    write_rows(data, PROMPTS, "part-00000.parquet", [row])
    write_rows(data, PROMPTS, "part-00001.parquet", [row | {"prompt_id": "b", "prompt_ids": [9, 9]}])
    before = data.part(PROMPTS, "part-00000.parquet").read_bytes()
    message = refused("sample", data.root, "--local", policy)
    assert "prompt 'b' has [9, 9], not [7, 3, 9, 14, 12, 15]" in message
    assert data.part(PROMPTS, "part-00000.parquet").read_bytes() == before
    assert not data.folder(SAMPLES).exists()


def test_prompts_known_by_ids_alone_are_sampled(tmp_path: Path, policy: Path) -> None:
    data = Dataset(tmp_path / "data", create=True)
    row = {"prompt_id": "a", "prompt_ids": [7, 8], "prompt_format": "text", "source": "x"}
    write_rows(data, PROMPTS, "part-00000.parquet", [row])
    sampled(data, policy)
    assert len(rows(data)) == GROUP_SIZE


def test_prompts_that_cannot_be_sampled_are_counted(tmp_path: Path, policy: Path) -> None:
    data = Dataset(tmp_path / "data", create=True)
    texts = {"a": "3 5:8>", "b": "", "c": "9" * 45, "d": '[{"role": "user", "content": "x"}]'}
    prompts = [{"prompt_id": k, "prompt": v, "prompt_format": "text", "source": "x"} for k, v in texts.items()]
    write_rows(data, PROMPTS, "part-00000.parquet", prompts)
    options = ("sample", data.root, "--local", policy, "--group-size", GROUP_SIZE, "--max-new-tokens", 10)
    result = CliRunner().invoke(app, [str(option) for option in options])
    assert result.exit_code == 1
    assert "50.0% of 4 rows failed" in result.stderr
    assert "empty_prompt 1, prompt_too_long 1" in result.stderr
    assert rows(data)["prompt_id"].unique().sort().to_list() == ["a", "d"]
    curate(*options, "--max-failed-share", 0.5)


def test_chat_prompts_without_a_template_are_refused_and_hostile_ones_counted(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path / "policy")
    data = Dataset(tmp_path / "data", create=True)
    texts = {"a": '[{"role":"user","content":"3 5"}]', "b": "no messages"}
    prompts = [{"prompt_id": k, "prompt": v, "prompt_format": "chat", "source": "x"} for k, v in texts.items()]
    write_rows(data, PROMPTS, "part-00000.parquet", prompts)
    assert "no chat template" in refused("sample", data.root, "--local", policy)
    (policy / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}:{% endfor %}")
    result = sampled(data, policy, "--max-failed-share", 0.5)
    assert "unreadable_prompt 1" in result.stderr
    assert data.scan("prompts").collect()["prompt_ids"].to_list() == [[7, 3, 9, 14], None]
    assert "nothing to do" in sampled(data, policy, "--max-failed-share", 0.5).stderr


def test_a_stopped_run_goes_on_where_its_journal_ends(
    data: Dataset, policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--batch-rows", 2 * GROUP_SIZE)
    whole = countdown_prompts(tmp_path / "whole", n=8, prompts_per_part=3)
    sampled(whole, policy, *options)
    calls: list[int] = []
    inner = LocalSampler.sample

    def stops(self: LocalSampler, prompt_ids: Any, *rest: Any) -> Any:
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(len(prompt_ids))
        return inner(self, prompt_ids, *rest)

    monkeypatch.setattr(LocalSampler, "sample", stops)
    command = ["sample", str(data.root), "--local", str(policy), "--group-size", str(GROUP_SIZE)]
    assert CliRunner().invoke(app, [*command, *map(str, options)]).exit_code != 0
    assert calls == [2, 1, 2]
    assert data.parts(SAMPLES) == ["part-00000.parquet"]
    calls.clear()
    monkeypatch.setattr(
        LocalSampler, "sample", lambda self, ids, *rest: (calls.append(len(ids)), inner(self, ids, *rest))[1]
    )
    sampled(data, policy, *options)
    assert calls == [1, 2]
    assert rows(data).equals(rows(whole))
    assert list((data.private / "journal").rglob("*.arrows")) == []


def test_other_parameters_are_refused_with_the_difference(data: Dataset, policy: Path) -> None:
    sampled(data, policy)
    message = refused("sample", data.root, "--local", policy, "--group-size", 8, "--seed", 1, "--temperature", 0.5)
    for difference in ("group_size: 4 then, 8 now", "seed: 0 then, 1 now", "temperature: 1.0 then, 0.5 now"):
        assert difference in message
    before = rows(data)
    sampled(data, policy, "--seed", 1, "--overwrite")
    assert rows(data)["group_id"].equals(before["group_id"])
    assert not rows(data)["completion_ids"].equals(before["completion_ids"])


def test_arguments_that_do_not_go_together_are_refused(data: Dataset, policy: Path, tmp_path: Path) -> None:
    assert "give one of server" in refused("sample", data.root)
    assert "give one of server" in refused("sample", data.root, "--local", policy, "--reference")
    assert "top_p is 0" in refused("sample", data.root, "--local", policy, "--top-p", 0)
    assert "temperature is inf" in refused("sample", data.root, "--local", policy, "--temperature", "inf")
    assert "nope is not a folder" in refused("sample", data.root, "--local", tmp_path / "nope")
    assert "no config.json" in refused("sample", data.root, "--local", tmp_path)
    (tmp_path / "bare").mkdir()
    shutil.copy(policy / "config.json", tmp_path / "bare")
    assert "does not load as a causal language model" in refused("sample", data.root, "--local", tmp_path / "bare")
    assert not data.folder(SAMPLES).exists()
    assert data.scan("prompts").collect()["prompt_ids"].null_count() == 8


def test_a_dataset_without_prompts_is_refused(tmp_path: Path, policy: Path) -> None:
    (tmp_path / "prompts").mkdir()
    assert "has no prompts: run `curate prompts" in refused("sample", tmp_path, "--local", policy)


def test_samples_that_were_imported_are_left_alone(tmp_path: Path, policy: Path) -> None:
    source = tmp_path / "rollouts.jsonl"
    source.write_text('{"prompt": "3 5:8>", "completion": "3+5=8", "reward": 1}\n')
    curate("import", source, "--to", tmp_path / "data")
    before = Dataset(tmp_path / "data").scan("prompts").collect()
    for options in ([], ["--overwrite"]):
        message = refused("sample", tmp_path / "data", "--local", policy, *options)
        assert "came with `curate import" in message
        assert "a folder of its own" in message
    assert Dataset(tmp_path / "data").scan("prompts").collect().equals(before)
    made = small_dataset(tmp_path / "made")
    assert "no job record" in refused("sample", made.root, "--local", policy)


def test_known_solutions_become_samples(tmp_path: Path) -> None:
    data = Dataset(tmp_path / "data", create=True)
    prompts = [
        {
            "prompt_id": "a",
            "prompt": "3 5 8:64>",
            "answer": "3 5 8:64",
            "reference": "3+5=8;8*8=64",
            "source": "countdown",
        },
        {"prompt_id": "b", "prompt": "1 + 1?", "reference": "It is 2.\nA: 2", "source": "book"},
        {"prompt_id": "c", "prompt": "1 + 2?", "source": "book"},
        {"prompt_id": "d", "prompt": "2 2:4>", "answer": "2 2:4", "source": "countdown"},
    ]
    write_rows(data, PROMPTS, "part-00000.parquet", [row | {"prompt_format": "text"} for row in prompts])
    result = curate("sample", data.root, "--reference")
    assert "4 rows in, 5 out, 1 dropped (no_reference 1)" in result.stderr
    frame = data.scan("samples").collect()
    assert frame.select("prompt_id", "sample_index", "completion").rows() == [
        ("a", 0, "3+5=8;8*8=64"),
        ("a", 1, "5+3=8;8*8=64"),
        ("b", 0, "It is 2.\nA: 2"),
        ("d", 0, "2+2=4"),
        ("d", 1, "2*2=4"),
    ]
    same = frame.select("finish_reason", "policy", "token_exact", "temperature", "completion_ids", "seed").unique()
    assert same.rows() == [("stop", "reference", False, None, None, None)]
    assert frame.group_by("prompt_id").agg(pl.col("group_id").n_unique())["group_id"].to_list() == [1, 1, 1]
    assert "nothing to do" in curate("sample", data.root, "--reference").stderr
    assert find_problems(data) == []


def test_every_known_solution_is_right(data: Dataset) -> None:
    curate("sample", data.root, "--reference")
    curate("verify", data.root, "--verifier", "countdown")
    assert data.scan("verdicts").collect()["outcome"].unique().to_list() == ["correct"]
    assert data.scan("samples").collect()["prompt_id"].n_unique() == 8


def test_the_default_length_is_half_of_a_small_model(data: Dataset, policy: Path, tmp_path: Path) -> None:
    from curate.verbs.sample import default_max_new_tokens

    assert default_max_new_tokens(policy) == 24
    assert default_max_new_tokens(tmp_path) == 512
    (tmp_path / "config.json").write_text('{"text_config": {"max_position_embeddings": 4096}}')
    assert default_max_new_tokens(tmp_path) == 512
    (tmp_path / "config.json").write_text("[1]")
    assert default_max_new_tokens(tmp_path) == 512


@pytest.mark.slow
@pytest.mark.parametrize("kill", range(6))
def test_a_killed_run_goes_on_to_the_same_samples(kill: int, policy: Path, tmp_path: Path) -> None:
    whole, data = (countdown_prompts(tmp_path / name, n=60, prompts_per_part=40) for name in ("whole", "data"))
    words = ["sample", "--local", policy, "--group-size", 16, "--batch-rows", 32]
    curate(*words, whole.root)
    command = [sys.executable, "-c", "from curate.cli import main; main()", *map(str, words), str(data.root)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wanted = random.Random(kill).uniform(0, 60_000)
    while n_bytes(data) < wanted and process.poll() is None:
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    curate(*words, data.root)
    assert find_problems(data) == []
    found, expected = rows(data), rows(whole)
    assert found.select("group_id", "sample_index", "seed").equals(expected.select("group_id", "sample_index", "seed"))
    assert found["completion_ids"].equals(expected["completion_ids"])


def n_bytes(data: Dataset) -> int:
    return sum(path.stat().st_size for path in (data.private / "journal").rglob("*.arrows") if path.exists())
