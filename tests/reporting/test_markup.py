"""Pieces of HTML: what is escaped, and how values read."""

from __future__ import annotations

import pytest

from curate.reporting import markup


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("\"a\" & 'b'", "&quot;a&quot; &amp; &#x27;b&#x27;"),
        ("a\x00b\x1b[31m\u202ec\ud800", "a\\x00b\\x1b[31m\\x202ec\\xd800"),
        ("two\nlines\tand 漢字 é", "two\nlines\tand 漢字 é"),
    ],
)
def test_text_cannot_leave_its_place(text: str, shown: str) -> None:
    assert markup.escape(text) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), (1234567, "1,234,567"), (0.123456, "0.1235"), (True, "yes"), (0.0, "0"), ("<b>", "&lt;b&gt;")],
)
def test_a_cell_reads_as_a_person_reads(value: object, shown: str) -> None:
    assert markup.cell(value) == shown


def test_columns_of_numbers_are_right_aligned_and_texts_are_not() -> None:
    shown = markup.table(("name", "n", "share"), [("a", 1, "12.5%"), ("b", None, "-")])
    assert '<th>name</th><th class="number">n</th><th class="number">share</th>' in shown
    assert '<td>a</td><td class="number">1</td><td class="number">12.5%</td>' in shown


def test_a_figure_is_named_for_readers_that_see_no_picture() -> None:
    shown = markup.figure("<svg class='x'><g/></svg>", 'a "b"', ("n",), [(1,)])
    assert shown.startswith('<figure><svg role="img" aria-label="a &quot;b&quot;" class=\'x\'>')
    assert "<details><summary>numbers</summary>" in shown


def test_an_empty_list_is_nothing() -> None:
    assert markup.listing([]) == ""
    assert markup.listing(["<a>"], "note") == '<ul class="note"><li>&lt;a&gt;</li></ul>'
