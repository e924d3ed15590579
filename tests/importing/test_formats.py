from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from curate.errors import ConfigError
from curate.importing import FORMATS, Options, detect_format
from curate.importing.gsm8k_solutions import MODELS
from importing_case import Bring


def test_the_formats() -> None:
    assert sorted(FORMATS) == ["generic", "gsm8k-solutions", "open-instruct", "tree", "trl", "verl"]


def test_a_file_that_looks_like_nothing_lists_its_fields_and_the_formats(jsonl: Callable[..., Path]) -> None:
    path = jsonl("a.jsonl", [{"question": "q", "meta": {"x": 1}}, {"reply": "r"}])
    message = (
        r"cannot tell the format of .*a\.jsonl: its fields are question, meta, meta\.x, reply\. "
        r"Name the format \(--format gsm8k-solutions, verl, trl, open-instruct, tree, generic\)"
    )
    with pytest.raises(ConfigError, match=message):
        detect_format([path])


def test_a_file_that_looks_like_two_formats_must_be_named(bring: Bring, jsonl: Callable[..., Path]) -> None:
    verl = {"input": "p", "output": "c", "score": 1.0, "step": 1}
    both = verl | {"question": "q", "ground_truth": "A: 1", **dict.fromkeys(MODELS)}
    path = jsonl("a.jsonl", [both])
    with pytest.raises(ConfigError, match=r"could be gsm8k-solutions or verl .*say which with --format NAME"):
        detect_format([path])
    assert bring(path, format="verl").report.evidence == "named by the user"


def test_a_specific_format_goes_before_generic(parquet: Callable[..., Path]) -> None:
    columns = {"step": [1], "prompt": ["p"], "completion": ["c"], "r": [1.0], "advantage": [0.0]}
    assert detect_format([parquet("a.parquet", columns)])[0] == "trl"


def test_a_map_makes_a_file_generic(jsonl: Callable[..., Path]) -> None:
    path = jsonl("a.jsonl", [{"q": "p", "r": "c"}])
    assert detect_format([path], Options({"prompt": "q", "completion": "r"})) == (
        "generic",
        "--map names the columns q, r",
    )


def test_unknown_names_and_files_of_no_format_are_refused(bring: Bring, jsonl: Callable[..., Path]) -> None:
    folder = jsonl("notes.txt", ["hello"]).parent
    with pytest.raises(ConfigError, match="--format nemo: the formats are gsm8k-solutions, verl"):
        bring(folder, format="nemo")
    with pytest.raises(ConfigError, match=r"nothing to import, its files are notes\.txt; import reads \.jsonl"):
        bring(folder)
    with pytest.raises(ConfigError, match=r"holds no file that format verl takes; its files are notes\.txt"):
        bring(folder, format="verl")
    with pytest.raises(ConfigError, match=r"import reads \.jsonl, \.parquet and \.csv, not \.txt"):
        bring(folder / "notes.txt", format="verl")


def test_a_folder_of_pickles_holds_nothing_to_import(bring: Bring, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "step_1.pt").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"nothing to import, its files are step_1\.pt"):
        bring(tmp_path / "d")
