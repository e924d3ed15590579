import random
from collections.abc import Sequence
from pathlib import Path

import pytest

import curate
from curate.likelihood.answer import answer_mask, answer_mean_logprob, answer_span

WORDS = ["The ", "answer", " is", " 1", "8", ".", "18", "<eos>", " or"]


def decode(ids: Sequence[int]) -> str:
    return "".join(WORDS[i] for i in ids if WORDS[i] != "<eos>")


def mask_of(words: list[str], answer: str | None) -> list[int] | None:
    ids = [WORDS.index(word) for word in words]
    found = answer_mask(decode(ids), ids, answer, decode)
    return None if found is None else [int(is_answer) for is_answer in found]


def test_the_last_place_of_the_answer_is_marked() -> None:
    assert answer_span("18 or 18.", "18") == (6, 8)
    assert mask_of(["18", " or", " 1", "8", ".", "<eos>"], "18") == [0, 0, 1, 1, 0, 0]
    assert mask_of(["The ", "answer", " is", " 1", "8"], "18") == [0, 0, 0, 1, 1]
    assert mask_of(["18"], "18") == [1]


def test_a_token_with_one_character_of_the_answer_counts() -> None:
    # "s 1" ends inside " 1" and starts inside " is"
    assert mask_of(["The ", "answer", " is", " 1", "8"], "s 1") == [0, 0, 1, 1, 0]


@pytest.mark.parametrize("answer", [None, "", "19", "eighteen"])
def test_an_answer_that_is_not_in_the_text_has_no_tokens(answer: str | None) -> None:
    assert mask_of(["The ", "answer", " is", "18"], answer) is None


def test_ids_that_are_not_the_text_have_no_answer() -> None:
    assert answer_mask("the answer is 18", [0, 1, 2, 6], "18", decode) is None
    assert answer_mask("", [], "18", decode) is None


def test_the_mean_over_the_answers_tokens() -> None:
    assert answer_mean_logprob([-9.0, -1.0, -2.0], [False, True, True]) == -1.5
    assert answer_mean_logprob([-9.0, -1.0, None], [False, True, True]) is None
    assert answer_mean_logprob([-9.0, -1.0, None], [False, True, False]) == -1.0
    assert answer_mean_logprob([-9.0, -1.0, -2.0], [False, True, True], [True, False, True]) == -2.0
    assert answer_mean_logprob([-9.0], [True], [False]) is None
    assert answer_mean_logprob([-9.0], [False]) is None
    assert answer_mean_logprob(None, [True]) is None
    assert answer_mean_logprob([-9.0], None) is None
    with pytest.raises(ValueError, match="zip"):
        answer_mean_logprob([-9.0], [True, False])


def byte_decode(ids: Sequence[int]) -> str:
    return bytes(ids).decode("utf-8", errors="replace")


def test_every_byte_of_the_answer_is_marked() -> None:
    text = "né 18 €€"
    ids = list(text.encode())
    found = answer_mask(text, ids, "€", byte_decode)
    assert found == [False] * (len(ids) - 3) + [True] * 3
    assert answer_mask(text, ids, "18", byte_decode) == [i in (4, 5) for i in range(len(ids))]
    assert answer_mask(text, ids, "é", byte_decode) == [i in (1, 2) for i in range(len(ids))]


def test_marked_bytes_spell_the_answer_in_any_text() -> None:
    rng = random.Random(250616141)
    for _ in range(300):
        text = "".join(rng.choice("ab1 €é𝄞\n") for _ in range(rng.randint(1, 20)))
        start = rng.randrange(len(text))
        answer = text[start : start + rng.randint(1, 4)]
        ids = list(text.encode())
        found = answer_mask(text, ids, answer, byte_decode)
        assert found is not None
        assert bytes(i for i, is_answer in zip(ids, found, strict=True) if is_answer).decode() == answer


def test_a_real_tokenizer() -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(
        Path(curate.__file__).parent / "policies" / "countdown-strong", local_files_only=True
    )
    text = "3+5=8;8*8=64"
    ids = [*tokenizer(text, add_special_tokens=False).input_ids, tokenizer.eos_token_id]

    def decoded(some: Sequence[int]) -> str:
        return str(tokenizer.decode(list(some), skip_special_tokens=True))

    assert answer_mask(text, ids, "8*8=64", decoded) == [6 <= i < 12 for i in range(len(ids))]


def test_a_long_completion_needs_few_decodings() -> None:
    calls = []

    def counted(ids: Sequence[int]) -> str:
        calls.append(len(ids))
        return byte_decode(ids)

    text = "x" * 30_000 + "18"
    assert answer_mask(text, list(text.encode()), "18", counted) == [i >= 30_000 for i in range(30_002)]
    assert len(calls) < 45
