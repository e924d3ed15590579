"""The sandbox: a probe decides whether it holds, nothing runs without one, and all of it goes with whoever started it."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.errors import ConfigError, VerifierError
from curate.verifying import get
from curate.verifying.programs import confined, sandbox
from curate.verifying.programs.confined import run
from curate.verifying.programs.probe import escapes
from curate.verifying.programs.sandbox import KINDS, Kind, Launch, Sandbox, find_sandbox, interpreter
from curate.verifying.programs.seccomp import FAMILIES, REFUSED, seccomp_filter
from curate.verifying.programs.watch import Allowed, Watch
from curate.verifying.workers.processes import children


@pytest.fixture
def afresh() -> Iterator[None]:
    """Let sandboxes be looked for again, and forget what is found."""
    find_sandbox.cache_clear()
    yield
    find_sandbox.cache_clear()


@pytest.fixture(params=list(KINDS))
def usable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, afresh: None) -> Sandbox:
    """Each kind of sandbox that holds here, if need be with the system's Python; the others are skipped with the reason."""
    kind: Kind = request.param
    try:
        return find_sandbox(kind)
    except ConfigError:
        monkeypatch.setattr(sandbox, "interpreter", lambda: os.path.realpath("/usr/bin/python3"))
    try:
        return find_sandbox(kind)
    except ConfigError as error:
        pytest.skip(str(error))


def test_a_program_has_a_folder_of_its_own_that_each_run_finds_empty(usable: Sandbox) -> None:
    program = "import os\nprint(os.getcwd(), os.listdir())\nopen('x', 'w').close()\nprint(os.listdir())"
    for _ in range(2):
        assert run(usable, program, Allowed(10, 256)).stdout == b"/tmp []\n['x']\n"


def test_a_program_sees_no_more_than_python_needs(usable: Sandbox) -> None:
    program = "import json, os\nprint(json.dumps([sorted(os.listdir('/')), sorted(os.environ), os.getuid()]))"
    root, environment, user = json.loads(run(usable, program, Allowed(10, 256)).stdout)
    shown = {"candidate.py", "dev", "proc", "tmp", "usr", "etc", "lib", "lib64", "lib32"}
    assert set(root) <= shown | {Path(sandbox.interpreter()).parts[1]}
    assert set(environment) <= {"LANG", "LC_CTYPE", "PYTHONHASHSEED", "MALLOC_ARENA_MAX", "PWD"}
    assert user == 65534


def test_the_same_program_gives_the_same_output(usable: Sandbox) -> None:
    program = "print({'a', 'b', 'c', 'd', 'e'}, hash('x'))"
    assert run(usable, program, Allowed(10, 256)).stdout == run(usable, program, Allowed(10, 256)).stdout


@pytest.mark.skipif(not Path("/usr/share/zoneinfo").exists(), reason="no time zones on this machine")
def test_a_program_knows_the_time_zones_of_the_machine(usable: Sandbox) -> None:
    program = "from zoneinfo import ZoneInfo\nprint(ZoneInfo('Europe/Paris'))"
    assert run(usable, program, Allowed(10, 256)).stdout == b"Europe/Paris\n"


def unconfined(arguments: list[str], filter_: int) -> Launch:
    script = str(Path(sandbox.__file__).with_name("candidate.py"))
    return Launch([interpreter(), "-s", "-P", "-S", "-B", script, *arguments])


def test_the_probe_sees_what_an_open_sandbox_lets_through() -> None:
    found = escapes(unconfined)
    for what in (
        "connect by AF_INET",
        "connect by AF_UNIX",
        "see other processes",
        "read /etc/passwd",
        "use any system call",
        "share memory that is not counted",
        "share memory through /dev/zero",
    ):
        assert f"a program could {what}" in found
    assert any(each.startswith("a program could write to ") for each in found)
    assert not list(Path.home().glob("curate-probe-*"))


def test_a_sandbox_that_lets_something_through_is_refused(monkeypatch: pytest.MonkeyPatch, afresh: None) -> None:
    monkeypatch.setattr(sandbox, "KINDS", {"namespaces": unconfined})
    with pytest.raises(
        ConfigError, match=r"no sandbox holds on this machine.*namespaces: a program could.*apt install bubblewrap"
    ):
        get("code")


def failing(arguments: list[str], filter_: int) -> Launch:
    return Launch([sys.executable, "-c", "import sys; sys.exit('unshare: Operation not permitted')"])


def test_nothing_runs_where_no_sandbox_starts(monkeypatch: pytest.MonkeyPatch, afresh: None, tmp_path: Path) -> None:
    monkeypatch.setattr(sandbox, "KINDS", {"bubblewrap": KINDS["bubblewrap"], "namespaces": failing})
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        ConfigError, match=r"bubblewrap: bwrap is not installed.*namespaces: .*unshare: Operation not permitted"
    ):
        get("code")
    done = CliRunner().invoke(app, ["verify", str(tmp_path), "--verifier", "code"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no sandbox holds on this machine" in done.stderr


def test_a_sandbox_that_stops_working_is_the_verifiers_fault() -> None:
    with pytest.raises(VerifierError, match="the sandbox did not start: unshare: Operation not permitted"):
        run(failing, "print(1)", Allowed(10, 256))


WAITS = """
import sys
from curate.verifying.programs import sandbox
from curate.verifying.programs.confined import run
from curate.verifying.programs.watch import Allowed
sandbox.interpreter = lambda: sys.argv[2]
print("ready", flush=True)
run(sandbox.KINDS[sys.argv[1]], "import os, time\\nos.setsid() if os.fork() == 0 else 0\\ntime.sleep(1000)", Allowed(1000, 256))
"""


def test_a_sandbox_ends_with_the_process_that_started_it(usable: Sandbox) -> None:
    kind = next(name for name, each in KINDS.items() if each is usable)
    job = subprocess.Popen([sys.executable, "-c", WAITS, kind, sandbox.interpreter()], stdout=subprocess.PIPE)
    assert job.stdout
    job.stdout.readline()
    programs: list[int] = []
    while len(programs) < 2:
        time.sleep(0.05)
        programs = [
            pid for pid in below(job.pid) if b"/candidate.py\0" in argument_list(pid)[-2000:] and in_sandbox(pid)
        ]
    job.kill()
    job.wait()
    job.stdout.close()
    deadline = time.monotonic() + 10
    while any(in_sandbox(pid) for pid in programs):
        assert time.monotonic() < deadline, "the programs outlived their job"
        time.sleep(0.05)


def test_a_program_does_not_pay_for_a_watch_that_stood_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three looks, 0.1, 0.8 and 5 s after the one before: only the last says that the machine stood still."""
    watch = object.__new__(Watch)
    watch.deadline, looked = 102.0, 100.0
    found = []
    for now in (100.1, 100.9, 105.9):
        monkeypatch.setattr(time, "monotonic", lambda now=now: now)
        looked = watch.thawed(looked)
        found.append((looked, watch.deadline))
    assert found == [(100.1, 102.0), (100.9, 102.0), (105.9, 107.0)]


@pytest.mark.parametrize(("program", "counts", "fails"), [
    ("import os\nos.kill(os.getpid(), 9)", [3, 4], True),
    ("import os\nos.kill(os.getpid(), 9)", [3, 3], False),
    ("import os\nos.abort()", [3, 4], False),
    ("print(1)", [3, 4], False),
])  # fmt: skip
def test_a_program_killed_while_the_machine_lacked_memory_is_not_judged(
    usable: Sandbox, monkeypatch: pytest.MonkeyPatch, program: str, counts: list[int], fails: bool
) -> None:
    monkeypatch.setattr(confined, "oom_kills", iter(counts).__next__)
    with pytest.raises(VerifierError, match="ran out of memory") if fails else contextlib.nullcontext():
        run(usable, program, Allowed(10, 256))


def test_the_kernel_says_how_many_processes_it_killed_for_want_of_memory() -> None:
    assert confined.oom_kills() >= 0


def below(pid: int) -> list[int]:
    found = children(pid)
    return [*found, *(each for child in found for each in below(child))]


def argument_list(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def in_sandbox(pid: int) -> bool:
    try:
        return "\nSeccomp:\t2" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def filtered(program: bytes, architecture: int, number: int, argument: int = 0, fourth: int = 0) -> int:
    """Run a filter as the kernel does and return what it decides."""
    lines = list(struct.iter_unpack("=HBBI", program))
    fields = {0: number, 4: architecture, 16: argument, 40: fourth}
    at = value = 0
    while True:
        code, if_true, if_false, constant = lines[at]
        if code == 0x06:
            return int(constant)
        if code == 0x20:
            value, step = fields[constant], 0
        else:
            holds = {0x15: value == constant, 0x35: value >= constant, 0x45: bool(value & constant)}[code]
            step = if_true if holds else if_false
        at += 1 + step


ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000


@pytest.mark.parametrize(
    ("machine", "column", "audit", "numbers"),
    [("x86_64", 0, 0xC000003E, (0, 41, 56, 9)), ("aarch64", 1, 0xC00000B7, (63, 198, 220, 222))],
)
def test_the_filter_refuses_what_namespaces_do_not_hide(
    machine: str, column: int, audit: int, numbers: tuple[int, int, int, int]
) -> None:
    program = seccomp_filter(machine)
    assert program
    read, socket, clone, mmap = numbers
    assert filtered(program, audit, read) == ALLOW
    for name, both in REFUSED.items():
        if (number := both[column]) is not None:
            assert filtered(program, audit, number) == ERRNO | 1, name
    for family in range(50):
        assert filtered(program, audit, socket, family) == (ALLOW if family in FAMILIES else ERRNO | 97)
    for flags, verdict in (
        (0x22, ALLOW),
        (0x01, ALLOW),
        (0x02, ALLOW),
        (0x21, ERRNO | 1),
        (0x23, ERRNO | 1),
        (0x20, ALLOW),
    ):
        assert filtered(program, audit, mmap, 0, flags) == verdict, flags
    assert filtered(program, audit, clone, 0x3D0F00) == ALLOW  # a thread
    assert filtered(program, audit, clone, 17) == ALLOW  # a process
    assert filtered(program, audit, clone, 0x10000011) == ERRNO | 1  # in a new user namespace
    assert filtered(program, audit, 435) == ERRNO | 38
    assert filtered(program, 0x40000003, read) == KILL  # 32 bits
    assert filtered(program, audit, 0x40000000 + read) == KILL  # x32


def test_a_processor_without_a_filter_has_no_sandbox() -> None:
    assert seccomp_filter("riscv64") is None
