"""2,000 groups through a server with every fault at once: whole or listed with a reason, none doubled, none invented."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curate.dataset import Dataset
from curate.serving import client
from curate.verbs.check import find_problems
from fake_faults import FAULTS
from fake_server import FakeServer
from sample_served_case import GROUP_SIZE, VOCABULARY, check_rows, run, words
from stored import countdown_prompts

N = 2_000
RATES = (
    dict.fromkeys(FAULTS, 0.02)
    | dict.fromkeys(("429", "429_retry_after", "503"), 0.01)
    | {"stall": 0.004, "drip": 0.004}
)


def listed(data: Dataset) -> list[dict[str, Any]]:
    """Return every failed group that is listed."""
    files = sorted((data.private / "rejects" / "samples").glob("*.jsonl"))
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


@pytest.mark.slow
def test_every_group_is_whole_or_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(client, "LONGEST_WAIT_S", 0.1)
    monkeypatch.setattr(client, "JITTER_S", 0.02)
    data = countdown_prompts(tmp_path / "data", n=N, prompts_per_part=500)
    with FakeServer(vocabulary=VOCABULARY, faults=RATES, spared=40) as server:
        run(words(data, server, "--timeout-s", 1, "--max-requests", 64, "--max-failed-share", 1))
        assert set(server.n_faults) == FAULTS
        assert min(server.n_faults.values()) > 5
        found, failed = check_rows(data), listed(data)
        groups = found["group_id"].unique().to_list()
        print(f"{server.n_faults.total()} faults; {len(groups)} groups whole, {len(failed)} listed")
        assert len(groups) + len(failed) == N
        assert {int(each["group_id"]) for each in failed}.isdisjoint(groups)
        prompts = data.scan("prompts").collect()["prompt_id"].to_list()
        assert {*found["prompt_id"], *(each["prompt_id"] for each in failed)} == set(prompts)
        assert all(each["reason"] and each["detail"] and not each["is_final"] for each in failed)


@pytest.mark.slow
def test_what_failed_is_asked_again_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(client, "LONGEST_WAIT_S", 0.1)
    monkeypatch.setattr(client, "JITTER_S", 0.02)
    data = countdown_prompts(tmp_path / "data", n=200, prompts_per_part=100)
    rates = {"500": 0.3, "reset": 0.1, "unequal_lengths": 0.2, "missing_choices": 0.1}
    with FakeServer(vocabulary=VOCABULARY, faults=rates, spared=40) as server:
        line = words(data, server, "--max-requests", 16, "--max-failed-share", 0)
        message = run(line, code=1).stderr
        assert "2 part(s) were left unfinished" in message
        assert "asks only for the rest" in message
        failed = listed(data)
        assert failed
        server.faults = {}
        server.answered.clear()
        run(line)
        n_answered = server.answered.total()
    found = check_rows(data)
    assert found["group_id"].n_unique() == 200
    assert listed(data) == []
    keys = {tuple(row["prompt_ids"]): row["group_id"] for row in found.iter_rows(named=True)}
    again = {keys[prompt] for prompt, seed in server.answered if seed in set(found["seed"])}
    assert again == {int(each["group_id"]) for each in failed}
    n_probe = 14
    assert n_answered <= len(failed) * GROUP_SIZE + n_probe
    assert find_problems(data) == []
