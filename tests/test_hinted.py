"""Prompts that show the answer: templates, marks, and what gives the hint away."""

from __future__ import annotations

import pytest

from curate.errors import ConfigError
from curate.pairing.recipes import EXPLAINED
from curate.verbs.hinted import SHOWN, TEMPLATE, check_template, gives_away, hinted_id, hinted_text, is_hinted


def test_the_mark_is_one_in_samples_and_pairs() -> None:
    assert SHOWN == EXPLAINED
    assert is_hinted(hinted_id("p1"))
    assert not is_hinted("p1")


def test_the_template_is_filled_once() -> None:
    assert hinted_text("{answer}|{prompt}|{reference}", "{answer}?", "{prompt}", "r") == "{prompt}|{answer}?|r"
    assert hinted_text("{reference} {prompt}", "p", "a", None) is None
    assert hinted_text("{answer} {prompt}", "p", None, "r") is None
    assert hinted_text("{answer} {prompt} {other}", "p", "a", None) == "a p {other}"


@pytest.mark.parametrize("template", ["", "{prompt}", "{answer} is right", "{Prompt} {answer}"])
def test_a_template_without_prompt_or_hint_is_refused(template: str) -> None:
    with pytest.raises(ConfigError, match=r"must hold \{prompt\}, and \{answer\} or \{reference\}"):
        check_template(template)


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("2 + 2 = 4, so the answer is 4.", False),
        ("The correct answer is 4.", False),
        ("The correct answer to the problem is 4.", True),
        ("... THE CORRECT answer\nto   the following question", True),
        ("As it says: explain step-by-step how to reach it.", True),
        ("We know from the given answer that x = 4.", True),
        ("The answer is given as 4.", True),
        ("We are given answers to two questions.", False),
        ("", False),
    ],
)
def test_quotations_of_our_own_template(completion: str, expected: bool) -> None:
    assert gives_away(completion, TEMPLATE) is expected


def test_short_pieces_count_whole_and_pieces_without_words_not_at_all() -> None:
    assert gives_away("a hint: 4", "{prompt} (Hint: {answer})")
    assert not gives_away("no hints here", "{prompt} (Hint: {answer})")
    assert not gives_away("3+5=8;8*8=64", "{reference};{prompt}")
