"""``curate export --format kto``: labels by hand, what is left out and lost, and the installed TRL trained on the file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset, TableRef
from curate.exporting.kto import balance
from curate.exporting.whole import write_whole
from curate.parts import Footer
from stored import PROMPTS, SAMPLES, write_rows

BY_HAND = TableRef("advantages", "by_hand")

# group, sample, advantage (a text is a drop_reason), and the columns in which a row is not like the others
ROWS: list[tuple[int, int, float | str, dict[str, Any]]] = [
    (1, 0, 2.0, {}),
    (1, 1, -0.5, {"finish_reason": "length", "loss_mask": [True, False], "completion_ids": [4, 5]}),
    (1, 2, 0.0, {}),
    (1, 3, -0.0, {}),
    (1, 4, 1e-9, {"weight": 0.5, "token_advantages": [0.1], "completion_ids": [4], "kl_scale": 2.0}),
    (2, 0, "all_wrong", {}),
    (2, 1, "all_wrong", {"completion": None, "completion_ids": [7]}),
    (3, 0, -1.0, {"completion": ""}),
    (3, 1, -1.0, {"completion": None, "completion_ids": [7]}),
    (3, 2, 1.0, {"weight": 0.0}),
    (3, 3, "unjudged", {}),
    (4, 0, 1.0, {}),  # the prompt of group 4 is known as token ids alone
]
PER_PART = {"part-00000.parquet": (1, 2), "part-00001.parquet": (3, 4)}
# sample_index before group: (1, 0), (1, 1), (1, 4), then the second part's (3, 0)
GOLDEN = [
    ("say 1", "1:0", True),
    ("say 1", "1:1", False),
    ("say 1", "1:4", True),
    ("say 3", "", False),
]
DROPPED = {
    "all_wrong": 2,
    "no_completion_text": 1,
    "no_prompt_text": 1,
    "unjudged": 1,
    "zero_advantage": 2,
    "zero_weight": 1,
}


def dataset(root: Path, rows: list[tuple[int, int, float | str, dict[str, Any]]], **prompt: Any) -> Dataset:
    """Write prompts "say GROUP", completions "GROUP:SAMPLE" and the advantages of ``rows``."""
    data = Dataset(root, create=True)
    for name, groups in PER_PART.items():
        prompts, samples, advantages = [], [], []
        for group in groups:
            text = {"prompt": f"say {group}"} if group != 4 else {"prompt_ids": [1, 2]}
            prompts.append({"prompt_id": f"p{group}", "prompt_format": "text", "source": "test", **text, **prompt})
        for group, index, value, other in (row for row in rows if row[0] in groups):
            key = {"group_id": group, "sample_index": index}
            sample = {"prompt_id": f"p{group}", "completion": f"{group}:{index}", "token_exact": False, "hinted": False}
            samples.append({**key, **sample, **other})
            kept = {"advantage": value, "weight": 1.0, "reward": 1.0}
            kept = {"drop_reason": value} if isinstance(value, str) else {**kept, **other}
            advantages.append({**key, "group_size": 0 if value == "unjudged" else 1, **kept})
        for row in advantages:
            same = [r for r in advantages if r["group_id"] == row["group_id"]]
            row["group_size"] = sum(r.get("drop_reason") != "unjudged" for r in same)
        write_rows(data, PROMPTS, name, prompts)
        content = write_rows(data, SAMPLES, name, samples)
        write_rows(data, BY_HAND, name, advantages, {"samples": content})
    return data


def export(data: Dataset, out: Path, *options: str) -> Any:
    return CliRunner().invoke(app, ["export", str(data.root), "--format", "kto", "--out", str(out), *options])


def manifest(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(out.with_name(f"{out.name}.manifest.json").read_text(encoding="utf-8"))
    return found


def test_the_label_is_the_sign_and_every_other_row_is_counted(tmp_path: Path) -> None:
    data, out = dataset(tmp_path / "data", ROWS), tmp_path / "kto.parquet"
    result = export(data, out)
    assert result.exit_code == 0, result.stderr
    assert pl.read_parquet(out).rows() == GOLDEN
    assert pq.read_schema(out).names == ["prompt", "completion", "label"]
    told = manifest(out)
    assert told["rows"] == {"in": 12, "out": 4, "desirable": 2, "undesirable": 2, "dropped": DROPPED}
    assert told["rows"]["out"] + sum(DROPPED.values()) == len(ROWS)
    assert told["format"] == "kto"
    assert told["recipe"] == {"variant": "by_hand", "recipe": None}
    assert "exactly 0 has no label" in told["label_rule"]
    assert told["desirable_per_undesirable"] == 1
    assert told["weights"] == {"desirable_weight": 1, "undesirable_weight": 1}
    assert {name: lost["rows"] for name, lost in told["lost"].items()} == {
        "advantage": 4,
        "weight": 1,
        "kl_scale": 1,
        "token_advantages": 1,
        "completion_ids": 2,
        "loss_mask": 1,
        "finish_reason": 1,
        "prompt_format": 0,
    }
    assert set(told["inputs"]) == {"samples", "advantages/recipe=by_hand", "prompts"}
    assert "2 desirable and 2 undesirable rows written, 8 of 12 left out (all_wrong 2, no_completion" in result.stderr
    assert (
        "1 desirable per undesirable: train with KTOConfig(desirable_weight=1, undesirable_weight=1)" in result.stderr
    )


def test_the_same_parts_give_nothing_to_do_and_other_parts_are_refused(tmp_path: Path) -> None:
    data, out = dataset(tmp_path / "data", ROWS), tmp_path / "kto.parquet"
    beside = out.with_name("kto.parquet.manifest.json")
    export(data, out)
    made, stamp = (out.read_bytes(), beside.read_bytes()), out.stat().st_mtime_ns
    again = export(data, out)
    assert "nothing to do" in again.stderr
    assert out.stat().st_mtime_ns == stamp
    beside.unlink()  # a file without its manifest is not done
    assert "rows written" in export(data, out).stderr
    assert (out.read_bytes(), beside.read_bytes()) == made
    train = CliRunner().invoke(app, ["export", str(data.root), "--out", str(out)])
    assert train.exit_code == 2
    assert "is no train export" in train.stderr
    dataset(data.root, [*ROWS[:-1], (4, 0, -1.0, {})])
    other = export(data, out)
    assert other.exit_code == 2
    assert "was made from other parts" in other.stderr
    assert (out.read_bytes(), beside.read_bytes()) == made
    assert export(data, out, "--overwrite").exit_code == 0
    assert manifest(out)["inputs"] != json.loads(made[1])["inputs"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", out.name, beside.name]


def test_a_train_file_is_not_taken_for_labels(tmp_path: Path) -> None:
    data, out = dataset(tmp_path / "data", [(1, 0, 1.0, {})]), tmp_path / "t.parquet"
    assert CliRunner().invoke(app, ["export", str(data.root), "--out", str(out)]).exit_code == 0
    result = export(data, out)
    assert result.exit_code == 2
    assert "is no kto export" in result.stderr


def test_a_kept_hinted_sample_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", [(1, 0, 1.0, {"hinted": True}), (1, 1, "gated", {"hinted": True})])
    result = export(data, tmp_path / "kto.parquet")
    assert result.exit_code == 2
    assert "1 kept samples of part-00000.parquet were sampled with the answer shown" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    dropped = dataset(tmp_path / "other", [(1, 0, 1.0, {}), (1, 1, "gated", {"hinted": True})])
    assert export(dropped, tmp_path / "kto.parquet").exit_code == 0


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(1, 0, 1.0, {})], "no row is undesirable, and KTO needs both labels"),
        ([(1, 0, -1.0, {})], "no row is desirable, and KTO needs both labels"),
        ([(1, 0, "gated", {})], "no row is desirable or undesirable, and KTO needs both labels"),
    ],
)
def test_a_label_without_rows_is_warned_of(rows: Any, message: str, tmp_path: Path) -> None:
    out = tmp_path / "kto.parquet"
    result = export(dataset(tmp_path / "data", rows), out)
    assert result.exit_code == 0
    assert f"warning: {message}" in result.stderr
    assert manifest(out)["weights"] is None
    assert len(pl.read_parquet(out)) == manifest(out)["rows"]["out"]


def test_without_undesirable_rows_their_ratio_is_unknown(tmp_path: Path) -> None:
    export(dataset(tmp_path / "data", [(1, 0, 1.0, {})]), tmp_path / "kto.parquet")
    assert manifest(tmp_path / "kto.parquet")["desirable_per_undesirable"] is None


def test_chat_prompts_are_their_json_as_in_the_train_export_and_warned_of(tmp_path: Path) -> None:
    messages = '[{"content":"say","role":"user"}]'
    chat = {"prompt": messages, "prompt_format": "chat"}
    data = dataset(tmp_path / "data", [(1, 0, 1.0, {}), (1, 1, -1.0, {})], **chat)
    result = export(data, tmp_path / "kto.parquet")
    assert "warning: 2 prompts are the JSON of chat messages, which TRL takes for text" in result.stderr
    CliRunner().invoke(app, ["export", str(data.root), "--out", str(tmp_path / "t.parquet")])
    for name in ("kto.parquet", "t.parquet"):
        assert pl.read_parquet(tmp_path / name)["prompt"].to_list() == [messages] * 2


def test_neighbours_are_of_different_prompts(tmp_path: Path) -> None:
    rows = [(group, index, 1.0 - 2 * (index % 2), {}) for group in (1, 2) for index in range(3)]
    export(dataset(tmp_path / "data", rows), tmp_path / "kto.parquet")
    assert pl.read_parquet(tmp_path / "kto.parquet")["completion"].to_list() == [
        "1:0",
        "2:0",
        "1:1",
        "2:1",
        "1:2",
        "2:2",
    ]


def test_a_text_of_a_model_arrives_as_it_is(tmp_path: Path) -> None:
    hostile = "\x00\x1b[2J'; DROP TABLE samples; --\u202e\U0001f600\r\n" * 3
    data = dataset(tmp_path / "data", [(1, 0, 1.0, {"completion": hostile}), (1, 1, -1.0, {})])
    result = export(data, tmp_path / "kto.parquet")
    assert pl.read_parquet(tmp_path / "kto.parquet")["completion"][0] == hostile
    assert "\x1b" not in result.stderr + (tmp_path / "kto.parquet.manifest.json").read_text()


@pytest.mark.parametrize(
    ("n_desirable", "n_undesirable", "desirable", "undesirable"),
    [(8, 8, 1, 1), (4, 3, 1, 1), (3, 4, 1.56, 1), (1, 10, 11.67, 1), (7, 5, 1, 1.2), (10, 1, 1, 8.57)],
)
def test_weights_by_hand(n_desirable: int, n_undesirable: int, desirable: float, undesirable: float) -> None:
    # 7/6 * 4/3 = 1.556, 7/6 * 10 = 11.667; 6/7 * 7/5 = 1.2, 6/7 * 10 = 8.571
    weights = balance(n_desirable, n_undesirable)
    assert weights == {"desirable_weight": desirable, "undesirable_weight": undesirable}
    assert 1 <= desirable * n_desirable / (undesirable * n_undesirable) <= 4 / 3


def test_a_scorer_and_a_place_in_the_dataset_are_refused(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", ROWS)
    scored = export(data, tmp_path / "kto.parquet", "--scorer", "sampler")
    assert scored.exit_code == 2
    assert "format kto has none: leave --scorer out" in scored.stderr
    placed = export(data, data.root / "samples" / "kto.parquet")
    assert placed.exit_code == 2
    assert "lies in a table of the dataset" in placed.stderr
    assert sorted(path.name for path in (data.root / "samples").iterdir()) == list(PER_PART)


def test_stale_advantages_are_refused(tmp_path: Path) -> None:
    data, out = dataset(tmp_path / "data", ROWS), tmp_path / "kto.parquet"
    write_rows(data, SAMPLES, "part-00001.parquet", [])
    stale = export(data, out)
    assert stale.exit_code == 2
    assert "is stale (samples changed since)" in stale.stderr
    assert not out.exists()


@pytest.mark.parametrize("format_", ["kto", "train"])
def test_a_broken_part_of_another_recipe_is_not_read(format_: str, tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", [(1, 0, 1.0, {}), (1, 1, -1.0, {})])
    other = data.folder(TableRef("advantages", "other"))
    other.mkdir()
    (other / "part-00000.parquet").write_bytes(b"cut")
    result = export(data, tmp_path / "out.parquet", "--recipe", "by_hand", "--format", format_)
    assert result.exit_code == 0, result.stderr
    broken = export(data, tmp_path / "out2.parquet", "--recipe", "other", "--format", format_)
    assert broken.exit_code != 0
    assert "part-00000.parquet" in broken.stderr
    assert not (tmp_path / "out2.parquet").exists()


# --- written whole or not at all --------------------------------------------------------------------------------------


# Where the process dies: in the second part's rows, before the manifest, before the file gets its name, and after it.
KILLED = """
import os, signal, sys
from pathlib import Path
import pyarrow.parquet as pq
import curate.exporting.whole as whole
from curate.cli import main

def die_before(module, name, n):
    kept, calls = getattr(module, name), []
    def dying(*given, **named):
        calls.append(given)
        if len(calls) == n:
            os.kill(os.getpid(), signal.SIGKILL)
        return kept(*given, **named)
    setattr(module, name, dying)

point = sys.argv.pop(1)
if point == "rows":
    die_before(pq.ParquetWriter, "write_table", 2)
elif point == "manifest":
    die_before(whole, "write_durably", 1)
elif point == "rename":
    die_before(Path, "rename", 2)
else:
    die_before(whole, "sync_folder", 1)
main()
"""


@pytest.mark.parametrize("point", ["rows", "manifest", "rename", "sync"])
def test_a_killed_export_leaves_no_half_file_and_the_next_one_is_whole(point: str, tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", ROWS)
    out, unbroken = tmp_path / "kto.parquet", tmp_path / "unbroken.parquet"
    export(data, unbroken)
    line = [sys.executable, "-c", KILLED, point, "export", str(data.root), "--format", "kto", "--out", str(out)]
    killed = subprocess.run(line, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert out.exists() == (point == "sync")
    assert export(data, out).exit_code == 0
    assert out.read_bytes() == unbroken.read_bytes()
    assert manifest(out) == manifest(unbroken)
    assert list(tmp_path.glob(".*unfinished")) == []


def test_a_second_writer_of_the_same_file_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    data, out = dataset(tmp_path / "data", ROWS), tmp_path / "kto.parquet"

    def write(raw: Any, inputs: dict[str, str]) -> Footer:
        second = export(data, out)
        assert second.exit_code == 2
        assert "another process is writing" in second.stderr
        raw.write(b"whole")
        return Footer("", "", inputs, {})

    write_whole(data, [SAMPLES], out, "kto", write, overwrite=False)
    assert out.read_bytes() == b"whole"


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    data, out = dataset(tmp_path / "data", ROWS), tmp_path / "kto.parquet"
    export(data, out)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("kto*")}
    write_rows(data, BY_HAND, "part-00001.parquet", [])  # not the samples' keys: found in the second part
    failed = export(data, out, "--overwrite")
    assert failed.exit_code in (1, 2)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("kto*")} == before
    assert list(tmp_path.glob(".*unfinished")) == []


# --- the installed TRL ------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_installed_trl_takes_a_step_on_the_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """TRL 1.16.0 when written: it loads by ``datasets``, trains, and finds the weights of the manifest in their range."""
    pytest.importorskip("trl", reason="TRL is a development dependency")
    import torch
    import trl
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from train_case import GRPO, rewrite, write_groups, write_policy

    policy = write_policy(tmp_path / "policy")
    data, out = write_groups(tmp_path / "data", policy, n_groups=4, n_parts=1), tmp_path / "kto.parquet"
    rewrite(data, GRPO, lambda row: row | {"advantage": 1.0 if row["sample_index"] == 0 else -0.5})
    assert export(data, out).exit_code == 0
    rows = load_dataset("parquet", data_files=str(out), split="train", cache_dir=str(tmp_path / "cache"))
    assert rows.column_names == ["prompt", "completion", "label"]
    assert sorted(rows["label"]) == [False] * 12 + [True] * 4
    weights = manifest(out)["weights"]
    assert weights == {"desirable_weight": 3.5, "undesirable_weight": 1.0}

    def trainer(**settings: float) -> Any:
        arguments = trl.KTOConfig(
            output_dir=str(tmp_path / "run"),
            per_device_train_batch_size=4,
            max_steps=1,
            logging_steps=1,
            learning_rate=1e-2,
            report_to=[],
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            save_strategy="no",
            disable_tqdm=True,
            **settings,
        )
        model, tokenizer = AutoModelForCausalLM.from_pretrained(policy), AutoTokenizer.from_pretrained(policy)
        return trl.KTOTrainer(model, args=arguments, train_dataset=rows, processing_class=tokenizer)

    trainer()
    assert "don't seem to be in an ideal range" in caplog.text
    caplog.clear()
    ours = trainer(**weights)
    assert "ideal range" not in caplog.text

    tokenized, prompts = ours.train_dataset, rows["prompt"]
    completions = dict(zip(map(tuple, tokenized["completion_ids"]), prompts, strict=True))
    for prompt, other in zip(prompts, tokenized["KL_completion_ids"], strict=True):
        assert completions[tuple(other)] != prompt  # the KL is estimated from completions of other prompts

    before = ours.model.model.embed_tokens.weight.detach().clone()
    ours.train()
    assert not torch.equal(before, ours.model.model.embed_tokens.weight)
    log = ours.state.log_history[0]
    # four desirable rows, and the policy is its reference: every margin is 0, so each loses 1 - sigmoid(0)
    assert log["loss"] == pytest.approx(3.5 * 0.5, abs=1e-3)
