import pytest

from curate.importing.solutions import stated_answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("2+2=4\n#### 4", "4"),
        ("2+2=4\nA: 1,000 \n", "1,000"),
        ("a\nb\n####-3", "-3"),
        ("#### 4", None),
        ("A: Paris", None),
        ("2+2=4\n#### ", None),
        ("2+2=4\n#### 4\nthat is all", None),
        ("it says A: 4\nso 4", None),
        ("", None),
    ],
)
def test_only_the_last_line_of_a_solution_states_its_answer(text: str, answer: str | None) -> None:
    assert stated_answer(text) == answer
