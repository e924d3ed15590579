"""``curate train`` on pairs end to end: what it learns, logs, resumes and refuses."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset, TableRef
from curate.parts import read_footer
from stored import SAMPLES, write_rows
from train_case import GRPO, PAIRS, rewrite, stored_logprobs, write_groups, write_pairs, write_policy

FAST = ("--learning-rate", 1e-3, "--batch-size", 4, "--max-drift", 0)
GENTLE = ("--learning-rate", 2e-4, "--batch-size", 16, "--max-drift", 0)
TAU = ("--dro-tau", 0.1, "--dro-learning-rate", 0.1)
DPO = ("--objective", "dpo", "--beta", 0.5)


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


def steps(out: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (out / "train_log.jsonl").read_text().splitlines()]
    return [line for line in lines if "loss" in line]


def manifest(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "manifest.json").read_text()))


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_policy(tmp_path_factory.mktemp("policy") / "tiny")


@pytest.fixture(scope="module")
def groups(tmp_path_factory: pytest.TempPathFactory, policy: Path) -> Path:
    return write_pairs(write_groups(tmp_path_factory.mktemp("groups") / "data", policy)).root


@pytest.fixture
def data(tmp_path: Path, policy: Path) -> Dataset:
    """A dataset of its own, for tests that change it."""
    return write_pairs(write_groups(tmp_path / "data", policy, n_groups=4))


def gains(data: Path, out: Path) -> dict[bool, float]:
    """Return the mean gain in summed log-prob of the chosen (True) and the rejected samples."""
    from transformers import LlamaForCausalLM

    model, found = LlamaForCausalLM.from_pretrained(out), Dataset(data)
    prompts = dict(found.scan("prompts").select("prompt_id", "prompt_ids").collect().iter_rows())
    gained: dict[bool, list[float]] = {True: [], False: []}
    for row in found.scan("samples").collect().iter_rows(named=True):
        now = stored_logprobs(model, prompts[row["prompt_id"]], row["completion_ids"], 0.7)
        gained[row["sample_index"] % 2 == 0].append(sum(now) - sum(row["logprobs"]))
    return {is_chosen: sum(values) / len(values) for is_chosen, values in gained.items()}


@pytest.mark.parametrize(
    ("options", "first_loss"),
    [(DPO, math.log(2)), (["--objective", "rebel"], 1.0), (["--objective", "prdp", "--log-clip", 0.5], 1.0)],
    ids=["dpo", "rebel", "prdp"],
)
def test_the_margin_rises_from_0(
    groups: Path, policy: Path, tmp_path: Path, options: list[object], first_loss: float
) -> None:
    out = tmp_path / "out"
    result = trained(groups, policy, out, *GENTLE, *options, "--epochs", 24)
    assert "pairs/recipe=best_worst: 16 of 16 pairs train;" in result.stderr
    assert "24 steps of 16 pairs" in result.stderr
    first, *_, last = lines = steps(out)
    assert first["loss"] == pytest.approx(first_loss, abs=1e-4)
    assert first["policy_loss"] == pytest.approx(first["loss"])
    assert first["margin"] == pytest.approx(0, abs=1e-4)
    assert first["chosen_gain"] == pytest.approx(0, abs=1e-4)
    assert last["margin"] > 0.7
    assert last["accuracy"] == 1
    assert last["loss"] < 0.7 * first["loss"]
    assert len(lines) == 24
    assert {"grad_norm", "entropy", "drift", "pairs", "tokens", "rejected_gain"} <= first.keys()
    assert first["pairs"] == 16
    gained = gains(groups, out)
    assert gained[True] - gained[False] > 0.7
    facts = manifest(out)
    assert facts["pairs"] == {"in": 16, "trained": 16, "left_out": {}}
    assert facts["recipe"]["variant"] == "best_worst"
    assert set(facts["parts"]) == {"samples", "pairs/recipe=best_worst"}
    assert facts["start"]["drift"] < 1e-9
    assert facts["trained_tokens"] == sum(line["tokens"] for line in lines)


def test_dpo_needs_no_log_probs_of_the_sampler(data: Dataset, policy: Path, tmp_path: Path) -> None:
    rewrite(data, SAMPLES, lambda row: row | {"logprobs": None})
    write_pairs(data)
    trained(data.root, policy, tmp_path / "out", *FAST, *DPO)
    first = steps(tmp_path / "out")[0]
    assert first["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert "drift" not in first
    assert "no log-probs of the exact tokens" in refused(data.root, policy, tmp_path / "no", "--objective", "rebel")
    trained(data.root, policy, tmp_path / "own", *FAST, "--objective", "rebel", "--behaviour", "recompute")
    assert steps(tmp_path / "own")[0]["margin"] == pytest.approx(0, abs=1e-5)


def test_another_reference_is_not_at_zero(groups: Path, policy: Path, tmp_path: Path) -> None:
    other = write_policy(tmp_path / "other", seed=1)
    trained(groups, policy, tmp_path / "out", *FAST, *DPO, "--ref-model", other)
    assert abs(steps(tmp_path / "out")[0]["chosen_gain"]) > 0.1
    said = refused(groups, policy, tmp_path / "no", "--objective", "rebel", "--ref-model", other)
    assert "by --objective dpo and prdp" in said


@pytest.mark.parametrize("options", [("--micro-batch-size", 1), ("--micro-batch-size", 3), ("--packing",)], ids=str)
def test_how_a_step_is_cut_does_not_change_the_losses(
    groups: Path, policy: Path, tmp_path: Path, options: tuple[object, ...]
) -> None:
    trained(groups, policy, tmp_path / "whole", *FAST, *DPO)
    trained(groups, policy, tmp_path / "cut", *FAST, *DPO, *options)
    for place, (one, other) in enumerate(zip(steps(tmp_path / "whole"), steps(tmp_path / "cut"), strict=True)):
        # before the first update every margin is 0 but for rounding, whose sign is all that accuracy would show
        for name in ("loss", "grad_norm", "margin", "tokens", "drift", *(["accuracy"] if place else [])):
            assert one[name] == pytest.approx(other[name], abs=2e-5), name


@pytest.mark.slow
def test_smoothing_holds_the_margin_back(data: Dataset, policy: Path, tmp_path: Path) -> None:
    write_pairs(data, TableRef("pairs", "smooth"), smoothing=0.4)
    options = (*GENTLE, *DPO, "--epochs", 40, "--pairs")
    margins = []
    for name in ("best_worst", "smooth"):
        trained(data.root, policy, tmp_path / name, *options, name)
        margins.append(steps(tmp_path / name)[-1]["margin"])
    assert 0 < margins[1] < 0.7 * margins[0]


def test_step_pairs_leave_out_what_both_sides_begin_with(data: Dataset, policy: Path, tmp_path: Path) -> None:
    rewrite(data, SAMPLES, lambda row: row | {"completion_ids": [3, 4, 5 + row["sample_index"]], "logprobs": None})
    write_pairs(data)
    trained(data.root, policy, tmp_path / "whole", *FAST, *DPO)
    trained(data.root, policy, tmp_path / "step", *FAST, *DPO, "--from-first-difference")
    assert [line["tokens"] for line in steps(tmp_path / "whole")] == [24, 24]
    assert [line["tokens"] for line in steps(tmp_path / "step")] == [8, 8]


def test_pairs_with_a_side_that_cannot_train_are_left_out(data: Dataset, policy: Path, tmp_path: Path) -> None:
    def change(row: dict[str, Any]) -> dict[str, Any]:
        if row["group_id"] == 100 and row["sample_index"] == 1:
            return row | {"completion_ids": [3] * 70, "logprobs": [-1.0] * 70}
        if row["group_id"] == 101 and row["sample_index"] in (2, 3):
            return row | {"completion_ids": [5], "logprobs": [-1.0]}
        return row

    rewrite(data, SAMPLES, change)
    write_pairs(data)
    result = trained(data.root, policy, tmp_path / "out", *FAST, *DPO, "--behaviour", "recompute")
    assert "6 of 8 pairs train, 1 left out (identical), 1 left out (too_long)" in result.stderr
    assert manifest(tmp_path / "out")["pairs"] == {"in": 8, "trained": 6, "left_out": {"too_long": 1, "identical": 1}}
    assert manifest(tmp_path / "out")["rows"]["trained"] == 12


def test_samples_in_no_pair_are_counted(data: Dataset, policy: Path, tmp_path: Path) -> None:
    first = TableRef("pairs", "first")
    for name in data.parts(SAMPLES):
        rows = [{"group_id": int(name[9]) * 2 + 100, "chosen": 3, "rejected": 0}]
        write_rows(data, first, name, rows, {"samples": read_footer(data.part(SAMPLES, name)).content_id})
    trained(data.root, policy, tmp_path / "out", *FAST, *DPO, "--pairs", "first")
    facts = manifest(tmp_path / "out")
    assert facts["rows"]["dropped"] == {"in_no_pair": 12}
    assert facts["rows"]["trained"] == 4


def test_own_samples_with_other_log_probs_are_refused(data: Dataset, policy: Path, tmp_path: Path) -> None:
    rewrite(data, SAMPLES, lambda row: row | {"temperature": 1.0})
    write_pairs(data)
    assert "temperature: stored as 1; at 0.7" in refused(data.root, policy, tmp_path / "out", *DPO)


def test_a_pair_of_a_sample_that_is_not_there_is_refused(data: Dataset, policy: Path, tmp_path: Path) -> None:
    rows = [{"group_id": 100, "chosen": 0, "rejected": 9}]
    inputs = {"samples": read_footer(data.part(SAMPLES, "part-00000.parquet")).content_id}
    write_rows(data, PAIRS, "part-00000.parquet", rows, inputs)
    said = refused(data.root, policy, tmp_path / "out", *DPO)
    assert "1 sides of pairs are samples that samples/part-00000.parquet does not hold" in said
    assert "first sample 9 of group 100" in said


def test_what_a_pair_lacks_is_refused(data: Dataset, policy: Path, tmp_path: Path) -> None:
    write_pairs(data, target=None)
    out = tmp_path / "out"
    for objective in (["rebel"], ["prdp", "--log-clip", 0.1]):
        said = refused(data.root, policy, out, "--objective", *objective)
        assert "regresses on a target, which 8 of 8 pairs of pairs/recipe=best_worst lack" in said
    trained(data.root, policy, out, *FAST, *DPO)
    rewrite(data, SAMPLES, lambda row: row | {"hinted": True})
    write_pairs(data)
    assert "were sampled with the answer shown" in refused(data.root, policy, tmp_path / "no", *DPO)


def test_no_pair_is_refused(data: Dataset, policy: Path, tmp_path: Path) -> None:
    for name in data.parts(SAMPLES):
        write_rows(data, PAIRS, name, [], {"samples": read_footer(data.part(SAMPLES, name)).content_id})
    assert "holds no pair of 16 samples" in refused(data.root, policy, tmp_path / "out", *DPO)
    rewrite(data, SAMPLES, lambda row: row | {"completion_ids": [5], "logprobs": [-1.0]})
    write_pairs(data)
    assert "no pair of two sides that can train (identical 8)" in refused(data.root, policy, tmp_path / "out", *DPO)


def test_a_stale_variant_and_a_missing_part_are_refused(data: Dataset, policy: Path, tmp_path: Path) -> None:
    (data.part(PAIRS, "part-00001.parquet")).unlink()
    assert "pairs/recipe=best_worst lacks 1 part(s)" in refused(data.root, policy, tmp_path / "out", *DPO)
    write_pairs(data)
    rewrite(data, SAMPLES, lambda row: row | {"seed": 5})
    assert "is stale" in refused(data.root, policy, tmp_path / "out", *DPO)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--objective", "dpo"], "objective dpo needs beta"),
        ([*DPO, "--recipe", "grpo"], "trains on pairs: give --pairs instead of --recipe"),
        (["--pairs", "best_worst"], "--objective grpo trains on advantages: leave --pairs out"),
        ([*DPO, "--pairs", "best_worst", "--recipe", "grpo"], "a run trains on one of them"),
        ([*DPO, "--pairs", "nope"], "no pairs of recipe 'nope'"),
        ([*DPO, "--behaviour", "decoupled"], "use bypass or recompute"),
        ([*DPO, "--kl-coef", 0.1], "leave kl_coef out"),
        ([*DPO, "--from-scratch"], "--objective sft"),
        (["--objective", "prdp"], "needs log_clip"),
        (["--from-first-difference"], "compares the two sides of a pair"),
        (["--dro-tau", 1], "that of objective grpo is no risk"),
        ([*DPO, "--dro-tau", 0], "dro_tau is 0.0: it must be above 0"),
        ([*DPO, "--dro-learning-rate", 0.1], "give --dro-tau too"),
        ([*DPO, "--dro-tau", 1, "--dro-learning-rate", "nan"], "dro_learning_rate is nan"),
    ],
)
def test_wrong_arguments_are_refused(
    groups: Path, policy: Path, tmp_path: Path, options: list[object], words: str
) -> None:
    assert words in refused(groups, policy, tmp_path / "out", *options)
    assert not list(tmp_path.iterdir())


def test_several_variants_are_listed(data: Dataset, policy: Path, tmp_path: Path) -> None:
    write_pairs(data, TableRef("pairs", "other"))
    said = refused(data.root, policy, tmp_path / "out", *DPO)
    assert "has several pairs (best_worst, other): choose one with --pairs NAME" in said


def test_a_job_file_trains_on_pairs(groups: Path, policy: Path, tmp_path: Path) -> None:
    job = tmp_path / "job.toml"
    text = (
        f'[dataset]\npath = "{groups}"\n[train]\nmodel = "{policy}"\nout = "{tmp_path}/out"\nobjective = "dpo"\n'
        "{beta}max_drift = 0\nlearning_rate = 1e-3\nbatch_size = 4\n"
    )
    job.write_text(text.format(beta=""))
    result = CliRunner().invoke(app, ["run", str(job)])
    assert result.exit_code == 2
    assert "[train]: objective dpo needs beta" in result.stderr
    job.write_text(text.format(beta="beta = 0.5\n"))
    result = CliRunner().invoke(app, ["run", str(job)])
    assert result.exit_code == 0, result.output
    assert manifest(tmp_path / "out")["arguments"]["objective"]["beta"] == 0.5


@pytest.mark.slow
@pytest.mark.parametrize("options", [DPO, ("--objective", "sft")], ids=["pairs", "rows"])
def test_an_adversary_weighs_the_items(
    data: Dataset, policy: Path, tmp_path: Path, options: tuple[object, ...]
) -> None:
    rewrite(data, GRPO, lambda row: row | {"advantage": 1.0})
    if options == DPO:  # against itself all losses are log 2, and the adversary would follow rounding
        options = (*DPO, "--ref-model", write_policy(tmp_path / "other", seed=1))
    out, plain = tmp_path / "out", tmp_path / "plain"
    trained(data.root, policy, plain, *GENTLE, *options, "--epochs", 8)
    trained(data.root, policy, out, *GENTLE, *options, "--epochs", 8, *TAU)
    lines = steps(out)
    assert lines[0]["dro_kl"] == pytest.approx(0, abs=1e-9)
    assert lines[0]["dro_max"] == pytest.approx(1)
    assert lines[0]["loss"] == pytest.approx(steps(plain)[0]["loss"])
    assert lines[-1]["dro_kl"] > 0.01
    assert lines[-1]["dro_max"] > 1.1
    assert lines[-1]["dro_loss"] != pytest.approx(lines[-1]["policy_loss"])
    facts = manifest(out)
    assert facts["adversary"] == {name: lines[-1][name] for name in ("dro_loss", "dro_kl", "dro_max")}
    assert facts["arguments"]["dro_tau"] == 0.1
    assert (out / "adversary.safetensors").exists()
    trained(data.root, policy, tmp_path / "cut", *GENTLE, *options, "--epochs", 8, *TAU, "--micro-batch-size", 3)
    for one, other in zip(lines, steps(tmp_path / "cut"), strict=True):
        for name in ("loss", "grad_norm", "dro_kl", "dro_max"):
            assert one[name] == pytest.approx(other[name], rel=1e-3, abs=1e-4), name


@pytest.mark.slow
@pytest.mark.parametrize("adversary", [(), TAU], ids=["pairs", "adversary"])
def test_a_killed_training_goes_on_as_if_unbroken(
    groups: Path, policy: Path, tmp_path: Path, adversary: tuple[object, ...]
) -> None:
    def start(out: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", "from curate.cli import main; main()", "train", groups, "--model", policy]
        options = ["--out", out, *FAST, *DPO, "--epochs", 12, "--save-every", 5, *adversary]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        return subprocess.Popen(
            [str(part) for part in [*command, *options]], env=environment, stderr=subprocess.PIPE, text=True
        )

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    process = start(whole)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    process, log = start(killed), tmp_path / ".killed.unfinished" / "train_log.jsonl"
    while not log.exists() or log.read_text().count('"loss"') < 12:
        assert process.poll() is None, process.communicate()
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not killed.exists()
    process = start(killed)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "going on from checkpoint" in errors
    assert (whole / "model.safetensors").read_bytes() == (killed / "model.safetensors").read_bytes()
    for one, other in zip(steps(whole), steps(killed), strict=True):
        assert one | {"seconds": 0} == other | {"seconds": 0}
