"""Comments and strings are blanked; what a prover would run never is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.verifying.provers.comments import coq_code, lean_code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a (* b *) c", "a c"),
        ("a (* (* b *) c *) d", "a d"),
        ('a (* "*)" *) d', "a d"),
        ('a "(*" d', "a d"),
        ('a "b""c" d', "a d"),
        ("a (* b\nc", "a"),
        ('a "b', "a"),
        ("a *) b", "a *) b"),
        ("(*) a *) b", "b"),
    ],
)
def test_coq_code(text: str, code: str) -> None:
    assert coq_code(text).split() == code.split()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a -- b\nc", "a  c"),
        ("a /- b -/ c", "a c"),
        ("a /- /- b -/ c -/ d", "a d"),
        ("a /-- b --/ c", "a c"),
        ("a /-- -- b -/ c", "a c"),
        ("/-/ a -/ b", "b"),
        ("/-/-/ b", "b"),
        ("a /- b\nc", "a /- b\nc"),
        ("a /- b -/ /- c", "a /- c"),
        ("a -/ b", "a -/ b"),
        ("x - -y", "x - -y"),
        ("{x : Int //-1 < x} -- b", "{x : Int //-1 < x}"),
        ('a "--" b -- c', 'a "--" b'),
        ('a "\\"--" b -- c', 'a "\\"--" b'),
        ('a r"\\" b -- c', 'a r"\\" b'),
        ('a r#""--"# b -- c', 'a r#""--"# b'),
        ('h\' "--" b -- c', 'h\' "--" b'),
        ("a '\"' b -- c", "a '\"' b"),
        ("a '\\'' -- b", "a '\\''"),
        ("h'\\ sorry h'", "h'\\ sorry h'"),
        ("a «--» sorry", "a «--» sorry"),
    ],
)
def test_comments_of_lean(text: str, code: str) -> None:
    assert lean_code(text).split() == code.split()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('a "--" b', "a b"),
        ('a "\\"--" b', "a b"),
        ('a r"\\" b', "a b"),
        ('a r#"""# b', "a b"),
        ('a var"--" b', "a var b"),
        ("a '\"' b", "a b"),
        ("a '\\'' -- b", "a"),
        ("a «--» b", "a «--» b"),
        ("a // b", "a // b"),
        ('s!"{a}" b', "s! b"),
    ],
)
def test_strings_of_lean(text: str, code: str) -> None:
    assert lean_code(text, strings=False).split() == code.split()


@given(st.text(alphabet="(*)\"'-/\\ r#«»{a\n"))
def test_length_and_lines_stay_and_nothing_is_added(text: str) -> None:
    for code in (coq_code(text), lean_code(text), lean_code(text, strings=False)):
        assert len(code) == len(text)
        assert all(mine == other or mine == " " for mine, other in zip(code, text, strict=True))
        assert code.count("\n") == text.count("\n")


@pytest.mark.parametrize(
    "piece", ["(*", "*)", '"', "/-", "-/", "--", "'", "r#", "«", "\\", "/-\\", 'r#"', '(*"', "'\\x"]
)
def test_long_texts_are_read(piece: str) -> None:
    text = piece * (300_000 // len(piece))
    assert len(coq_code(text)) == len(lean_code(text)) == len(text)
