"""Proofs in fences: which block counts, what is cut off, and what follows it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.verifying.provers.fence import TEXT_AFTER, continued, fenced

COQ = ("coq", "v")


@pytest.mark.parametrize(
    ("completion", "code"),
    [
        ("```coq\nQed.\n```", "Qed."),
        ("so:\n```coq\nQed.\n```\n\n", "Qed."),
        ("  ```Coq \n  Qed.\n  ```", "  Qed."),
        ("```coq\nA.\n```\nbetter:\n```coq\nB.\n```", "B."),
        ("```python\nx\n```\n```coq\nB.\n```", "B."),
        ("```\nA.\n```", "A."),
        ("````coq\nA.\n```", "A."),
        ("Qed.", "Qed."),
        (" \nQed. ", "Qed."),
        ("```coq\nQed.\n```\nThat is all.", "Qed." + TEXT_AFTER),
        ("```coq\nQed.\n```\n```python\nx\n```", "Qed." + TEXT_AFTER),
        ("```coq\nQed.\n```\n```", "Qed." + TEXT_AFTER),
        ("```coq\nQed.", None),
        ("```coq\nQed.\n```coq\nQed.", None),
        ("```coq\nA.\n```\n```coq\nB", None),
        ("```coq\n\n```", None),
        ("```python\nx\n```", None),
        ("```coq Qed.```", None),
        ("", None),
        (" \n ", None),
    ],
)
def test_fenced(completion: str, code: str | None) -> None:
    assert fenced(completion, COQ) == code


@pytest.mark.parametrize(
    ("completion", "code"),
    [
        ("\n  simp\n```\n", "\n  simp"),
        (" by\n  simp\n```", " by\n  simp"),
        ("  simp\n```\nDone.", "  simp" + TEXT_AFTER),
        ("  simp\n```\n```lean4\n  simp\n```", "  simp" + TEXT_AFTER),
        ("  simp", None),
        ("  simp```", None),
        ("```", None),
        ("", None),
    ],
)
def test_continued(completion: str, code: str | None) -> None:
    assert continued(completion) == code


@given(st.text(alphabet="`coq\n a"))
def test_any_text_is_read_and_nothing_is_made_up(text: str) -> None:
    for code in (fenced(text, COQ), continued(text)):
        assert code is None or (code.strip() and code.removesuffix(TEXT_AFTER) in text)


@pytest.mark.parametrize("text", ["```coq\n" * 300_000, "```" * 700_000, "`\n" * 1_000_000, "\n" * 2_000_000])
def test_long_texts_are_read(text: str) -> None:
    assert fenced(text, COQ) is None or continued(text) is None
