"""Text -> token ids, the same way for scorer, sampler and trainer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from curate.errors import ConfigError, ContractError
from curate.models.tokenizer import first_line


def encode_prompt(tokenizer: Any, prompt: str, prompt_format: str, path: Path) -> list[int]:
    """Return the ids fed to the policy for a prompt; ``path`` is the checkpoint's, for messages.

    A ``chat`` prompt is JSON messages and goes through the chat template once, up to where the assistant speaks;
    a ``text`` prompt gets the special tokens its tokenizer adds by default. Raises ConfigError where the checkpoint
    lacks a template, ContractError where the messages are not readable.
    """
    if prompt_format != "chat":
        return list(tokenizer(prompt)["input_ids"])
    if not tokenizer.chat_template:
        raise ConfigError(f"{path} has no chat template, and prompts are chats: use the chat model's checkpoint")
    return _encode_chat(tokenizer, prompt, path)


def encode_completion(tokenizer: Any, completion: str) -> list[int]:
    """Return the ids of a completion's text, without special tokens; they may differ from the sampled ones at the seam."""
    return list(tokenizer(completion, add_special_tokens=False)["input_ids"])


def _encode_chat(tokenizer: Any, prompt: str, path: Path) -> list[int]:
    from jinja2 import TemplateError

    try:
        messages = json.loads(prompt)
        if not isinstance(messages, list) or not messages or not all(isinstance(turn, dict) for turn in messages):
            raise ContractError("a chat prompt is not a JSON list of messages: import its samples again")
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    except (ValueError, RecursionError) as error:
        raise ContractError(f"a chat prompt is not JSON: {first_line(error)}") from error
    except (TypeError, KeyError, AttributeError, TemplateError) as error:
        raise ContractError(f"the chat template of {path} refuses a prompt: {first_line(error)}") from error
    return list(ids)
