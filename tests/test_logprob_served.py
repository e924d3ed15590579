"""``curate logprob --server``: what is written, what is refused before any work, and what a faltering server leaves."""

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
from curate.verbs.check import find_problems
from fake_server import FakeServer
from stored import PROMPTS, SAMPLES, write_rows

PART = "part-00000.parquet"
PROMPT_IDS = [5, 6, 7]


def curate(*arguments: object, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def dataset(root: Path, n_groups: int = 3, group_size: int = 4, **given: Any) -> Dataset:
    """Return groups of completions of 2 to 5 tokens, the first two of a group alike."""
    data = Dataset(root, create=True)
    prompts = [
        {"prompt_id": f"p{g}", "prompt": "x", "prompt_format": "text", "prompt_ids": [*PROMPT_IDS, g], "source": "test"}
        for g in range(n_groups)
    ]
    samples = [
        {
            "group_id": 1000 + g,
            "sample_index": i,
            "prompt_id": f"p{g}",
            "completion": "c",
            "completion_ids": [8 + max(i, 1)] * (1 + max(i, 1)) + [1],
            "token_exact": True,
            "hinted": False,
            "temperature": 1.0,
        }
        | given
        for g in range(n_groups)
        for i in range(group_size)
    ]
    write_rows(data, PROMPTS, PART, prompts)
    write_rows(data, SAMPLES, PART, samples)
    return data


def expected(data: Dataset) -> list[list[float]]:
    """Return the log-probs of the fake server's model."""
    prompts = data.scan("prompts").select("prompt_id", "prompt_ids")
    rows = data.scan("samples").join(prompts, on="prompt_id", maintain_order="left").collect()
    found = []
    for prompt, ids in rows.select("prompt_ids", "completion_ids").iter_rows():
        whole = fake_model.logprobs(prompt[:1], [*prompt[1:], *ids])
        found.append(whole[len(prompt) - 1 :])
    return found


def scored(data: Dataset, name: str = "fake") -> pl.DataFrame:
    return data.scan("likelihoods", name).collect()


def close(ours: list[Any], theirs: list[Any]) -> bool:
    return all(one == pytest.approx(other, abs=1e-6) for one, other in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("api", ["vllm", "sglang"])
def test_the_likelihoods_are_those_of_the_server(tmp_path: Path, api: str) -> None:
    data = dataset(tmp_path / "data")
    with FakeServer() as server:
        curate("logprob", data.root, "--server", server.url, "--model", "fake", "--api", api)
        n_requests = server.n_requests
        again = curate("logprob", data.root, "--server", server.url, "--model", "fake", "--api", api)
        assert server.n_requests == n_requests
    assert "nothing to do" in again.stderr
    rows = scored(data)
    assert close(rows["logprobs"].to_list(), expected(data))
    assert rows["logprob_semantics"].unique().to_list() == ["processed"]
    assert rows["n_tokens"].to_list() == [3, 3, 4, 5] * 3
    assert n_requests == 1 + 3 * 3  # a probe, and one for each different completion of a group
    assert find_problems(data) == []


def test_another_temperature_is_stored_as_raw_and_said(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", temperature=0.7)
    with FakeServer() as server:
        said = curate("logprob", data.root, "--server", server.url, "--model", "fake").stderr
    assert "12 samples were not drawn at temperature 1" in said
    assert "--model PATH" in said
    assert scored(data)["logprob_semantics"].unique().to_list() == ["raw"]
    assert close(scored(data)["logprobs"].to_list(), expected(data))


def test_raw_log_probs_are_no_reference_for_training(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", temperature=0.7)
    with FakeServer() as server:
        curate("logprob", data.root, "--server", server.url, "--model", "fake")
    rows = data.scan("samples").select("group_id", "sample_index").collect().to_dicts()
    advantages = [row | {"reward": 1.0, "advantage": 1.0, "weight": 1.0, "group_size": 4} for row in rows]
    write_rows(data, TableRef("advantages", "grpo"), PART, advantages)
    line = ["export", data.root, "--format", "train", "--out", tmp_path / "t.parquet"]
    said = curate(*line, "--scorer", "fake", code=2).stderr
    assert "12 log-probs of likelihoods/scorer=fake are raw" in said
    curate(*line)


def test_a_row_that_is_refused_is_null_and_counted(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data")
    with FakeServer(max_model_len=9) as server:  # prompts of 4, completions of 3 to 5, and one token more
        line = ["logprob", data.root, "--server", server.url, "--model", "fake"]
        said = curate(*line, code=1).stderr
        assert "not_scored 3" in said
        assert "sample 3 is not scored" in said
        assert "maximum context length is 9" in said
        curate(*line, "--max-failed-share", 0.5)
    rows = scored(data)
    assert rows["mean_logprob"].is_null().to_list() == [False, False, False, True] * 3
    assert rows["likelihood_rank"].null_count() == 3


def test_an_empty_completion_is_null_and_not_asked(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", completion_ids=[])
    with FakeServer() as server:
        said = curate("logprob", data.root, "--server", server.url, "--model", "fake", code=1).stderr
        assert server.n_requests == 0
    assert "not_scored 12" in said
    assert "the completion has no tokens" in said


def test_a_server_that_falters_changes_nothing(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", n_groups=40)
    faults = {"429": 0.03, "500": 0.03, "503": 0.02, "reset": 0.03, "truncated": 0.03, "not_json": 0.02}
    with FakeServer(faults=faults, spared=1) as server:
        curate("logprob", data.root, "--server", server.url, "--model", "fake", "--max-failed-share", 0)
        assert server.n_faults.total() > 10
    rows = scored(data)
    assert rows["mean_logprob"].null_count() == 0
    assert close(rows["logprobs"].to_list(), expected(data))


def test_a_server_that_is_gone_leaves_the_journal_and_the_next_run_goes_on(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", n_groups=30)
    with FakeServer() as server:
        line = ["logprob", data.root, "--server", server.url, "--model", "fake", "--patience-s", 0.5]

        def dies(body: dict[str, Any]) -> str | None:
            if server.n_requests == 40:
                server._loop.create_task(server._stop())
            return None

        server.refuse = dies
        said = curate(*line, "--max-requests", 4, code=1).stderr
        assert "again" in said
        assert not data.parts(TableRef("likelihoods", "fake"))
        server.refuse = None
        server.start()
        before = server.n_requests
        curate(*line)
        assert server.n_requests - before < 1 + 30 * 3
    assert close(scored(data)["logprobs"].to_list(), expected(data))
    assert find_problems(data) == []


def test_a_key_that_is_refused_ends_the_run_and_the_next_one_goes_on(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data")
    with FakeServer() as server:
        line = ("logprob", data.root, "--server", server.url, "--model", "fake", "--max-requests", 1)

        def revoke(body: dict[str, Any]) -> None:
            server.api_key = "another" if server.n_requests > 4 else None

        server.refuse = revoke
        said = curate(*line, code=1).stderr
        assert "HTTP 401" in said
        assert "run the same command again when it is mended" in said
        server.refuse, server.api_key = None, None
        curate(*line)
    assert scored(data)["logprobs"].null_count() == 0
    assert find_problems(data) == []


def test_failed_groups_are_listed_and_asked_again(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", n_groups=4)
    with FakeServer() as server:
        line = ["logprob", data.root, "--server", server.url, "--model", "fake"]
        server.faults, server.spared = {"500": 1.0}, 1
        said = curate(*line, code=1).stderr
        assert "run `curate logprob" in said
        [listed] = (data.private / "rejects" / "likelihoods" / "scorer=fake").glob("*.jsonl")
        assert {json.loads(row)["reason"] for row in listed.read_text().splitlines()} == {"http_500"}
        server.faults = {}
        curate(*line)
    assert close(scored(data)["logprobs"].to_list(), expected(data))


def test_a_server_that_cannot_score_is_refused_before_any_work(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data")
    with FakeServer() as server:
        said = curate("logprob", data.root, "--server", server.url, "--model", "other", code=1).stderr
        assert "The model `other` does not exist." in said
        assert server.n_requests == 1
        server.plain = lambda path: (200, {"Content-Type": "application/json"}, b'{"choices": [{"text": "hi"}]}')
        said = curate("logprob", data.root, "--server", server.url, "--model", "fake", code=1).stderr
        assert "no log-probs of the prompt's tokens in {'choices': [{'text': 'hi'}]}" in said
    assert not data.variants("likelihoods")
    gone = curate("logprob", data.root, "--server", server.url, "--model", "fake", "--patience-s", 0.1, code=1).stderr
    assert server.url in gone


def test_text_alone_needs_a_tokenizer(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", completion="1+2=3", completion_ids=None, token_exact=False)
    with FakeServer() as server:
        line = ["logprob", data.root, "--server", server.url, "--model", "fake"]
        assert "--tokenizer PATH" in curate(*line, code=2).stderr
        curate(*line, "--tokenizer", "countdown-strong")
        assert {tuple(body["prompt"][:3]) for body in server.bodies} == {tuple(PROMPT_IDS)}
        assert {tuple(body["prompt"][4:]) for body in server.bodies} == {(5, 16, 6, 20, 7)}
    assert scored(data)["n_tokens"].to_list() == [5] * 12


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--server", "http://127.0.0.1:1"], "the name it serves the model by"),
        (["--server", "http://127.0.0.1:1", "--from-sampler"], "from_sampler"),
        (["--server", "http://127.0.0.1:1", "--model", "m", "--from-sampler"], "from_sampler"),
        (["--server", "nowhere", "--model", "m"], "http://HOST:PORT"),
        (["--model", "countdown-strong", "--tokenizer", "countdown-strong"], "--tokenizer"),
        (["--server", "http://127.0.0.1:1", "--model", "m", "--tokenizer", "nowhere"], "nowhere is not a folder"),
    ],
)
def test_options_that_do_not_go_together(tmp_path: Path, words: list[str], message: str) -> None:
    data = dataset(tmp_path / "data")
    assert message in curate("logprob", data.root, *words, code=2).stderr
