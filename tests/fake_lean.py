"""Provers that replay recorded sessions: a Kimina server on loopback, and a ``lake`` that stands in for Lean and the REPL.

The proof that is asked names its case, ``case_NAME`` (not in a comment: those are not sent); a request without one is about
a statement alone, or a header.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SESSIONS = Path(__file__).parent / "verifying" / "provers" / "lean_sessions"
_CASE = re.compile(r"\bcase[ _](\w+)")
_STATEMENT = re.compile(r"-- statement (\w+)")
_THEOREM = re.compile(r"#print axioms (\w+)")


def sessions(name: str) -> dict[str, dict[str, Any]]:
    """Return the cases of ``kimina``, ``repl`` or ``lake``."""
    lines = (SESSIONS / f"{name}.jsonl").read_text("utf-8").splitlines()
    return {each["case"]: each for each in map(json.loads, lines)}


def replayed(name: str, text: str) -> dict[str, Any]:
    """Return the recorded case that a text names, with the theorem it asks about."""
    asked, theorem = _CASE.search(text), _THEOREM.search(text)
    if asked:
        case = asked[1]
    else:
        stated = _STATEMENT.search(text)
        case = stated[1] if stated else "statement" if "asked_" in text else "header"
    found = json.dumps(sessions(name)[case])
    name = theorem[1] if theorem else ""
    answer: dict[str, Any] = json.loads(
        found.replace("{theorem}", name).replace("{mark}", name.removeprefix("checked_"))
    )
    return answer


class FakeKimina:
    """A context manager; ``bodies`` are the requests, ``plain`` is sent as it is in place of every reply, ``busy`` so many 429 first."""

    def __init__(self, plain: bytes | None = None, busy: int = 0) -> None:
        self.plain, self.busy = plain, busy
        self.bodies: list[dict[str, Any]] = []
        self.paths: list[str] = []

    def __enter__(self) -> FakeKimina:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                fake.bodies.append(body)
                fake.paths.append(self.path)
                status, content = fake.reply(body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reply(self, body: dict[str, Any]) -> tuple[int, bytes]:
        if len(self.bodies) <= self.busy:
            return 429, b'{"detail": "No available REPLs"}'
        if self.plain is not None:
            return 200, self.plain
        case = replayed("kimina", body["codes"][0]["proof"])
        return case["status"], json.dumps(case["body"]).encode()


def put_lake(folder: Path) -> Path:
    """Write a ``lake`` and a ``repl`` into a folder, and return the REPL's path; put the folder on the PATH."""
    for name in ("lake", "repl"):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {__file__} {name} "$@"\n')
        program.chmod(0o755)
    return folder / "repl"


def lake(words: list[str]) -> None:
    """Do what ``lake env COMMAND`` does: run the REPL, or read a file."""
    assert words[0] == "env", words
    if words[1] != "lean":
        return repl()
    assert words[2] == "--json", words
    case = replayed("lake", Path(words[-1]).read_text("utf-8"))
    time.sleep(case.get("sleep", 0))
    for line in case["lines"]:
        print(json.dumps(line))
    return stop(case)


def repl() -> None:
    """Answer commands until the input ends; a header may be read once only, and the environment asked for must be there."""
    held, n_environments = [], 0
    for command in commands():
        if "env" in command and command["env"] >= n_environments:
            case: dict[str, Any] = {"reply": {"message": "Unknown environment."}}
        else:
            case = replayed("repl", command["cmd"])
        if grown := re.search(r"-- grow (\d+)", command["cmd"]):
            held.append(b"x" * int(grown[1]) * 1_000_000)
        time.sleep(case.get("sleep", 0))
        if "exit" in case:
            stop(case)
        n_environments += "env" in case["reply"]
        reply = case["reply"] | ({"env": n_environments - 1} if "env" in case["reply"] else {})
        print(json.dumps(reply, indent=1), end="\n\n", flush=True)


def commands() -> Iterator[dict[str, Any]]:
    lines: list[str] = []
    for line in sys.stdin:
        lines.append(line)
        if not line.strip():
            yield json.loads("".join(lines))
            lines = []


def stop(case: dict[str, Any]) -> None:
    sys.stderr.write(case["errors"])
    raise SystemExit(case["exit"])


if __name__ == "__main__":
    lake(sys.argv[2:]) if sys.argv[1] == "lake" else repl()
