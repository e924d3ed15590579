"""Problems of reasoning-gym as prompts: distinct, split by their question, and written so that they come back whole."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from curate.errors import ConfigError
from curate.tasks import reasoning_gym
from curate.tasks.reasoning_gym import answer_of, reasoning_gym_prompts, split_of
from curate.verifying.reasoning_gym import entry_of


def test_a_prompt_is_the_question_and_its_answer_the_whole_entry() -> None:
    (prompt,) = reasoning_gym_prompts("leg_counting", 1, 0)
    told = json.loads(prompt.answer)
    assert told.keys() == {"task", "version", "entry"}
    assert (told["task"], told["entry"]["question"]) == ("leg_counting", prompt.prompt)
    assert (told["entry"]["answer"], prompt.domain) == (prompt.reference, "leg_counting")
    assert int(prompt.reference or "") > 0


def test_prompts_are_distinct_and_the_first_of_more_are_the_same() -> None:
    many = reasoning_gym_prompts("leg_counting", 40, 3)
    assert len({prompt.prompt for prompt in many}) == 40
    assert reasoning_gym_prompts("leg_counting", 7, 3) == many[:7]
    assert reasoning_gym_prompts("leg_counting", 7, 4) != many[:7]


def test_splits_share_no_question_whatever_the_seeds() -> None:
    train = {p.prompt for seed in (0, 1) for p in reasoning_gym_prompts("coin_flip", 20, seed)}
    heldout = {p.prompt for seed in (0, 1) for p in reasoning_gym_prompts("coin_flip", 20, seed, "heldout")}
    assert not train & heldout
    assert {split_of(question) for question in train} == {"train"}
    assert {split_of(question) for question in heldout} == {"heldout"}


def test_an_entry_comes_back_as_it_was() -> None:
    entry = {
        "question": "q",
        "answer": None,
        "metadata": {"edges": [(1, 2)], "colors": {1: "red", 2: [None, True, 1.5]}, "big": 1 << 80, "__tuple__": 1},
    }
    assert entry_of(answer_of("graph_color", entry)) == ("graph_color", entry)


@pytest.mark.parametrize("value", [float("nan"), b"bytes", {1, 2}])
def test_an_entry_that_json_cannot_hold_is_refused_with_the_reason(value: object) -> None:
    with pytest.raises(ConfigError, match="an entry of reasoning_gym:maze cannot be written as JSON: "):
        answer_of("maze", {"question": "q", "answer": "a", "metadata": {"x": value}})


def test_an_unknown_task_is_refused_with_a_guess() -> None:
    with pytest.raises(ConfigError, match=r"no task 'leg_countin' \(did you mean 'leg_counting'\?\)"):
        reasoning_gym_prompts("leg_countin", 1, 0)
    with pytest.raises(ConfigError, match="no task 'composite'"):
        reasoning_gym_prompts("composite", 1, 0)


def test_more_than_a_task_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [{"question": f"q{number % 12}", "answer": "a", "metadata": {}} for number in range(2000)]
    monkeypatch.setattr(reasoning_gym, "_entries", lambda task, seed: iter(entries))
    known = [f"q{number}" for number in range(12) if split_of(f"q{number}") == "heldout"]
    assert [p.prompt for p in reasoning_gym_prompts("maze", len(known), 0, "heldout")] == known
    with pytest.raises(ConfigError, match=f"only {len(known)} heldout problems of reasoning_gym:maze were found, 13"):
        reasoning_gym_prompts("maze", 13, 0, "heldout")


def test_an_integral_that_was_left_unsolved_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = ["x**2 + C", "Integral(x**x, x) + C", "x + C"] * 10
    entries = [{"question": f"q{n}", "answer": answer, "metadata": {}} for n, answer in enumerate(answers)]
    monkeypatch.setattr(reasoning_gym, "_entries", lambda task, seed: iter(entries))
    drawn = reasoning_gym_prompts("intermediate_integration", 12, 0)
    assert {prompt.reference for prompt in drawn} == {"x**2 + C", "x + C"}


def test_the_library_is_asked_for_where_it_is_missing() -> None:
    code = (
        "import sys; sys.modules['reasoning_gym'] = None\n"
        "from curate.tasks.reasoning_gym import reasoning_gym_prompts\n"
        "from curate.errors import ConfigError\n"
        "try:\n    reasoning_gym_prompts('maze', 1, 0)\nexcept ConfigError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'curate[reasoning-gym]'" in done.stdout
