"""Templates of the common families, once and twice."""

from __future__ import annotations

import json

import pytest

from curate.checking.template import twice_around_all, twice_in_ids, twice_in_messages, twice_in_text

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


def test_two_turns_of_a_user_in_a_row_are_no_template_in_a_template() -> None:
    assert twice_in_text("<|user|>\na<|end|>\n<|user|>\nb<|end|>\n<|assistant|>\n") is None
    assert twice_in_text("<|User|>a<|User|>b<|Assistant|>") is None
    assert twice_in_text("<｜begin▁of▁sentence｜>Be brief.<｜User｜>a<｜User｜>b<｜Assistant｜>") is None


def test_a_user_s_turn_that_begins_with_a_system_s_turn_went_through_a_template() -> None:
    assert twice_in_text("<|user|>\n<|system|>\nBe brief.<|user|>\na<|assistant|>\n<|assistant|>\n") == "<|user|>"
    assert twice_in_text("[gMASK]<sop><|user|>\n[gMASK]<sop><|user|>\na<|assistant|><|assistant|>") == "<|user|>"


def test_what_opens_a_text_opens_none_in_its_middle() -> None:
    assert twice_in_text("List<s> a; List<s> b; List<s> c;") is None
    assert twice_in_text("<s>Say a. <s>Say b.") == "<s>"


OTHER_FAMILIES = {
    "vicuna": "USER: {} ASSISTANT:",
    "alpaca": "### Instruction:\n{}\n\n### Response:\n",
    "granite": "<|start_of_role|>user<|end_of_role|>{}<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>",
    "kimi": "<|im_user|>user<|im_middle|>{}<|im_end|><|im_assistant|>assistant<|im_middle|>",
    "minimax": "<beginning_of_sentence>user name=u\n{}<end_of_sentence>\n<beginning_of_sentence>ai name=a\n",
    "seed": "<seed:bos>user\n{}<seed:eos><seed:bos>assistant\n",
    "hunyuan": "<｜hy_User｜>{}<｜hy_Assistant｜>",
    "exaone": "[|user|]{}\n[|assistant|]",
    "nobody's": "Be brief. Human: {} Robot:",
}
QUESTIONS = [f"Solve: {n} + {n}" for n in (3, 14, 25, 36, 47, 58, 69, 70)]


@pytest.mark.parametrize("template", OTHER_FAMILIES.values(), ids=list(OTHER_FAMILIES))
def test_a_template_of_any_family_shows_by_what_all_prompts_have_in_common(template: str) -> None:
    def apply(text: str) -> str:
        return template.replace("{}", text)

    once = [apply(text) for text in QUESTIONS]
    assert twice_around_all(once) is None
    assert twice_around_all(map(apply, once))
    assert twice_around_all(apply(text.strip()) for text in once)
    assert twice_around_all(list(map(apply, once))[1:]) is None  # seven prompts


def test_prompts_that_have_else_in_common_went_through_no_template_twice() -> None:
    assert twice_around_all([]) is None
    assert twice_around_all(QUESTIONS) is None
    assert twice_around_all(f"--------{text}--------" for text in QUESTIONS) is None
    assert twice_around_all(f"Again! Again! {text}" for text in QUESTIONS) is None
    assert twice_around_all(["USER: USER: a ASSISTANT: ASSISTANT:", *QUESTIONS]) is None


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
