"""A chat template applied to what had gone through it before."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import takewhile

# What opens a turn, and what closes it, in the templates of the common model families.
MARKERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("<|im_start|>", ("<|im_end|>",)),
    ("<|start_header_id|>", ("<|eot_id|>", "<|eom_id|>")),
    ("<|header_start|>", ("<|eot|>", "<|eom|>")),
    ("<start_of_turn>", ("<end_of_turn>",)),
    ("<|turn>", ("<turn|>",)),
    ("<|start|>", ("<|end|>", "<|call|>", "<|return|>")),
    ("<|START_OF_TURN_TOKEN|>", ("<|END_OF_TURN_TOKEN|>",)),
    ("[INST]", ("[/INST]",)),
    ("<<SYS>>", ("<</SYS>>",)),
)
# What opens a whole text, and what closes it. Elsewhere than at its beginning `<s>` may be of a program.
TEXTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("<s>", ("</s>",)),
    ("<bos>", ("<eos>",)),
    ("<|begin_of_text|>", ("<|end_of_text|>",)),
    ("<｜begin▁of▁sentence｜>", ("<｜end▁of▁sentence｜>",)),
)
# What opens a user's turn where nothing closes it: another may follow. A turn that went through a template begins with
# what begins a text of these families.
USERS = ("<|user|>", "<|User|>", "<｜User｜>")
BEGINNINGS = ("<|system|>", "<|System|>", "<|endoftext|>", "[gMASK]", *(opens for opens, _ in TEXTS))
OPENINGS = (*(opens for opens, _ in (*MARKERS, *TEXTS)), *USERS)

SHORTEST = 4  # characters of a template before the message, and after it
ENOUGH = 8  # different prompts: fewer share what they ask


def twice_in_text(text: str) -> str | None:
    """Return the marker that shows a template inside a template: it opens again before it was closed."""
    own = [each for each in TEXTS if text.lstrip().startswith(each[0])]
    inside = (opens for opens, closes in (*MARKERS, *own) if _opens_in_itself(text, opens, closes))
    return next(inside, None) or next((opens for opens in USERS if _turn_begins_a_text(text, opens)), None)


def _opens_in_itself(text: str, opens: str, closes: tuple[str, ...]) -> bool:
    between = text.split(opens)[1:-1]
    return any(not any(close in turn for close in closes) for turn in between)


def _turn_begins_a_text(text: str, opens: str) -> bool:
    between = [turn.strip() for turn in text.split(opens)[1:-1]]
    return any(turn == "" or turn.startswith(BEGINNINGS) for turn in between)


def twice_around_all(texts: Iterable[str]) -> str | None:
    """Return what all these prompts begin with twice in a row, where they end with something twice in a row too.

    That is a template of any family: all prompts have it in common. White space is left out, as templates strip it. Null
    for fewer than 8 different prompts.
    """
    bare = list({"".join(text.split()) for text in texts})
    if len(bare) < ENOUGH:
        return None
    ends = _doubled(_beginning([text[::-1] for text in bare]))
    return _doubled(_beginning(bare)) if ends else None


def _beginning(texts: Sequence[str]) -> str:
    """Return what all texts begin with: what the first and the last of them by order do."""
    pairs = zip(min(texts), max(texts), strict=False)
    return "".join(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _doubled(text: str) -> str | None:
    """Return what a text begins with twice in a row, null where that has no letter or below 4 characters."""
    sizes = range(SHORTEST, len(text) // 2 + 1)
    found = (text[:size] for size in sizes if text.startswith(text[:size], size))
    return next((each for each in found if any(map(str.isalpha, each))), None)


def twice_in_messages(prompt: str) -> str | None:
    """Return the marker that a message of a chat prompt begins with: the template will be applied to it again."""
    try:
        messages = json.loads(prompt)
    except (ValueError, RecursionError):
        return None
    turns = [turn for turn in messages if isinstance(turn, dict)] if isinstance(messages, list) else []
    starts = [turn["content"].lstrip() for turn in turns if isinstance(turn.get("content"), str)]
    return next((opens for opens in OPENINGS for start in starts if start.startswith(opens)), None)


def twice_in_ids(ids: Sequence[int], special: frozenset[int]) -> bool:
    """Say whether prompt ids begin with the same special token twice: a template and the tokenizer each put one there."""
    return len(ids) > 1 and ids[0] == ids[1] and ids[0] in special
