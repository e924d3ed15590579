"""SQL over a dataset agrees with plain DuckDB and plain polars on the folders."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.console import command
from curate.dataset import Dataset
from curate.query import connect
from stored import SAMPLES, VERDICTS, small_dataset, write_rows


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """Samples with verdicts of two verifiers, in a folder whose name has quotes and glob characters."""
    data = small_dataset(tmp_path / "it's [a] *dataset")
    for part in range(2):
        name = f"part-{part:05d}.parquet"
        keys = pl.read_parquet(data.part(SAMPLES, name), glob=False).select("group_id", "sample_index").rows(named=True)
        for verifier in ("exact", "numeric"):
            ref = VERDICTS if verifier == "exact" else type(VERDICTS)("verdicts", "numeric")
            correct = [key["sample_index"] % 2 == 0 for key in keys]
            rows = [
                {**key, "outcome": "correct" if c else "incorrect", "reward": float(c)}
                for key, c in zip(keys, correct, strict=True)
            ]
            write_rows(data, ref, name, rows)
    return data


def run(*arguments: str, stdin: str | None = None):
    return CliRunner().invoke(app, list(arguments), input=stdin)


def test_a_join_over_tables(data: Dataset) -> None:
    query = (
        "SELECT verifier, sum(reward) FROM samples JOIN prompts USING (prompt_id) JOIN verdicts USING (group_id, sample_index)"
        " WHERE completion = answer GROUP BY ALL ORDER BY ALL"
    )
    assert data.sql(query).fetchall() == [("exact", 8.0), ("numeric", 8.0)]


def test_plain_duckdb_and_plain_polars_agree(data: Dataset) -> None:
    ours = data.sql("SELECT count(*), sum(reward) FROM verdicts WHERE verifier = 'exact'").fetchall()
    folder = data.folder(VERDICTS)
    escaped = str(folder).replace("[", "[[]").replace("*", "[*]").replace("'", "''")
    plain = duckdb.sql(f"SELECT count(*), sum(reward) FROM '{escaped}/*.parquet'").fetchall()
    frame = pl.scan_parquet(folder, glob=False).select(pl.len(), pl.col("reward").sum()).collect()
    assert ours == plain == frame.rows() == [(16, 8.0)]


def test_a_database_of_views_opens_in_plain_duckdb(data: Dataset, tmp_path: Path) -> None:
    target = tmp_path / "views.duckdb"
    assert run("sql", str(data.root), "--db", str(target)).exit_code == 0
    code = (
        f"import duckdb; print(duckdb.connect({str(target)!r}).sql('SELECT count(*) FROM verdicts').fetchall()[0][0])"
    )
    elsewhere = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/", check=True)
    assert elsewhere.stdout.strip() == "32"
    again = run("sql", str(data.root), "--db", str(target))
    assert again.exit_code == 2
    assert "exists already" in again.output


def test_json_has_ids_as_text(data: Dataset) -> None:
    result = run("sql", str(data.root), "SELECT group_id, sample_index FROM samples ORDER BY ALL LIMIT 1", "--json")
    assert json.loads(result.stdout) == {"group_id": "1000", "sample_index": 0}


@pytest.mark.parametrize(
    ("select", "value"),
    [
        ("histogram(sample_index)", {"0": 4, "1": 4, "2": 4, "3": 4}),
        ("sum(9223372036854775807::HUGEINT)", "147573952589676412912"),
        ("9007199254740993", "9007199254740993"),
        ("9007199254740992", 9007199254740992),
        ("{'id': [-9007199254740993]}", {"id": ["-9007199254740993"]}),
        ("NULL::BIGINT", None),
        ("TIMESTAMPTZ '2020-01-01 00:00:00+00' = now()", False),
    ],
)
def test_json_of_any_value(data: Dataset, select: str, value: object) -> None:
    result = run("sql", str(data.root), f"SELECT {select} AS x FROM samples GROUP BY ALL LIMIT 1", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"x": value}


def test_json_of_a_time_with_zone_is_text(data: Dataset) -> None:
    result = run("sql", str(data.root), 'SELECT \'2020-01-01 00:00:00+00\'::TIMESTAMPTZ AS "a""b", 1 AS n', "--json")
    assert result.exit_code == 0, result.output
    row = json.loads(result.stdout)
    assert row["n"] == 1
    assert isinstance(row['a"b'], str)


@pytest.mark.parametrize("is_broken", [True, False])
def test_a_database_that_cannot_be_written_leaves_no_file(data: Dataset, tmp_path: Path, is_broken: bool) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    if is_broken:
        part = data.part(SAMPLES, "part-00000.parquet")
        part.write_bytes(part.read_bytes()[:-10])
        result = run("sql", str(data.root), "--db", str(folder / "views.duckdb"))
        assert result.exit_code == 1
        assert f"`{command('check', data.root)}` names every broken part" in result.stderr
    else:
        result = run("sql", str(data.root), "--db", f"{folder}/{'x' * 240}.duckdb")  # its temporary name is too long
        assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert list(folder.iterdir()) == []


def test_the_command_that_opens_a_database_can_be_pasted(data: Dataset, tmp_path: Path) -> None:
    result = run("sql", str(data.root), "--db", str(tmp_path / "my views.duckdb"))
    assert f"`duckdb '{tmp_path}/my views.duckdb'`" in result.stderr
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["my views.duckdb"]


def test_the_shell_goes_on_after_an_error(data: Dataset) -> None:
    result = run("sql", str(data.root), stdin="SELECT nothing;\nSELECT\n 40 + 2 AS answer;\n.quit\n")
    assert result.exit_code == 0
    assert "42" in result.stdout
    assert "nothing" in result.stderr


def test_a_wrong_query_names_the_tables(data: Dataset) -> None:
    result = run("sql", str(data.root), "SELECT * FROM verdict")
    assert result.exit_code == 2
    assert "Tables of" in result.stderr
    assert "prompts, samples, verdicts" in result.stderr


def test_a_variant_without_parts_is_an_empty_view(data: Dataset) -> None:
    (data.root / "advantages" / "recipe=grpo").mkdir(parents=True)
    assert connect(data).sql("SELECT * FROM advantages").fetchall() == []


def test_hostile_text_is_escaped(tmp_path: Path) -> None:
    data = small_dataset(tmp_path)
    row = {
        "group_id": 1,
        "sample_index": 0,
        "prompt_id": "p0",
        "completion": "\x1b[31mred",
        "token_exact": False,
        "hinted": False,
    }
    write_rows(data, SAMPLES, "part-00000.parquet", [row])
    for arguments in (["sql", str(tmp_path), "SELECT completion FROM samples"], ["show", str(tmp_path), "1"]):
        result = run(*arguments)
        assert result.exit_code == 0, result.output
        assert "\x1b" not in result.stdout
        assert "red" in result.stdout


def test_sql_loads_neither_polars_nor_torch(data: Dataset) -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom curate.cli import app\n"
        f"result = CliRunner().invoke(app, ['sql', {str(data.root)!r}, 'SELECT 1'])\n"
        "assert result.exit_code == 0, result.output\n"
        "print([m for m in ('polars', 'torch', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
