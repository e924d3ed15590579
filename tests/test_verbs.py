"""Verbs end to end, on small datasets: what they write and what they print."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.contracts import contract
from curate.dataset import Dataset
from curate.verbs.check import find_problems
from stored import write_rows

N_GROUPS, GROUP_SIZE = 6, 4


def curate(*arguments: object) -> Any:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random llama without a tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=40,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=32,
    )
    folder = tmp_path_factory.mktemp("checkpoint") / "Tiny Llama"
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def naive_logprobs(model: Any, prompt: list[int], completion: list[int], temperature: float) -> list[float]:
    import torch

    with torch.no_grad():
        logits = model(torch.tensor([prompt + completion])).logits[0] / temperature
    table = torch.log_softmax(logits, -1)
    return [float(table[len(prompt) + place - 1, token]) for place, token in enumerate(completion)]


@pytest.fixture
def rollouts(tmp_path: Path, checkpoint: Path) -> Path:
    """Token-exact rollouts whose log-probs are the checkpoint's own, with one completion twice in its group."""
    from transformers import LlamaForCausalLM

    rng, model = random.Random(0), LlamaForCausalLM.from_pretrained(checkpoint).eval()
    path = tmp_path / "rollouts.jsonl"
    with path.open("w") as file:
        for group in range(N_GROUPS):
            prompt = [rng.randrange(40) for _ in range(3)]
            completions = [[rng.randrange(40) for _ in range(rng.randint(1, 6))] for _ in range(GROUP_SIZE)]
            completions[3] = completions[0]
            for index, ids in enumerate(completions):
                row = {
                    "prompt_id": f"p{group}",
                    "prompt_ids": prompt,
                    "answer": "yes",
                    "group": group,
                    "sample_index": index,
                    "completion": "yes" if index < group - 1 else "no",
                    "completion_ids": ids,
                    "logprobs": [min(0.0, value) for value in naive_logprobs(model, prompt, ids, 0.7)],
                    "logprob_semantics": "processed",
                    "temperature": 0.7,
                    "policy": "tiny",
                }
                file.write(json.dumps(row) + "\n")
    return path


@pytest.fixture
def data(tmp_path: Path, rollouts: Path) -> Dataset:
    folder = tmp_path / "data"
    curate("import", rollouts, "--to", folder, "--rows-per-part", 8)
    curate("verify", folder, "--verifier", "exact")
    return Dataset(folder)


def test_likelihoods_of_the_sampler_and_of_the_same_model_agree(data: Dataset, checkpoint: Path) -> None:
    curate("logprob", data.root, "--from-sampler")
    curate("logprob", data.root, "--model", checkpoint)
    assert data.variants("likelihoods") == ["sampler", "tiny-llama"]
    ours, theirs = (data.scan("likelihoods", name).collect() for name in ("sampler", "tiny-llama"))
    assert ours["sum_logprob"].to_list() == pytest.approx(theirs["sum_logprob"].to_list(), abs=1e-4)
    assert ours["likelihood_rank"].to_list() == theirs["likelihood_rank"].to_list()
    assert theirs["logprob_semantics"].unique().to_list() == ["processed"]
    stored = data.scan("samples").select("logprobs").collect()["logprobs"]
    for recomputed, original in zip(theirs["logprobs"], stored, strict=True):
        assert recomputed.to_list() == pytest.approx(original.to_list(), abs=1e-4)
    twins = ours.filter(pl.col("sample_index").is_in([0, 3])).sort("group_id", "sample_index")
    assert twins["mean_logprob"].to_list()[0::2] == twins["mean_logprob"].to_list()[1::2]


def test_a_completion_too_long_for_the_model_is_counted_and_null(tmp_path: Path, checkpoint: Path) -> None:
    rows = [
        {"prompt_ids": [1], "group": 0, "completion_ids": [2] * (50 if i == 0 else 3), "completion": "x"}
        for i in range(120)
    ]
    source = tmp_path / "rollouts.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    curate("import", source, "--to", tmp_path / "data")
    result = curate("logprob", tmp_path / "data", "--model", checkpoint, "--as", "tiny")
    assert "1 failed (not_scored 1)" in result.stderr
    assert "sample 0 is not scored" in result.stderr
    scored = Dataset(tmp_path / "data").scan("likelihoods").collect()
    assert scored["mean_logprob"].is_null().to_list() == [True] + [False] * 119


def test_logprob_wants_one_source(data: Dataset, tmp_path: Path) -> None:
    for arguments in ([], ["--from-sampler", "--model", str(tmp_path)]):
        result = CliRunner().invoke(app, ["logprob", str(data.root), *arguments])
        assert result.exit_code == 2
        assert "give either model or from_sampler (--model PATH or --from-sampler)" in result.stderr
    missing = CliRunner().invoke(app, ["logprob", str(data.root), "--model", str(tmp_path / "nope")])
    assert missing.exit_code == 2
    assert "nope" in missing.stderr


def test_the_train_export_keeps_tokens_and_both_log_probs(data: Dataset, checkpoint: Path, tmp_path: Path) -> None:
    curate("logprob", data.root, "--model", checkpoint, "--as", "tiny")
    curate("reweight", data.root, "--recipe", "unlikely_grpo", "--set", "beta_rank=0.25")
    out = tmp_path / "train.parquet"
    curate("export", data.root, "--format", "train", "--out", out, "--scorer", "tiny")
    train = pl.read_parquet(out)
    kept = data.scan("advantages").filter(pl.col("advantage").is_not_null()).collect()
    assert train.select("group_id", "sample_index", "advantage").equals(
        kept.select("group_id", "sample_index", "advantage")
    )
    assert pq.read_schema(out).names == contract("train").schema.names
    for row in train.iter_rows(named=True):
        lengths = {len(row[c]) for c in ("completion_ids", "loss_mask", "old_logprobs", "ref_logprobs")}
        assert len(lengths) == 1
        assert row["loss_mask"] == [True] * len(row["completion_ids"])
        assert row["old_logprobs"] == pytest.approx(row["ref_logprobs"], abs=1e-4)
        assert len(row["prompt_ids"]) == 3
    again = curate("export", data.root, "--format", "train", "--out", out, "--scorer", "tiny")
    assert "nothing to do" in again.stderr
    curate("logprob", data.root, "--model", checkpoint, "--as", "again")
    other = CliRunner().invoke(app, ["export", str(data.root), "--out", str(out), "--scorer", "again"])
    assert other.exit_code == 2
    assert "was made from other parts" in other.stderr
    curate("logprob", data.root, "--from-sampler")
    bare = CliRunner().invoke(app, ["export", str(data.root), "--out", str(tmp_path / "b"), "--scorer", "sampler"])
    assert bare.exit_code == 2
    assert "keeps no log-probs of single tokens" in bare.stderr
    assert not (tmp_path / "b").exists()
    assert list(tmp_path.glob(".*unfinished")) == []


@pytest.mark.parametrize(
    "place", ["samples/zz.parquet", "advantages/recipe=grpo/zz.parquet", ".curate/zz.parquet", "samples"]
)
def test_an_export_into_a_table_is_refused(data: Dataset, place: str) -> None:
    curate("reweight", data.root, "--recipe", "grpo")
    before = sorted(data.root.rglob("*"))
    result = CliRunner().invoke(app, ["export", str(data.root), "--out", str(data.root / place)])
    assert result.exit_code == 2
    assert "--out" in result.stderr
    assert sorted(data.root.rglob("*")) == before


def test_hinted_samples_are_not_exported(tmp_path: Path) -> None:
    rows = [{"prompt": "q (a)", "completion": c, "reward": r, "hinted": True} for c, r in (("a", 1), ("b", 0))]
    source = tmp_path / "rollouts.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    curate("import", source, "--to", tmp_path / "data")
    curate("reweight", tmp_path / "data", "--recipe", "grpo")
    result = CliRunner().invoke(app, ["export", str(tmp_path / "data"), "--out", str(tmp_path / "t.parquet")])
    assert result.exit_code == 2
    assert "2 kept samples of part-00000.parquet were sampled with the answer shown" in result.stderr
    assert not (tmp_path / "t.parquet").exists()


def test_raw_log_probs_at_another_temperature_are_no_old_logprobs(tmp_path: Path) -> None:
    rows = [
        {
            "prompt_ids": [1],
            "group": 0,
            "completion_ids": [2, 3],
            "completion": c,
            "logprobs": [-1.0, -2.0],
            "logprob_semantics": "raw",
            "temperature": 0.7,
            "reward": r,
        }
        for c, r in (("a", 1), ("b", 0))
    ]
    source = tmp_path / "rollouts.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    curate("import", source, "--to", tmp_path / "data")
    curate("reweight", tmp_path / "data", "--recipe", "grpo")
    result = curate("export", tmp_path / "data", "--out", tmp_path / "t.parquet")
    assert "2 without old_logprobs" in result.stderr
    assert pl.read_parquet(tmp_path / "t.parquet")["old_logprobs"].to_list() == [None, None]


def test_another_checkpoint_at_the_same_path_is_refused(data: Dataset, checkpoint: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(checkpoint, model)
    curate("logprob", data.root, "--model", model)
    data.part(data.choose("likelihoods"), "part-00000.parquet").unlink()
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"abcd")
    result = CliRunner().invoke(app, ["logprob", str(data.root), "--model", str(model)])
    assert result.exit_code == 2
    assert "files.model.safetensors" in result.stderr


def test_unparsable_null_drops_samples_without_an_answer(tmp_path: Path) -> None:
    rows = [{"prompt": "q", "completion": c, "answer": "4"} for c in ("A: 4", "A: 5", "no idea")]
    source = tmp_path / "rollouts.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    curate("import", source, "--to", tmp_path / "data")
    curate("verify", tmp_path / "data", "--verifier", "gsm8k")
    curate("reweight", tmp_path / "data", "--recipe", "rloo")
    curate("reweight", tmp_path / "data", "--recipe", "rloo", "--unparsable", "null", "--as", "judged")
    data = Dataset(tmp_path / "data")
    assert data.scan("advantages", "rloo").collect()["advantage"].to_list() == [1.0, -0.5, -0.5]
    strict = data.scan("advantages", "judged").collect()
    assert strict["advantage"].to_list() == [1.0, -1.0, None]
    assert strict["drop_reason"].to_list() == [None, None, "unjudged"]


def test_verdicts_of_other_samples_are_refused_not_read_as_unjudged(data: Dataset) -> None:
    parts = [data.part(data.choose("verdicts"), f"part-0000{n}.parquet") for n in range(2)]
    parts[0].write_bytes(parts[1].read_bytes())
    for arguments in (["reweight", "--recipe", "grpo"], ["judge", "--rule", "arithmetic"]):
        result = CliRunner().invoke(app, [arguments[0], str(data.root), *arguments[1:]])
        assert result.exit_code in (1, 2)
        assert "part-00000.parquet" in result.stderr
        assert isinstance(result.exception, SystemExit)


def test_failures_are_not_forgotten_by_a_second_run(tmp_path: Path) -> None:
    rows = [{"prompt": f"q{n}", "completion": "4", **({"answer": "4"} if n % 2 else {})} for n in range(20)]
    source = tmp_path / "rollouts.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    curate("import", source, "--to", tmp_path / "data")
    for _ in range(2):
        failed = CliRunner().invoke(app, ["verify", str(tmp_path / "data"), "--verifier", "exact"])
        assert failed.exit_code == 1
        assert "50.0% of 20 rows failed" in failed.stderr
    curate("verify", tmp_path / "data", "--verifier", "exact", "--max-failed-share", 0.5)


def test_a_dry_run_refuses_stale_inputs_and_compare_names_stale_variants(data: Dataset) -> None:
    curate("judge", data.root, "--rule", "arithmetic")
    curate("reweight", data.root, "--recipe", "grpo")
    assert "not current" not in curate("compare", data.root).stderr
    curate("verify", data.root, "--verifier", "exact", "--overwrite")
    assert "advantages/recipe=grpo is not current: 3 part(s) stale" in curate("compare", data.root).stderr
    dry = CliRunner().invoke(app, ["reweight", str(data.root), "--recipe", "spectral_grpo", "--dry-run"])
    assert dry.exit_code == 2
    assert "feedback/judge=arithmetic is stale" in dry.stderr


def test_an_export_of_unfinished_advantages_is_refused(data: Dataset, tmp_path: Path) -> None:
    curate("reweight", data.root, "--recipe", "grpo")
    data.part(data.choose("advantages"), "part-00001.parquet").unlink()
    result = CliRunner().invoke(app, ["export", str(data.root), "--out", str(tmp_path / "t.parquet")])
    assert result.exit_code == 2
    assert "lacks 1 part(s): run `curate reweight" in result.stderr
    assert not (tmp_path / "t.parquet").exists()


def test_a_dry_run_shows_the_diagnostics_and_writes_nothing(data: Dataset) -> None:
    before = sorted(data.root.rglob("*"))
    dry = curate("reweight", data.root, "--recipe", "grpo", "--dry-run")
    assert sorted(data.root.rglob("*")) == before
    real = curate("reweight", data.root, "--recipe", "grpo")
    assert dry.stdout == real.stdout
    assert "6: all_correct 1, all_wrong 2, mixed 3" in real.stdout


def numbers(value: Any, name: str = "") -> dict[str, float]:
    """Return the numbers of nested JSON by their place in it."""
    if isinstance(value, int | float):
        return {name: value}
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []
    return {k: v for key, each in inner for k, v in numbers(each, f"{name}.{key}").items()}


def test_advantages_do_not_depend_on_how_the_dataset_is_cut(data: Dataset, rollouts: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    curate("import", rollouts, "--to", whole)
    curate("verify", whole, "--verifier", "exact")
    for folder in (data.root, whole):
        curate("logprob", folder, "--from-sampler")
        curate("reweight", folder, "--recipe", "unlikely_grpo", "--set", "beta_rank=0.25")
    assert len(data.parts(data.choose("samples"))) == 3
    cut, uncut = (Dataset(f).scan("advantages").sort("group_id", "sample_index").collect() for f in (data.root, whole))
    assert cut.equals(uncut)
    one, other = (numbers(json.loads(curate("compare", folder, "--json").stdout)) for folder in (data.root, whole))
    assert one == pytest.approx(other, abs=1e-12)


def test_json_of_status_compare_recipes_and_show(data: Dataset) -> None:
    curate("reweight", data.root, "--recipe", "grpo")
    status = json.loads(curate("status", data.root, "--json").stdout)
    assert {s["table"]: s["done"] for s in status} == {
        "prompts": 3,
        "samples": 3,
        "verdicts/verifier=exact": 3,
        "advantages/recipe=grpo": 3,
    }
    assert json.loads(curate("compare", data.root, "--json").stdout)["grpo"]["groups"] == N_GROUPS
    assert json.loads(curate("recipes", "grpo", "--json").stdout)["name"] == "grpo"
    group = data.scan("samples").select("group_id").first().collect().item()
    shown = json.loads(curate("show", data.root, group, "--json").stdout)
    assert shown["group_id"] == str(group)
    assert len(shown["samples"]) == len(shown["variants"]["advantages/recipe=grpo"]) == GROUP_SIZE


def test_show_prints_a_group_by_prompt_id(data: Dataset) -> None:
    shown = curate("show", data.root, "p3").stdout
    assert "sample 3, policy tiny" in shown
    assert "verdicts/verifier=exact" in shown
    path = data.part(data.choose("samples"), "part-00000.parquet")
    rows = pl.read_parquet(path, hive_partitioning=False).with_columns(policy=pl.lit("\x1b[2Jtiny")).to_dicts()
    write_rows(data, data.choose("samples"), "part-00000.parquet", rows)
    assert "sample 3, policy \\x1b[2Jtiny" in curate("show", data.root, rows[0]["prompt_id"]).stdout
    missing = CliRunner().invoke(app, ["show", str(data.root), "nope"])
    assert missing.exit_code == 2
    assert "has no group 'nope'" in missing.stderr


def test_check_finds_a_changed_row(data: Dataset) -> None:
    assert find_problems(data) == []
    path = data.part(data.choose("verdicts"), "part-00000.parquet")
    rows = pq.read_table(path, partitioning=None)
    pq.write_table(rows.slice(1), path)
    result = CliRunner().invoke(app, ["check", str(data.root)])
    assert result.exit_code == 1
    assert "does not hold the samples of the part of that name" in result.stderr


def test_a_rejudged_pair_is_compared_once(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    import curate.verifying.exact as exact

    seen: list[tuple[str | None, str]] = []

    def compare(extracted: str | None, answer: str) -> Any:
        seen.append((extracted, answer))
        return judge(extracted, answer)

    judge = exact.compare
    monkeypatch.setattr(exact, "compare", compare)
    curate("verify", data.root, "--verifier", "exact", "--as", "again")
    assert len(seen) == len(set(seen)) == 2  # over all three parts


def test_status_says_that_an_import_was_stopped(data: Dataset, rollouts: Path) -> None:
    assert "stopped" not in curate("status", data.root).stderr
    (data.private / "import.finished").unlink()
    data.part(data.choose("samples"), "part-00002.parquet").unlink()
    assert "run `curate import" in curate("status", data.root).stderr
    again = curate("import", rollouts, "--to", data.root, "--rows-per-part", 8)
    assert "1 part(s) made (2 were done)" in again.stderr
    assert "stopped" not in curate("status", data.root).stderr


def test_samples_without_log_probs_say_what_to_run(tmp_path: Path) -> None:
    source = tmp_path / "rollouts.csv"
    source.write_text("prompt,completion,reward\nq,a,1\nq,b,0\n")
    curate("import", source, "--to", tmp_path / "data")
    scored = curate("logprob", tmp_path / "data", "--from-sampler")
    assert "2 dropped (no_logprobs 2)" in scored.stderr
    assert "run" not in scored.stdout
    assert "curate logprob" in scored.stderr
    curate("reweight", tmp_path / "data", "--recipe", "unlikely_grpo", "--set", "beta_rank=0.25")
    advantages = Dataset(tmp_path / "data").scan("advantages").collect()
    assert advantages["drop_reason"].to_list() == ["no_likelihood", "no_likelihood"]
    assert advantages["advantage"].to_list() == [None, None]


def test_a_deleted_samples_part_is_imported_again_not_given_up(data: Dataset, rollouts: Path) -> None:
    curate("reweight", data.root, "--recipe", "grpo")
    expected = data.scan("advantages").collect()
    data.part(data.choose("samples"), "part-00001.parquet").unlink()
    assert (
        "samples/part-00001.parquet was imported and is missing: run `curate import"
        in curate("status", data.root).stderr
    )
    checked = CliRunner().invoke(app, ["check", str(data.root)])
    assert checked.exit_code == 1
    assert "samples/part-00001.parquet was imported and is missing" in checked.stderr
    for arguments in (["verify", "--verifier", "exact", "--overwrite"], ["reweight", "--recipe", "grpo"]):
        refused = CliRunner().invoke(app, [arguments[0], str(data.root), *arguments[1:]])
        assert refused.exit_code == 2
        assert "run `curate import" in refused.stderr
    assert "1 part(s) made" in curate("import", rollouts, "--to", data.root, "--rows-per-part", 8).stderr
    assert "nothing to do" in curate("reweight", data.root, "--recipe", "grpo").stderr
    assert find_problems(data) == []
    assert data.scan("advantages").collect().equals(expected)
