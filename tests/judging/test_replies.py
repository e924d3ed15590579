"""From replies to a judgment: votes, windows, retries, and the way back from a kept text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.judging.replies import Reply, judgment, majority, pack, unpack
from curate.records import Judgment


def says(step: int, **scores: float) -> str:
    return f'{{"reason": "r", "first_error_step": {step}, "scores": {{{", ".join(f"{k}: {v}" for k, v in scores.items())}}}}}'


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ((2,), 2),
        ((None,), None),
        ((2, 3, 3), 3),
        ((4, 2), 2),
        ((2, None), 2),
        ((2, None, None), None),
        ((5, 3, None, None), 3),
        ((5, 5, 3, None, None, None), 5),
        ((), None),
    ],
)
def test_majority(votes: tuple[int | None, ...], expected: int | None) -> None:
    assert majority(votes) == expected


@given(st.lists(st.none() | st.integers(1, 4), min_size=1))
def test_the_majority_does_not_depend_on_the_order(votes: list[int | None]) -> None:
    assert majority(votes) == majority(votes[::-1])
    assert majority(votes) in votes


def test_one_reply() -> None:
    assert judgment([Reply(0, 1, 4, says(2))], 4) == Judgment(2, says(2))
    assert judgment([Reply(0, 1, 4, says(-1))], 4) == Judgment(None, says(-1))
    assert judgment([Reply(0, 1, 4, "?")], 4) == Judgment(None, "?", "unreadable_reply")
    assert judgment([Reply(0, 1, 4, error="timeout")], 4) == Judgment(error="timeout")


def test_a_retry_counts_where_the_first_reply_cannot_be_read() -> None:
    read = judgment([Reply(0, 1, 4, "?"), Reply(0, 1, 4, says(3))], 4)
    assert (read.first_error_step, read.error) == (3, None)
    assert unpack(read.reply or "", 4) == [Reply(0, 1, 4, "?"), Reply(0, 1, 4, says(3))]
    lost = judgment([Reply(0, 1, 4, "?"), Reply(0, 1, 4, error="refused")], 4)
    assert (lost.error, lost.reply is None) == ("refused", False)


def test_votes() -> None:
    read = judgment([Reply(vote, 1, 4, says(step)) for vote, step in enumerate([2, 3, -1])], 4, 3)
    assert (read.first_error_step, read.votes, read.error) == (2, (2, 3, None), None)


def test_half_of_the_votes_are_enough_and_fewer_are_not() -> None:
    half = [Reply(0, 1, 4, says(3)), Reply(1, 1, 4, "?"), Reply(2, 1, 4, says(3)), Reply(3, 1, 4, error="timeout")]
    assert judgment(half, 4, 4).votes == (3, 3)
    fewer = [*half[:2], Reply(2, 1, 4, "?"), half[3]]
    assert judgment(fewer, 4, 4).error == "unreadable_reply"
    assert judgment(fewer, 4, 4).votes is None


def test_the_first_window_with_an_error_decides() -> None:
    windows = [Reply(0, 1, 4, says(-1)), Reply(0, 3, 6, says(5)), Reply(0, 6, 8, says(-1))]
    assert judgment(windows, 8).first_error_step == 5
    none = judgment([Reply(0, 1, 4, says(-1)), Reply(0, 4, 8, says(-1))], 8)
    assert (none.first_error_step, none.error) == (None, None)


def test_windows_that_were_never_asked_about_are_no_judgment() -> None:
    assert judgment([Reply(0, 1, 4, says(-1))], 8).error == "incomplete"
    assert judgment([Reply(0, 1, 4, says(2))], 8).first_error_step == 2
    assert judgment([Reply(0, 1, 4, "?"), Reply(0, 4, 8, says(5))], 8).error == "unreadable_reply"
    assert judgment([Reply(0, 1, 9, says(9))], 8).error == "incomplete"
    assert judgment([Reply(7, 1, 8, says(2))], 8).error == "incomplete"


def test_scores_are_means_of_what_was_given() -> None:
    replies = [Reply(0, 1, 4, says(2, clarity=6)), Reply(1, 1, 4, says(2, clarity=9, rigor=1)), Reply(2, 1, 4, says(2))]
    assert judgment(replies, 4, 3, ["clarity", "rigor", "wit"]).scores == {"clarity": 7.5, "rigor": 1.0, "wit": None}
    assert judgment(replies, 4, 3).scores is None


def test_one_reply_is_kept_as_it_is_unless_it_looks_like_several() -> None:
    assert pack([Reply(0, 1, 4, "?")]) == "?"
    assert pack([Reply(0, 1, 4, error="timeout")]) is None
    hostile = pack([Reply(0, 1, 2, "a"), Reply(1, 1, 2, "b")])
    assert hostile is not None
    assert unpack(hostile, 2) == [Reply(0, 1, 2, "a"), Reply(1, 1, 2, "b")]
    assert unpack(pack([Reply(0, 1, 2, hostile)]) or "", 2) == [Reply(0, 1, 2, hostile)]
    for text in ('[{"vote":', '[{"vote":0}]', '[{"vote":"0","first":1,"last":2,"text":null,"error":null}]', "[]", ""):
        assert unpack(text, 2) == [Reply(0, 1, 2, text)]


REPLIES = st.lists(
    st.builds(
        Reply,
        st.integers(0, 2),
        st.integers(1, 4),
        st.integers(1, 4),
        st.none() | st.text(),
        st.none() | st.just("timeout"),
    ),
    min_size=1,
    max_size=6,
)


@given(REPLIES)
def test_what_is_packed_is_unpacked_and_judged_alike(replies: list[Reply]) -> None:
    text = pack(replies)
    if text is None:
        assert all(reply.text is None for reply in replies)
    elif len(replies) > 1 or replies[0] == Reply(0, 1, 4, replies[0].text):
        assert unpack(text, 4) == replies
    judged = judgment(replies, 4, 3)
    assert (judged.error is None) == (judged.votes is not None)
