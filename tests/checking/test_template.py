"""Templates of the common families, once and twice."""

from __future__ import annotations

import json

import pytest

from curate.checking.template import twice_in_ids, twice_in_messages, twice_in_text

ONCE = {
    "chatml": "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n",
    "llama 3": "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    "llama 2": "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\n{} [/INST] Yes. </s><s>[INST] And now? [/INST]",
    "gemma": "<bos><start_of_turn>user\n{}<end_of_turn>\n<start_of_turn>model\n",
    "phi": "<|user|>\n{}<|end|>\n<|assistant|>\nYes.<|end|>\n<|user|>\nAnd now?<|end|>\n<|assistant|>\n",
    "deepseek": "<｜begin▁of▁sentence｜><｜User｜>{}<｜Assistant｜>",
    "harmony": "<|start|>system<|message|>Be brief.<|end|><|start|>assistant to=f<|message|>{}<|call|><|start|>user<|message|>a<|end|>",
}


@pytest.mark.parametrize("template", ONCE.values(), ids=list(ONCE))
def test_a_template_inside_itself_is_seen(template: str) -> None:
    assert twice_in_text(template.replace("{}", "2 3 4:24")) is None
    assert twice_in_text(template.replace("{}", template.replace("{}", "2 3 4:24")))


def test_text_without_a_template_is_left_alone() -> None:
    assert twice_in_text("5 9 9:90>") is None
    assert twice_in_text("What does <|im_start|> mean?") is None
    assert twice_in_text("") is None


def test_a_message_that_begins_with_a_marker_went_through_a_template() -> None:
    def prompt(content: object) -> str:
        return json.dumps([{"role": "user", "content": content}])

    assert twice_in_messages(prompt("<|im_start|>user\nhi<|im_end|>")) == "<|im_start|>"
    assert twice_in_messages(prompt("\n[INST] hi [/INST]")) == "[INST]"
    assert twice_in_messages(prompt("What does <|im_start|> mean?")) is None
    assert twice_in_messages(prompt([{"type": "text", "text": "hi"}])) is None
    assert twice_in_messages("no JSON") is None
    assert twice_in_messages("{}") is None


def test_ids_that_begin_with_one_special_token_twice() -> None:
    assert twice_in_ids([1, 1, 5], frozenset({1, 2}))
    assert not twice_in_ids([1, 5, 1], frozenset({1, 2}))
    assert not twice_in_ids([5, 5, 1], frozenset({1, 2}))
    assert not twice_in_ids([1], frozenset({1, 2}))
