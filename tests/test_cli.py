"""The command line around the verbs: what it says when the system or a person stops it, and odd words and terminals."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from curate.cli import app, disk_message, guarded
from stored import SAMPLES, small_dataset, write_rows

NEGATIVE = -9111185122026026948


def run_it(*arguments: str | bytes, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", "from curate.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, env={**os.environ, **environment}, check=False)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM])
def test_no_room_or_no_right_says_what_to_do(number: int) -> None:
    message = disk_message(OSError(number, os.strerror(number), "d/samples"))
    assert message == (
        f"the system refused d/samples: {os.strerror(number)}. Finished parts are kept; make room or choose a folder "
        "that can be written, then run the same command again."
    )


def test_another_refusal_does_not_speak_of_room() -> None:
    message = disk_message(OSError(errno.EMFILE, "Too many open files"))
    assert message == (
        "the system refused: Too many open files. Finished parts are kept, and nothing unfinished was left in a table."
    )


def test_ctrl_c_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    def stopped() -> None:
        raise KeyboardInterrupt

    with pytest.raises(Exception) as caught:  # typer's Exit
        guarded(stopped)()
    assert getattr(caught.value, "exit_code", None) == 130
    told = "stopped: what was finished is kept; run the same command again, without --overwrite, to go on\n"
    assert capsys.readouterr().err == told


def test_a_terminal_that_lacks_a_character_gets_its_escape(tmp_path: Path) -> None:
    data = small_dataset(tmp_path / "données")
    done = run_it("status", str(data.root), PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert b"donn\\xe9es" in done.stdout
    wrong = run_it("show", str(data.root), "é", PYTHONIOENCODING="ascii")
    assert wrong.returncode == 2
    assert b"has no group '\\xe9'" in wrong.stderr


def test_json_is_utf_8_whatever_the_terminal(tmp_path: Path) -> None:
    data = small_dataset(tmp_path)
    done = run_it("sql", str(data.root), "SELECT 'é😀' AS text", "--json", PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout.decode()) == {"text": "é😀"}


@pytest.mark.parametrize("arguments", [["status", b"b\xff"], ["sql", ".", b"SELECT '\xff'"], ["run", b"\xff.toml"]])
def test_words_that_are_no_utf_8_are_refused(arguments: list[str | bytes]) -> None:
    done = run_it(*arguments)
    assert done.returncode == 2
    assert b"\\xff" in done.stderr
    assert b"is not valid UTF-8" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.fixture
def negative(tmp_path: Path) -> Path:
    """A dataset with a group whose id is negative."""
    data = small_dataset(tmp_path, n_parts=1)
    row: dict[str, Any] = {"group_id": NEGATIVE, "sample_index": 0, "prompt_id": "p0", "completion": "negative"}
    write_rows(data, SAMPLES, "part-00001.parquet", [row | {"token_exact": False, "hinted": False}])
    return tmp_path


def test_a_negative_group_id_is_no_option(negative: Path) -> None:
    result = CliRunner().invoke(app, ["show", str(negative), str(NEGATIVE)])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"group {NEGATIVE}\n")
    as_json = CliRunner().invoke(app, ["show", str(negative), str(NEGATIVE), "--json"])
    assert json.loads(as_json.stdout)["group_id"] == str(NEGATIVE)
    missing = CliRunner().invoke(app, ["show", str(negative), "-5"])
    assert missing.exit_code == 2
    assert "has no group '-5'" in missing.stderr


def test_a_wrong_option_of_show_is_still_refused(negative: Path) -> None:
    result = CliRunner().invoke(app, ["show", str(negative), "1000", "--jsn"])
    assert result.exit_code == 2
    assert "--jsn" in result.stderr
