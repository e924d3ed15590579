"""Log-probs of given completions under a Hugging Face checkpoint on disk. The only file of this folder that imports torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any

import torch

from curate.errors import ConfigError
from curate.likelihood.batches import token_batches
from curate.models.encode import encode_completion, encode_prompt
from curate.models.head import Head
from curate.models.load import choose_device, load_model
from curate.models.tokenizer import load_tokenizer

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
        self.device = choose_device(device)
        self.model = load_model(self.path, dtype).to(self.device).eval()
        config = self.model.config.get_text_config()
        self.vocab_size: int = self.model.get_input_embeddings().weight.shape[0]
        self.max_length: int | None = getattr(config, "max_position_embeddings", None)
        self._head = Head(self.model, self.path)

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
        """Tokenize a text-only row: prompt ids, completion ids; see ``curate.models.encode`` for rules and errors."""
        return (
            encode_prompt(self.tokenizer, prompt, prompt_format, self.path),
            encode_completion(self.tokenizer, completion),
        )

    @cached_property
    def tokenizer(self) -> Any:
        """The checkpoint's tokenizer, loaded when first needed; raises ConfigError where there is none."""
        return load_tokenizer(self.path)

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
        logprobs = torch.cat([self._head.logprobs(*part) for part in parts]).cpu()
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


@dataclass(frozen=True, slots=True)
class _Row:
    prompt: list[int]
    completion: list[int]
    temperature: float | None

    def __len__(self) -> int:
        """Tokens the model reads: all but the last."""
        return len(self.prompt) + len(self.completion) - 1
