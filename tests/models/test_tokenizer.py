"""The tokenizer that loads without torch is the one that transformers' own choice would be."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from curate.errors import ConfigError
from curate.models import tokenizer as module
from curate.models.tokenizer import load_tokenizer
from curate.verbs.lookup import POLICIES

TEXT = "3 5 8:64> 3+5=8;8*8=64"


@pytest.mark.parametrize("name", ["countdown-strong", "countdown-blank", "bytes-blank"])
def test_it_is_the_one_that_auto_tokenizer_loads(name: str) -> None:
    ours, theirs = load_tokenizer(POLICIES / name), AutoTokenizer.from_pretrained(POLICIES / name)
    assert type(ours) is type(theirs)
    assert ours(TEXT)["input_ids"] == theirs(TEXT)["input_ids"]
    ids = ours(TEXT)["input_ids"]
    assert ours.decode(ids, skip_special_tokens=True) == theirs.decode(ids, skip_special_tokens=True)
    assert ours.get_vocab() == theirs.get_vocab()
    assert (ours.eos_token_id, ours.pad_token_id) == (theirs.eos_token_id, theirs.pad_token_id)


def test_a_plain_tokenizer_needs_no_torch() -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom curate.models.encode import encode_prompt\n"
        "from curate.models.tokenizer import load_tokenizer\n"
        f"path = Path({str(POLICIES / 'countdown-strong')!r})\n"
        "print(encode_prompt(load_tokenizer(path), '3 5', 'text', path), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[7, 3, 9] False\n"


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("config.json", {"model_type": "qwen2"}),
        ("tokenizer_config.json", {"tokenizer_class": "LlamaTokenizer"}),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["own.Tokenizer", None]}}),
    ],
)
def test_other_tokenizers_are_left_to_transformers(tmp_path: Path, file: str, changed: dict[str, object]) -> None:
    folder = tmp_path / "policy"
    shutil.copytree(POLICIES / "countdown-blank", folder)
    settings = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(settings | changed))
    assert module._loader(folder) is AutoTokenizer


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no tokenizer that loads .*give the folder of a checkpoint with its"):
        load_tokenizer(tmp_path)
