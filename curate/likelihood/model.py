"""Log-probs of given completions under a Hugging Face checkpoint on disk. The only file here that imports torch."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from curate.errors import ConfigError, ContractError
from curate.likelihood.batches import token_batches

DTYPES = ("float32", "bfloat16", "float16")
# Logits held in float32 at one time: 64 MiB of them.
_CHUNK_LOGITS = 2**24


@dataclass(frozen=True, slots=True)
class Score:
    """Natural log-probs of one completion's tokens, shape (T,); or null, and ``error`` says why."""

    logprobs: list[float] | None = None
    error: str | None = None


class Scorer:
    """Compute log-probs of completions under a causal language model loaded from a local folder.

    ``dtype`` is that of the weights; log-probs are always taken in float32. ``device`` "auto" is a GPU if there is
    one. ``max_batch_tokens`` bounds the tokens of one forward pass, padding included (a longer row goes alone).
    Raises ConfigError where the folder holds no complete checkpoint, and where the model treats its logits in a way
    this file does not know, so that numbers from it would be wrong.
    """

    def __init__(
        self, path: Path, *, dtype: str = "float32", device: str = "auto", max_batch_tokens: int = 16384
    ) -> None:
        self.path = Path(path)
        self.max_batch_tokens = max_batch_tokens
        self.device = _device(device)
        self.model = _load(self.path, dtype).to(self.device).eval()
        config = self.model.config.get_text_config()
        self.vocab_size: int = self.model.get_input_embeddings().weight.shape[0]
        self.max_length: int | None = getattr(config, "max_position_embeddings", None)
        self._softcap: float | None = getattr(config, "final_logit_softcapping", None)
        self._scale: float = getattr(config, "logit_scale", None) or 1 / (getattr(config, "logits_scaling", None) or 1)
        self._check_logits()

    def score(
        self,
        prompt_ids: Sequence[Sequence[int]],
        completion_ids: Sequence[Sequence[int]],
        temperature: float | Sequence[float | None] = 1.0,
    ) -> list[Score]:
        """Score each completion after its prompt, in input order.

        log p(token) = log_softmax(logits / temperature)[token], one value per completion token; the temperature is
        one number or one per row. The order and the company of rows do not change their scores beyond float
        rounding. A row that cannot be scored has null log-probs and a reason: an empty prompt or completion, a
        temperature that is null or not above 0, a token id outside the vocabulary, more tokens than the model has
        positions, a log-prob that is not finite. Raises ValueError where the arguments differ in length, ConfigError
        where a batch does not fit the device.
        """
        heats = repeat(temperature, len(prompt_ids)) if isinstance(temperature, int | float) else temperature
        rows = [
            _Row(list(prompt), list(completion), heat)
            for prompt, completion, heat in zip(prompt_ids, completion_ids, heats, strict=True)
        ]
        scores = [Score(error=self._reason(row)) for row in rows]
        good = [place for place, score in enumerate(scores) if score.error is None]
        try:
            for batch in token_batches([len(rows[place]) for place in good], self.max_batch_tokens):
                places = [good[index] for index in batch]
                for place, logprobs in zip(places, self._score_batch([rows[place] for place in places]), strict=True):
                    is_finite = all(map(math.isfinite, logprobs))
                    scores[place] = Score(logprobs) if is_finite else Score(error="a log-prob is not finite")
        except torch.OutOfMemoryError as error:
            limit = self.max_batch_tokens
            raise ConfigError(f"max_batch_tokens = {limit} is too many for {self.device}'s memory: lower it") from error
        return scores

    def encode(self, prompt: str, completion: str, prompt_format: str) -> tuple[list[int], list[int]]:
        """Tokenize a text-only row: prompt ids, completion ids.

        A ``chat`` prompt is JSON messages and goes through the chat template once, up to where the assistant speaks;
        a ``text`` prompt gets the special tokens its tokenizer adds by default; the completion gets none. The two are
        tokenized apart, so ids may differ from the sampled ones at the seam. Raises ConfigError where the checkpoint
        lacks a tokenizer or template, ContractError where the messages are not readable.
        """
        completion_ids: list[int] = self.tokenizer(completion, add_special_tokens=False)["input_ids"]
        if prompt_format != "chat":
            return self.tokenizer(prompt)["input_ids"], completion_ids
        if not self.tokenizer.chat_template:
            raise ConfigError(
                f"{self.path} has no chat template, and prompts are chats: use the chat model's checkpoint"
            )
        return self._encode_chat(prompt), completion_ids

    @cached_property
    def tokenizer(self) -> Any:
        """The checkpoint's tokenizer, loaded when first needed; raises ConfigError where there is none."""
        try:
            return AutoTokenizer.from_pretrained(self.path, local_files_only=True)
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"{self.path} has no tokenizer that loads, and samples without token ids need one: {_first_line(error)}"
            ) from error

    def _encode_chat(self, prompt: str) -> list[int]:
        from jinja2 import TemplateError

        try:
            messages = json.loads(prompt)
            if not isinstance(messages, list) or not messages or not all(isinstance(turn, dict) for turn in messages):
                raise ContractError("a chat prompt is not a JSON list of messages: import its samples again")
            ids = self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        except (ValueError, RecursionError) as error:
            raise ContractError(f"a chat prompt is not JSON: {_first_line(error)}") from error
        except (TypeError, KeyError, AttributeError, TemplateError) as error:
            raise ContractError(f"the chat template of {self.path} refuses a prompt: {_first_line(error)}") from error
        return list(ids)

    def _reason(self, row: _Row) -> str | None:
        n_tokens = len(row.prompt) + len(row.completion)
        outside = [token for token in (*row.prompt, *row.completion) if not 0 <= token < self.vocab_size]
        if not row.completion:
            return "the completion has no tokens"
        if not row.prompt:
            return "the prompt has no tokens: nothing conditions the first completion token"
        if row.temperature is None or not 0 < row.temperature < math.inf:
            return f"temperature {row.temperature}: log-probs need a known temperature above 0"
        if outside:
            return f"token id {outside[0]} is outside the vocabulary of {self.vocab_size}"
        if self.max_length is not None and n_tokens > self.max_length:
            return f"{n_tokens} tokens are more than the model's {self.max_length} positions"
        return None

    @torch.inference_mode()
    def _score_batch(self, rows: list[_Row]) -> list[list[float]]:
        inputs, mask = self._pad(rows)
        hidden = self.model.base_model(input_ids=inputs, attention_mask=mask, use_cache=False).last_hidden_state
        # The state before a token predicts it; only these reach the language model head.
        hidden = torch.cat([hidden[i, len(row.prompt) - 1 : len(row)] for i, row in enumerate(rows)])
        tokens = torch.tensor([token for row in rows for token in row.completion], device=self.device)
        heats = torch.tensor([row.temperature for row in rows for _ in row.completion], device=self.device)
        chunk = max(1, _CHUNK_LOGITS // self.vocab_size)
        parts = zip(*(torch.split(values, chunk) for values in (hidden, tokens, heats)), strict=True)
        logprobs = torch.cat([self._token_logprobs(*part) for part in parts]).cpu()
        return [part.tolist() for part in torch.split(logprobs, [len(row.completion) for row in rows])]

    def _pad(self, rows: list[_Row]) -> tuple[torch.Tensor, torch.Tensor]:
        """Pad on the right, where causal attention never looks; the last token of a row predicts nothing: left out."""
        width = max(map(len, rows))
        inputs = torch.zeros(len(rows), width, dtype=torch.long)
        mask = torch.zeros(len(rows), width, dtype=torch.long)
        for place, row in enumerate(rows):
            inputs[place, : len(row)] = torch.tensor([*row.prompt, *row.completion][:-1])
            mask[place, : len(row)] = 1
        return inputs.to(self.device), mask.to(self.device)

    def _token_logprobs(self, hidden: torch.Tensor, tokens: torch.Tensor, heats: torch.Tensor) -> torch.Tensor:
        logits = self._logits(hidden) / heats.unsqueeze(-1)
        chosen = logits.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
        return (chosen - logits.logsumexp(-1)).clamp(max=0.0)

    def _logits(self, hidden: torch.Tensor) -> torch.Tensor:
        logits = self.model.get_output_embeddings()(hidden).float() * self._scale
        return torch.tanh(logits / self._softcap) * self._softcap if self._softcap else logits

    @torch.inference_mode()
    def _check_logits(self) -> None:
        """Compare the short cut through the head with the model's own logits: families scale or cap them."""
        inputs = torch.arange(min(4, self.vocab_size), device=self.device).unsqueeze(0)
        own = self.model(input_ids=inputs, use_cache=False).logits.float()
        ours = self._logits(self.model.base_model(input_ids=inputs, use_cache=False).last_hidden_state)
        if own.shape != ours.shape or not torch.allclose(own, ours, rtol=2e-2, atol=1e-3 * float(own.abs().max())):
            kind = self.model.config.model_type
            raise ConfigError(f"{self.path}: models of type {kind!r} compute their logits in a way not known here")


@dataclass(frozen=True, slots=True)
class _Row:
    prompt: list[int]
    completion: list[int]
    temperature: float | None

    def __len__(self) -> int:
        """Tokens the model reads: all but the last."""
        return len(self.prompt) + len(self.completion) - 1


def _device(device: str) -> str:
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"device is {device!r}, but torch sees no GPU: use auto or cpu")
    return device


def _load(path: Path, dtype: str) -> Any:
    if dtype not in DTYPES:
        raise ConfigError(f"dtype is {dtype!r}: use one of {', '.join(DTYPES)}")
    if not (path / "config.json").is_file():
        raise ConfigError(f"{path} is not a checkpoint: it has no config.json; give the folder save_pretrained wrote")
    from safetensors import SafetensorError

    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            path, dtype=getattr(torch, dtype), local_files_only=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ConfigError(f"{path} does not load as a causal language model: {_first_line(error)}") from error
    model, report = loaded
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise ConfigError(f"{path} lacks {len(missing)} of the model's weights, first {missing[0]}: copy it again")
    return model


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
