from collections.abc import Callable
from pathlib import Path

import pytest

from curate.errors import ConfigError
from curate.importing.files import find
from curate.importing.prompt_columns import choose_columns


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ({"question": "q", "answer": "a", "id": 3}, {"prompt": "question", "answer": "answer"}),
        (
            {"problem": "p", "solution": "s", "final_answer": "a", "subject": "algebra", "prompt_id": "x"},
            {
                "prompt": "problem",
                "answer": "final_answer",
                "reference": "solution",
                "domain": "subject",
                "prompt_id": "prompt_id",
            },
        ),
        ({"messages": [], "ground_truth": "a"}, {"prompt": "messages", "answer": "ground_truth"}),
        (
            {"prompt": [], "data_source": "d", "reward_model": {"ground_truth": "a"}},
            {"prompt": "prompt", "answer": "reward_model.ground_truth", "domain": "data_source"},
        ),
    ],
)
def test_usual_names_are_found(jsonl: Callable[..., Path], row: dict[str, object], columns: dict[str, str]) -> None:
    assert choose_columns(find([jsonl("a.jsonl", [row])]), {}) == columns


def test_the_user_s_word_goes_first_and_an_empty_one_means_none(jsonl: Callable[..., Path]) -> None:
    files = find([jsonl("a.jsonl", [{"question": "q", "answer": "a", "extra": {"key": "k"}}])])
    given = {"answer": "", "reference": "answer", "prompt_id": "extra.key"}
    assert choose_columns(files, given) == {"prompt": "question", "reference": "answer", "prompt_id": "extra.key"}


def test_what_is_not_there_is_named(jsonl: Callable[..., Path]) -> None:
    files = find([jsonl("a.jsonl", [{"q": "q", "answer": "a"}])])
    with pytest.raises(
        ConfigError, match="has no column prompt, question, problem, messages: name it with --prompt-col"
    ):
        choose_columns(files, {})
    with pytest.raises(
        ConfigError, match=r"--answer-column answers: .* no such column \(did you mean 'answer'\?\), only q"
    ):
        choose_columns(files, {"prompt": "q", "answer": "answers"})
    with pytest.raises(ConfigError, match=r"--id-column id: .* has no such column"):
        choose_columns(files, {"prompt": "q", "prompt_id": "id"})


def test_files_of_other_columns_are_refused_and_empty_ones_passed_over(jsonl: Callable[..., Path]) -> None:
    jsonl("a.jsonl", [])
    folder = jsonl("b.jsonl", [{"question": "q"}]).parent
    assert choose_columns(find([folder]), {}) == {"prompt": "question"}
    jsonl("c.jsonl", [{"problem": "q"}])
    with pytest.raises(ConfigError, match=r"c\.jsonl has no column question, which .*b\.jsonl has"):
        choose_columns(find([folder]), {})
    (folder / "b.jsonl").unlink()
    (folder / "c.jsonl").unlink()
    with pytest.raises(ConfigError, match="no rows that could be read"):
        choose_columns(find([folder]), {})
