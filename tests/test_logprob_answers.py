"""``curate logprob --verifier``: which tokens an answer has, how likely they are, and ``grpo_care`` on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

import fake_model
from curate.cli import app
from curate.dataset import Dataset, TableRef
from curate.jobrecord import read_record
from curate.verbs.check import find_problems
from fake_server import FakeServer
from stored import PROMPTS, SAMPLES, countdown_prompts, write_rows

PART = "part-00000.parquet"
POLICY = "countdown-strong"  # a token a character: digits 4 to 13 are 0 to 9, 3 is a blank, 16 "+", 17 "-", 20 "="
NUMERIC = ("--verifier", "numeric")

# the last numbers are 12, the second 4, none, 7, -7, 7, 7 and nothing
ROWS: list[dict[str, Any]] = [
    {"completion": "12+3=12", "completion_ids": [5, 6, 16, 7, 20, 5, 6], "logprobs": [-9, -9, -9, -9, -9, -0.5, -1]},
    {
        "completion": "4 4",
        "completion_ids": [8, 3, 8],
        "logprobs": [-9, -9, -2],
        "loss_mask": [True, True, False],
    },
    {"completion": "==", "completion_ids": [20, 20], "logprobs": [-1, -1]},
    {"completion": "7", "completion_ids": [8], "logprobs": [-1]},  # the ids say 4
    {"completion": "=-7=", "completion_ids": [20, 17, 11, 20], "logprobs": [-9, -0.25, -0.75, -9]},
    {"completion": "7"},
    {"completion": "3+7", "completion_ids": [7, 16, 11]},
    {"completion_ids": [11], "logprobs": [-1]},
]
EXTRACTED = ["12", "4", None, "7", "-7", "7", "7", None]


def curate(*arguments: object, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """One group of completions of 7, each with something else in the way of its answer."""
    data = Dataset(tmp_path / "data", create=True)
    prompt = {"prompt_id": "p", "prompt": "3+4=", "prompt_format": "text", "answer": "7", "source": "test"}
    write_rows(data, PROMPTS, PART, [prompt | {"prompt_ids": [7, 16, 8, 20]}])
    common = {"group_id": 5, "prompt_id": "p", "hinted": False, "temperature": 1.0, "logprob_semantics": "raw"}
    exact = [{"token_exact": row.get("completion_ids") is not None} for row in ROWS]
    write_rows(
        data,
        SAMPLES,
        PART,
        [common | {"sample_index": i} | e | r for i, (e, r) in enumerate(zip(exact, ROWS, strict=True))],
    )
    curate("verify", data.root, *NUMERIC, "--max-failed-share", 1)
    assert data.scan("verdicts").collect()["extracted"].to_list() == EXTRACTED
    return data


def answers(data: Dataset, scorer: str) -> list[float | None]:
    return data.scan("likelihoods", scorer).collect()["answer_mean_logprob"].to_list()


def test_stored_log_probs_of_the_last_place_of_each_answer(data: Dataset) -> None:
    said = curate("logprob", data.root, "--from-sampler", *NUMERIC, "--tokenizer", POLICY).stderr
    # 12: (0.5 + 1) / 2; a masked answer, none, ids of another text; -7: (0.25 + 0.75) / 2; no log-probs, no text
    assert answers(data, "sampler") == [-0.75, None, None, None, -0.5, None, None, None]
    assert "the answer by verdicts/verifier=numeric was found among the tokens of 2 of 6 scored samples" in said
    assert find_problems(data) == []


def test_a_checkpoint_scores_text_alone_too(data: Dataset) -> None:
    said = curate("logprob", data.root, "--model", POLICY, *NUMERIC).stderr
    assert "of 4 of 8 scored samples" in said
    found = data.scan("likelihoods", POLICY).collect()
    spans = [(5, 7), None, None, None, (1, 3), (0, 1), (2, 3), None]
    for row, span in zip(found.iter_rows(named=True), spans, strict=True):
        expected = None if span is None else pytest.approx(sum(row["logprobs"][slice(*span)]) / (span[1] - span[0]))
        assert row["answer_mean_logprob"] == expected
    assert find_problems(data) == []


@pytest.mark.parametrize("api", ["vllm", "sglang"])
def test_a_server_scores_answers_where_a_tokenizer_is_named(data: Dataset, api: str) -> None:
    with FakeServer() as server:
        line = ("logprob", data.root, "--server", server.url, "--model", "fake", "--api", api)
        assert "add --tokenizer PATH" in curate(*line, *NUMERIC, code=2).stderr
        curate(*line, *NUMERIC, "--tokenizer", POLICY)
    own = fake_model.logprobs([7], [16, 8, 20, *ROWS[0]["completion_ids"]])[3:]
    assert answers(data, "fake")[0] == pytest.approx((own[5] + own[6]) / 2, abs=1e-6)
    assert [value is None for value in answers(data, "fake")] == [False, True, True, True, False, False, False, True]


def test_without_a_verifier_nothing_changes(data: Dataset) -> None:
    said = curate("logprob", data.root, "--from-sampler").stderr
    assert "the answer by" not in said
    assert answers(data, "sampler") == [None] * len(ROWS)
    record = read_record(data, TableRef("likelihoods", "sampler"))
    assert record is not None
    assert (record.inputs, record.parameters) == (["samples"], {"from_sampler": True})
    assert "nothing to do" in curate("logprob", data.root, "--from-sampler").stderr
    other = curate("logprob", data.root, "--from-sampler", *NUMERIC, "--tokenizer", POLICY, code=2).stderr
    assert "verdicts/verifier=numeric" in other


def test_new_verdicts_make_the_answers_stale(data: Dataset) -> None:
    line = ("logprob", data.root, "--from-sampler", *NUMERIC, "--tokenizer", POLICY)
    curate(*line)
    assert "nothing to do" in curate(*line).stderr
    other = curate(*line[:-1], "bytes-blank", code=2).stderr
    assert "tokenizer.tokenizer.json" in other
    curate("verify", data.root, "--verifier", "exact", "--as", "numeric", "--overwrite", "--max-failed-share", 1)
    assert "were made from verdicts/verifier=numeric, which changed since" in curate(*line, code=2).stderr
    curate(*line, "--overwrite")
    # the whole completion is the answer now: 46.5 / 7, 18 / 2 counted, 1, other ids, 19 / 4
    whole = pytest.approx([-46.5 / 7, -9.0, -1.0, -4.75])
    assert [value for value in answers(data, "sampler") if value is not None] == whole


def test_a_tokenizer_of_other_text_finds_none_and_says_so(data: Dataset) -> None:
    said = curate("logprob", data.root, "--from-sampler", *NUMERIC, "--tokenizer", "bytes-blank").stderr
    assert "of 0 of 6 scored samples" in said
    assert "name another with --verifier or --tokenizer" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--from-sampler", *NUMERIC], "add --tokenizer PATH"),
        (["--from-sampler", "--tokenizer", POLICY], "give --server URL, or leave --tokenizer away"),
        (["--model", POLICY, "--tokenizer", POLICY, *NUMERIC], "a checkpoint has a tokenizer of its own"),
        (["--model", POLICY, "--verifier", "gsm8k"], "no verdicts of verifier 'gsm8k'; it has numeric"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(data: Dataset, words: list[str], message: str) -> None:
    assert message in " ".join(curate("logprob", data.root, *words, code=2).stderr.split())
    assert not data.variants("likelihoods")


def test_a_checkpoint_without_a_tokenizer_is_refused_before_any_work(data: Dataset, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    said = curate("logprob", data.root, "--model", tmp_path / "bare", *NUMERIC, code=2).stderr
    assert "has no tokenizer that loads" in said
    assert not data.variants("likelihoods")


def test_care_on_samples_of_the_shipped_policy(tmp_path: Path) -> None:
    data = countdown_prompts(tmp_path / "data", n=12)
    curate("sample", data.root, "--local", POLICY, "--group-size", 8, "--max-new-tokens", 40)
    curate("verify", data.root, "--verifier", "countdown")
    curate("logprob", data.root, "--model", "countdown-early")
    care = ("reweight", data.root, "--recipe", "grpo_care")
    refused = curate(*care, code=2).stderr
    assert f"curate logprob {data.root} --model countdown-early --verifier NAME --overwrite" in refused
    curate("logprob", data.root, "--model", "countdown-early", "--verifier", "countdown", "--overwrite")
    scored = data.scan("likelihoods").collect()
    verdicts = data.scan("verdicts").collect()
    samples = data.scan("samples").collect()
    assert scored["answer_mean_logprob"].null_count() == verdicts["extracted"].null_count()
    # a solution is the whole completion: all of its tokens but the one that ends it
    for logprobs, ids, own in zip(
        scored["logprobs"], samples["completion_ids"], scored["answer_mean_logprob"], strict=True
    ):
        spelled = [value for value, each in zip(logprobs, ids, strict=True) if each != 1]
        assert own is None or own == pytest.approx(sum(spelled) / len(spelled), abs=1e-6)
    curate(*care, "--set", "lambda_care=0.5")
    found = data.scan("advantages", "grpo_care").collect()
    assert "no_likelihood" not in found["drop_reason"].to_list()
    kept = found.filter(pl.col("drop_reason").is_null())
    assert set(kept["shaped"]) == {0.0, 1.0, 1.5}
    assert find_problems(data) == []


def test_the_command_on_record_makes_it_again(data: Dataset) -> None:
    curate("logprob", data.root, "--from-sampler", *NUMERIC, "--tokenizer", POLICY, "--as", "own")
    listed = json.loads(curate("status", data.root, "--json").stdout)
    assert f"--from-sampler --tokenizer {POLICY} --verifier numeric --as own" in json.dumps(listed)
