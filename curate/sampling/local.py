"""Sample from a Hugging Face checkpoint on disk, in this process.

The model reads every prompt once and every prefix that several completions share once; what has ended leaves the batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from curate.errors import ConfigError, SamplerError
from curate.models.cache import make_room, rearrange
from curate.models.encode import encode_prompt
from curate.models.head import Head
from curate.models.load import choose_device, load_model
from curate.models.tokenizer import load_tokenizer
from curate.sampling.branch import branch
from curate.sampling.chance import uniforms
from curate.sampling.completion import Completion, Setting
from curate.sampling.draw import draw, likeliest

PREFILL_TOKENS = 65_536
CPU_CACHE_BYTES = 4 << 30
GPU_CACHE_SHARE = 0.4


class LocalSampler:
    """Sample completions from a causal language model loaded from a local folder.

    ``dtype`` is that of the weights; tokens are drawn from float32 logits. ``device`` "auto" is a GPU if there is one.
    ``batch_rows`` bounds the completions that are sampled at one time; with ``top_k`` every position keeps its so many
    likeliest tokens. Of the checkpoint's generation settings only the
    end tokens are used: no top_k, no penalties. Raises ConfigError where the folder holds no complete checkpoint with a
    tokenizer, and where the model treats its logits in a way not known here.
    """

    def __init__(
        self, path: Path, *, dtype: str = "float32", device: str = "auto", batch_rows: int = 512, top_k: int = 0
    ) -> None:
        self.path = path
        self.batch_rows = batch_rows
        self.top_k = top_k
        self.device = choose_device(device)
        self.model = load_model(path, dtype).to(self.device).eval()
        self.tokenizer = load_tokenizer(path)
        self.vocab_size: int = self.model.get_input_embeddings().weight.shape[0]
        if top_k > self.vocab_size:
            raise ConfigError(f"{path} has {self.vocab_size:,} tokens: lower --top-k-logprobs {top_k}")
        self.max_length: int | None = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        self.end_ids = end_ids(self.model, self.tokenizer)
        self._head = Head(self.model, path)
        self._ends = torch.tensor(self.end_ids, dtype=torch.long, device=self.device)

    def encode(self, prompt: str, prompt_format: str) -> list[int]:
        """Return the ids of a prompt; see ``curate.models.encode`` for rules and errors."""
        return encode_prompt(self.tokenizer, prompt, prompt_format, self.path)

    def texts(self, completions: Iterable[Completion]) -> list[str]:
        """Return the text of each completion, special tokens left out."""
        ids = [completion.ids for completion in completions]
        return list(self.tokenizer.batch_decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def reason(self, prompt_ids: Sequence[int], setting: Setting) -> str | None:
        """Return why a prompt cannot be sampled from, or null: empty_prompt, unknown_token, prompt_too_long."""
        if not prompt_ids:
            return "empty_prompt"
        if not 0 <= min(prompt_ids) <= max(prompt_ids) < self.vocab_size:
            return "unknown_token"
        is_too_long = self.max_length is not None and len(prompt_ids) + setting.max_new_tokens > self.max_length
        return "prompt_too_long" if is_too_long else None

    def sample(
        self,
        prompt_ids: Sequence[Sequence[int]],
        seeds: Sequence[Sequence[int]],
        setting: Setting,
        limits: Sequence[int] | None = None,
    ) -> list[list[Completion]]:
        """Sample one completion a seed for each prompt, in input order; of ``limits[i]`` tokens at most, where given.

        Which numbers decide a completion follows from its seed alone, so its neighbours change it only where the
        rounding of its logits does: the same call on the same machine gives the same completions, another batching
        nearly always. Raises ValueError where a prompt has a ``reason`` not to be sampled or the arguments differ in
        length, SamplerError where a log-prob is not finite, ConfigError where a batch does not fit the device.
        """
        limits = limits or [setting.max_new_tokens] * len(prompt_ids)
        for prompt, limit in zip(prompt_ids, limits, strict=True):
            if why := self.reason(prompt, replace(setting, max_new_tokens=limit)):
                raise ValueError(why)
        own_seeds = zip(seeds, limits, prompt_ids, strict=True)
        rows = [_Row(place, seed, limit) for place, (own, limit, _) in enumerate(own_seeds) for seed in own]
        groups: list[list[Completion]] = [[] for _ in prompt_ids]
        try:
            for batch in self._batches(rows, prompt_ids, setting):
                for row, completion in zip(batch, self._sample_batch(batch, prompt_ids, setting), strict=True):
                    groups[row.prompt].append(completion)
        except torch.OutOfMemoryError as error:
            raise ConfigError(
                f"{self.batch_rows} rows at a time are too many for {self.device}'s memory: lower --batch-rows"
            ) from error
        return groups

    def rows_at_once(self, longest_prompt: int, setting: Setting) -> int:
        """Return how many completions of such prompts are sampled at one time: ``batch_rows``, or what fits the device."""
        if self.device.startswith("cuda"):
            n_bytes = torch.cuda.get_device_properties(self.device).total_memory * GPU_CACHE_SHARE
        else:
            n_bytes = CPU_CACHE_BYTES
        bytes_a_row = self._bytes_a_token() * (longest_prompt + setting.max_new_tokens)
        return max(1, min(self.batch_rows, int(n_bytes / bytes_a_row)))

    def _batches(
        self, rows: Sequence[_Row], prompts: Sequence[Sequence[int]], setting: Setting
    ) -> Iterator[list[_Row]]:
        """Cut rows into batches whose prompts and whose cache, at its largest, fit."""
        batch: list[_Row] = []
        longest = n_prompts = 0
        for row in rows:
            length = max(longest, len(prompts[row.prompt]))
            n = n_prompts + (not batch or batch[-1].prompt != row.prompt)
            if batch and (len(batch) >= self.rows_at_once(length, setting) or n * length > PREFILL_TOKENS):
                yield batch
                batch, length, n = [], len(prompts[row.prompt]), 1
            batch.append(row)
            longest, n_prompts = length, n
        if batch:
            yield batch

    def _bytes_a_token(self) -> int:
        """Return the bytes of one position's keys and values, at most: families with fewer heads than said need less."""
        config = self.model.config.get_text_config()
        n_heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return int(2 * config.num_hidden_layers * n_heads * width * self.model.dtype.itemsize)

    @torch.inference_mode()
    def _sample_batch(self, rows: list[_Row], prompts: Sequence[Sequence[int]], setting: Setting) -> list[Completion]:
        seeds = torch.tensor([row.seed for row in rows], device=self.device)
        ids = torch.zeros(len(rows), setting.max_new_tokens, dtype=torch.long, device=self.device)
        logprobs = torch.zeros(len(rows), setting.max_new_tokens, device=self.device)
        likely = (ids.new_zeros(*ids.shape, self.top_k), logprobs.new_zeros(*ids.shape, self.top_k))
        batch = self._prefill(rows, prompts)
        limits = torch.tensor([row.limit for row in rows], device=self.device)
        for step in range(max(row.limit for row in rows)):
            luck = uniforms(seeds[batch.rows], step)
            logits = self._head.logits(batch.hidden)
            tokens, drawn = draw(logits, batch.nodes, luck, setting)
            if self.top_k:
                likely[0][batch.rows, step], likely[1][batch.rows, step] = likeliest(
                    logits, batch.nodes, self.top_k, setting
                )
            ids[batch.rows, step] = tokens
            logprobs[batch.rows, step] = drawn
            is_live = ~torch.isin(tokens, self._ends) & (step + 1 < limits[batch.rows])
            if not bool(is_live.any()):
                break
            self._advance(batch, is_live, tokens)
        completions = self._completions(ids[:, : step + 1], logprobs[:, : step + 1], limits)
        return [self._with_likely(each, *likely, row) for row, each in enumerate(completions)]

    def _with_likely(self, completion: Completion, ids: torch.Tensor, logprobs: torch.Tensor, row: int) -> Completion:
        if not self.top_k:
            return completion
        n = len(completion.ids)
        return replace(completion, topk_ids=ids[row, :n].tolist(), topk_logprobs=logprobs[row, :n].tolist())

    def _prefill(self, rows: list[_Row], prompts: Sequence[Sequence[int]]) -> _Batch:
        """Read every prompt once, padded on the left: each is a node, shared by its rows."""
        places = sorted({row.prompt for row in rows})
        inputs, mask = _pad([prompts[place] for place in places])
        inputs, mask = inputs.to(self.device), mask.to(self.device)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        is_even = bool(mask.all())  # no padding, no mask: attention is faster without
        read = self.model.base_model(
            input_ids=inputs, attention_mask=None if is_even else mask, position_ids=positions, use_cache=True
        )
        cache = getattr(read, "past_key_values", None)
        if cache is None or not all(hasattr(layer, "batch_select_indices") for layer in cache.layers):
            kind = self.model.config.model_type
            raise ConfigError(f"{self.path}: models of type {kind!r} keep a cache that is not known here")
        make_room(cache, len(rows))
        column = {place: number for number, place in enumerate(places)}
        return _Batch(
            rows=torch.arange(len(rows), device=self.device),
            nodes=torch.tensor([column[row.prompt] for row in rows], device=self.device),
            hidden=read.last_hidden_state[:, -1],
            positions=positions[:, -1:],
            mask=None if is_even else mask,
            cache=cache,
        )

    def _advance(self, batch: _Batch, is_live: torch.Tensor, tokens: torch.Tensor) -> None:
        """Let the finished rows leave, and read the token of every node that is left."""
        batch.rows = batch.rows[is_live]
        grown = branch(batch.nodes[is_live], tokens[is_live], self.vocab_size)
        if len(grown.moved) or len(grown.order) != len(batch.hidden):
            rearrange(batch.cache, grown.order, grown.moved)
        batch.nodes = grown.nodes
        batch.positions = batch.positions[grown.order] + 1
        if batch.mask is not None:
            batch.mask = torch.nn.functional.pad(batch.mask[grown.order], (0, 1), value=1)
        batch.hidden = self.model.base_model(
            input_ids=grown.tokens.unsqueeze(-1),
            attention_mask=batch.mask,
            position_ids=batch.positions,
            past_key_values=batch.cache,
            use_cache=True,
        ).last_hidden_state[:, -1]

    def _completions(self, ids: torch.Tensor, logprobs: torch.Tensor, limits: torch.Tensor) -> list[Completion]:
        """Cut each row after its end token, or at its limit."""
        is_row = torch.arange(ids.shape[1], device=self.device) < limits.unsqueeze(-1)
        is_end = torch.isin(ids, self._ends) & is_row
        has_end = is_end.any(-1)
        lengths = torch.where(has_end, is_end.int().argmax(-1) + 1, limits)
        is_row = torch.arange(ids.shape[1], device=self.device) < lengths.unsqueeze(-1)
        if not bool(logprobs[is_row].isfinite().all()):
            raise SamplerError(f"{self.path} gives log-probs that are not finite: its weights or --dtype are broken")
        columns = (ids.tolist(), logprobs.tolist(), lengths.tolist(), has_end.tolist())
        return [
            Completion(own[:n], values[:n], "stop" if ended else "length")
            for own, values, n, ended in zip(*columns, strict=True)
        ]


def end_ids(model: Any, tokenizer: Any) -> list[int]:
    """Return the ids that end a completion: those of the generation settings and of the tokenizer, ascending."""
    settings = getattr(model, "generation_config", None)
    found: set[int] = set()
    for ids in (getattr(settings, "eos_token_id", None), tokenizer.eos_token_id):
        found |= set(ids if isinstance(ids, list) else [ids]) - {None}
    return sorted(found)


@dataclass(frozen=True, slots=True)
class _Row:
    """One completion to be: the place of its prompt, its seed, and how long it may become."""

    prompt: int
    seed: int
    limit: int


@dataclass(slots=True)
class _Batch:
    """The R unfinished rows and their U nodes: distinct prefixes, each read once.

    rows (R,) places in the results; nodes (R,); hidden (U, D) the last state, positions (U, 1) of the last token,
    mask (U, columns) or null where nothing is padded.
    """

    rows: torch.Tensor
    nodes: torch.Tensor
    hidden: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor | None
    cache: Any


def _pad(prompts: list[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Pad on the left, so that every row's next token stands in the same column: ids and mask, (prompts, longest)."""
    width = max(map(len, prompts))
    inputs = torch.zeros(len(prompts), width, dtype=torch.long)
    mask = torch.zeros(len(prompts), width, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        inputs[row, width - len(prompt) :] = torch.tensor(list(prompt))
        mask[row, width - len(prompt) :] = 1
    return inputs, mask
