from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from importing_case import Bring


def _row(sample: int, prompt: int, step: int = 1, **own: Any) -> dict[str, Any]:
    return {
        "step": step,
        "sample_idx": sample,
        "prompt_idx": prompt,
        "prompt_tokens": [10 + prompt],
        "response_tokens": [1, 2, 3][: sample % 3 + 1],
        "reward": float(sample % 2),
        "advantage": sample - 0.5,
        "finish_reason": "stop",
        "dataset": "math",
        "ground_truth": "4",
        "request_info": {"tool_calleds": False},
        "logprobs": [-0.5, -0.25, 0.0][: sample % 3 + 1],
        **own,
    }


@pytest.fixture
def metadata(jsonl: Callable[..., Path]) -> Path:
    return jsonl("run_metadata.jsonl", [{"run_name": "run", "git_commit": "x", "model_name": "m7", "timestamp": "t"}])


@pytest.mark.usefixtures("metadata")
def test_traces_arrive_token_exact_with_policy_and_source_indices(bring: Bring, jsonl: Callable[..., Path]) -> None:
    rows = [_row(0, 0), _row(2, 1), _row(1, 0), _row(3, 1, finish_reason="length", logprobs=None)]
    folder = jsonl("run_rollouts_000000.jsonl", rows).parent
    got = bring(folder)
    assert got.report.format == "open-instruct"
    assert got.report.evidence.endswith("open-instruct rollout traces")
    assert got.report.ignored_files == ["run_metadata.jsonl"]
    assert got.samples["sample_index"].to_list() == [0, 1, 2, 3]
    assert got.samples["completion_ids"].to_list() == [[1], [1, 2], [1, 2, 3], [1]]
    assert got.samples["logprobs"].to_list() == [[-0.5], [-0.5, -0.25], [-0.5, -0.25, 0.0], None]
    assert got.samples["token_exact"].all()
    assert got.samples["completion"].to_list() == [None] * 4
    assert got.samples["finish_reason"].to_list() == ["stop", "stop", "stop", "length"]
    assert set(got.samples["policy"]) == {"m7"}
    assert set(got.samples["policy_version"]) == {"1"}
    assert got.samples["logprob_semantics"].to_list() == [None] * 4
    assert got.report.groups.sizes == {2: 2}
    assert got.prompts.select("prompt", "prompt_ids", "answer", "domain").rows() == [
        (None, [10], "4", "math"),
        (None, [11], "4", "math"),
    ]
    assert got.advantages is not None
    assert got.advantages["advantage"].to_list() == [-0.5, 0.5, 1.5, 2.5]
    assert got.report.notes == ["shards 0 only"]


@pytest.mark.usefixtures("metadata")
def test_a_tokenizer_fills_in_the_text(bring: Bring, jsonl: Callable[..., Path]) -> None:
    path = jsonl("run_rollouts_000000.jsonl", [_row(0, 0)])
    got = bring(path, decode=lambda ids: " ".join(map(str, ids)))
    assert got.samples.select("completion", "completion_ids").rows() == [("1", [1])]
    assert got.prompts.select("prompt", "prompt_ids").rows() == [("10", [10])]


def test_steps_and_runs_keep_groups_apart_and_unknown_policies_are_noted(
    bring: Bring, jsonl: Callable[..., Path]
) -> None:
    jsonl("a_rollouts_000000.jsonl", [_row(0, 0), _row(0, 0, step=2)])
    jsonl("a_filtered_rollouts_000000.jsonl", [_row(0, 0)])
    folder = jsonl("b_rollouts_000000.jsonl", [_row(0, 0)]).parent
    got = bring(folder)
    assert got.report.groups.sizes == {1: 3}
    assert got.report.ignored_files == ["a_filtered_rollouts_000000.jsonl"]
    assert got.samples["policy"].to_list() == [None] * 3
    assert got.report.notes[1].startswith("no a_metadata.jsonl with a model_name")


@pytest.mark.usefixtures("metadata")
def test_a_resumed_run_repeats_are_rejected_as_duplicates(bring: Bring, jsonl: Callable[..., Path]) -> None:
    path = jsonl("run_rollouts_000000.jsonl", [_row(0, 0), _row(1, 0), _row(1, 0), _row(0, 0, reward=1.0), _row(2, 0)])
    got = bring(path, rows_per_part=1)
    assert got.report.n_samples == 3
    assert got.report.groups.sizes == {3: 1}
    assert got.reasons() == [
        ("run_rollouts_000000.jsonl", 4, "duplicate sample: its group already has this sample_index"),
        ("run_rollouts_000000.jsonl", 3, "duplicate sample: its group already has this sample_index"),
    ]
    assert got.verdicts is not None
    assert got.verdicts["reward"].to_list() == [0.0, 1.0, 0.0]
    assert (got.report.n_rewards, got.report.n_advantages) == (3, 3)


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        ({"logprobs": [-0.5, -0.5]}, "logprobs has 2 entries for 1 completion_ids"),
        ({"logprobs": [0.5]}, "logprobs has an entry that is NaN or above 0"),
        ({"logprobs": [math.nan]}, "logprobs has an entry that is NaN or above 0"),
        ({"reward": math.nan}, "reward is NaN"),
        ({"advantage": math.inf}, "advantage is infinite"),
        ({"prompt_idx": None}, "prompt_idx is missing: the sample's group is unknown"),
        (
            {"response_tokens": [2**40]},
            "completion_ids has entries outside 0..2147483647: no token ids",
        ),
        ({"prompt_tokens": [99]}, "group ['run', 1, 0] has another prompt in run_rollouts_000000.jsonl:1"),
        (
            {"request_info": {"tool_calleds": True}},
            "tools were called: their output is among response_tokens, and no mask says where",
        ),
    ],
)
@pytest.mark.usefixtures("metadata")
def test_rows_that_cannot_train_are_rejects(
    bring: Bring, jsonl: Callable[..., Path], own: dict[str, Any], reason: str
) -> None:
    got = bring(jsonl("run_rollouts_000000.jsonl", [_row(0, 0), _row(3, 0, **own)]))
    assert got.reasons() == [("run_rollouts_000000.jsonl", 2, reason)]
    assert got.report.n_samples == 1
