"""Bad input: a message a person can act on, exit code 1 or 2, and nothing half-written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset, TableRef
from stored import SAMPLES, VERDICTS, small_dataset, write_rows

Row = dict[str, Any]


def curate(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def refused(result: Any, code: int, *pieces: str) -> None:
    """The command ended with this exit code and a message that holds these pieces, and no traceback."""
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    for piece in pieces:
        assert piece in result.stderr


def rollouts(path: Path, rows: list[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def good_rows(n_groups: int = 50, size: int = 4) -> list[Row]:
    return [
        {
            "prompt": f"q{g}",
            "group": g,
            "sample_index": i,
            "completion": f"a{i}",
            "answer": "a0",
            "reward": float(i == 0),
        }
        for g in range(n_groups)
        for i in range(size)
    ]


def parts(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.glob("[a-z]*/**/*") if p.is_file())


@pytest.fixture
def judged(tmp_path: Path) -> Dataset:
    """A dataset with verdicts, as import leaves it."""
    source = rollouts(tmp_path / "rollouts.jsonl", good_rows())
    result = curate("import", source, "--to", tmp_path / "data")
    assert result.exit_code == 0, result.output
    return Dataset(tmp_path / "data")


def test_a_missing_file(tmp_path: Path) -> None:
    refused(curate("import", tmp_path / "nope.jsonl", "--to", tmp_path / "data"), 2, "nope.jsonl does not exist")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["rollouts.jsonl", "rollouts.parquet", "rollouts.csv"])
def test_an_empty_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    refused(curate("import", tmp_path / name, "--to", tmp_path / "data"), 2, name)
    assert not (tmp_path / "data").exists()


def test_a_failed_import_does_not_bind_the_next_one(tmp_path: Path) -> None:
    source = rollouts(tmp_path / "rollouts.jsonl", [{**row, "reward": "good"} for row in good_rows()])
    refused(curate("import", source, "--to", tmp_path / "data"), 1, "100.0%")
    mended = curate("import", source, "--to", tmp_path / "data", "--map", "reward=")
    assert mended.exit_code == 0, mended.output
    assert curate("check", tmp_path / "data").exit_code == 0


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(curate("import", tmp_path / "empty", "--to", tmp_path / "data"), 2, "empty", "holds no files")


def test_a_truncated_parquet_source(tmp_path: Path) -> None:
    path = tmp_path / "rollouts.parquet"
    pq.write_table(pa.Table.from_pylist(good_rows()), path)
    path.write_bytes(path.read_bytes()[:-100])
    refused(curate("import", path, "--to", tmp_path / "data"), 2, "rollouts.parquet")
    assert parts(tmp_path / "data") == []


def test_a_wrong_column_name(tmp_path: Path) -> None:
    source = rollouts(tmp_path / "rollouts.jsonl", good_rows())
    result = curate("import", source, "--to", tmp_path / "data", "--map", "completion=response")
    refused(result, 2, "response", "completion")
    assert parts(tmp_path / "data") == []


def test_unknown_columns_say_what_the_file_has(tmp_path: Path) -> None:
    source = rollouts(tmp_path / "rollouts.jsonl", [{"question": "q", "reply": "a"}])
    refused(curate("import", source, "--to", tmp_path / "data"), 2, "question, reply", "--map prompt=COL")


def test_a_reward_that_is_text(tmp_path: Path) -> None:
    rows = [{**row, "reward": "good"} if number < 10 else row for number, row in enumerate(good_rows())]
    source = rollouts(tmp_path / "rollouts.jsonl", rows)
    result = curate("import", source, "--to", tmp_path / "data")
    refused(result, 1, "10 of 200 rows (5.0%)", "rejected rollouts.jsonl:1:", "reward", "--max-bad-share")
    assert parts(tmp_path / "data") == []
    rejects = [json.loads(line) for line in (tmp_path / "data/.curate/rejects/import.jsonl").read_text().splitlines()]
    assert [reject["line"] for reject in rejects] == list(range(1, 11))
    accepted = curate("import", source, "--to", tmp_path / "data", "--max-bad-share", 0.1)
    assert accepted.exit_code == 0, accepted.output
    assert "200 rows in, 190 out" in accepted.stderr
    assert "10 rejected" in accepted.stderr


def test_a_duplicate_sample(tmp_path: Path) -> None:
    source = rollouts(tmp_path / "rollouts.jsonl", [*good_rows(), good_rows()[0]])
    result = curate("import", source, "--to", tmp_path / "data")
    assert result.exit_code == 0, result.output
    assert "rejected rollouts.jsonl:201: duplicate sample" in result.stderr
    assert "201 rows in, 200 out" in result.stderr


def test_a_group_split_over_parts(tmp_path: Path) -> None:
    data = small_dataset(tmp_path)
    stray = {
        "group_id": 1000,
        "sample_index": 9,
        "prompt_id": "p0",
        "completion": "x",
        "token_exact": False,
        "hinted": False,
    }
    write_rows(data, SAMPLES, "part-00009.parquet", [stray])
    refused(curate("check", tmp_path), 1, "a group lies in two parts: 1 time(s), first 1000")


def test_a_duplicate_key_in_a_part_that_was_not_written_here(tmp_path: Path) -> None:
    data = small_dataset(tmp_path)
    path = data.part(SAMPLES, "part-00000.parquet")
    rows = pq.read_table(path, partitioning=None)
    pq.write_table(pa.concat_tables([rows.slice(0, 1), rows]).replace_schema_metadata(None), path)
    refused(curate("verify", tmp_path, "--verifier", "exact"), 1, "ascending_sample_index: 1 broken", "group_id=1000")
    refused(curate("check", tmp_path), 1, "ascending_sample_index")
    assert data.parts(VERDICTS) == []


def test_a_truncated_part(judged: Dataset) -> None:
    path = judged.part(SAMPLES, "part-00000.parquet")
    path.write_bytes(path.read_bytes()[:-10])
    for command in (["verify", judged.root, "--verifier", "exact"], ["check", judged.root], ["status", judged.root]):
        refused(curate(*command), 1, "part-00000.parquet cannot be read as a whole Parquet file")
    refused(curate("sql", judged.root, "SELECT count(*) FROM samples"), 1, "part-00000.parquet", "curate check")


@pytest.mark.parametrize("part", ["part-00000.parquet", "part-00001.parquet"])
@pytest.mark.parametrize("is_garbled", [True, False])
def test_a_part_that_only_looks_whole(tmp_path: Path, part: str, is_garbled: bool) -> None:
    data = small_dataset(tmp_path / "my data")
    path = data.part(SAMPLES, part)
    if is_garbled:
        garble_pages(path)
    else:
        pq.write_table(pa.table({"x": [1, 2]}), path)
    refused(curate("check", data.root), 1, "1 problem(s)", part)
    checked = curate("check", data.root, "--json")
    refused(checked, 1, part)
    assert len(json.loads(checked.stdout)["problems"]) == 1
    for arguments in (["1000"], ["1000", "--json"]):
        result = curate("show", data.root, *arguments)
        refused(result, 1, "samples cannot be read", f"`curate check '{data.root}'` names every broken part")
    refused(curate("sql", data.root, "SELECT sum(group_id) FROM samples"), 2, "Tables of")


def garble_pages(path: Path) -> None:
    """Change every byte of the first row group's pages; the footer stays whole."""
    bytes_, metadata = bytearray(path.read_bytes()), pq.read_metadata(path)
    for number in range(metadata.num_columns):
        column = metadata.row_group(0).column(number)
        start = column.dictionary_page_offset or column.data_page_offset
        for place in range(start, start + column.total_compressed_size):
            bytes_[place] ^= 0x5A
    path.write_bytes(bytes_)


def test_a_group_that_is_not_there_says_how_to_find_one(tmp_path: Path) -> None:
    data = small_dataset(tmp_path / "my data")
    listing = f"`curate sql '{data.root}' 'SELECT DISTINCT group_id, prompt_id FROM samples LIMIT 10'`"
    refused(curate("show", data.root, "5"), 2, "has no group '5'", listing)


def test_show_without_a_table_says_what_makes_it(tmp_path: Path) -> None:
    data = small_dataset(tmp_path)
    shutil.rmtree(tmp_path / "prompts")
    refused(curate("show", data.root, "1000"), 2, "has no prompts", "curate import")
    (tmp_path / "prompts").mkdir()
    shutil.rmtree(tmp_path / "samples")
    refused(curate("show", data.root, "1000"), 2, "has no samples", "curate import")


def test_unknown_names_are_listed_with_a_guess(judged: Dataset) -> None:
    refused(
        curate("reweight", judged.root, "--recipe", "unlikly_grpo"), 2, "no recipe 'unlikly_grpo'", "'unlikely_grpo'"
    )
    result = curate("reweight", judged.root, "--recipe", "unlikely_grpo", "--set", "beta_rnk=0.25")
    refused(result, 2, "no parameter 'beta_rnk'", "did you mean 'beta_rank'")
    refused(curate("reweight", judged.root, "--recipe", "unlikely_grpo"), 2, "beta_rank")
    refused(curate("verify", judged.root, "--verifier", "gsm8"), 2, "no verifier is called 'gsm8'", "gsm8k")
    refused(curate("judge", judged.root, "--rule", "arithmetics"), 2, "arithmetic")
    refused(
        curate("import", judged.root, "--to", judged.root, "--format", "verll"),
        2,
        "the formats are gsm8k-solutions, verl",
    )
    refused(curate("recipes", "grop"), 2, "'grpo'")
    assert judged.variants("advantages") == []


def test_wrong_values(judged: Dataset) -> None:
    for setting in ("beta_rank=two", "beta_rank=true", "beta_rank=nan", "beta_rank=-1"):
        result = curate("reweight", judged.root, "--recipe", "unlikely_grpo", "--set", setting)
        refused(result, 2, "beta_rank")
    refused(curate("reweight", judged.root, "--recipe", "grpo", "--set", "eps"), 2, "--set eps: write it as NAME=VALUE")
    assert judged.variants("advantages") == []


def test_a_recipe_whose_table_is_missing_says_the_next_command(judged: Dataset) -> None:
    result = curate("reweight", judged.root, "--recipe", "unlikely_grpo", "--set", "beta_rank=0.25")
    refused(result, 2, "recipe unlikely_grpo needs mean_logprob", f"run `curate logprob {judged.root}")
    refused(curate("reweight", judged.root, "--recipe", "spectral_grpo"), 2, "rts", f"run `curate judge {judged.root}")


def test_two_judges_and_no_choice(judged: Dataset) -> None:
    for rule in ("arithmetic", "reference-values"):
        write_rows(judged, TableRef("feedback", rule), "part-00000.parquet", [])
    result = curate("reweight", judged.root, "--recipe", "spectral_grpo")
    refused(result, 2, "several feedback (arithmetic, reference-values): choose one with --judge NAME")


def test_a_changed_parameter_shows_the_difference(judged: Dataset) -> None:
    assert curate("reweight", judged.root, "--recipe", "grpo").exit_code == 0
    result = curate("reweight", judged.root, "--recipe", "grpo", "--set", "eps=1e-4")
    refused(result, 2, "eps: 1e-6 then, 0.0001 now", "--as NAME", "--overwrite")
    assert curate("reweight", judged.root, "--recipe", "grpo", "--set", "eps=1e-4", "--as", "grpo-trl").exit_code == 0


def test_outcomes_that_nothing_says(tmp_path: Path) -> None:
    source = rollouts(tmp_path / "rollouts.jsonl", [{**row, "reward": 2 * row["reward"] - 1} for row in good_rows()])
    imported = curate("import", source, "--to", tmp_path / "data")
    assert "nothing says which are correct" in imported.stderr
    refused(curate("reweight", tmp_path / "data", "--recipe", "grpo"), 2, "--correct-when")


def test_not_a_dataset(tmp_path: Path) -> None:
    refused(curate("status", tmp_path / "nope"), 2, "is not a folder")
    refused(curate("check", tmp_path), 2, "holds no table")


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("[dataset\n", ["is no TOML file"]),
        ("[verify]\nverifier = 'exact'\n", ["[dataset] must give path"]),
        ("[dataset]\npath = 'd'\n[verfy]\n", ["unknown section [verfy]", "did you mean 'verify'"]),
        (
            "[dataset]\npath = 'd'\n[verify]\nverifer = 'exact'\n",
            ["unknown key verifer", "did you mean 'verifier'"],
        ),
        ("[dataset]\npath = 'd'\n[import]\npath = 'x'\nrows_per_part = 'many'\n", ["rows_per_part", "'many'"]),
    ],
)
def test_a_wrong_job_file(tmp_path: Path, text: str, pieces: list[str]) -> None:
    (tmp_path / "job.toml").write_text(text)
    refused(curate("run", tmp_path / "job.toml"), 2, *pieces)


def test_a_job_s_later_section_is_checked_before_anything_runs(tmp_path: Path) -> None:
    source = rollouts(tmp_path / "rollouts.jsonl", good_rows())
    job = f"[dataset]\npath = '{tmp_path}/data'\n[import]\npath = '{source}'\n[verify]\nverifier = 'exact'\nspeed = 9\n"
    (tmp_path / "job.toml").write_text(job)
    refused(curate("run", tmp_path / "job.toml"), 2, "[verify]: verifier exact: unknown setting speed")
    assert not (tmp_path / "data").exists()
    job = job.replace("speed = 9", "[reweight]\nrecipe = 'grpo'\nepss = 1")
    (tmp_path / "job.toml").write_text(job)
    refused(curate("run", tmp_path / "job.toml"), 2, "[reweight]: grpo has no parameter 'epss'")
    assert not (tmp_path / "data").exists()


def test_a_missing_job_file_and_a_wrong_setting(tmp_path: Path) -> None:
    refused(curate("run", tmp_path / "job.toml"), 2, "there is no job file")
    (tmp_path / "job.toml").write_text("[dataset]\npath = 'd'\n")
    refused(curate("run", tmp_path / "job.toml", "--set", "import.path=x"), 2, "has no section [import]")
    refused(curate("run", tmp_path / "job.toml", "--set", "path=x"), 2, "name the section too")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB of its own, so that it can be filled or made read-only without touching anything else."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_read_only_folder(small_disk: Path, tmp_path: Path) -> None:
    source = rollouts(tmp_path / "rollouts.jsonl", good_rows())
    assert curate("import", source, "--to", small_disk / "data").exit_code == 0
    before = parts(small_disk / "data")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    refused(curate("verify", small_disk / "data", "--verifier", "exact"), 1, "Read-only file system", str(small_disk))
    refused(curate("import", source, "--to", small_disk / "other"), 1, "Read-only file system")
    assert curate("sql", small_disk / "data", "SELECT count(*) FROM samples").exit_code == 0
    assert curate("status", small_disk / "data").exit_code == 0
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    assert parts(small_disk / "data") == before
    assert curate("verify", small_disk / "data", "--verifier", "exact").exit_code == 0


def test_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    rows = [{**row, "completion": os.urandom(2_000).hex()} for row in good_rows(200)]
    source = rollouts(tmp_path / "rollouts.jsonl", rows)
    result = curate("import", source, "--to", small_disk / "data", "--rows-per-part", 100)
    refused(result, 1, "No space left on device", "run the same command again")
    assert [p for p in (small_disk / "data/.curate/tmp").rglob("*") if p.is_file()] == []
    for path in parts(small_disk / "data"):
        pq.read_metadata(small_disk / "data" / path)
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    again = curate("import", source, "--to", small_disk / "data", "--rows-per-part", 100)
    assert again.exit_code == 0, again.output
    assert curate("check", small_disk / "data").exit_code == 0
