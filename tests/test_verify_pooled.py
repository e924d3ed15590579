"""`curate verify` with worker processes: outcomes, limits, settings, resuming, and no process left."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from curate.dataset import Dataset, TableRef
from curate.jobrecord import read_record
from curate.verbs.check import find_problems
from curate.verbs.judging import Choice
from verify_case import run, write_dataset, write_judge

COMPLETIONS = [
    ["0", "it is 0", "1", "none"],
    ["1", "hang", "exit", ""],
    ["2", None, "sleep 0.05 2", "2"],
    ["3", "3", "4", "3"],
]


def verdicts(data: Dataset, name: str = "python") -> pl.DataFrame:
    return data.scan("verdicts", name).sort("group_id", "sample_index").collect()


def command(data: Dataset, entry_point: str, *more: object) -> list[str]:
    line = ["verify", data.root, "--verifier", "python", "--set", f"entry_point={entry_point}", "--timeout", 0.5]
    return [str(word) for word in (*line, "--workers", 2, "--max-failed-share", 1, *more)]


def test_every_sample_gets_its_outcome_and_the_reason(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data", COMPLETIONS)
    said = run(*command(data, write_judge(tmp_path))).stderr
    found = verdicts(data)
    assert found["outcome"].to_list() == [
        *("correct", "correct", "incorrect", "unparsable"),
        *("correct", "timeout", "error", "incorrect"),
        *("correct", "error", "correct", "correct"),
        *("correct", "correct", "incorrect", "correct"),
    ]
    assert found["reward"].to_list() == [1, 1, 0, 0, 1, None, None, 0, 1, None, 1, 1, 1, 1, 0, 1]
    assert found["detail"][5:7].to_list() == ["no verdict within 0.5 s", "worker died: exit status 7"]
    assert found["detail"][9] == "no completion text: import with --tokenizer PATH"
    assert found["extracted"][:3].to_list() == ["0", "0", "1"]
    assert "3 failed (error 2, timeout 1)" in said
    assert (
        "outcomes: 9 correct (56.2%), 3 incorrect (18.8%), 1 unparsable (6.2%), 1 timeout (6.2%), 2 error (12.5%)"
        in said
    )
    assert find_problems(data) == []
    assert "nothing to do" in run(*command(data, write_judge(tmp_path))).stderr


def test_too_many_that_the_verifier_gave_up_on_end_with_1(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data", [["hang", "0", "0", "0"]])
    line = command(data, write_judge(tmp_path), "--max-failed-share", 0.2)
    assert "25.0% of 4 rows failed (1 failed (timeout 1))" in run(*line, code=1).stderr


def test_settings_and_limits_are_kept_and_others_are_refused(tmp_path: Path) -> None:
    data, entry_point = write_dataset(tmp_path / "data", [["0"]]), write_judge(tmp_path)
    run(*command(data, entry_point, "--memory", 500))
    record = read_record(data, TableRef("verdicts", "python"))
    assert record
    assert record.parameters == {
        "verifier": "python",
        "settings": {"entry_point": entry_point},
        "limits": {"seconds": 0.5, "memory_mb": 500},
    }
    assert "limits.memory_mb: 500 then, 1000 now" in run(*command(data, entry_point), code=2).stderr
    run(*command(data, entry_point, "--memory", 500, "--as", "mine"))
    assert data.variants("verdicts") == ["mine", "python"]


def test_the_address_of_a_judge_is_recorded_and_may_change(tmp_path: Path) -> None:
    data = write_dataset(
        tmp_path / "data", [["a proof without its fence\n```lean4"]], answers=["theorem t : True := by"]
    )
    line = ["verify", data.root, "--verifier", "lean", "--set", "time_limit=9"]
    run(*line, "--set", "server=http://one:1", "--workers", 1)
    record = read_record(data, TableRef("verdicts", "lean"))
    assert record
    assert record.parameters["settings"] == {"time_limit": 9}
    assert Choice.recorded(record).settings == {"time_limit": 9, "server": "http://one:1"}
    assert "nothing to do" in run(*line, "--set", "server=http://two:2", "--workers", 2).stderr
    other = run(*line, "--set", "server=http://two:2", "--set", "header=import A", code=2).stderr
    assert "settings.header: not set then" in other
    assert "server" not in other


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--verifier", "exact", "--timeout", "3"], "exact is bounded and runs in this process: it takes no timeout"),
        (["--verifier", "exact", "--set", "a=1"], "unknown setting a; known: none"),
        (
            ["--verifier", "command", "--set", "command=cat", "--set", "seconds=0"],
            "seconds: Input should be greater than 0",
        ),
        (
            ["--verifier", "command", "--set", "command=cat", "--set", "seconds=inf"],
            "should be a finite number, got inf",
        ),
        (
            ["--verifier", "command", "--set", "command=cat", "--set", "memory_mb=-5"],
            "memory_mb: Input should be greater",
        ),
        (["--verifier", "python", "--timeout", "1e300"], "'--timeout': Input should be less than or equal to 1000000"),
        (["--verifier", "python", "--memory", 10**17], "'--memory': Input should be less than or equal to 1000000"),
        (["--verifier", "python"], "setting entry_point is missing: give --set entry_point=VALUE"),
        (["--verifier", "python", "--set", "entry_point=no.py:f"], "there is no file no.py"),
        (["--verifier", "python", "--set", "entry_point"], "write it as NAME=VALUE"),
        (["--verifier", "python", "--set", "entry_point=no_such_package:f"], "importing no_such_package raised Module"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(tmp_path: Path, options: list[str], message: str) -> None:
    data = write_dataset(tmp_path / "data", [["0"]])
    result = run("verify", data.root, *options, code=2)
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_a_judge_that_ends_the_process_when_it_is_imported_is_no_success(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data", [["0"]])
    (tmp_path / "ends.py").write_text("import sys\nsys.exit(0)\n")
    result = run("verify", data.root, "--verifier", "python", "--set", f"entry_point={tmp_path / 'ends.py'}:f", code=2)
    assert "ends.py raised SystemExit: 0" in result.stderr


def test_a_job_section_gives_settings_as_keys(tmp_path: Path) -> None:
    data, entry_point = write_dataset(tmp_path / "data", [["0", "1"]]), write_judge(tmp_path)
    job = tmp_path / "job.toml"
    job.write_text(
        f'[dataset]\npath = "{data.root}"\n[verify]\nverifier = "python"\nentry_point = "{entry_point}"\ntimeout = 5\n'
    )
    run("run", job)
    assert verdicts(data)["reward"].to_list() == [1, 0]
    job.write_text(f'[dataset]\npath = "{data.root}"\n[verify]\nverifier = "python"\nentry = "{entry_point}"\n')
    assert "unknown setting entry (did you mean 'entry_point'?)" in run("run", job, code=2).stderr


def start(data: Dataset, entry_point: str) -> subprocess.Popen[bytes]:
    line = [sys.executable, "-c", "from curate.cli import main; main()", *command(data, entry_point)]
    return subprocess.Popen(line, stderr=subprocess.PIPE)


def journal(data: Dataset) -> list[Path]:
    return list((data.private / "journal").glob("**/*.arrows"))


def below(pid: int) -> list[int]:
    from curate.verifying.workers.processes import descendants

    return descendants(pid)


def test_a_run_that_ends_between_the_last_verdict_and_the_part_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, entry_point = write_dataset(tmp_path / "data", COMPLETIONS[:1]), write_judge(tmp_path)
    whole = write_dataset(tmp_path / "whole", COMPLETIONS[:1])
    run(*command(whole, entry_point))

    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "verdicts")

    with monkeypatch.context() as patched:
        patched.setattr("curate.stage._keep", no_room)
        assert "make room" in run(*command(data, entry_point), code=1).stderr
    assert len(journal(data)) == 1
    run(*command(data, entry_point))
    assert verdicts(data).drop("seconds").equals(verdicts(whole).drop("seconds"))
    assert journal(data) == []


def test_a_part_without_rows_gets_one_without_verdicts(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data", [["0", "1"], []], groups_a_part=1)
    run(*command(data, write_judge(tmp_path)))
    assert data.parts(TableRef("verdicts", "python")) == data.parts(TableRef("samples"))
    assert verdicts(data)["reward"].to_list() == [1, 0]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_killed_goes_on_and_leaves_no_process(tmp_path: Path, number: signal.Signals) -> None:
    from curate.contracts import contract
    from curate.journal import Journal

    completions = [
        [f"sleep 0.02 {g + i % 2}" for i in range(4)] + [f"sleep 0.0{i} {g}" for i in range(4)] for g in range(60)
    ]
    data, entry_point = write_dataset(tmp_path / "data", completions, groups_a_part=60), write_judge(tmp_path)
    whole = write_dataset(tmp_path / "whole", completions, groups_a_part=60)
    run(*command(whole, entry_point))
    process = start(data, entry_point)
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size > 20_000 for path in journal(data)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    started = below(process.pid)
    assert len(started) == 3  # a nursery and two workers
    process.send_signal(number)
    process.communicate(timeout=20)
    while any(Path(f"/proc/{pid}").exists() for pid in started):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    (path,) = journal(data)
    with Journal(path, contract("verdicts").loose_schema) as kept:
        n_kept = sum(batch.num_rows for batch in kept.batches())
    assert 0 < n_kept < 480
    run(*command(data, entry_point))
    both = [verdicts(each).drop("seconds") for each in (data, whole)]
    assert both[0].equals(both[1])
    assert journal(data) == []
