"""What a folder says of its tokens."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

from curate.sampling.vocabulary import vocabulary

TOKENIZER = SimpleNamespace(eos_token_id=1)


def write(folder: Path, **files: object) -> Path:
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_the_end_tokens_of_generation_settings_and_tokenizer(tmp_path: Path) -> None:
    folder = write(tmp_path, config={"vocab_size": 22, "eos_token_id": 9}, generation_config={"eos_token_id": [2, 3]})
    assert vocabulary(folder, TOKENIZER) == (22, frozenset({1, 2, 3}))


def test_a_model_without_generation_settings(tmp_path: Path) -> None:
    folder = write(tmp_path, config={"text_config": {"vocab_size": 22}, "eos_token_id": 9})
    assert vocabulary(folder, TOKENIZER) == (22, frozenset({1, 9}))


def test_a_folder_with_a_tokenizer_alone(tmp_path: Path) -> None:
    assert vocabulary(tmp_path, TOKENIZER) == (None, frozenset({1}))
    assert vocabulary(tmp_path, SimpleNamespace(eos_token_id=None)) == (None, frozenset())


def test_files_that_are_no_settings(tmp_path: Path) -> None:
    (tmp_path / "generation_config.json").write_text("{", encoding="utf-8")
    assert vocabulary(write(tmp_path, config=[1]), TOKENIZER) == (None, frozenset({1}))
