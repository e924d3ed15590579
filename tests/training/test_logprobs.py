"""Log-probs of completions against a naive full forward pass, padded and packed (oracle e)."""

from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma2Config, GPT2Config, LlamaConfig, MistralConfig

from curate.models.head import Head
from curate.training import logprobs as module
from curate.training.logprobs import TokenBatch, completion_logprobs, hidden_states

VOCABULARY = 60
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.2,
    "pad_token_id": 0,
}
PROMPTS = [3, 5, 1, 2]
LENGTHS = [4, 2, 7, 1]
HEATS = [1.0, 0.7, 1.3, 1.0]


def make(config: Any, attention: str = "sdpa") -> Any:
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval()


@pytest.fixture(scope="module")
def model() -> Any:
    return make(LlamaConfig(**SIZES))


def samples() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [
        torch.randint(0, VOCABULARY, (prompt + length,), generator=generator)
        for prompt, length in zip(PROMPTS, LENGTHS, strict=True)
    ]


def padded(filler: int = 0) -> TokenBatch:
    input_ids = torch.full((4, 10), filler)
    for row, tokens in enumerate(samples()):
        input_ids[row, : len(tokens)] = tokens
    return TokenBatch(
        input_ids, None, None, torch.arange(4), torch.tensor(PROMPTS), torch.tensor(LENGTHS), torch.tensor(HEATS)
    )


def packed() -> TokenBatch:
    """Lay samples 0, 1 and the last on one line with filling at its end, sample 2 on the other."""
    first, second, third, last = samples()
    lines = torch.zeros(2, 20, dtype=torch.long)
    positions = torch.zeros(2, 20, dtype=torch.long)
    for line, column, tokens in [(0, 0, first), (0, 7, second), (0, 14, last), (1, 0, third)]:
        lines[line, column : column + len(tokens)] = tokens
        positions[line, column : column + len(tokens)] = torch.arange(len(tokens))
    rows, starts = torch.tensor([0, 0, 1, 0]), torch.tensor([3, 12, 1, 16])
    return TokenBatch(lines, None, positions, rows, starts, torch.tensor(LENGTHS), torch.tensor(HEATS))


def naive(model: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Score each sample alone, with all its logits at once."""
    logprobs, entropies = torch.zeros(4, 7), torch.zeros(4, 7)
    for row, (tokens, prompt, heat) in enumerate(zip(samples(), PROMPTS, HEATS, strict=True)):
        scores = (model(input_ids=tokens[None]).logits[0, prompt - 1 : -1] / heat).log_softmax(-1)
        own = tokens[prompt:]
        logprobs[row, : len(own)] = scores[torch.arange(len(own)), own]
        entropies[row, : len(own)] = -(scores.exp() * scores).sum(-1)
    return logprobs, entropies


def score(model: Any, batch: TokenBatch, **options: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
    return completion_logprobs(hidden_states(model), Head(model, "here"), batch, **options)


@pytest.mark.parametrize("chunk", [1, 3 * VOCABULARY, 2**24])
@pytest.mark.parametrize("layout", [padded, packed])
def test_equals_a_naive_forward_pass(model: Any, layout: Any, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_LOGITS", chunk)
    logprobs, entropies = score(model, layout(), with_entropy=True)
    expected, expected_entropies = naive(model)
    torch.testing.assert_close(logprobs, expected, atol=1e-5, rtol=0)
    assert entropies is not None
    assert not entropies.requires_grad
    torch.testing.assert_close(entropies, expected_entropies, atol=1e-5, rtol=0)


@pytest.mark.parametrize("layout", [padded, packed])
def test_gradients_equal_the_naive_ones(model: Any, layout: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_LOGITS", 3 * VOCABULARY)
    weights = torch.linspace(-1.0, 2.0, 28).view(4, 7)
    names = [name for name, _ in model.named_parameters()]
    expected = torch.autograd.grad((naive(model)[0] * weights).sum(), list(model.parameters()))
    got = torch.autograd.grad((score(model, layout())[0] * weights).sum(), list(model.parameters()))
    for name, own, other in zip(names, got, expected, strict=True):
        torch.testing.assert_close(own, other, atol=1e-5, rtol=1e-4, msg=name)


CAPPED = {"head_dim": 8, "final_logit_softcapping": 5.0, "query_pre_attn_scalar": 8, "sliding_window": 4}
LEARNED = {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}


@pytest.mark.parametrize(
    ("config", "attention"),
    [
        (LlamaConfig(**SIZES), "eager"),
        (Gemma2Config(**SIZES, **CAPPED), "eager"),
        (MistralConfig(**SIZES, sliding_window=4), "sdpa"),
        (GPT2Config(**LEARNED), "sdpa"),
    ],
    ids=["llama", "gemma2", "mistral", "gpt2"],
)
def test_packed_samples_do_not_see_each_other(config: Any, attention: str) -> None:
    other = make(config, attention)
    torch.testing.assert_close(score(other, packed())[0], score(other, padded())[0], atol=1e-5, rtol=0)


def test_what_fills_a_line_up_changes_nothing(model: Any) -> None:
    assert torch.equal(score(model, padded(filler=0))[0], score(model, padded(filler=59))[0])


def test_all_logits_are_never_held(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    logits_of = Head.logits

    def watch(self: Head, hidden: torch.Tensor) -> torch.Tensor:
        seen.append(len(hidden))
        return logits_of(self, hidden)

    head = Head(model, "here")
    monkeypatch.setattr(Head, "logits", watch)
    monkeypatch.setattr(module, "CHUNK_LOGITS", 5 * VOCABULARY)
    logprobs, _ = completion_logprobs(hidden_states(model), head, padded())
    assert seen == [5, 5, 4]  # 14 completion tokens, no prompt token
    logprobs.sum().backward()
    assert sorted(seen) == [4, 4, 5, 5, 5, 5]  # and again, backwards
    model.zero_grad()


def test_completions_without_tokens_give_zeros_that_run_backward(model: Any) -> None:
    batch = padded()
    some = TokenBatch(
        *(batch.input_ids, None, None, batch.rows, batch.starts), torch.tensor([4, 0, 7, 1]), batch.temperatures
    )
    logprobs, _ = score(model, some)
    assert logprobs[1].tolist() == [0.0] * 7
    none = TokenBatch(*(batch.input_ids, None, None, batch.rows, batch.starts), batch.lengths * 0, batch.temperatures)
    logprobs, entropies = score(model, none, with_entropy=True)
    assert logprobs.shape == (4, 0)
    assert entropies is not None
    logprobs.sum().backward()
    assert all(float(p.grad.abs().sum()) == 0.0 for p in model.parameters() if p.grad is not None)
    model.zero_grad()


def test_bfloat16_weights_give_float32_log_probs() -> None:
    half = make(LlamaConfig(**SIZES)).to(torch.bfloat16)
    logprobs, _ = score(half, padded())
    assert logprobs.dtype == torch.float32
    assert float((logprobs - naive(make(LlamaConfig(**SIZES)))[0]).detach().abs().max()) < 0.3
