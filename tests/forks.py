"""Commands as processes of their own that start at once: forked from one that has loaded the libraries already.

    with Forks("curate.verbs.sample_served", "transformers") as forks:
        process = forks.start("sample", "data", ..., errors=path)
        process.kill(signal.SIGKILL)
        process.wait()

Loading takes some seconds a process; fifty kills have no time for it.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass
class Fork:
    """One running command; ``wait`` gives its exit code, negative where a signal ended it."""

    forks: Forks
    pid: int
    code: int | None = None

    def kill(self, number: int) -> None:
        os.kill(self.pid, number)

    def poll(self) -> int | None:
        """Return the exit code, null while it runs."""
        if self.code is None:
            self.code = self.forks.ask("poll", self.pid)
        return self.code

    def wait(self) -> int:
        while (code := self.poll()) is None:
            time.sleep(0.005)
        return code


class Forks:
    """A process that has loaded ``modules`` and forks; a context manager that kills what is left."""

    def __init__(self, *modules: str) -> None:
        self.modules = modules
        self._pids: list[int] = []

    def __enter__(self) -> Self:
        command = [sys.executable, __file__, *self.modules]
        self._parent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._line() == "ready"
        return self

    def __exit__(self, *_: object) -> None:
        for pid in self._pids:
            if self.ask("poll", pid) is None:
                os.kill(pid, signal.SIGKILL)
        self._parent.communicate()

    def start(self, *words: object, errors: Path) -> Fork:
        """Run ``curate WORDS``, its output appended to the file ``errors``."""
        pid = int(str(self.ask("start", [str(word) for word in words], str(errors))))
        self._pids.append(pid)
        return Fork(self, pid)

    def ask(self, *question: object) -> int | None:
        assert self._parent.stdin is not None
        self._parent.stdin.write(json.dumps(question) + "\n")
        self._parent.stdin.flush()
        answer: int | None = json.loads(self._line())
        return answer

    def _line(self) -> str:
        assert self._parent.stdout is not None
        return self._parent.stdout.readline().rstrip()


def _serve() -> None:
    for module in sys.argv[1:]:
        importlib.import_module(module)
    ended: dict[int, int] = {}
    print("ready", flush=True)
    for line in sys.stdin:
        what, *rest = json.loads(line)
        print(json.dumps(_start(*rest) if what == "start" else _poll(rest[0], ended)), flush=True)


def _start(words: list[str], errors: str) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        output = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        sys.argv = ["curate", *words]
        from curate.cli import main

        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _poll(pid: int, ended: dict[int, int]) -> int | None:
    if pid not in ended:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            ended[pid] = os.waitstatus_to_exitcode(status)
    return ended.get(pid)


if __name__ == "__main__":
    _serve()
