"""The judge route of a real server: a model without training answers nonsense, and nothing of it becomes a judgment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from curate.verbs.check import find_problems
from curate.verbs.lookup import POLICIES
from judge_case import WRONG, curate, feedback, wrong_groups
from vllm_server import NAME, VllmServer

CONTEXT = 8192
CHAT_TEMPLATE = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}assistant: "


@pytest.fixture(scope="module")
def server(environment: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    """A server of random weights that read and write bytes."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("judge")
    config = AutoConfig.from_pretrained(POLICIES / "bytes-blank", max_position_embeddings=CONTEXT)
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder / "model")
    AutoTokenizer.from_pretrained(POLICIES / "bytes-blank", model_max_length=CONTEXT).save_pretrained(folder / "model")
    settings = folder / "model" / "tokenizer_config.json"
    settings.write_text(settings.read_text().replace("TokenizersBackend", "PreTrainedTokenizerFast"))
    (folder / "template.jinja").write_text(CHAT_TEMPLATE)
    options = ("--max-model-len", str(CONTEXT), "--chat-template", str(folder / "template.jinja"))
    found = VllmServer(*environment, folder / "model", folder / "log", *options)
    try:
        found.start()
        yield found
    finally:
        found.kill()


def test_nonsense_ends_as_null_with_its_reason(server: VllmServer, tmp_path: Path) -> None:
    data = wrong_groups(tmp_path, [WRONG[:3], WRONG[2:]])
    words = (
        "judge",
        tmp_path,
        "--server",
        server.url,
        "--model",
        NAME,
        "--split",
        "countdown",
        "--max-reply-tokens",
        64,
    )
    said = curate(*words, code=1)
    assert "judged 0 completions" in said
    assert "6 failed (unreadable_reply 6)" in said
    assert "replies were cut at --max-reply-tokens 64" in said
    assert feedback(data, NAME, "error") == ["unreadable_reply"] * 6
    assert feedback(data, NAME, "rts") == [None] * 6
    assert None not in feedback(data, NAME, "reply")
    assert find_problems(data) == []
    assert "6 kept replies read again, 0 rows changed" in curate("judge", tmp_path, "--reparse", code=1)
