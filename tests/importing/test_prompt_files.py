import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from curate.contracts import contract, violations
from curate.errors import ConfigError
from curate.ids import prompt_id
from curate.importing.prompt_columns import choose_columns
from curate.importing.prompt_files import StoredPrompts, find_prompts, load_prompts
from curate.importing.prompt_report import prompt_sentences

Load = Callable[..., StoredPrompts]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def run(path: Path, n: int | None = None, seed: int = 0, split: str | None = None, **given: str) -> StoredPrompts:
        files, _ = find_prompts(path, split)
        return load_prompts(files, choose_columns(files, given), tmp_path / "scratch", "test", n, seed)

    return run


def frame(stored: StoredPrompts, prompts_per_part: int = 1000) -> pl.DataFrame:
    rules = contract("prompts")
    tables = [rows for _, rows in stored.parts(prompts_per_part, rules.loose_schema)]
    assert all(violations(rules, rows) == [] for rows in tables)
    found = pl.from_arrow(pa.concat_tables(tables))
    assert isinstance(found, pl.DataFrame)
    return found


def rejects(stored: StoredPrompts) -> list[tuple[int, str]]:
    lines = stored.rejects_path.read_text().splitlines()
    return [(entry["line"], entry["reason"]) for entry in map(json.loads, lines)]


def test_every_field_arrives_with_its_place(load: Load, jsonl: Callable[..., Path]) -> None:
    rows = [{"question": "q0", "answer": 4, "solution": "because", "subject": ["algebra"]}, {"question": "q1"}]
    found = frame(load(jsonl("a.jsonl", rows)))
    assert found.rows() == [
        (prompt_id("q0"), "q0", "text", None, "4", "because", "algebra", "test", "a.jsonl", 1),
        (prompt_id("q1"), "q1", "text", None, None, None, None, "test", "a.jsonl", 2),
    ]


def test_csv_and_parquet_and_folders_read_alike(
    load: Load, csv_file: Callable[..., Path], parquet: Callable[..., Path]
) -> None:
    csv_file("1.csv", [["question", "answer"], ["q0", "4"], ["q1", ""]])
    folder = parquet("2.parquet", {"question": ["q2"], "answer": ["5"]}).parent
    found = frame(load(folder))
    assert found.select("prompt", "answer", "source_file", "source_row").rows() == [
        ("q0", "4", "1.csv", 1),
        ("q1", None, "1.csv", 2),
        ("q2", "5", "2.parquet", 1),
    ]


def test_messages_are_canonical_json_wherever_they_lie(
    load: Load, jsonl: Callable[..., Path], parquet: Callable[..., Path]
) -> None:
    messages = [{"role": "system", "content": "s"}, {"content": "u", "role": "user"}]
    known = ("chat", '[{"content":"s","role":"system"},{"content":"u","role":"user"}]')
    for path in (jsonl("a.jsonl", [{"messages": messages}]), parquet("b.parquet", {"messages": [messages]})):
        stored = load(path)
        assert frame(stored).select("prompt_format", "prompt").row(0) == known
        assert stored.counts.n_chat == 1


def test_rows_that_are_no_prompts_are_rejects_with_their_reason(load: Load, jsonl: Callable[..., Path]) -> None:
    rows: list[Any] = [
        {"prompt": "q"},
        "no json",
        {"prompt": " "},
        {"prompt": None},
        {"other": 1},
        {"prompt": 7},
        {"prompt": []},
        {"prompt": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]},
    ]
    stored = load(jsonl("a.jsonl", rows))
    assert rejects(stored)[1:] == [
        (3, "has no prompt"),
        (4, "has no prompt"),
        (5, "has no prompt"),
        (6, "prompt is a number, not text"),
        (7, "prompt is a list, but not of messages with role and content"),
        (8, "prompt ends with a message of the assistant: a prompt ends before the answer"),
    ]
    assert rejects(stored)[0][1].startswith("not JSON")
    assert frame(stored)["prompt"].to_list() == ["q"]


def test_a_prompt_that_comes_again_is_kept_once_as_it_first_came(load: Load, jsonl: Callable[..., Path]) -> None:
    rows = [
        {"prompt": "q", "answer": "1"},
        {"prompt": "r"},
        {"prompt": "q", "answer": "1"},
        {"prompt": "q", "answer": "2"},
    ]
    stored = load(jsonl("a.jsonl", rows))
    assert frame(stored)["answer"].to_list() == ["1", None]
    said = prompt_sentences(stored, None, 0)
    assert "2 rows repeat a prompt: each prompt is kept once, as it first came" in said
    assert "1 prompts came again with another answer, reference or domain: the first was kept" in said


def test_an_id_that_names_two_prompts_is_a_reject(load: Load, jsonl: Callable[..., Path]) -> None:
    rows = [{"prompt": "q", "n": 1}, {"prompt": "r", "n": 1}, {"prompt": "q", "n": 2}]
    stored = load(jsonl("a.jsonl", rows), prompt_id="n")
    assert rejects(stored) == [(2, "prompt_id 1 came with another prompt before")]
    assert frame(stored)["prompt_id"].to_list() == ["1", "2"]


@pytest.mark.parametrize("reference", [None, "answer"])
def test_answers_that_are_solutions_become_answer_and_reference(
    load: Load, jsonl: Callable[..., Path], reference: str | None
) -> None:
    rows = [
        {"question": "q0", "answer": "2+2=4\n#### 4"},
        {"question": "q1", "answer": "3\n#### 3"},
        {"question": "q2"},
    ]
    stored = load(jsonl("a.jsonl", rows), **({"reference": reference} if reference else {}))
    assert stored.are_solutions
    found = frame(stored, 2)
    assert found["answer"].to_list() == ["4", "3", None]
    assert found["reference"].to_list() == ["2+2=4\n#### 4", "3\n#### 3", None]
    said = " ".join(prompt_sentences(stored, None, 0))
    assert "2 with an answer, 2 with a reference solution: every answer is a solution that ends with" in said
    assert "the reference is the whole text" in said


def test_another_reference_column_stays_the_reference(load: Load, jsonl: Callable[..., Path]) -> None:
    rows = [{"question": f"q{i}", "answer": f"x\n#### {i}", "solution": None if i else "mine"} for i in range(2)]
    found = frame(load(jsonl("a.jsonl", rows)))
    assert found.select("answer", "reference").rows() == [("0", "mine"), ("1", "x\n#### 1")]


def test_one_answer_that_is_no_solution_leaves_all_as_they_are(load: Load, jsonl: Callable[..., Path]) -> None:
    rows = [{"question": "q0", "answer": "2+2=4\n#### 4"}, {"question": "q1", "answer": "3"}]
    stored = load(jsonl("a.jsonl", rows))
    assert frame(stored).select("answer", "reference").rows() == [("2+2=4\n#### 4", None), ("3", None)]
    assert "1 answers are solutions" in " ".join(prompt_sentences(stored, None, 0))


def test_n_chooses_by_seed_without_replacement_in_the_order_of_the_file(load: Load, jsonl: Callable[..., Path]) -> None:
    rows = [{"prompt": f"q{i}"} for i in range(50)]
    path, turned = jsonl("a.jsonl", rows), jsonl("b.jsonl", rows[::-1])
    ten = frame(load(path, n=10))["prompt"].to_list()
    assert len(set(ten)) == 10
    assert ten == sorted(ten, key=lambda prompt: int(prompt[1:]))
    assert set(frame(load(path, n=4))["prompt"]) < set(ten)
    assert set(frame(load(turned, n=10))["prompt"]) == set(ten)
    assert set(frame(load(path, n=10, seed=1))["prompt"]) != set(ten)
    assert frame(load(path, n=50), 7)["prompt"].to_list() == [f"q{i}" for i in range(50)]
    with pytest.raises(ConfigError, match="--n 51: the source has only 50 prompts"):
        load(path, n=51)


def test_parts_hold_so_many_prompts_each(load: Load, jsonl: Callable[..., Path]) -> None:
    stored = load(jsonl("a.jsonl", [{"prompt": f"q{i}"} for i in range(10)]), n=7)
    parts = list(stored.parts(3, contract("prompts").loose_schema))
    assert [name for name, _ in parts] == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    assert [rows.num_rows for _, rows in parts] == [3, 3, 1]


def test_what_holds_no_prompts_is_refused(tmp_path: Path, load: Load) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ConfigError, match=r"its files are notes\.txt"):
        load(tmp_path)
    with pytest.raises(ConfigError, match="does not exist"):
        load(tmp_path / "gone")
    with pytest.raises(ConfigError, match="no folder of a saved DatasetDict"):
        load(tmp_path, split="train")


def test_published_solutions_of_gsm8k(load: Load, public_data: Path) -> None:
    stored = load(public_data / "gsm8k" / "example_model_solutions.jsonl")
    found = frame(stored)
    assert found.height == 1319
    assert found["prompt"].n_unique() == 1319
    assert found["answer"].to_list()[:3] == ["18", "3", "70000"]
    assert found["reference"][1].endswith("3 bolts of fabric\nA: 3")
    problems = frame(load(public_data / "gsm8k" / "test.jsonl"))
    assert problems["answer"].to_list() == found["answer"].to_list()


def test_a_folder_that_datasets_saved(load: Load, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")
    datasets.disable_progress_bars()
    rows = {"question": ["a", "b", "c"], "answer": ["1", "2", "3"]}
    whole = datasets.Dataset.from_dict(rows)
    whole.select([2, 0]).save_to_disk(tmp_path / "one", num_shards=2)
    datasets.DatasetDict(train=whole, test=whole.select([1])).save_to_disk(tmp_path / "two")
    assert frame(load(tmp_path / "one")).select("prompt", "answer").rows() == [("c", "3"), ("a", "1")]
    found = frame(load(tmp_path / "two", split="test"))
    assert found.select("prompt", "source_file").rows() == [("b", "test/data-00000-of-00001.arrow")]
