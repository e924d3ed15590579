"""A chat template applied to what had gone through it before."""

from __future__ import annotations

import json
from collections.abc import Sequence

# What opens a turn or a text, and what closes it, in the templates of the common model families.
MARKERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("<|im_start|>", ("<|im_end|>",)),
    ("<|start_header_id|>", ("<|eot_id|>", "<|eom_id|>")),
    ("<|header_start|>", ("<|eot|>", "<|eom|>")),
    ("<start_of_turn>", ("<end_of_turn>",)),
    ("<|turn>", ("<turn|>",)),
    ("<|start|>", ("<|end|>", "<|call|>", "<|return|>")),
    ("<|user|>", ("<|assistant|>",)),
    ("<|User|>", ("<|Assistant|>",)),
    ("<｜User｜>", ("<｜Assistant｜>",)),
    ("<|START_OF_TURN_TOKEN|>", ("<|END_OF_TURN_TOKEN|>",)),
    ("[INST]", ("[/INST]",)),
    ("<<SYS>>", ("<</SYS>>",)),
    ("<s>", ("</s>",)),
    ("<bos>", ("<eos>",)),
    ("<|begin_of_text|>", ("<|end_of_text|>",)),
    ("<｜begin▁of▁sentence｜>", ("<｜end▁of▁sentence｜>",)),
)
OPENINGS = tuple(opens for opens, _ in MARKERS)


def twice_in_text(text: str) -> str | None:
    """Return the marker that shows a template inside a template: it opens again before it was closed."""
    return next((opens for opens, closes in MARKERS if _opens_in_itself(text, opens, closes)), None)


def _opens_in_itself(text: str, opens: str, closes: tuple[str, ...]) -> bool:
    between = text.split(opens)[1:-1]
    return any(not any(close in turn for close in closes) for turn in between)


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
