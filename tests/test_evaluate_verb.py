"""``curate evaluate`` end to end on small datasets: figures, pairs, uplift, refusals."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset, TableRef
from curate.job import read_job, steps
from stored import PROMPTS, SAMPLES, write_rows

VERDICTS = TableRef("verdicts", "exact")
SAMPLER = TableRef("likelihoods", "sampler")


def curate(*arguments: object) -> Any:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result


def refused(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    return str(result.stderr)


def policy(root: Path, correct_of_8: dict[str, int], *, n_parts: int = 2, prompt: str = "say", **row: Any) -> Path:
    """Write a dataset with one group of 8 a prompt; ``row`` is put into every sample."""
    data = Dataset(root, create=True)
    items = list(enumerate(correct_of_8.items()))
    for part in range(n_parts):
        name = f"part-{part:05d}.parquet"
        mine = items[part::n_parts]
        asked = [
            {"prompt_id": p, "prompt": f"{prompt} {p}", "prompt_format": "text", "answer": p} for _, (p, _) in mine
        ]
        rows = [
            {
                "group_id": g,
                "sample_index": i,
                "prompt_id": p,
                "completion": f"{p} {i % 3}" if i < c else "no",
                "token_exact": False,
                "hinted": False,
                "outcome": "correct" if i < c else "incorrect",
                "extracted": p if i < c else "no",
                **row,
            }
            for g, (p, c) in mine
            for i in range(8)
        ]
        write_rows(data, PROMPTS, name, [{**each, "source": "test"} for each in asked])
        write_rows(data, SAMPLES, name, rows)
        write_rows(data, VERDICTS, name, rows)
    return root


def machine(*arguments: object) -> Any:
    return json.loads(curate("evaluate", *arguments, "--json").stdout)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return policy(tmp_path / "base", {"a": 0, "b": 2, "c": 4, "d": 8}, policy="before")


def test_pass_at_k_of_a_dataset(base: Path) -> None:
    found = machine(base, "-k", "1,2", "-k", "8")
    assert found["baseline"] == str(base)
    each = found["datasets"][str(base)]
    assert list(each["pass_at"]) == ["1", "2", "8"]
    assert each["pass_at"]["1"]["value"] == pytest.approx((0 + 2 + 4 + 8) / 32)
    assert each["pass_at"]["2"]["value"] == pytest.approx((0 + (1 - 15 / 28) + (1 - 6 / 28) + 1) / 4)
    assert each["pass_at"]["2"]["method"] == "bca"
    assert each["pass_at"]["8"] == {
        "value": 0.75,
        "low": pytest.approx(0.3006, abs=5e-5),
        "high": pytest.approx(0.9544, abs=5e-5),
        "method": "wilson",
        "n_prompts": 4,
        "m": 8,
        "n_short": 0,
        "is_flagged": True,
    }
    assert each["maj_at"]["8"]["value"] == pytest.approx((0 + 0 + 0.5 + 1) / 4)
    assert each["share_all_wrong"] == 0.25
    assert each["figures"]["distinct"]["value"] == pytest.approx((0 + 2 + 3 + 3) / 4)
    assert each["strategies_from"] == "texts"
    assert found["inference"].startswith("prompts only: no comparison of methods")


def test_a_person_reads_tables_and_how_far_they_go(base: Path) -> None:
    shown = curate("evaluate", base, "-k", "1,8,16")
    assert "0.438 [" in shown.stdout
    assert "0.750 [0.301, 0.954] *" in shown.stdout
    assert "fewer than 2k samples a prompt at k = 8:" in shown.stderr
    assert "4 prompts with fewer than 16 judged samples are not in pass@16" in shown.stderr
    assert shown.stderr.splitlines()[-1].startswith("prompts only: no comparison of methods")


def test_later_datasets_are_compared_with_the_first(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = policy(tmp_path / "other", {"d": 8, "c": 2, "b": 4, "e": 1}, policy="after")
    found = machine(base, other, "-k", "1,4")
    pair = found["pairs"][str(other)]["1"]
    assert pair["value"] == pytest.approx((0 - 0.25 + 0.25) / 3)
    assert (pair["n_wins"], pair["n_ties"], pair["n_losses"], pair["n_prompts"]) == (1, 1, 1, 3)
    assert (pair["n_only_baseline"], pair["n_only_policy"]) == (1, 1)
    monkeypatch.setattr("curate.console.WIDTH_OF_A_PIPE", 300)  # a path of any length stays on its line
    shown = curate("evaluate", base, other, "-k", 1)
    (line,) = [line for line in shown.stdout.splitlines() if "+0.000" in line]
    assert line.split() == [str(other), "1", "3", "+0.000", "[-0.250,", "+0.250]", "1", "1", "1"]
    assert "1 are in the baseline only, 1 in it only" in shown.stderr


def test_equal_numbers_vote_together(tmp_path: Path) -> None:
    rows = [{"prompt": "q", "completion": c, "answer": "1800"} for c in ("$1,800", "7", "7", "1800.0", "3600/2")]
    source = tmp_path / "rollouts.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    curate("import", source, "--to", tmp_path / "data")
    curate("verify", tmp_path / "data", "--verifier", "numeric")
    (each,) = machine(tmp_path / "data", "-k", 5)["datasets"].values()
    assert each["maj_at"]["5"]["value"] == 1.0
    assert each["figures"]["distinct"]["value"] == 3.0


def test_chunked_cuts_in_order(base: Path) -> None:
    value = machine(base, "-k", 2, "--chunked")["datasets"][str(base)]["pass_at"]["2"]["value"]
    assert value == pytest.approx((0 + 1 / 4 + 2 / 4 + 1) / 4)


def test_clusters_of_the_canonical_judge_are_the_strategies(base: Path) -> None:
    data = Dataset(base)
    for name in data.parts(SAMPLES):
        rows = pl.read_parquet(data.part(VERDICTS, name), hive_partitioning=False).to_dicts()
        feedback = [
            {
                "group_id": r["group_id"],
                "sample_index": r["sample_index"],
                "cluster": r["sample_index"] % 2 if r["outcome"] == "correct" else None,
                "diversity": 0.5 if r["outcome"] == "correct" else None,
            }
            for r in rows
        ]
        write_rows(data, TableRef("feedback", "canonical"), name, feedback)
    each = machine(base, "-k", 1)["datasets"][str(base)]
    assert each["strategies_from"] == "clusters"
    assert each["figures"]["strategies"] == {"value": 2.0, "low": None, "high": None, "method": "none", "n_prompts": 3}


def test_figures_of_tokens_come_from_processed_log_probs(tmp_path: Path) -> None:
    tokens = {"completion_ids": [5, 6], "logprobs": [-1.0, -0.5], "finish_reason": "length"}
    kinds = {
        "processed": {"logprob_semantics": "processed", "temperature": 0.7},
        "raw": {"logprob_semantics": "raw", "temperature": 0.7},
        "plain": {"logprob_semantics": "raw", "temperature": 1.0},
    }
    for name, kind in kinds.items():
        figures = machine(policy(tmp_path / name, {"a": 1, "b": 2}, **tokens, **kind), "-k", 1)["datasets"]
        (each,) = figures.values()
        assert each["figures"]["entropy"]["value"] == (None if name == "raw" else 0.75)
        assert each["figures"]["n_tokens"]["value"] == 2.0
        assert each["figures"]["share_truncated"]["value"] == 1.0


def test_json_goes_to_a_file_too(base: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    printed = machine(base, "-k", 1, "--out", out)
    assert json.loads(out.read_text()) == printed


def test_two_runs_print_the_same(base: Path) -> None:
    assert (
        curate("evaluate", base, "-k", "1,3", "--json").stdout == curate("evaluate", base, "-k", "1,3", "--json").stdout
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give one or more datasets, or --model PATH --prompts DIR --to DIR"),
        (["nowhere"], "nowhere is not a folder"),
        (["{base}", "-k", "0"], "k is '0': give whole numbers from 1"),
        (["{base}", "-k", "1,two"], "k is 'two'"),
        (["{base}", "-k", ""], "k is ''"),
        (["{base}", "-k", "9,16"], "at most 8 judged samples a prompt"),
        (["{base}", "{base}"], "is given twice"),
        (["{base}", "--verifier", "gsm8k"], "has no verdicts of verifier 'gsm8k'; it has exact"),
        (["{base}", "--judge", "canonical"], "has no feedback"),
        (["--model", "m"], "say what --model is for"),
        (["--prompts", "{base}"], "prompts and to go together"),
        (["--prompts", "{base}", "--to", "x"], "give --model PATH"),
        (["--uplift", "{base}"], "give --model PATH"),
        (["{base}", "--scorer", "sampler"], "--scorer names the initial model's likelihoods for --uplift"),
        (["--uplift", "{base}", "--model", "nowhere"], "nowhere is not a folder"),
        (["--model", "nowhere", "--prompts", "{base}", "--to", "x"], "nowhere is not a folder"),
        (["--model", "m", "--prompts", "{base}", "--to", "{base}/../base", "{base}"], "is given twice"),
        (["--model", "m", "--prompts", "{base}", "--to", "x", "-n", "8"], "n is 8, fewer than k = 64"),
        (["--model", "m", "--prompts", "{base}", "--to", "x", "--verifier", "exakt"], "no verifier is called 'exakt'"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(base: Path, arguments: list[str], message: str) -> None:
    assert message in refused("evaluate", *(a.format(base=base) for a in arguments))


def test_a_dataset_without_verdicts_names_the_command(base: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(base, bare)
    shutil.rmtree(bare / "verdicts")
    assert f"curate verify {bare} --verifier NAME" in refused("evaluate", base, bare)


def test_unfinished_verdicts_are_refused(base: Path) -> None:
    Dataset(base).part(VERDICTS, "part-00001.parquet").unlink()
    assert "verdicts/verifier=exact lacks 1 part(s): run `curate verify" in refused("evaluate", base)


def test_nothing_judged_is_refused_with_the_reasons(tmp_path: Path) -> None:
    data = policy(tmp_path / "x", {"a": 1}, outcome="timeout")
    assert "was judged (timeout 8)" in refused("evaluate", data)


def test_datasets_of_other_prompts_are_refused(base: Path, tmp_path: Path) -> None:
    apart = policy(tmp_path / "apart", {"y": 1, "z": 2})
    assert "have no prompt_id in common" in refused("evaluate", base, apart, "-k", 1)
    twisted = policy(tmp_path / "twisted", {"a": 1, "b": 2}, prompt="sing")
    assert "prompt_id 'a' is not the same prompt in" in refused("evaluate", base, twisted, "-k", 1)


def test_pooled_policies_are_said(base: Path, tmp_path: Path) -> None:
    data = Dataset(base)
    path = data.part(SAMPLES, "part-00000.parquet")
    rows = pl.read_parquet(path, hive_partitioning=False).with_columns(policy=pl.lit("another")).to_dicts()
    write_rows(data, SAMPLES, "part-00000.parquet", rows)
    assert "samples of 2 policies are pooled" in curate("evaluate", base, "-k", 1).stderr


def test_pooled_versions_of_a_policy_are_said(base: Path) -> None:
    data = Dataset(base)
    path = data.part(SAMPLES, "part-00000.parquet")
    rows = pl.read_parquet(path, hive_partitioning=False).with_columns(policy_version=pl.lit("step 2")).to_dicts()
    write_rows(data, SAMPLES, "part-00000.parquet", rows)
    assert "samples of 2 policies are pooled" in curate("evaluate", base, "-k", 1).stderr


def test_figures_never_replace_a_part(base: Path) -> None:
    part = Dataset(base).part(SAMPLES, "part-00000.parquet")
    before = part.read_bytes()
    assert "lies in a table of a dataset" in refused("evaluate", base, "-k", 1, "--out", part)
    assert part.read_bytes() == before
    assert "is a folder: give the path of a file" in refused("evaluate", base, "-k", 1, "--out", base)


def test_a_job_may_evaluate(base: Path, tmp_path: Path) -> None:
    job = tmp_path / "job.toml"
    out = tmp_path / "figures.json"
    job.write_text(f"[dataset]\npath = '{base}'\n[evaluate]\ndatasets = ['{base}']\nk = [1, 8]\nout = '{out}'\n")
    (step,) = steps(job, read_job(job, []))
    assert step.arguments["to"] is None
    (named,) = steps(job, {"dataset": {"path": "d"}, "evaluate": {"Base 1": {"datasets": [str(base)]}}})
    assert named.title == "evaluate.Base 1"
    curate("run", job)
    assert list(json.loads(out.read_text())["datasets"][str(base)]["pass_at"]) == ["1", "8"]
    job.write_text(f"[dataset]\npath = '{base}'\n[evaluate]\ndatasets = '{base}'\nk = '1,x'\n")
    assert "[evaluate]: k is 'x'" in refused("run", job)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A tiny random llama, and one trained to like token 7 more."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=12, max_position_embeddings=16, **sizes))
    folder = tmp_path_factory.mktemp("checkpoints")
    model.save_pretrained(folder / "before")
    with torch.no_grad():
        state = model.model(torch.tensor([[1, 2]]))[0][0, -1]  # of the prompt: raises the first token's logit
        model.lm_head.weight[7] += 0.5 * state / state.norm()
    model.save_pretrained(folder / "after")
    return folder / "before", folder / "after"


@pytest.fixture
def sampled(tmp_path: Path, checkpoints: tuple[Path, Path]) -> Path:
    """Two groups of three; the log-probs are the first checkpoint's own; token 7 is correct, and so is token 3."""
    rows = [
        {"prompt_id": "p", "prompt_ids": [1, 2], "group": group, "sample_index": i, "completion_ids": [token]}
        | {"completion": str(token), "answer": "7", "policy": "before", "temperature": 1.0}
        for group in range(2)
        for i, token in enumerate((3, 7, 5))
    ]
    source = tmp_path / "rollouts.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    curate("import", source, "--to", tmp_path / "sampled")
    curate("verify", tmp_path / "sampled", "--verifier", "exact")
    return tmp_path / "sampled"


def test_uplift_by_rank_between_two_checkpoints(sampled: Path, checkpoints: tuple[Path, Path]) -> None:
    before, after = checkpoints
    curate("logprob", sampled, "--model", before)
    found = machine("--uplift", sampled, "--model", after, "--scorer", "before")["uplift"]
    assert Dataset(sampled).variants("likelihoods") == ["after", "before"]
    scores = Dataset(sampled).scan("likelihoods", "before").collect().head(3)["sum_logprob"].to_list()
    rank = sum(score > scores[1] for score in scores)
    rates = [place["rate"] for place in found["by_rank"]]
    assert rates == [1.0 if r == rank else None for r in range(3)]
    assert (found["rate"], found["n_correct"], found["n_groups"]) == (1.0, 2, 2)
    shown = curate("evaluate", "--uplift", sampled, "--model", after, "--scorer", "before")
    assert "100.0%" in shown.stdout
    assert "nothing to do" in shown.stderr
    assert "no comparison of methods" in shown.stderr


def test_a_checkpoint_lifts_nothing_of_its_own(sampled: Path, checkpoints: tuple[Path, Path]) -> None:
    before, _ = checkpoints
    curate("logprob", sampled, "--model", before, "--as", "initial")
    found = machine("--uplift", sampled, "--model", before, "--scorer", "initial")["uplift"]
    assert found["rate"] == 0.0


def test_uplift_refuses_likelihoods_that_do_not_compare(sampled: Path, checkpoints: tuple[Path, Path]) -> None:
    before, after = checkpoints
    message = refused("evaluate", "--uplift", sampled, "--model", after)
    assert "samples has no log-probs: run `curate logprob" in message
    assert Dataset(sampled).variants("likelihoods") == []
    curate("logprob", sampled, "--model", before, "--as", "after")
    same = refused("evaluate", "--uplift", sampled, "--model", after, "--scorer", "after")
    assert "name the trained one with --as NAME" in same
    shutil.rmtree(sampled / "verdicts")
    assert "has no verdicts" in refused("evaluate", "--uplift", sampled, "--model", after)


@pytest.fixture(scope="module")
def countdown_policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained countdown policy: it answers nothing right."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from curate.verbs.lookup import find_checkpoint

    folder = tmp_path_factory.mktemp("policy") / "untrained"
    shutil.copytree(find_checkpoint(Path("countdown-blank")), folder)
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder)).save_pretrained(folder)
    return folder


def test_a_checkpoint_is_sampled_verified_and_evaluated(tmp_path: Path, countdown_policy: Path) -> None:
    asked, answered = tmp_path / "heldout", tmp_path / "answered"
    curate("prompts", "countdown", "--n", 5, "--split", "heldout", "--to", asked)
    arguments = ["--model", countdown_policy, "--prompts", asked, "--to", answered, "-k", "1,2"]
    found = machine(*arguments)
    each = found["datasets"][str(answered)]
    assert each["counts"]["n_samples"] == 5 * 4  # twice the largest k
    assert each["pass_at"]["2"]["method"] == "wilson"
    assert each["pass_at"]["2"]["is_flagged"] is False
    assert each["figures"]["entropy"]["value"] > 0
    data = Dataset(answered)
    assert (data.variants("verdicts"), data.variants("feedback")) == (["countdown"], ["canonical"])
    assert data.scan("samples").select(pl.col("policy").unique()).collect().item() == "untrained"
    curate("check", answered)
    again = curate("evaluate", *arguments, "--json")
    assert json.loads(again.stdout) == found
    assert again.stderr.count("nothing to do") == 3
    more = refused("evaluate", *arguments[:-1], "1,4")
    assert "holds other samples (group_size 4 then, 8 now): give a new folder with --to DIR" in more


def test_a_new_dataset_is_compared_with_those_given(tmp_path: Path, countdown_policy: Path) -> None:
    asked = tmp_path / "heldout"
    curate("prompts", "countdown", "--n", 3, "--split", "heldout", "--to", asked)
    arguments = ["--model", countdown_policy, "--prompts", asked, "-k", 1]
    curate("evaluate", *arguments, "--to", tmp_path / "one")
    found = machine(tmp_path / "one", *arguments, "--to", tmp_path / "two")
    assert found["baseline"] == str(tmp_path / "one")
    assert found["pairs"][str(tmp_path / "two")]["1"]["n_ties"] == 3


def test_other_prompts_in_the_new_dataset_are_refused(tmp_path: Path, base: Path, countdown_policy: Path) -> None:
    other = policy(tmp_path / "other", {"x": 1, "y": 1})
    arguments = ["--model", countdown_policy, "--prompts", base, "--to", other]
    assert "give --verifier NAME" in refused("evaluate", *arguments)
    assert "holds other prompts than" in refused("evaluate", *arguments, "--verifier", "exact")
    empty = policy(tmp_path / "empty", {}, n_parts=0)
    empty.joinpath("prompts").mkdir(parents=True)
    assert "has no prompts: run `curate" in refused(
        "evaluate", "--model", countdown_policy, "--prompts", empty, "--to", "x"
    )
