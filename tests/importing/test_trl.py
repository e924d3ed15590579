from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from curate.errors import ConfigError
from importing_case import Bring


def _columns(step: int, completions: list[str], rewards: list[float | None], **more: Any) -> dict[str, Any]:
    n = len(completions)
    return {
        "step": [step] * n,
        "prompt": [f"q{i * 2 // n}" for i in range(n)],
        "completion": completions,
        "accuracy_reward": rewards,
        **more,
        "advantage": [0.5 * i for i in range(n)],
    }


def test_a_window_arrives_with_groups_rewards_and_advantages(bring: Bring, parquet: Callable[..., Path]) -> None:
    path = parquet("completions_00001.parquet", _columns(1, ["a", "b", "c", "d"], [1.0, 0.0, math.nan, None]))
    got = bring(path)
    assert got.report.format == "trl"
    assert got.report.evidence == "columns step, prompt, completion, advantage: completions logged by a TRL trainer"
    assert got.groups() == [["a", "b"], ["c", "d"]]
    assert got.verdicts is not None
    assert got.verdicts["reward"].to_list() == [1.0, 0.0, None, None]
    assert got.verdicts["outcome"].to_list() == ["correct", "incorrect", None, None]
    assert got.advantages is not None
    assert got.advantages.select("advantage", "weight", "drop_reason", "group_size", "n_correct").rows() == [
        (0.0, 1.0, None, 2, 1),
        (0.5, 1.0, None, 2, 1),
        (None, None, "unjudged", 0, 0),
        (None, None, "unjudged", 0, 0),
    ]
    assert got.report.notes == [
        "reward: column accuracy_reward",
        "steps 1 only; each file holds only the last generation batch before its log",
        "2 advantages left out: their samples have no reward",
    ]
    assert (got.report.n_rewards, got.report.n_advantages) == (2, 2)


def test_coverage_of_a_bounded_window_is_reported(bring: Bring, parquet: Callable[..., Path]) -> None:
    for step in (10, 20, 40):
        folder = parquet(f"completions_{step:05d}.parquet", _columns(step, [f"{step}a", "b"], [1.0, 0.0])).parent
    got = bring(folder)
    assert got.report.notes[1].startswith(
        "steps 10 to 40, every 10: 3 files; 1 missing, the first is 30; each file holds"
    )
    assert got.report.groups.n_groups == 6


def test_a_batch_logged_again_for_another_step_is_left_out(bring: Bring, parquet: Callable[..., Path]) -> None:
    parquet("completions_00001.parquet", _columns(1, ["a", "b"], [1.0, math.nan]))
    parquet("completions_00002.parquet", _columns(2, ["a", "b"], [1.0, math.nan]))
    folder = parquet("completions_00003.parquet", _columns(3, ["a", "c"], [1.0, 0.0])).parent
    got = bring(folder)
    assert got.samples["completion"].to_list() == ["a", "b", "a", "c"]
    assert got.report.n_left_out == 2
    assert (
        "completions_00002.parquet repeats the generation batch of the file before it: 2 rows left out"
        in got.report.notes
    )


def test_several_float_columns_need_a_choice(bring: Bring, parquet: Callable[..., Path]) -> None:
    columns = _columns(1, ["a", "b"], [1.0, 0.0], format_reward=[0.1, 0.2], note=["x", "y"])
    path = parquet("completions_00001.parquet", columns)
    with pytest.raises(
        ConfigError, match=r"2 float columns could be the reward: accuracy_reward, format_reward; .*--map"
    ):
        bring(path)
    got = bring(path, map=["reward=format_reward"])
    assert got.verdicts is not None
    assert got.verdicts["reward"].to_list() == [0.1, 0.2]
    assert got.verdicts["outcome"].to_list() == [None, None]
    with pytest.raises(ConfigError, match=r"has no column length; its float columns: accuracy_reward, format_reward"):
        bring(path, map=["reward=length"])
    with pytest.raises(ConfigError, match="only reward can be mapped"):
        bring(path, map=["answer=note"])


def test_without_reward_column_there_are_no_verdicts(bring: Bring, parquet: Callable[..., Path]) -> None:
    columns = _columns(1, ["a", "b"], [1.0, 0.0])
    del columns["accuracy_reward"]
    got = bring(parquet("completions_00001.parquet", columns))
    assert got.verdicts is None
    assert got.advantages is None
    assert got.report.notes[0] == "no reward column"
    assert got.report.notes[-1] == "2 advantages left out: their samples have no reward"


def test_messages_become_chat_prompts_and_plain_completions(bring: Bring, parquet: Callable[..., Path]) -> None:
    prompt = [{"role": "user", "content": "2+2?"}]
    columns = {
        "step": [1, 1],
        "prompt": [prompt, prompt],
        "completion": [
            [{"role": "assistant", "content": "4"}],
            [{"role": "assistant", "content": "calc"}, {"role": "tool", "content": "4"}],
        ],
        "r": [1.0, 0.0],
        "advantage": [0.7, -0.7],
    }
    got = bring(parquet("completions_00001.parquet", columns))
    assert got.prompts.select("prompt", "prompt_format").rows() == [('[{"content":"2+2?","role":"user"}]', "chat")]
    assert got.samples["completion"].to_list() == ["4"]
    assert got.reasons() == [
        ("completions_00001.parquet", 2, "completion is a conversation of 2 messages, not one completion")
    ]
