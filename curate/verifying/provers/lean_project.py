"""Lean through ``lake env lean --json FILE`` in a project: a process a proof, which reads the header each time."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import orjson

from curate.verifying.provers import prover
from curate.verifying.provers.lean_repl import crash
from curate.verifying.provers.lean_reply import Message, Reply, messages
from curate.verifying.provers.prover import Failure


class Project:
    """A backend: Lean runs in the folder of a Lake project that has built what the header imports."""

    def __init__(self, project: Path, time_limit: int, memory_mb: int) -> None:
        self.project, self.time_limit, self.memory_mb = project, time_limit, memory_mb

    def __call__(self, header: str, body: str) -> Reply:
        """Have a file read; the time limit is that of the whole file, its header too.

        Where it prints so much that not all is read, and that it fails is all that is seen, that is the proof's failure.
        """
        with tempfile.TemporaryDirectory(prefix="curate-lean-") as folder:
            file = Path(folder) / "Proof.lean"
            file.write_text(f"{header}\n{body}", "utf-8", "replace")
            command = ("lake", "env", "lean", "--json", f"--memory={self.memory_mb}", str(file))
            ran = prover.run(command, Path(folder), self.time_limit, work=self.project, environment=os.environ)
        if ran.status is None:
            return Failure("incorrect", "time_limit")
        found = read_lines(ran.output)
        if isinstance(found, Failure) or ran.status == 0:
            return found
        if ran.status == 1 and any(message.severity == "error" for message in found):
            return found
        if ran.is_cut and (ran.status == 1 or ran.is_out_of_room):
            return Failure("incorrect", "output_limit")
        return crash(ran.status, ran.errors)


def read_lines(output: str) -> Reply:
    """Read one JSON message a line; a failure where a line that opens with a brace is none, other lines are no messages."""
    found: list[Message] = []
    for line in output.split("\n"):  # a message may hold what splitlines() takes for a line's end
        if not line.startswith("{"):
            continue
        try:
            message = messages([orjson.loads(line)])
        except ValueError:
            message = Failure("error", "prover: its messages could not be read")
        if isinstance(message, Failure):
            return message
        found += message
    return found
