"""The section on single groups."""

from __future__ import annotations

from curate.reporting.groups import GroupView, cut, groups, spread


def test_what_the_policy_wrote_is_text() -> None:
    rows = [("</td><script>alert(1)</script>", "correct", 1.0)]
    view = GroupView("mixed", "<img src=x onerror=1>", "<a>", ("completion", "outcome", "rank"), rows)
    text = groups([("da<ta", [view])])
    assert "<script" not in text
    assert "<img" not in text
    assert "<td>&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;</td>" in text
    assert "<pre>&lt;img src=x onerror=1&gt;</pre>" in text
    assert "answer: &lt;a&gt;" in text
    assert "<h3>da&lt;ta</h3>" in text


def test_many_samples_are_spread_and_long_texts_cut() -> None:
    rows = [(i,) for i in range(100)]
    assert [row[0] for row in spread(rows, 4)] == [0, 33, 66, 99]
    assert spread(rows[:3], 4) == rows[:3]
    assert cut("x" * 1200) == "x" * 1200
    assert cut("x" * 5000) == "x" * 1200 + " ... (5,000 characters)"
    text = groups([("d", [GroupView("t", "p", None, ("completion",), rows)])])
    assert "16 of its 100 different samples" in text


def test_no_groups_no_section() -> None:
    assert groups([("d", [])]) == ""
