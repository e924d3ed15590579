"""Text to be judged, written so that it can neither leave its block nor pass for a turn of the conversation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b

_ESCAPES = {"&": "&amp;", "<": "&lt;"}
_ESCAPED = re.compile("[&<]")
# [INST], [/INST], [SYSTEM_PROMPT], [gMASK]: markers of chat templates that need no angle bracket
_BRACKET_MARKER = re.compile(r"\[(?=/?(?:[A-Z_]{2,40}|[a-z]MASK)\])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def escape(text: str) -> str:
    """Return text in which nothing can be a tag, a special token of a chat template or an invisible character.

    ``&`` and ``<`` become entities, which breaks every ``<|im_start|>``, ``</s>`` and ``<<SYS>>``; a space parts
    ``[INST]`` and its like; control and direction-changing characters are shown as their code points.
    """
    text = _ESCAPED.sub(lambda found: _ESCAPES[found[0]], text.replace("\r\n", "\n"))
    text = _BRACKET_MARKER.sub("[ ", text)
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def key_of(*texts: str) -> str:
    """Return the key of a block's tags, 8 hex digits of a hash over its texts, which a text cannot know."""
    return blake2b("\0".join(texts).encode(), digest_size=4).hexdigest()


def block(name: str, text: str) -> str:
    """Return one text between tags of its own key."""
    key = key_of(text)
    return f"<{name} key={key}>\n{escape(text)}\n</{name} key={key}>"


def numbered(name: str, item: str, texts: Sequence[str], first: int) -> str:
    """Return several texts between tags of one key, each with its number, counted from ``first``."""
    key = key_of(*texts)
    items = (
        f"<{item} {number} key={key}>\n{escape(text)}\n</{item} {number} key={key}>"
        for number, text in enumerate(texts, start=first)
    )
    return "\n".join([f"<{name} key={key}>", *items, f"</{name} key={key}>"])
