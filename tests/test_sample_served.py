"""``curate sample --server`` end to end against a fake server: what it writes, asks for, says and refuses."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from curate.dataset import Dataset
from curate.ids import group_id
from curate.models.fingerprint import fingerprint
from curate.parts import read_footer
from curate.sampling.seeds import sample_seeds
from curate.verbs.check import find_problems
from fake_server import FakeServer
from sample_served_case import GROUP_SIZE, MAX_NEW_TOKENS, POLICY, VOCABULARY, check_rows, rows, run, words
from stored import PROMPTS, SAMPLES, countdown_prompts, write_rows

N = 8
CHARACTERS = {c: n for n, c in enumerate(" 0123456789:>+-*/=;", start=3)}


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer(vocabulary=VOCABULARY) as server:
        yield server


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return countdown_prompts(tmp_path / "data", n=N, prompts_per_part=3)


def rejects(data: Dataset, part: str = "part-00000") -> list[dict[str, object]]:
    path = data.private / "rejects" / "samples" / f"{part}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_every_prompt_gets_a_group_of_exact_ids_and_logprobs(data: Dataset, server: FakeServer) -> None:
    result = run(words(data, server, "--seed", 5))
    assert "8 rows in, 32 out" in result.stderr
    assert "sampled 8 groups, 32 completions of " in result.stderr
    assert "asked 8 requests: " in result.stderr
    assert "$" not in result.stderr
    assert data.parts(SAMPLES) == data.parts(PROMPTS)
    for name in data.parts(SAMPLES):
        asked, answered = (pl.read_parquet(data.part(ref, name))["prompt_id"] for ref in (PROMPTS, SAMPLES))
        assert answered.to_list() == [prompt for prompt in asked for _ in range(GROUP_SIZE)]
    found = check_rows(data)
    same = found.select(
        *("policy", "policy_version", "temperature", "top_p", "token_exact", "logprob_semantics", "hinted")
    ).unique()
    assert same.rows() == [("fake", fingerprint(POLICY), 1.0, 1.0, True, "processed", False)]
    setting = {"temperature": 1.0, "top_p": 1.0, "max_new_tokens": MAX_NEW_TOKENS}
    character = {n: c for c, n in CHARACTERS.items()}
    for row in found.iter_rows(named=True):
        assert row["group_id"] == group_id([row["prompt_id"], "fake", fingerprint(POLICY), setting])
        assert row["seed"] == sample_seeds(5, row["group_id"], GROUP_SIZE)[row["sample_index"]]
        assert row["completion"] == "".join(character.get(each, "") for each in row["completion_ids"])
        assert row["finish_reason"] == ("stop" if row["completion_ids"][-1] == 1 else "length")
        assert row["n_initial"] is None
    texts = data.scan("prompts").select("prompt", "prompt_ids").collect()
    assert all(ids == [CHARACTERS[c] for c in text] for text, ids in texts.iter_rows())
    probe = read_footer(data.part(SAMPLES, "part-00000.parquet")).about["probe"]
    assert (probe["children"], probe["max_n"], probe["max_length"]) == ("seed + i", 4, 2048)


def test_groups_and_seeds_are_those_of_the_checkpoint_in_process(
    data: Dataset, server: FakeServer, tmp_path: Path
) -> None:
    server.model = "countdown-strong"
    local = countdown_prompts(tmp_path / "local", n=N, prompts_per_part=3)
    size = ("--group-size", GROUP_SIZE, "--max-new-tokens", MAX_NEW_TOKENS)
    run(["sample", local.root, "--local", POLICY, *size])
    run(words(data, server))
    same = ("group_id", "sample_index", "seed", "prompt_id", "prompt_ids", "policy", "policy_version")
    assert rows(data).select(same).equals(rows(local).select(same))


def test_a_large_group_is_asked_for_in_requests_of_sixteen(data: Dataset, server: FakeServer) -> None:
    run(words(data, server, group_size=40))
    check_rows(data, group_size=40)
    asked = [(body["seed"], body["n"]) for body in server.bodies if body["n"] in (8, 16)][-3 * N :]
    first = {sample_seeds(0, each, 1)[0] for each in rows(data)["group_id"].unique()}
    assert sorted(asked) == sorted((seed + start, n) for seed in first for start, n in ((0, 16), (16, 16), (32, 8)))


def test_a_second_run_asks_nothing_and_another_address_may_go_on(data: Dataset, server: FakeServer) -> None:
    run(words(data, server))
    n_asked = server.n_requests
    assert "nothing to do" in run(words(data, server)).stderr
    data.part(SAMPLES, "part-00001.parquet").unlink()
    with FakeServer(vocabulary=VOCABULARY) as other:
        result = run(words(data, other, "--max-requests", 3))
        assert "1 part(s) made (2 were done)" in result.stderr
        assert other.most_at_once <= 3
    assert server.n_requests == n_asked
    check_rows(data)


def test_two_servers_share_the_work(data: Dataset, server: FakeServer) -> None:
    with FakeServer(vocabulary=VOCABULARY, delay_s=0.02) as other:
        server.delay_s = 0.02
        n_probe = 12
        run(words(data, server, "--server", other.url))
        assert min(server.n_requests, other.n_requests) > n_probe
    check_rows(data)


def test_other_parameters_are_refused_before_the_server_is_asked(data: Dataset, server: FakeServer) -> None:
    run(words(data, server))
    n_asked = server.n_requests + server.n_gets
    message = run(words(data, server, "--seed", 1, "--temperature", 0.5, group_size=8), code=2).stderr
    for difference in ("group_size: 4 then, 8 now", "seed: 0 then, 1 now", "temperature: 1.0 then, 0.5 now"):
        assert difference in message
    message = run(["sample", data.root, "--server", server.url, "--model", "fake", "--api", "openai"], code=2).stderr
    assert 'api: "vllm" then, "openai" now' in message
    assert server.n_requests + server.n_gets == n_asked
    before = rows(data)
    run(words(data, server, "--seed", 1, "--overwrite"))
    assert check_rows(data)["group_id"].equals(before["group_id"])
    assert set(rows(data)["seed"]).isdisjoint(before["seed"])


def test_raw_logprobs_of_another_temperature_are_marked(data: Dataset, server: FakeServer) -> None:
    result = run(words(data, server, "--temperature", 0.7))
    assert "the log-probs are raw" in result.stderr
    assert rows(data)["logprob_semantics"].unique().to_list() == ["raw"]
    server.logprobs_mode = "processed"
    run(words(data, server, "--temperature", 0.7, "--overwrite"))
    assert rows(data)["logprob_semantics"].unique().to_list() == ["processed"]


def test_seeds_that_a_server_does_not_heed_are_not_stored(data: Dataset, server: FakeServer) -> None:
    server.children = "random"
    assert "does not heed seeds" in run(words(data, server, group_size=16)).stderr
    assert rows(data)["seed"].null_count() == 16 * N
    assert find_problems(data) == []


def test_plain_servers_give_text_alone_and_count_the_tokens(data: Dataset, server: FakeServer) -> None:
    line = ["sample", data.root, "--server", server.url, "--model", "fake", "--api", "openai", "--group-size", 4]
    result = run([*line, "--max-new-tokens", 12, "--price-in", 1000, "--price-out", 1e6])
    assert "no token ids: text alone is stored" in result.stderr
    found = rows(data)
    same = found.select("token_exact", "completion_ids", "logprobs", "policy_version", "logprob_semantics").unique()
    assert same.rows() == [(False, None, None, None, None)]
    assert found["prompt_ids"].null_count() == 4 * N
    n_out = sum(len(text.split()) for text in found["completion"])
    messages = [json.dumps([{"role": "user", "content": text}], separators=(",", ":")) for text in _texts(data)]
    n_in = sum(map(len, messages))
    assert f"32 completions of {n_out:,} tokens after {n_in:,} of prompts" in result.stderr
    assert f"${n_in / 1000 + n_out:,.2f} at the prices given" in result.stderr
    assert find_problems(data) == []


def _texts(data: Dataset) -> list[str]:
    return data.scan("prompts").collect()["prompt"].to_list()


def test_prompts_that_cannot_be_asked_are_counted_and_listed(tmp_path: Path, server: FakeServer) -> None:
    server.max_model_len = 40
    data = Dataset(tmp_path / "data", create=True)
    texts = {"a": "3 5:8>", "b": "", "c": "9" * 45}
    prompts = [{"prompt_id": k, "prompt": v, "prompt_format": "text", "source": "x"} for k, v in texts.items()]
    prompts.append({"prompt_id": "d", "prompt_ids": [7, 900], "prompt_format": "text", "source": "x"})
    write_rows(data, PROMPTS, "part-00000.parquet", prompts)
    result = run(words(data, server), code=1)
    assert "75.0% of 4 rows failed" in result.stderr
    assert "empty_prompt 1, prompt_too_long 1, unknown_token 1" in result.stderr
    assert rows(data)["prompt_id"].unique().to_list() == ["a"]
    listed = {each["prompt_id"]: each["reason"] for each in rejects(data)}
    assert listed == {"b": "empty_prompt", "c": "prompt_too_long", "d": "unknown_token"}
    assert "nothing to do" in run(words(data, server, "--max-failed-share", 0.75)).stderr


def test_prompts_without_text_are_not_made_up_for_a_plain_server(tmp_path: Path, server: FakeServer) -> None:
    data = Dataset(tmp_path / "data", create=True)
    chat = [{"role": "user", "content": "3 5:8>"}]
    prompts = [
        {"prompt_id": "a", "prompt": json.dumps(chat), "prompt_format": "chat"},
        {"prompt_id": "b", "prompt": "no messages", "prompt_format": "chat"},
        {"prompt_id": "c", "prompt_ids": [7, 8], "prompt_format": "text"},
        {"prompt_id": "d", "prompt": "", "prompt_format": "text"},
    ]
    write_rows(data, PROMPTS, "part-00000.parquet", [each | {"source": "x"} for each in prompts])
    line = ["sample", data.root, "--server", server.url, "--model", "fake", "--api", "openai", "--group-size", 4]
    result = run([*line, "--max-new-tokens", 12, "--max-failed-share", 0.75])
    assert "3 failed (empty_prompt 1, unreadable_prompt 2)" in result.stderr
    assert rows(data)["prompt_id"].unique().to_list() == ["a"]
    assert {str(body["messages"]) for body in server.bodies} == {str(chat)}


def test_what_the_server_refuses_is_listed_and_most_of_a_part_is_asked_again(data: Dataset, server: FakeServer) -> None:
    ids = [[CHARACTERS[c] for c in text] for text in _texts(data)]
    server.refuse = lambda body: "not this one" if body["prompt"] == ids[7] else None
    result = run(words(data, server, "--max-failed-share", 0.2))
    assert "1 failed (refused 1)" in result.stderr
    (listed,) = rejects(data, "part-00002")
    assert (listed["reason"], listed["is_final"]) == ("refused", True)
    assert "not this one" in str(listed["detail"])
    server.refuse = lambda body: "nothing any more" if body["prompt"] in ids[:6] and body["seed"] > 2**30 else None
    message = run(words(data, server, "--overwrite"), code=1).stderr
    assert "part(s) were left unfinished" in message
    assert f"curate sample {data.root} --server {server.url}" in message
    assert "asks only for the rest" in message
    server.refuse = None
    run(words(data, server))
    check_rows(data)
    assert len(rows(data)) == GROUP_SIZE * N
    assert not list((data.private / "rejects" / "samples").iterdir())


def test_a_rule_draws_more_of_the_same_seeds(data: Dataset, server: FakeServer) -> None:
    rule = ("--until", "mixed", "--max-samples", 10, "--verifier", "countdown")
    result = run(words(data, server, *rule))
    assert "mixed, at most 10: 0 groups were so after 4, 0 later, 8 not at all" in result.stderr
    found = check_rows(data, group_size=10)
    assert found.select("n_initial", "stopping_rule").unique().rows() == [(4, "mixed, at most 10")]
    for (key,), group in found.group_by("group_id"):
        assert group.sort("sample_index")["seed"].to_list() == sample_seeds(0, int(str(key)), 10)
    assert 'until: "mixed" then, not set now' in run(words(data, server), code=2).stderr


def test_a_rule_stops_where_it_is_met(tmp_path: Path, server: FakeServer) -> None:
    right, wrong = ([CHARACTERS[c] for c in text] + [1] for text in ("3+5=8", "3+5=9"))
    server.complete = lambda prompt, seed, most: right if seed % 8 in (1, 2) else [*wrong[:-1], 3 + seed % 16, 1]
    data = Dataset(tmp_path / "data", create=True)
    prompts = [
        {"prompt_id": f"p{n}", "prompt": "3 5:8>", "prompt_format": "text", "source": "x", "answer": answer}
        for n, answer in enumerate(["3 5:8"] * 6 + [None])
    ]
    write_rows(data, PROMPTS, "part-00000.parquet", prompts)
    rule = ("--target-correct", 2, "--max-samples", 12, "--verifier", "countdown", "--max-failed-share", 0.2)
    assert "1 failed (no_answer 1)" in run(words(data, server, *rule)).stderr
    for _, group in rows(data).group_by("group_id"):
        n_right = group["completion"].is_in(["3+5=8"]).sum()
        before = group.sort("sample_index").head(len(group) - GROUP_SIZE)["completion"].is_in(["3+5=8"]).sum()
        assert n_right >= 2 > before
    assert find_problems(data) == []


def test_a_job_file_samples_from_one_server_or_several(tmp_path: Path, server: FakeServer) -> None:
    common = f'model = "fake"\ntokenizer = "{POLICY}"\ngroup_size = 4\nmax_new_tokens = 16\ntimeout_s = 30\n'
    for name, servers in (("one", f'"{server.url}"'), ("list", f'["{server.url}", "{server.url}/v1/"]')):
        job = tmp_path / f"{name}.toml"
        folder = tmp_path / name
        job.write_text(
            f'[dataset]\npath = "{folder}"\n[prompts]\nsource = "countdown"\nn = {N}\n[sample]\nserver = {servers}\n{common}'
        )
        run(["run", job])
        assert len(check_rows(Dataset(folder))) == GROUP_SIZE * N
    bad = tmp_path / "bad.toml"
    bad.write_text(job.read_text().replace("timeout_s = 30", "timeout_s = 0").replace("list", "bad"))
    assert "timeout_s is 0" in run(["run", bad], code=2).stderr
    bad.write_text(job.read_text() + 'api_key_env = "NO_SUCH_VARIABLE"\n')
    assert "the environment has no such variable" in run(["run", bad], code=2).stderr


def test_the_key_is_sent_and_kept_nowhere(data: Dataset, server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk-very-secret-123"
    server.api_key = key
    assert "401" in run(words(data, server), code=1).stderr
    monkeypatch.setenv("CURATE_API_KEY", "sk-wrong-456")
    refused = run(words(data, server), code=1)
    assert "sk-wrong" not in refused.output
    monkeypatch.delenv("CURATE_API_KEY")
    monkeypatch.setenv("MY_KEY", key)
    result = run(words(data, server, "--api-key-env", "MY_KEY", "--max-failed-share", 0))
    assert server.authorizations == {None, "Bearer sk-wrong-456", f"Bearer {key}"}
    assert "sk-" not in result.output
    files = [path for path in data.root.rglob("*") if path.is_file()]
    assert len(files) > 6
    assert [path for path in files if b"sk-" in path.read_bytes()] == []
    assert b"--api-key-env MY_KEY" in (data.private / "jobs" / "samples.json").read_bytes()


def test_a_key_that_the_server_quotes_is_in_no_reject(
    data: Dataset, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.api_key = "sk-very-secret-1234567"
    monkeypatch.setenv("CURATE_API_KEY", server.api_key)
    server.refuse = lambda body: f"quota of {server.api_key} is used up" if body["seed"] > 2**30 else None
    run(words(data, server), code=1)
    assert {"quota of [the key] is used up" in str(each["detail"]) for each in rejects(data)} == {True}
    assert [path for path in data.root.rglob("*") if path.is_file() and b"sk-very" in path.read_bytes()] == []


def test_servers_that_cannot_be_used_are_refused_before_anything_is_written(data: Dataset, server: FakeServer) -> None:
    def refused(*options: object) -> str:
        message = str(run(words(data, server, *options), code=1).stderr)
        assert not data.folder(SAMPLES).exists()
        assert not (data.private / "jobs" / "samples.json").exists()
        return message

    assert "the server has no model 'other'" in refused("--model", "other")
    server.max_model_len = 20
    assert "lower --max-new-tokens" in refused()
    server.max_model_len = 2048
    server.faults = {"unequal_lengths": 1.0}
    assert "lengths_differ" in refused()
    server.stop()
    started = time.monotonic()
    message = refused("--patience-s", 1)
    assert "no server answers at" in message
    assert "start it, or correct --server" in message
    assert time.monotonic() - started < 60


def test_arguments_that_do_not_go_together_are_refused(data: Dataset, server: FakeServer) -> None:
    url = ("sample", data.root, "--server", server.url)
    assert "needs --model" in run(url, code=2).stderr
    assert "api vllm takes token ids: give --tokenizer" in run([*url, "--model", "fake"], code=2).stderr
    assert "leave --tokenizer away" in run(words(data, server, "--api", "openai"), code=2).stderr
    assert "give one of server" in run(words(data, server, "--local", POLICY), code=2).stderr
    assert "give --server URL too" in run(["sample", data.root, "--local", POLICY, "--model", "m"], code=2).stderr
    assert "is no server's address" in run(words(data, server, "--server", "ftp://x"), code=2).stderr
    assert "user name or password" in run(words(data, server, "--server", "http://a:b@x"), code=2).stderr
    assert "timeout_s is 0" in run(words(data, server, "--timeout-s", 0), code=2).stderr
    assert server.n_requests + server.n_gets == 0
    assert rows_of_prompts_without_ids(data) == N


def rows_of_prompts_without_ids(data: Dataset) -> int:
    return int(data.scan("prompts").collect()["prompt_ids"].null_count())
