"""``curate train`` end to end on a tiny policy: what it writes, resumes, refuses and says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset
from stored import PROMPTS, SAMPLES, write_rows
from train_case import GRPO, rewrite, stored_logprobs, write_groups, write_policy

FAST = ("--learning-rate", 1e-3, "--batch-size", 8, "--max-drift", 0)


def train(data: Path, model: Path, out: Path, *options: object) -> Any:
    arguments = ["train", data, "--model", model, "--out", out, *options]
    return CliRunner().invoke(app, [str(a) for a in arguments])


def trained(*arguments: Any) -> Any:
    result = train(*arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    return result


def refused(*arguments: Any) -> str:
    result = train(*arguments)
    assert result.exit_code in (1, 2), result.output
    assert isinstance(result.exception, SystemExit)
    return str(result.stderr)


def log(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "train_log.jsonl").read_text().splitlines()]


def manifest(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "manifest.json").read_text()))


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_policy(tmp_path_factory.mktemp("policy") / "tiny")


@pytest.fixture(scope="module")
def groups(tmp_path_factory: pytest.TempPathFactory, policy: Path) -> Path:
    return write_groups(tmp_path_factory.mktemp("groups") / "data", policy).root


@pytest.fixture
def data(tmp_path: Path, policy: Path) -> Dataset:
    """A dataset of its own, for tests that change it."""
    return write_groups(tmp_path / "data", policy, n_groups=4)


def test_it_writes_a_checkpoint_a_log_and_a_manifest(groups: Path, policy: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    out = tmp_path / "deep" / "out"
    result = trained(groups, policy, out, *FAST, "--epochs", 2)
    assert "32 of 32 rows train" in result.stderr
    model = AutoModelForCausalLM.from_pretrained(out)
    assert model.config.model_type == "llama"
    assert AutoTokenizer.from_pretrained(out)("ab")["input_ids"] == [3, 4]
    lines = log(out)
    steps = [line for line in lines if "loss" in line]
    assert [line["step"] for line in steps] == list(range(1, 9))
    assert {"loss", "grad_norm", "clip_fraction", "ratio", "drift", "entropy", "tokens"} <= steps[0].keys()
    assert [line["epochs"] for line in lines if "epochs" in line] == [1, 2]
    assert steps[0]["ratio"] == pytest.approx(1, abs=1e-5)
    facts = manifest(out)
    assert facts["steps"] == 8
    assert facts["epochs"] == 2
    assert facts["trained_tokens"] == sum(line["tokens"] for line in steps)
    assert facts["stopped"] == "all steps done"
    assert facts["start"]["drift"] < 1e-9
    assert facts["end"]["drift"] > facts["start"]["drift"]
    assert -1 <= facts["end"]["kendall_tau"] <= 1
    assert set(facts["parts"]) == {"samples", "advantages/recipe=grpo"}
    assert facts["model"]["fingerprint"] != facts["result"]["fingerprint"]
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_a_finished_run_is_left_alone_and_other_arguments_are_refused(
    groups: Path, policy: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    trained(groups, policy, out, *FAST)
    weights = (out / "model.safetensors").read_bytes()
    assert "nothing to do" in trained(groups, policy, out, *FAST).stderr
    said = refused(groups, policy, out, *FAST, "--seed", 1, "--clip-high", 0.28)
    assert "seed: 0 then, 1 now" in said
    assert "objective.clip_high: not set then, 0.28 now" in said
    assert (out / "model.safetensors").read_bytes() == weights
    trained(groups, policy, out, *FAST, "--seed", 1, "--overwrite")
    assert manifest(out)["arguments"]["seed"] == 1
    assert (out / "model.safetensors").read_bytes() != weights
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_training_pushes_good_samples_up_and_bad_ones_down(groups: Path, policy: Path, tmp_path: Path) -> None:
    import polars as pl
    from transformers import LlamaForCausalLM

    trained(groups, policy, tmp_path / "out", *FAST, "--epochs", 4)
    model, data = LlamaForCausalLM.from_pretrained(tmp_path / "out"), Dataset(groups)
    rows = data.scan("samples").join(data.scan("prompts").select("prompt_id", "prompt_ids"), on="prompt_id").collect()
    gained = [
        sum(stored_logprobs(model, row["prompt_ids"], row["completion_ids"], 0.7)) - sum(row["logprobs"])
        for row in rows.iter_rows(named=True)
    ]
    by_place = (
        rows.with_columns(pl.Series("gained", gained)).group_by(pl.col("sample_index") % 2).agg(pl.mean("gained"))
    )
    good, bad = by_place.sort("sample_index")["gained"]
    assert good > 0.1
    assert bad < -0.1


def test_the_same_seed_gives_the_same_weights(groups: Path, policy: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        trained(groups, policy, tmp_path / name, *FAST)
    a, b = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("a", "b"))
    assert a == b


@pytest.mark.parametrize("micro", [1, 3, 8])
def test_micro_batches_do_not_change_the_losses(groups: Path, policy: Path, tmp_path: Path, micro: int) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    trained(groups, policy, whole, *FAST, "--micro-batch-size", 8)
    trained(groups, policy, cut, *FAST, "--micro-batch-size", micro)
    for one, other in zip(log(whole), log(cut), strict=True):
        for name in ("loss", "grad_norm", "drift", "entropy", "tokens"):
            assert one.get(name) == pytest.approx(other.get(name), abs=2e-5)


def test_packing_does_not_change_the_losses(groups: Path, policy: Path, tmp_path: Path) -> None:
    trained(groups, policy, tmp_path / "padded", *FAST)
    trained(groups, policy, tmp_path / "packed", *FAST, "--packing")
    for one, other in zip(log(tmp_path / "padded"), log(tmp_path / "packed"), strict=True):
        assert one.get("loss") == pytest.approx(other.get("loss"), abs=2e-5)


def test_activations_computed_again_do_not_change_the_losses(groups: Path, policy: Path, tmp_path: Path) -> None:
    trained(groups, policy, tmp_path / "kept", *FAST)
    trained(groups, policy, tmp_path / "again", *FAST, "--set", "activation_checkpointing=true")
    for one, other in zip(log(tmp_path / "kept"), log(tmp_path / "again"), strict=True):
        assert one.get("loss") == pytest.approx(other.get("loss"), abs=1e-6)


def test_max_tokens_repeats_the_rows_until_it_is_reached(groups: Path, policy: Path, tmp_path: Path) -> None:
    trained(groups, policy, tmp_path / "out", *FAST, "--max-tokens", 400)
    steps = [line for line in log(tmp_path / "out") if "loss" in line]
    assert steps[-1]["all_tokens"] >= 400 > steps[-2]["all_tokens"]
    assert manifest(tmp_path / "out")["trained_tokens"] == steps[-1]["all_tokens"]
    assert manifest(tmp_path / "out")["epochs"] > 1


def test_a_step_with_a_large_gradient_is_skipped(groups: Path, policy: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    trained(groups, policy, tmp_path / "out", *FAST, "--grad-skip", 1e-9)
    facts = manifest(tmp_path / "out")
    assert (facts["steps"], facts["skipped_steps"]) == (4, 4)
    before, after = (load_file(folder / "model.safetensors") for folder in (policy, tmp_path / "out"))
    assert all(before[name].equal(after[name]) for name in before)


def test_training_stops_when_the_drift_is_too_large(
    groups: Path, policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curate.training.progress.DRIFT_TOKENS", 50)
    options = ("--learning-rate", 1e-2, "--batch-size", 8, "--epochs", 20, "--max-drift", 0.02)
    result = trained(groups, policy, tmp_path / "out", *options)
    assert "stopped early: drift" in result.stderr
    facts = manifest(tmp_path / "out")
    assert facts["steps"] < 80
    assert "is over 0.02" in facts["stopped"]
    assert (tmp_path / "out" / "model.safetensors").exists()


@pytest.mark.parametrize(
    "objective", [["gspo"], ["cispo"], ["topr"], ["asymre", "--delta", 0.1], ["dro", "--beta", 0.1]]
)
def test_every_objective_trains(groups: Path, policy: Path, tmp_path: Path, objective: list[object]) -> None:
    trained(groups, policy, tmp_path / "out", *FAST, "--objective", *objective)
    assert all(line["grad_norm"] > 0 for line in log(tmp_path / "out") if "loss" in line)


@pytest.mark.parametrize("behaviour", ["decoupled", "recompute"])
def test_old_log_probs_can_be_computed_by_the_trainer(
    groups: Path, policy: Path, tmp_path: Path, behaviour: str
) -> None:
    bypass, other = tmp_path / "bypass", tmp_path / "other"
    trained(groups, policy, bypass, *FAST)
    trained(groups, policy, other, *FAST, "--behaviour", behaviour)
    for one, two in zip(log(bypass), log(other), strict=True):
        assert one.get("loss") == pytest.approx(two.get("loss"), abs=1e-4)
    facts = manifest(other)
    assert facts["behaviour"] == behaviour
    assert facts["treated_as_on_policy"] is (behaviour == "recompute")


def test_the_kl_to_the_start_is_zero_at_the_first_step(groups: Path, policy: Path, tmp_path: Path) -> None:
    trained(groups, policy, tmp_path / "out", *FAST, "--kl-coef", 0.1)
    first, *_, last = [line for line in log(tmp_path / "out") if "loss" in line]
    assert first["kl"] == pytest.approx(0, abs=1e-6)
    assert last["kl"] > 1e-4


def test_the_kl_is_scaled_by_sample(data: Dataset, policy: Path, tmp_path: Path) -> None:
    other = write_policy(tmp_path / "other", seed=1)
    options = (*FAST, "--kl-coef", 0.1, "--ref-model", other, "--batch-size", 16)
    trained(data.root, policy, tmp_path / "plain", *options)
    rewrite(data, GRPO, lambda row: row | {"kl_scale": 0.5})
    trained(data.root, policy, tmp_path / "half", *options)
    (plain, *_), (half, *_) = log(tmp_path / "plain"), log(tmp_path / "half")
    assert half["kl"] == pytest.approx(plain["kl"])
    assert plain["loss"] - half["loss"] == pytest.approx(0.05 * plain["kl"], rel=1e-4)


def test_supervised_losses_are_multiplied_by_the_weight(data: Dataset, policy: Path, tmp_path: Path) -> None:
    for weight in (1.0, 0.04):
        rewrite(data, GRPO, lambda row, w=weight: row | {"advantage": 1.0, "weight": w})
        trained(data.root, policy, tmp_path / str(weight), *FAST, "--objective", "sft", "--batch-size", 16)
    assert log(tmp_path / "0.04")[0]["loss"] == pytest.approx(0.04 * log(tmp_path / "1.0")[0]["loss"], rel=1e-5)


def test_another_reference_is_not_at_zero(groups: Path, policy: Path, tmp_path: Path) -> None:
    other = write_policy(tmp_path / "other", seed=1)
    trained(groups, policy, tmp_path / "out", *FAST, "--kl-coef", 0.1, "--ref-model", other)
    assert log(tmp_path / "out")[0]["kl"] > 0.01
    assert "--ref-model is read only" in refused(groups, policy, tmp_path / "no", "--ref-model", other)


def test_an_adapter_is_merged_into_the_checkpoint(groups: Path, policy: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    pytest.importorskip("peft")
    trained(groups, policy, tmp_path / "out", *FAST, "--lora-rank", 4, "--kl-coef", 0.1)
    before, after = (load_file(folder / "model.safetensors") for folder in (policy, tmp_path / "out"))
    assert before.keys() == after.keys()
    changed = {name for name in before if not before[name].equal(after[name])}
    assert "model.layers.0.self_attn.q_proj.weight" in changed
    assert "model.embed_tokens.weight" not in changed
    assert (tmp_path / "out" / "adapter" / "adapter_config.json").exists()


def test_an_adapter_without_peft_names_what_to_install(
    groups: Path, policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "peft", None)
    assert "pip install 'curate[peft]'" in refused(groups, policy, tmp_path / "out", *FAST, "--lora-rank", 4)


def test_bfloat16_keeps_float32_weights(groups: Path, policy: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    trained(groups, policy, tmp_path / "out", *FAST, "--dtype", "bfloat16")
    assert {w.dtype for w in load_file(tmp_path / "out" / "model.safetensors").values()} == {torch.float32}


# --- supervised -------------------------------------------------------------------------------------------------------


@pytest.fixture
def texts(tmp_path: Path) -> Dataset:
    """Text-only reference solutions with advantage 1; one truncated, one of weight 0, one dropped."""
    data = Dataset(tmp_path / "texts", create=True)
    prompts = [{"prompt_id": f"p{n}", "prompt": "ab", "prompt_format": "text", "source": "test"} for n in range(6)]
    samples, advantages = [], []
    for n in range(6):
        key = {"group_id": n, "sample_index": 0}
        finish = "length" if n == 0 else None
        samples.append(
            {
                **key,
                "prompt_id": f"p{n}",
                "completion": "cde",
                "finish_reason": finish,
                "token_exact": False,
                "hinted": False,
            }
        )
        good = {"reward": 1.0, "advantage": 1.0, "weight": 0.0 if n == 1 else 1.0}
        advantages.append({**key, **(good if n != 2 else {"drop_reason": "gated"}), "group_size": 1})
    write_rows(data, PROMPTS, "part-00000.parquet", prompts)
    write_rows(data, SAMPLES, "part-00000.parquet", samples)
    write_rows(data, GRPO, "part-00000.parquet", advantages)
    return data


def test_supervised_training_from_scratch_learns_text_and_end(texts: Dataset, policy: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    blank = tmp_path / "blank"
    blank.mkdir()
    for file in policy.iterdir():
        if "safetensors" not in file.name:
            (blank / file.name).write_bytes(file.read_bytes())
    options = ("--objective", "sft", "--from-scratch", "--epochs", 60, "--learning-rate", 1e-2, "--warmup", 5)
    result = trained(texts.root, blank, tmp_path / "out", *options, "--set", "lr_scheduler_type=cosine")
    assert "4 of 6 rows train, 1 dropped by the recipe, 1 left out (no_weight)" in result.stderr
    assert "text only" in result.stderr
    first, *_, last = [line for line in log(tmp_path / "out") if "loss" in line]
    assert first["tokens"] == 3 * 4 + 3  # the truncated one has no end token
    assert last["loss"] < 0.2 < first["loss"]
    assert last["learning_rate"] < 1e-3
    assert "drift" not in last
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    written = model.generate(torch.tensor([[3, 4]]), do_sample=False, max_new_tokens=8)[0].tolist()
    assert written == [3, 4, 5, 6, 7, 1]
    assert manifest(tmp_path / "out")["model"]["fingerprint"] is None


def test_truncated_rows_can_be_left_out(texts: Dataset, policy: Path, tmp_path: Path) -> None:
    result = trained(texts.root, policy, tmp_path / "out", "--objective", "sft", "--mask-truncated")
    assert "1 left out (truncated)" in result.stderr


def test_text_only_rows_need_recompute(texts: Dataset, policy: Path, tmp_path: Path) -> None:
    said = refused(texts.root, policy, tmp_path / "out")
    assert "5 of 5 rows have no log-probs of the exact tokens" in said
    assert "--behaviour recompute" in said
    result = trained(texts.root, policy, tmp_path / "out", "--behaviour", "recompute")
    assert "treated as on-policy" in result.stderr


def test_supervised_training_refuses_negative_advantages(groups: Path, policy: Path, tmp_path: Path) -> None:
    assert "16 rows of negative advantage" in refused(groups, policy, tmp_path / "out", "--objective", "sft")


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"logprob_semantics": "raw"}, "raw log-probs"),
        ({"top_p": 0.9}, "top_p below 1"),
        ({"logprobs": None}, "no log-probs of the exact tokens"),
        ({"token_exact": False}, "no log-probs of the exact tokens"),
        ({"temperature": 0.0}, "temperature 0"),
        ({"hinted": True}, "were sampled with the answer shown"),
        ({"completion_ids": [99], "logprobs": [-1.0]}, "outside the vocabulary of 20"),
        ({"completion_ids": [3] * 70, "logprobs": [-1.0] * 70}, "too_long 16"),
    ],
)
def test_what_cannot_train_is_refused(
    data: Dataset, policy: Path, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    rewrite(data, SAMPLES, lambda row: row | change)
    assert words in refused(data.root, policy, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))


def test_groups_of_several_policies_are_refused(data: Dataset, policy: Path, tmp_path: Path) -> None:
    rewrite(data, SAMPLES, lambda row: row | {"policy": f"model-{row['sample_index'] % 2}"})
    assert "4 groups mix samples of several policies" in refused(data.root, policy, tmp_path / "out")
    trained(data.root, policy, tmp_path / "out", "--allow-mixed-policy")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"temperature": 1.0}, "temperature: stored as 1; at 0.7"),
        ({"temperature": None}, "temperature: stored as unknown (taken as 1); at 0.7"),
    ],
)
def test_own_samples_with_other_log_probs_are_refused_with_what_differs(
    data: Dataset, policy: Path, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    rewrite(data, SAMPLES, lambda row: row | change)
    said = refused(data.root, policy, tmp_path / "out")
    assert "its fingerprint is their policy_version" in said
    assert words in said
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))


def test_another_temperature_is_refused_too_where_it_changes_little(tmp_path: Path) -> None:
    flat = write_policy(tmp_path / "flat", initializer_range=0.02)  # log-probs .041 apart at .7, below the limit of .1
    data = write_groups(tmp_path / "data", flat, n_groups=4, temperature=1.0)
    rewrite(data, SAMPLES, lambda row: row | {"temperature": 0.7})
    said = refused(data.root, flat, tmp_path / "out")
    assert "temperature: stored as 0.7; at 1 the log-probs would be 0.0000" in said


def test_another_tokenizer_is_named(data: Dataset, policy: Path, tmp_path: Path) -> None:
    rewrite(data, PROMPTS, lambda row: row | {"prompt_ids": [i % 16 + 3 for i in row["prompt_ids"]]})
    rewrite(data, SAMPLES, lambda row: row | {"completion": row["completion"] + "a"})
    said = refused(data.root, policy, tmp_path / "out")
    assert "prompt ids: stored [" in said
    assert "tokenizer: the stored completion" in said


def test_samples_of_another_policy_train_with_their_staleness_stated(
    groups: Path, policy: Path, tmp_path: Path
) -> None:
    other = write_policy(tmp_path / "other", seed=1)
    result = trained(groups, other, tmp_path / "out", *FAST[:-2])
    assert "samples of another policy: this model's log-probs are" in result.stderr
    assert "effective of 32 sequences" in result.stderr
    assert manifest(tmp_path / "out")["start"]["other_policy"]["n_sequences"] == 32


def test_a_variant_that_keeps_no_row_is_refused(data: Dataset, policy: Path, tmp_path: Path) -> None:
    empty = {"advantage": None, "weight": None, "reward": None, "drop_reason": "all_wrong"}
    rewrite(data, GRPO, lambda row: row | empty)
    said = refused(data.root, policy, tmp_path / "out")
    assert "advantages/recipe=grpo keeps none of 16 samples that could train (all_wrong 16)" in said


def test_a_stale_variant_and_a_missing_part_are_refused(data: Dataset, policy: Path, tmp_path: Path) -> None:
    part = data.part(GRPO, "part-00001.parquet")
    content = part.read_bytes()
    part.unlink()
    assert "lacks 1 part(s)" in refused(data.root, policy, tmp_path / "out")
    part.write_bytes(content)
    import pyarrow.parquet as pq

    rows = pq.read_table(data.part(SAMPLES, "part-00001.parquet")).to_pylist()
    write_rows(data, SAMPLES, "part-00001.parquet", [row | {"seed": 5} for row in rows])
    assert "is stale" in refused(data.root, policy, tmp_path / "out")


def test_missing_things_are_named(groups: Path, policy: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "no advantages of recipe 'nope'" in refused(groups, policy, out, "--recipe", "nope")
    assert "nowhere is not a folder" in refused(groups, Path("nowhere"), out)
    assert "no config.json" in refused(groups, tmp_path, out)
    assert "is not a folder" in refused(tmp_path / "nothing", policy, out)
    (policy / "model.safetensors").rename(tmp_path / "kept")
    try:
        assert "does not load as a causal language model" in refused(groups, policy, out)
    finally:
        (tmp_path / "kept").rename(policy / "model.safetensors")
    assert not out.exists()


@pytest.mark.parametrize("table", [PROMPTS, SAMPLES, GRPO], ids=str)
@pytest.mark.parametrize("where", ["all", "rows"])
def test_a_broken_part_is_named(data: Dataset, policy: Path, tmp_path: Path, table: Any, where: str) -> None:
    part = data.part(table, "part-00001.parquet")
    content = bytearray(part.read_bytes())
    content[4 : None if where == "all" else 400] = b"x" * len(content[4 : None if where == "all" else 400])
    part.write_bytes(content)
    said = refused(data.root, policy, tmp_path / "out")
    assert "cannot be read" in said
    assert str(table) in said
    assert not (tmp_path / "out").exists()


def test_an_empty_dataset_is_refused(tmp_path: Path, policy: Path) -> None:
    data = Dataset(tmp_path / "data", create=True)
    for ref in (PROMPTS, SAMPLES, GRPO):
        write_rows(data, ref, "part-00000.parquet", [])
    assert "holds no sample" in refused(data.root, policy, tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "weight_decoy=0.1"], "did you mean 'weight_decay'?"),
        (["--set", "learning_rate=0.1"], "decided by --learning-rate"),
        (["--set", "lr_scheduler_type=zigzag"], "transformers refuses"),
        (["--kl", "k1", "--kl-coef", "0.1"], "zero"),
        (["--objective", "dro"], "needs beta"),
        (["--from-scratch"], "--objective sft"),
        (["--report-to", "carrier-pigeon"], "no such integration"),
        (["--micro-batch-size", "100"], "is more than batch_size 64"),
        (["--from-scratch", "--objective", "sft", "--lora-rank", "4"], "random weights"),
        (["--learning-rate", "inf"], "learning_rate is inf"),
        (["--warmup", "inf"], "warmup is inf"),
        (["--importance", "masked"], "--behaviour decoupled only"),
        (["--set", "weight_decay=abc"], "'abc' is no number"),
        (["--set", "ignore_data_skip=true"], "decided by the trainer"),
        (["--set", "eval_on_start=true"], "does not evaluate"),
        (["--set", "adam_beta1=2"], "Invalid beta parameter"),
        (["--set", "optim=galore_adamw"], "install"),
        (["--set", "lr_scheduler_type=cosine_with_min_lr"], "min_lr"),
        (["--set", "fsdp=full_shard"], "fsdp only works in distributed training"),
    ],
)
def test_wrong_arguments_are_refused(
    groups: Path, policy: Path, tmp_path: Path, options: list[str], words: str
) -> None:
    assert words in refused(groups, policy, tmp_path / "out", *options)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_checkpoint_of_ours_is_never_replaced(groups: Path, policy: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("years of work")
    for out in (tmp_path / "home", policy, groups / "samples", groups / "samples" / "x"):
        assert "give another --out" in refused(groups, policy, out, "--overwrite")
    assert (tmp_path / "home" / "thesis.txt").read_text() == "years of work"


def test_out_in_a_table_that_is_not_there_yet_is_refused(data: Dataset, policy: Path, tmp_path: Path) -> None:
    for place in ("advantages/recipe=new", "verdicts/x", "prompts"):
        assert "lies in a table of the dataset" in refused(data.root, policy, data.root / place)
    assert not (data.root / "verdicts").exists()
    assert [path.name for path in (data.root / "advantages").iterdir()] == ["recipe=grpo"]


def test_out_around_what_is_read_is_refused(groups: Path, policy: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    trained(groups, policy, out, *FAST)
    (out / "adapter").mkdir()
    assert "which training reads" in refused(groups, out / "adapter", out, "--overwrite")
    assert "which training reads" in refused(groups, out, out, "--overwrite")
    assert (out / "model.safetensors").exists()


@pytest.mark.parametrize("content", ["[]", "{}", "not json", '{"job": {"verb": "train"}}'])
def test_a_folder_with_another_manifest_is_never_replaced(
    groups: Path, policy: Path, tmp_path: Path, content: str
) -> None:
    out = tmp_path / "extension"
    out.mkdir()
    (out / "manifest.json").write_text(content)
    for options in ((), ("--overwrite",)):
        assert "is no manifest of `curate train`" in refused(groups, policy, out, *options)
    assert (out / "manifest.json").read_text() == content


def test_weights_that_are_no_numbers_are_not_written(groups: Path, policy: Path, tmp_path: Path) -> None:
    options = ("--learning-rate", 1e30, "--set", "weight_decay=1e30", "--max-drift", 0)
    assert "no longer finite numbers" in refused(groups, policy, tmp_path / "out", *options)
    assert not list(tmp_path.iterdir())


def test_a_reference_that_the_rows_do_not_fit_is_refused(groups: Path, policy: Path, tmp_path: Path) -> None:
    for number, (change, words) in enumerate(
        (({"vocab_size": 10}, "a vocabulary of 10,"), ({"max_position_embeddings": 4}, "has 4 positions"))
    ):
        other = write_policy(tmp_path / f"other{number}", seed=1, **change)
        said = refused(groups, policy, tmp_path / "out", "--kl-coef", 0.1, "--ref-model", other)
        assert f"--ref-model {other} has" in said
        assert words in said
    assert not list(tmp_path.glob(".out*"))


def test_other_arguments_of_transformers_are_passed_on(groups: Path, policy: Path, tmp_path: Path) -> None:
    trained(groups, policy, tmp_path / "out", *FAST, "--set", "weight_decay=0.5")
    trained(groups, policy, tmp_path / "plain", *FAST)
    a, b = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("out", "plain"))
    assert a != b
    assert manifest(tmp_path / "out")["arguments"]["extra"] == {"weight_decay": 0.5}


def test_a_job_file_is_checked_before_anything_runs(groups: Path, policy: Path, tmp_path: Path) -> None:
    job = tmp_path / "job.toml"
    section = '[dataset]\npath = "{data}"\n[train]\nmodel = "{model}"\nout = "{out}"\nbatch_size = 8\n{more}\n'
    names = {"data": groups, "model": policy, "out": tmp_path / "out"}
    for more, words in (("kl = 'k1'\nkl_coef = 0.1", "zero"), ("weight_decoy = 1", "did you mean 'weight_decay'?")):
        job.write_text(section.format(**names, more=more))
        result = CliRunner().invoke(app, ["run", str(job)])
        assert result.exit_code == 2
        assert words in result.stderr
    job.write_text(section.format(**names, more="weight_decay = 0.1\nmax_drift = 0"))
    result = CliRunner().invoke(app, ["run", str(job)])
    assert result.exit_code == 0, result.output
    assert manifest(tmp_path / "out")["arguments"]["extra"] == {"weight_decay": 0.1}
