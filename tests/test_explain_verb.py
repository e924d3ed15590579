"""ExPO end to end: all-wrong groups -> hinted prompts -> explanations -> rows and pairs without the hint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset
from curate.job import read_job, steps
from curate.parts import read_footer
from curate.verbs.hinted import SHOWN, TEMPLATE
from stored import PROMPTS, SAMPLES, VERDICTS, write_rows


def run(*arguments: object, fails: bool = False) -> Any:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert (result.exit_code != 0) == fails, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def group(number: int, texts: list[str], **same: Any) -> list[dict[str, Any]]:
    about = {"group_id": 100 + number, "prompt_id": f"p{number}", "token_exact": False, "hinted": False}
    about |= {"policy": "tiny", "temperature": 1.0} | same
    return [about | {"sample_index": index, "completion": text} for index, text in enumerate(texts)]


def store(data: Dataset, samples: list[dict[str, Any]], name: str = "part-00000.parquet") -> None:
    """Write samples, and verdicts: "right..." is correct, "?" is not judged, all else is wrong."""
    content = write_rows(data, SAMPLES, name, samples)
    verdicts = []
    for row in samples:
        is_right, text = row["completion"].startswith("right"), row["completion"]
        known = {"reward": float(is_right), "outcome": "correct" if is_right else "incorrect"} if text != "?" else {}
        verdicts.append({"group_id": row["group_id"], "sample_index": row["sample_index"]} | known)
    write_rows(data, VERDICTS, name, verdicts, {"samples": content})


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """Group 0 and 1 are all wrong, 2 is mixed, 3 not judged, 4 all wrong without an answer; 5, in a part of its own, too."""
    made = Dataset(tmp_path / "data", create=True)
    for part, numbers in enumerate([range(5), [5]]):
        prompts = [
            {"prompt_id": f"p{n}", "prompt": f"say {n}", "prompt_format": "text", "source": "test"}
            | ({} if n == 4 else {"answer": str(n)})
            for n in numbers
        ]
        write_rows(made, PROMPTS, f"part-{part:05d}.parquet", prompts)
    store(
        made,
        [
            *group(0, ["no", "nope"]),
            *group(1, ["no", "?"]),
            *group(2, ["right", "no"]),
            *group(3, ["?", "?"]),
            *group(4, ["no", "no"]),
        ],
    )
    store(made, group(5, ["no"]), "part-00001.parquet")
    return made


def explanations(root: Path, *groups: list[dict[str, Any]]) -> Dataset:
    """Store what a sampler would have drawn for hinted prompts."""
    hinted = Dataset(root)
    store(hinted, [row | {"prompt_id": row["prompt_id"] + SHOWN, "hinted": True} for own in groups for row in own])
    return hinted


def test_hint_shows_the_answers_of_all_wrong_groups(data: Dataset, tmp_path: Path) -> None:
    said = run("hint", data.root, "--to", tmp_path / "hinted").stderr
    assert "4 of 6 groups are all wrong, of 4 prompts" in said
    assert "prompts: 4 rows in, 3 out, 1 dropped (no_answer 1)" in said
    made = Dataset(tmp_path / "hinted").scan("prompts").collect()
    assert made["prompt_id"].to_list() == ["p0" + SHOWN, "p1" + SHOWN, "p5" + SHOWN]
    assert made["prompt"][0] == (
        "The correct answer to the following problem is 0. Explain step by step how to reach it.\n\nsay 0"
    )
    assert made["answer"].to_list() == ["0", "1", "5"]
    assert "nothing to do, 1 part(s) are there" in run("hint", data.root, "--to", tmp_path / "hinted").stderr
    other = run("hint", data.root, "--to", tmp_path / "hinted", "--template", "{answer} {prompt}", fails=True).stderr
    assert "template: " in other
    assert run("check", tmp_path / "hinted").exit_code == 0


def test_hint_of_a_chat_goes_into_the_last_message_of_the_user(data: Dataset, tmp_path: Path) -> None:
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "say 0"}]
    odd = [*chat, {"role": "assistant", "content": "0"}]
    prompts = [
        {"prompt_id": f"p{n}", "prompt": json.dumps(m), "prompt_format": "chat", "answer": "0", "source": "test"}
        for n, m in [(0, chat), (1, odd), (2, chat), (3, chat), (4, odd)]
    ]
    write_rows(data, PROMPTS, "part-00000.parquet", prompts)
    said = run("hint", data.root, "--to", tmp_path / "hinted", "--template", "{prompt} ({answer})").stderr
    assert "no_user_turn 2" in said
    made = Dataset(tmp_path / "hinted").scan("prompts").collect()
    shown = json.loads(made["prompt"][0])
    assert shown == [chat[0], {"role": "user", "content": "say 0 (0)"}]


def test_hint_refuses_what_it_cannot_do(data: Dataset, tmp_path: Path) -> None:
    assert "need a folder of their own" in run("hint", data.root, "--to", data.root, fails=True).stderr
    assert (
        "must hold {prompt}"
        in run("hint", data.root, "--to", tmp_path / "h", "--template", "{prompt}", fails=True).stderr
    )
    assert not (tmp_path / "h").exists()
    run("hint", data.root, "--to", tmp_path / "h")
    store(data, group(0, ["right"]), "part-00001.parquet")
    store(data, group(1, ["right"]), "part-00000.parquet")
    said = run("hint", data.root, "--to", tmp_path / "none", fails=True).stderr
    assert "no prompt to hint: 0 of 2 groups are all wrong" in said


def test_explanations_stand_beside_the_wrong_samples_without_the_hint(data: Dataset, tmp_path: Path) -> None:
    run("hint", data.root, "--to", tmp_path / "hinted")
    ids = {"completion_ids": [5, 6], "logprobs": [-0.1, -0.2], "logprob_semantics": "raw", "token_exact": True}
    explanations(
        tmp_path / "hinted",
        group(0, ["no", "right, by the given answer", "right, for 0 is 0", "right again"], **ids),
        group(1, ["no", "?"]),
        group(5, ["right at once"], policy=None),
    )
    said = run("explain", tmp_path / "hinted", "--of", data.root, "--to", tmp_path / "out").stderr
    assert "2 explanations to train on; left out: gives_hint_away 1, surplus 1, unjudged 1, wrong 2" in said
    assert "samples: 11 rows in, 5 out, 8 dropped (no_explanation 4, not_all_wrong 4)" in said
    out = Dataset(tmp_path / "out")
    columns = ["group_id", "sample_index", "prompt_id", "completion", "hinted", "policy", "logprobs", "completion_ids"]
    assert out.scan("samples").select(columns).collect().rows() == [
        (100, 0, "p0", "no", False, "tiny", None, None),
        (100, 1, "p0", "nope", False, "tiny", None, None),
        (100, 2, "p0", "right, for 0 is 0", False, "tiny" + SHOWN, None, [5, 6]),
        (105, 0, "p5", "no", False, "tiny", None, None),
        (105, 1, "p5", "right at once", False, "unknown" + SHOWN, None, None),
    ]
    assert out.scan("prompts").select("prompt_id", "prompt").collect().rows() == [("p0", "say 0"), ("p5", "say 5")]
    assert "2 groups mix several policies" in run("check", out.root).stderr
    assert "nothing to do" in run("explain", tmp_path / "hinted", "--of", data.root, "--to", out.root).stderr
    for name in out.parts(SAMPLES):
        assert read_footer(out.part(SAMPLES, name)).about["counts"]["failed"] == {}


def test_a_leak_is_refused_and_nothing_is_written(data: Dataset, tmp_path: Path) -> None:
    run("hint", data.root, "--to", tmp_path / "hinted")
    hinted = explanations(tmp_path / "hinted", group(0, ["right " + TEMPLATE]))
    # what was not sampled with the answer shown is no explanation, even where it is right
    store(hinted, group(5, ["right"]), "part-00001.parquet")
    said = run("explain", tmp_path / "hinted", "--of", data.root, "--to", tmp_path / "out", fails=True).stderr
    assert "0 explanations to train on; left out: gives_hint_away 1, not_hinted 1" in said
    assert "no all-wrong group has an explanation to train on: nothing was written" in said
    assert not (tmp_path / "out" / "samples").exists()
    explanations(tmp_path / "hinted", group(0, ["right"]))
    prompts = [
        {
            "prompt_id": "p0",
            "prompt": "say 0. Explain step by step how to reach it",
            "prompt_format": "text",
            "source": "t",
        }
    ]
    write_rows(data, PROMPTS, "part-00000.parquet", prompts)
    said = run("explain", tmp_path / "hinted", "--of", data.root, "--to", tmp_path / "out", fails=True).stderr
    assert "prompt 'p0' of" in said
    assert "shows the hint itself" in said


def test_explain_needs_hinted_prompts_and_three_folders(data: Dataset, tmp_path: Path) -> None:
    said = run("explain", data.root, "--of", data.root, "--to", tmp_path / "out", fails=True).stderr
    assert "has no hinted prompts that `curate hint DIR --to" in said
    run("hint", data.root, "--to", tmp_path / "hinted")
    explanations(tmp_path / "hinted", group(0, ["right"]))
    said = run("explain", tmp_path / "hinted", "--of", data.root, "--to", data.root, fails=True).stderr
    assert "are three folders" in said


def test_a_job_file_puts_the_three_datasets_in_order(tmp_path: Path) -> None:
    job = tmp_path / "job.toml"
    sections = {
        "dataset": {"path": "own"},
        "prompts": {"source": "countdown", "n": 8},
        "sample.own": {"local": "countdown-early"},
        "sample.hinted": {"dataset": "hinted", "local": "countdown-early"},
        "verify.own": {"verifier": "countdown"},
        "verify.hinted": {"dataset": "hinted", "verifier": "countdown"},
        "verify.out": {"dataset": "out", "verifier": "countdown"},
        "hint": {"to": "hinted"},
        "explain": {"dataset": "hinted", "of": "own", "to": "out"},
        "reweight": {"dataset": "out", "recipe": "expo"},
        "pairs": {"dataset": "out", "recipe": "expo"},
    }
    lines = [
        f"[{name}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in keys.items()) for name, keys in sections.items()
    ]
    job.write_text("".join(lines))
    order = ["prompts", "sample.own", "verify.own", "hint", "sample.hinted", "verify.hinted", "explain"]
    assert [step.title for step in steps(job, read_job(job, []))] == [*order, "verify.out", "reweight", "pairs"]


@pytest.mark.slow
def test_a_policy_explains_and_learns_without_the_hint(tmp_path: Path) -> None:
    """The shipped policies were never shown a hint, so one learns first to copy: its prompts are texts of a file."""
    template, early = "{reference} {prompt}", "countdown-early"
    lesson, reader, asked = tmp_path / "lesson", tmp_path / "reader", tmp_path / "asked"
    run("prompts", "countdown", "--to", tmp_path / "all", "--n", 600)
    rows = Dataset(tmp_path / "all").scan("prompts").collect().to_dicts()
    file = tmp_path / "lesson.jsonl"
    lines = [
        {"prompt": f"{r['reference']} {r['prompt']}", "answer": r["answer"], "reference": r["reference"]} for r in rows
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    run("prompts", file, "--to", lesson)
    run("sample", lesson, "--reference")
    run("verify", lesson, "--verifier", "countdown")
    run("reweight", lesson, "--recipe", "raft")
    fast = ("--objective", "sft", "--batch-size", 64, "--learning-rate", 2e-3, "--max-drift", 0)
    run("train", lesson, "--recipe", "raft", "--model", early, "--out", reader, "--epochs", 3, *fast)

    run("prompts", "countdown", "--to", asked, "--n", 64, "--seed", 1)
    run("sample", asked, "--local", reader, "--group-size", 4)
    run("verify", asked, "--verifier", "countdown")
    hinted, out = tmp_path / "hinted", tmp_path / "out"
    run("hint", asked, "--to", hinted, "--template", template)
    run("sample", hinted, "--local", reader, "--group-size", 32)
    assert Dataset(hinted).scan("samples").collect()["hinted"].all()
    run("verify", hinted, "--verifier", "countdown")
    run("reweight", hinted, "--recipe", "raft")
    said = run(
        "train", hinted, "--recipe", "raft", "--model", reader, "--out", tmp_path / "no", *fast, fails=True
    ).stderr
    assert "were sampled with the answer shown" in said
    run("explain", hinted, "--of", asked, "--to", out)
    run("verify", out, "--verifier", "countdown")
    run("reweight", out, "--recipe", "expo")
    run("pairs", out, "--recipe", "expo")
    made = Dataset(out)
    n_groups = made.scan("samples").collect()["group_id"].n_unique()
    assert n_groups >= 3
    assert made.scan("pairs").collect().height == n_groups
    kept = made.scan("advantages").collect().drop_nulls("advantage")
    assert kept["weight"].to_list() == [0.04] * n_groups
    assert (
        kept.join(made.scan("samples").collect(), on=["group_id", "sample_index"])["policy"].str.ends_with(SHOWN).all()
    )
    run("train", out, "--recipe", "expo", "--model", reader, "--out", tmp_path / "sft", *fast)
    dpo = ("--objective", "dpo", "--beta", 0.1, "--batch-size", 64)
    run("train", out, "--pairs", "expo", "--model", reader, "--out", tmp_path / "dpo", *dpo)
    facts = json.loads((tmp_path / "dpo" / "manifest.json").read_text())
    assert facts["pairs"]["trained"] == n_groups
