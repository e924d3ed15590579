"""The `command` verifier: a program of the user's own, in any language, that judges one JSON line after another."""

from __future__ import annotations

import os
import select
import selectors
import shlex
import shutil
import subprocess
from typing import Annotated

import orjson
from pydantic import Field

from curate.errors import ConfigError
from curate.records import Verdict
from curate.verifying.python import verdict_of
from curate.verifying.verifier import MOST_MB, MOST_SECONDS, Limits, Verifier
from curate.verifying.workers.processes import keep

LONGEST_REPLY = 1 << 20
SHOWN = 100


def command(
    command: str,
    seconds: Annotated[float, Field(gt=0, le=MOST_SECONDS, allow_inf_nan=False)] = 10,
    memory_mb: Annotated[int, Field(ge=1, le=MOST_MB)] = 1000,
) -> Verifier:
    """Judge by a program of your own that answers one JSON line on stdout for each JSON line on stdin.

    It reads ``{"id": 7, "completion": "...", "answer": "..."}`` and writes ``{"id": 7, "reward": 1}``, or ``"outcome"`` in
    place of the reward, and perhaps ``"extracted"`` and ``"detail"``. ``command`` is split as a shell would, but no shell runs
    it; it starts once a worker process and stays. What it writes to stderr is not read. A wrong id, a line that is no such
    reply, or its end is an error (reward null), and it is started again; so it is, without an error, where it has
    written more before it is asked the next time.
    """
    words = _words(command)
    program = Program(words)
    return Verifier("command", lambda completion: completion, program.compare, limits=Limits(seconds, memory_mb))


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigError(f"command is {command!r}: {error}") from None
    if not words or shutil.which(words[0]) is None:
        shown = words[0] if words else ""
        raise ConfigError(f"command is {command!r}: there is no program {shown!r} that can be run")
    return words


class BrokenReply(Exception):  # noqa: N818 - what a program sent, told as the detail of an error
    """What a program sent is no reply to what it was asked."""


class Program:
    """A program that runs from the first question on, and is started again where it has ended or lost the thread."""

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self._process: subprocess.Popen[bytes] | None = None
        self._n_asked = 0

    def compare(self, completion: str | None, answer: str) -> Verdict:
        """Ask about one completion; unparsable without asking where there is none."""
        if completion is None:
            return Verdict("unparsable")
        self._n_asked += 1
        question = {"id": self._n_asked, "completion": completion, "answer": answer}
        try:
            return self._read(self._ask(orjson.dumps(question, option=orjson.OPT_APPEND_NEWLINE)))
        except TypeError:
            return Verdict("error", detail="the completion or the answer is no Unicode text")
        except BrokenReply as error:
            self._stop()
            return Verdict("error", detail=str(error))

    def _ask(self, question: bytes) -> bytes:
        """Write a question while reading, so that neither waits for the other, and return the line that comes."""
        process = self._running()
        assert process.stdin
        assert process.stdout
        reply, left = bytearray(), memoryview(question)
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.register(process.stdin, selectors.EVENT_WRITE)
            while b"\n" not in reply:
                for key, _ in selector.select():
                    if key.fileobj is process.stdin:
                        left = left[self._write(left) :]
                        if not left:
                            selector.unregister(process.stdin)
                    elif chunk := os.read(process.stdout.fileno(), 1 << 16):
                        reply += chunk
                    else:
                        raise BrokenReply(f"the program ended: {self._ended()}")
                if len(reply) > LONGEST_REPLY:
                    raise BrokenReply(f"a reply of more than {LONGEST_REPLY:,} bytes")
        if left:
            raise BrokenReply("a reply before the question was read")
        line, _, rest = bytes(reply).partition(b"\n")
        if rest:
            raise BrokenReply(f"more than one line: {_shown(rest)}")
        return line

    def _write(self, content: memoryview) -> int:
        assert self._process
        assert self._process.stdin
        try:
            return os.write(self._process.stdin.fileno(), content)
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            raise BrokenReply(f"the program ended: {self._ended()}") from None

    def _read(self, line: bytes) -> Verdict:
        try:
            reply = orjson.loads(line)
        except ValueError:
            raise BrokenReply(f"no JSON: {_shown(line)}") from None
        if not isinstance(reply, dict):
            raise BrokenReply(f"no JSON object: {_shown(line)}")
        number = reply.pop("id", None)
        if type(number) is not int or number != self._n_asked:
            raise BrokenReply(f"id {number!r:.{SHOWN}} is not the question's, {self._n_asked}")
        return verdict_of(reply)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process and (self._process.poll() is not None or self._has_said_more()):
            self._stop()  # its last reply counts
        if self._process is None:
            try:
                process = subprocess.Popen(
                    self.words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
                )
            except OSError as error:
                raise BrokenReply(f"the program did not start: {error.strerror}") from None
            keep(process.pid)
            assert process.stdin
            os.set_blocking(process.stdin.fileno(), False)
            self._process = process
        return self._process

    def _has_said_more(self) -> bool:
        """Say whether there is a line, or the end of its output, that belongs to no question."""
        assert self._process
        assert self._process.stdout
        poll = select.poll()
        poll.register(self._process.stdout, select.POLLIN)
        return bool(poll.poll(0))

    def _ended(self) -> str:
        """Return how the program ended; one that has closed its output and goes on is killed."""
        assert self._process
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return "it closed its output"
        return f"signal {-code}" if code < 0 else f"exit status {code}"

    def _stop(self) -> None:
        if process := self._process:
            self._process = None
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    pipe.close()


def _shown(content: bytes) -> str:
    return repr(content[:SHOWN].decode(errors="replace"))
