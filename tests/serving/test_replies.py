from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from curate.serving.replies import quoted, retry_after_s


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("0", 0.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        ("86400", 60.0),
        ("inf", 60.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 01 Jan 2970 00:00:00 GMT", 60.0),
        ("Thu, 99 Jan 2970 00:00:00 GMT", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header) == seconds


def test_retry_after_may_be_a_date() -> None:
    seconds = retry_after_s(formatdate(time.time() + 30, usegmt=True))
    assert seconds is not None
    assert 20 < seconds <= 30


def test_a_quoted_reply_is_text_whatever_its_bytes() -> None:
    assert quoted(b"ab\xff", None) == "ab\ufffd"


@pytest.mark.parametrize("spelled", ["k/e+y", "k\\/e+y", "k%2Fe%2By"])
def test_the_key_is_taken_out_in_every_spelling_and_before_the_cut(spelled: str) -> None:
    assert quoted(("x" * 498 + spelled).encode(), "k/e+y") == "x" * 498 + "[t"
