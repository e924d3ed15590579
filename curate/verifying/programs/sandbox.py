"""Find a sandbox that holds on this machine: bubblewrap, else Linux namespaces; neither is trusted before a probe ran in it."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from curate.errors import ConfigError, VerifierError
from curate.verifying.programs.seccomp import seccomp_filter

Kind = Literal["auto", "bubblewrap", "namespaces"]
TMP_BYTES = 64_000_000
NOBODY = 65534
_HERE = Path(__file__).parent
# A fixed hash seed: the same program gives the same output each time. One arena: threads reserve little address space.
ENVIRONMENT = {"LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "MALLOC_ARENA_MAX": "1"}


@dataclass(frozen=True, slots=True)
class Launch:
    """A command that runs the candidate in a sandbox, and what ``Popen`` is to be told besides."""

    command: list[str]
    options: dict[str, Any] = field(default_factory=dict)


# (arguments of candidate.py, descriptor of the seccomp filter) -> how to start it.
Sandbox = Callable[[list[str], int], Launch]


def interpreter() -> str:
    """Return the Python that runs candidates: the one this process runs on, outside any virtual environment."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def _binds() -> tuple[list[str], list[tuple[str, str]]]:
    """Return what of the host is shown, read-only, and the links at the root: libraries, time zones and the interpreter, no more."""
    prefix = str(Path(interpreter()).parents[1])
    shown = ["/usr/lib", "/usr/lib64", "/usr/lib32", "/usr/share/zoneinfo", "/etc/ld.so.cache"]
    links = []
    for name in ("lib", "lib64", "lib32"):
        if Path("/", name).is_symlink():
            links.append((str(Path("/", name).readlink()), f"/{name}"))
        else:
            shown.append(f"/{name}")
    shown += [interpreter()] if prefix == "/usr" else [prefix]
    return [path for path in shown if Path(path).exists()], links


def _python(arguments: list[str]) -> list[str]:
    return [interpreter(), "-s", "-P", "-S", "-B", "-X", "utf8", "/candidate.py", *arguments]


def bubblewrap(arguments: list[str], filter_: int) -> Launch:
    """Start in bubblewrap; as nobody where this process is root, whom the limit on processes does not bind."""
    shown, links = _binds()
    command = [shutil.which("bwrap") or "bwrap", "--unshare-all", "--unshare-user", "--die-with-parent", "--clearenv"]
    command += ["--uid", str(NOBODY), "--gid", str(NOBODY), "--hostname", "sandbox", "--cap-drop", "ALL"]
    for path in shown:
        command += ["--ro-bind", path, path]
    for target, place in links:
        command += ["--symlink", target, place]
    command += ["--ro-bind", str(_HERE / "candidate.py"), "/candidate.py", "--proc", "/proc", "--dev", "/dev"]
    # Through /proc/1 a program could write to bubblewrap's own process, which the limits do not bind.
    command += ["--tmpfs", "/proc/1", "--remount-ro", "/proc/1"]
    command += ["--ro-bind", "/dev/null", "/dev/zero"]  # mapped, it is shared memory; bound so, it cannot be opened
    command += ["--remount-ro", "/dev", "--size", str(TMP_BYTES), "--tmpfs", "/tmp", "--remount-ro", "/"]
    for name, value in ENVIRONMENT.items():
        command += ["--setenv", name, value]
    command += ["--chdir", "/tmp", "--seccomp", str(filter_), "--", *_python(arguments)]
    nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    return Launch(command, nobody if os.geteuid() == 0 else {})


def namespaces(arguments: list[str], filter_: int) -> Launch:
    """Start through ``namespaces.py``."""
    shown, links = _binds()
    command = [interpreter(), "-s", "-P", "-S", "-B", str(_HERE / "namespaces.py")]
    command += [str(os.getpid()), str(filter_), str(TMP_BYTES)]
    for path in shown:
        command += ["bind", path, path]
    for target, place in links:
        command += ["link", target, place]
    command += ["bind", str(_HERE / "candidate.py"), "/candidate.py"]
    return Launch([*command, "run", *_python(arguments)])


KINDS: dict[str, Sandbox] = {"bubblewrap": bubblewrap, "namespaces": namespaces}


@functools.cache
def find_sandbox(kind: Kind = "auto") -> Sandbox:
    """Return the first sandbox, of one kind or of all, in which the probe can do nothing it must not.

    Raises ConfigError with the reason for each where there is none: nothing is ever run without one.
    """
    from curate.verifying.programs.probe import escapes

    reasons = []
    for name in KINDS if kind == "auto" else [kind]:
        try:
            problems = _unusable(name) or escapes(KINDS[name])
        except VerifierError as error:
            problems = [str(error)]
        if not problems:
            return KINDS[name]
        reasons.append(f"{name}: {'; '.join(problems)}")
    raise ConfigError(
        f"no sandbox holds on this machine, and programs of a model are not run without one: {' | '.join(reasons)}. "
        "Install bubblewrap (apt install bubblewrap), or allow user namespaces to this user or container"
    )


def _unusable(name: str) -> list[str]:
    if sys.platform != "linux":
        return ["needs Linux"]
    if seccomp_filter() is None:
        return ["no system call filter for this processor (x86_64 and aarch64 have one)"]
    if not Path(f"/proc/self/task/{os.getpid()}/children").exists():
        return ["the kernel does not list child processes (CONFIG_PROC_CHILDREN), so their memory cannot be watched"]
    if name == "bubblewrap" and shutil.which("bwrap") is None:
        return ["bwrap is not installed"]
    return []
