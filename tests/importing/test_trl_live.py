"""The installed TRL trains two steps on the CPU, and what it logged is imported."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from importing_case import Bring

CHARACTERS = "0123456789+*=; :>"
PROMPTS = ["3 5 8:64>", "1 2 3:6>", "4 4 4:12>", "2 2 2:8>"]
GROUP_SIZE = 4


def _tokenizer() -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {"<pad>": 0, "<eos>": 1, "<unk>": 2} | {c: i + 3 for i, c in enumerate(CHARACTERS)}
    characters = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    characters.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    characters.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=characters, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")


def _model() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(CHARACTERS) + 3,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=64,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=1,
        )
    )


def _digits(completions: list[str], **_: Any) -> list[float | None]:
    """Count digits; the last of each group is one that the function cannot score."""
    return [
        None if i % GROUP_SIZE == GROUP_SIZE - 1 else float(sum(character.isdigit() for character in text))
        for i, text in enumerate(completions)
    ]


def _train(folder: Path, **settings: Any) -> None:
    import trl
    from datasets import Dataset

    trainer = trl.GRPOTrainer(
        model=_model(),
        reward_funcs=[_digits],
        args=trl.GRPOConfig(
            output_dir=str(folder),
            per_device_train_batch_size=GROUP_SIZE,
            num_generations=GROUP_SIZE,
            max_completion_length=6,
            max_steps=2,
            logging_steps=1,
            log_completions=True,
            num_completions_to_print=0,
            report_to=[],
            use_cpu=True,
            bf16=False,
            save_strategy="no",
            disable_tqdm=True,
            **settings,
        ),
        train_dataset=Dataset.from_list([{"prompt": prompt} for prompt in PROMPTS]),
        processing_class=_tokenizer(),
    )
    trainer.train()


@pytest.fixture
def _quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("_quiet")
def test_two_steps_of_the_installed_trl_arrive(bring: Bring, tmp_path: Path) -> None:
    pytest.importorskip("trl", reason="TRL is not installed: pip install trl")
    _train(tmp_path / "run")
    got = bring(tmp_path / "run")
    assert got.report.format == "trl"
    assert got.report.files == ["completions/completions_00001.parquet", "completions/completions_00002.parquet"]
    assert got.report.groups.sizes == {GROUP_SIZE: 2}
    assert got.report.groups.n_inferred == 2
    assert got.report.n_rejects == 0
    assert set(got.prompts["prompt"]) <= set(PROMPTS)
    assert got.verdicts is not None
    assert got.verdicts["reward"].is_null().to_list() == [False, False, False, True] * 2
    completions, rewards = got.samples["completion"].to_list(), got.verdicts["reward"].to_list()
    assert [sum(c.isdigit() for c in text) for text in completions[:3]] == rewards[:3]
    assert got.advantages is not None
    assert got.advantages["drop_reason"].to_list() == [None, None, None, "unjudged"] * 2
    assert abs(sum(got.advantages["advantage"].to_list()[:3])) < 1e-5


@pytest.mark.slow
@pytest.mark.usefixtures("_quiet")
def test_a_batch_that_trl_trains_on_twice_arrives_once(bring: Bring, tmp_path: Path) -> None:
    pytest.importorskip("trl", reason="TRL is not installed: pip install trl")
    _train(tmp_path / "run", num_iterations=2)
    got = bring(tmp_path / "run")
    assert got.report.groups.sizes == {GROUP_SIZE: 1}
    assert got.report.n_left_out == GROUP_SIZE
