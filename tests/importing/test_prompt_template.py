"""Prompts made of several columns by a text with their names in braces."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curate.errors import ConfigError
from curate.importing.files import find
from curate.importing.prompt_columns import choose_columns
from curate.importing.prompt_files import load_prompts
from curate.importing.prompt_report import prompt_sentences
from curate.importing.prompt_template import fields, reader


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("question", []),
        ("Prove:\n{said}{formal}{said}", ["said", "formal"]),
        ("{extra.index}", ["extra.index"]),
        ("\\frac{{1}}{{2}} {x}", ["x"]),
        ("{{}}", []),
    ],
)
def test_fields(text: str, columns: list[str]) -> None:
    assert fields(text) == columns


@pytest.mark.parametrize("text", ["{}", "{x!r}", "{x:5}", "\\frac{1}{2", "a } {x}", "{x"])
def test_braces_without_a_column_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="braces"):
        fields(text)


def test_a_template_is_filled_and_nothing_in_a_value_is_read_again() -> None:
    fill = reader("A {{b}} {x} {y.z}.")
    assert fill({"x": "{y}", "y": {"z": 3}}) == "A {b} {y} 3."
    assert fill({"x": "{y}"}) is None
    assert reader("x")({"x": "{y}"}) == "{y}"


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_prompts_of_a_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"statements.{suffix}"
    rows = [{"said": "one", "formal": "theorem a", "answer": "x"}, {"said": "", "formal": "theorem b", "answer": "y"}]
    if suffix == "jsonl":
        rows[1].pop("said")
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        path.write_text("said,formal,answer\n" + "".join(",".join(row.values()) + "\n" for row in rows))
    columns = choose_columns(find([path]), {"prompt": "Prove {said}:\n{formal}\n"})
    stored = load_prompts(find([path]), columns, tmp_path / "scratch", "test", None, 0)
    assert prompt_sentences(stored, None, 0)[0] == "columns: prompt = a text with said and formal, answer = answer"
    from curate.contracts import contract

    ((_, table),) = stored.parts(10, contract("prompts").loose_schema)
    told = table.select(["prompt", "answer"]).to_pylist()
    assert told[0] == {"prompt": "Prove one:\ntheorem a\n", "answer": "x"}
    assert (len(told), stored.n_rejects) == ((1, 1) if suffix == "jsonl" else (2, 0))


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"said": "one"}\n')
    with pytest.raises(ConfigError, match=r"--prompt-column formal: .* has no such column"):
        choose_columns(find([path]), {"prompt": "{said} {formal}"})
    (tmp_path / "b.jsonl").write_text('{"says": "one"}\n')
    with pytest.raises(ConfigError, match=r"b.jsonl has no column said"):
        choose_columns(find([tmp_path]), {"prompt": "so {said}"})
