"""The scorer against a naive full forward pass, row by row, of tiny random models."""

import json
import math
import random
import shutil
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoModelForCausalLM,
    CohereConfig,
    Gemma2Config,
    GPT2Config,
    GraniteConfig,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
)

from curate.errors import ConfigError, ContractError
from curate.likelihood import model as module
from curate.likelihood.model import Score, Scorer
from curate.models.head import Head

VOCABULARY = 60
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 48,
    "initializer_range": 0.2,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
CHAT = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<a>{% endif %}"


def _save_model(config: PreTrainedConfig, folder: Path) -> Path:
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def _save_tokenizer(folder: Path, chat_template: str | None) -> None:
    symbols = ["<pad>", "<s>", "</s>", "<unk>", *"abcdefghijklmnopqrstuvwxyz <>+=*-0123456789"]
    vocabulary = {symbol: place for place, symbol in enumerate(symbols)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    fast.chat_template = chat_template
    fast.save_pretrained(folder)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = _save_model(LlamaConfig(**SIZES), tmp_path_factory.mktemp("llama"))
    _save_tokenizer(folder, CHAT)
    return folder


@pytest.fixture(scope="module")
def scorer(checkpoint: Path) -> Scorer:
    return Scorer(checkpoint, device="cpu")


def _rows(n: int) -> tuple[list[list[int]], list[list[int]]]:
    rng = random.Random(7)
    texts = [[rng.randrange(VOCABULARY) for _ in range(rng.randint(1, 20))] for _ in range(2 * n)]
    return texts[:n], texts[n:]


@torch.no_grad()
def _naive(folder: Path, prompt: list[int], completion: list[int], temperature: float) -> list[float]:
    logits = AutoModelForCausalLM.from_pretrained(folder).eval()(torch.tensor([prompt + completion])).logits[0]
    logprobs = (logits.float() / temperature).log_softmax(-1)
    return [logprobs[len(prompt) - 1 + place, token].item() for place, token in enumerate(completion)]


@pytest.mark.parametrize("temperature", [1.0, 0.7, 2.5])
def test_log_probs_equal_a_full_forward_pass(checkpoint: Path, scorer: Scorer, temperature: float) -> None:
    prompts, completions = _rows(8)
    scores = scorer.score(prompts, completions, temperature)
    for prompt, completion, score in zip(prompts, completions, scores, strict=True):
        assert score.error is None
        assert score.logprobs == pytest.approx(_naive(checkpoint, prompt, completion, temperature), abs=1e-5)


@pytest.mark.parametrize(
    "config",
    [
        Gemma2Config(**SIZES, head_dim=8, final_logit_softcapping=2.0),
        CohereConfig(**SIZES, logit_scale=0.25),
        GraniteConfig(**SIZES, logits_scaling=3.0),
        GPT2Config(**{**SIZES, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 48}),
    ],
    ids=lambda config: config.model_type,
)
def test_families_that_cap_or_scale_their_logits(config: PreTrainedConfig, tmp_path: Path) -> None:
    folder = _save_model(config, tmp_path)
    prompts, completions = _rows(3)
    scores = Scorer(folder, device="cpu").score(prompts, completions, 0.7)
    for prompt, completion, score in zip(prompts, completions, scores, strict=True):
        assert score.logprobs == pytest.approx(_naive(folder, prompt, completion, 0.7), abs=1e-5)


def test_sum_is_minus_the_loss_of_the_model(checkpoint: Path, scorer: Scorer) -> None:
    prompt, completion = [1, 5, 9], [7, 8, 9, 2]
    labels = torch.tensor([[-100] * 3 + completion])
    model = AutoModelForCausalLM.from_pretrained(checkpoint).eval()
    loss = model(torch.tensor([prompt + completion]), labels=labels).loss.item()
    [score] = scorer.score([prompt], [completion])
    assert sum(score.logprobs) == pytest.approx(-loss * 4, abs=1e-5)


@pytest.mark.parametrize("max_batch_tokens", [1, 50, 100_000])
def test_company_in_a_batch_changes_nothing(checkpoint: Path, scorer: Scorer, max_batch_tokens: int) -> None:
    prompts, completions = _rows(10)
    alone = [scorer.score([prompt], [completion])[0] for prompt, completion in zip(prompts, completions, strict=True)]
    together = Scorer(checkpoint, device="cpu", max_batch_tokens=max_batch_tokens).score(prompts, completions)
    for one, other in zip(alone, together, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)


def test_small_chunks_of_logits_change_nothing(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts, completions = _rows(4)
    whole = scorer.score(prompts, completions)
    monkeypatch.setattr(module, "_CHUNK_LOGITS", 3 * VOCABULARY)
    for one, other in zip(whole, scorer.score(prompts, completions), strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-6)


def test_only_completion_positions_reach_the_head(scorer: Scorer) -> None:
    seen: list[int] = []
    hook = scorer.model.lm_head.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[0]))
    scorer.score([[1] * 20, [1] * 5], [[3, 4], [5]])
    hook.remove()
    assert seen == [3]


def test_each_row_has_its_own_temperature(scorer: Scorer) -> None:
    prompts, completions = _rows(2)
    both = scorer.score(prompts, completions, [0.7, 1.3])
    assert both[0].logprobs == pytest.approx(scorer.score(prompts[:1], completions[:1], 0.7)[0].logprobs, abs=1e-5)
    assert both[1].logprobs == pytest.approx(scorer.score(prompts[1:], completions[1:], 1.3)[0].logprobs, abs=1e-5)


def test_a_certain_token_is_never_above_zero(scorer: Scorer) -> None:
    prompts, completions = _rows(4)
    scores = scorer.score(prompts, completions, 1e-3)
    assert max(max(score.logprobs) for score in scores) <= 0.0


@pytest.mark.parametrize(
    ("prompt", "completion", "temperature", "reason"),
    [
        ([], [3], 1.0, "the prompt has no tokens"),
        ([1], [], 1.0, "the completion has no tokens"),
        ([1], [60], 1.0, "token id 60 is outside the vocabulary of 60"),
        ([1], [10**30], 1.0, "is outside the vocabulary of 60"),
        ([-1], [3], 1.0, "token id -1 is outside"),
        ([1] * 30, [3] * 19, 1.0, "49 tokens are more than the model's 48 positions"),
        ([1], [3], None, "temperature None"),
        ([1], [3], 0.0, "temperature 0.0"),
        ([1], [3], -1.0, "temperature -1.0"),
        ([1], [3], math.nan, "temperature nan"),
        ([1], [3], math.inf, "temperature inf"),
        ([1], [3], 1e-45, "not finite"),
    ],
)
def test_a_bad_row_is_null_with_a_reason_and_the_others_are_scored(
    scorer: Scorer, prompt: list[int], completion: list[int], temperature: float | None, reason: str
) -> None:
    [good] = scorer.score([[1, 2]], [[3, 4]])
    bad, other = scorer.score([prompt, [1, 2]], [completion, [3, 4]], [temperature, 1.0])
    assert bad.logprobs is None
    assert reason in (bad.error or "")
    assert other.logprobs == pytest.approx(good.logprobs, abs=1e-5)


def test_as_many_tokens_as_positions_are_scored(scorer: Scorer) -> None:
    [score] = scorer.score([[1] * 30], [[3] * 18])
    assert len(score.logprobs) == 18


def test_no_rows_give_no_scores(scorer: Scorer) -> None:
    assert scorer.score([], []) == []


def test_arguments_of_different_length_are_refused(scorer: Scorer) -> None:
    with pytest.raises(ValueError, match="zip"):
        scorer.score([[1], [1]], [[2]])
    with pytest.raises(ValueError, match="zip"):
        scorer.score([[1], [1]], [[2], [2]], [1.0])


def test_half_precision_weights_score_close_by(checkpoint: Path, scorer: Scorer) -> None:
    prompts, completions = _rows(4)
    exact = scorer.score(prompts, completions)
    for one, other in zip(
        exact, Scorer(checkpoint, device="cpu", dtype="bfloat16").score(prompts, completions), strict=True
    ):
        assert one.logprobs == pytest.approx(other.logprobs, abs=0.2)


def test_text_is_encoded_with_default_special_tokens_on_the_prompt_only(scorer: Scorer) -> None:
    assert scorer.encode("ab", "ba", "text") == ([1, 4, 5], [5, 4])
    assert scorer.encode("", "a", "text") == ([1], [4])


def test_chat_goes_through_the_template_once(scorer: Scorer) -> None:
    prompt = json.dumps([{"role": "u", "content": "ab"}])
    chat, completion = scorer.encode(prompt, "c", "chat")
    text, _ = scorer.encode("<u>ab<a>", "c", "text")
    assert chat == text[1:]
    assert completion == [6]


@pytest.mark.parametrize("prompt", ["plain text", "", "[1, 2]", "17", "null", '"hello"', "[" * 100_000, "{}", "[]"])
def test_chat_that_is_no_messages_is_refused(scorer: Scorer, prompt: str) -> None:
    with pytest.raises(ContractError, match=r"a chat prompt is not (JSON: |a JSON list of messages: )"):
        scorer.encode(prompt, "c", "chat")


def test_messages_the_template_cannot_render_are_refused(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scorer.tokenizer, "chat_template", "{{ raise_exception('roles must alternate') }}")
    with pytest.raises(ContractError, match="refuses a prompt: roles must alternate"):
        scorer.encode('[{"role": "u"}]', "c", "chat")


def test_missing_chat_template_is_a_config_error(checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "plain")
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(ConfigError, match="has no chat template"):
        Scorer(folder, device="cpu").encode("[]", "c", "chat")


def test_missing_tokenizer_matters_only_to_text(tmp_path: Path) -> None:
    scorer = Scorer(_save_model(LlamaConfig(**SIZES), tmp_path), device="cpu")
    assert scorer.score([[1]], [[3]])[0].error is None
    with pytest.raises(ConfigError, match="has no tokenizer that loads"):
        scorer.encode("a", "b", "text")


def test_a_path_that_is_no_checkpoint_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is not a checkpoint: it has no config\.json"):
        Scorer(tmp_path / "nowhere")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ConfigError, match="does not load as a causal language model"):
        Scorer(tmp_path)


def test_damaged_or_missing_weights_are_a_config_error(checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "copy")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ConfigError, match="does not load as a causal language model"):
        Scorer(folder)
    weights.unlink()
    with pytest.raises(ConfigError, match="does not load as a causal language model"):
        Scorer(folder)


def test_a_checkpoint_that_lacks_weights_is_a_config_error(checkpoint: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(checkpoint, tmp_path / "copy")
    weights = load_file(folder / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"lacks 1 of the model's weights, first lm_head.weight"):
        Scorer(folder)


def test_unknown_dtype_is_a_config_error(checkpoint: Path) -> None:
    with pytest.raises(ConfigError, match="use one of float32, bfloat16, float16"):
        Scorer(checkpoint, dtype="fp32")


def test_a_gpu_that_is_not_there_is_a_config_error(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="device is 'cuda:0', but torch sees no GPU"):
        Scorer(checkpoint, device="cuda:0")


def test_running_out_of_memory_says_what_to_lower(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(rows: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(scorer, "_score_batch", fail)
    with pytest.raises(ConfigError, match=r"max_batch_tokens = 16384 .* lower it"):
        scorer.score([[1]], [[3]])


def test_a_model_with_unknown_treatment_of_logits_is_refused(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _save_model(GraniteConfig(**SIZES, logits_scaling=3.0), tmp_path)
    monkeypatch.setattr(Head, "logits", lambda self, hidden: self.model.lm_head(hidden).float())
    with pytest.raises(ConfigError, match="'granite' compute their logits in a way not known here"):
        Scorer(folder, device="cpu")


def test_a_score_is_either_log_probs_or_a_reason() -> None:
    assert Score([-1.0]).error is None
    assert Score(error="why").logprobs is None
