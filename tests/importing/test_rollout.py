from __future__ import annotations

import pytest

from curate.errors import ConfigError
from curate.importing import Options, parse_map
from curate.importing.rollout import refuse_columns


def test_map_items_become_a_mapping() -> None:
    assert parse_map(["prompt=question", "completion=generations[]", "answer=reward_model.ground_truth"]) == {
        "prompt": "question",
        "completion": "generations[]",
        "answer": "reward_model.ground_truth",
    }


@pytest.mark.parametrize("item", ["prompt", "promt=question", "=question"])
def test_a_field_that_does_not_exist_is_refused_with_those_that_do(item: str) -> None:
    with pytest.raises(ConfigError, match=r"--map .*: write field=COLUMN, .* prompt, prompt_ids"):
        parse_map([item])


def test_a_field_mapped_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="reward is already mapped to a"):
        parse_map(["reward=a", "reward=b"])


def test_formats_of_fixed_columns_refuse_a_map() -> None:
    with pytest.raises(ConfigError, match=r"--map answer=.*columns of format verl are fixed.*--format generic"):
        refuse_columns(Options({"answer": "gts"}), "verl")
