"""The `lean` verifier: the kernel of Lean 4 says whether the completion's theorem proves the statement that was asked."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from curate.errors import ConfigError
from curate.records import Verdict
from curate.verifying.provers.comments import lean_code
from curate.verifying.provers.fence import FENCE, TEXT_AFTER, continued, fenced
from curate.verifying.provers.lean_commands import forbidden, split_header, without_imports, without_preamble
from curate.verifying.provers.lean_kimina import HEADER_S, PATIENCE_S, Kimina
from curate.verifying.provers.lean_project import Project
from curate.verifying.provers.lean_repl import Repl
from curate.verifying.provers.lean_reply import Backend, Message, judged, one_line
from curate.verifying.provers.lean_statement import Statement, parse
from curate.verifying.provers.prover import Failure
from curate.verifying.verifier import MOST_MB, MOST_SECONDS, Limits, Verifier

# of the DeepSeek-Prover prompts, which paper A's release uses for all its statements
HEADER = "import Mathlib\nimport Aesop\n\nset_option maxHeartbeats 0\n\nopen BigOperators Real Nat Topology Rat\n"
LANGUAGES = ("lean4", "lean")
MARGIN_S = 30
TAKEN = "unexpected success"  # of `#check_failure`
_LINE_END = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
PLACES = frozenset({"server", "project", "repl"})


def lean(
    server: str | None = None,
    project: Path | None = None,
    repl: Path | None = None,
    form: Literal["fence", "continuation"] = "fence",
    header: str = HEADER,
    time_limit: Annotated[int, Field(ge=1, le=MOST_SECONDS)] = 60,
    memory_mb: Annotated[int, Field(ge=500, le=MOST_MB)] = 10_000,
) -> Verifier:
    """Check a Lean 4 proof: the answer is a statement, ``theorem NAME BINDERS : TYPE := by``.

    Lean is a Kimina server (``server = URL``), or a Lake project (``project = FOLDER``) in which each proof is a file of its
    own, or which the REPL reads (``repl = PROGRAM``, once a worker, much faster). ``form``: a ``fence`` holds the whole
    theorem, or the completion is the ``continuation`` of a statement whose fence the prompt opened; nothing follows the
    closing fence. ``header`` goes before statements that import nothing. Correct where the kernel accepts the theorem as
    a proof of the asked type and it rests on Lean's three standard axioms alone. ``time_limit`` is in seconds and
    ``memory_mb`` in MB (a server has a limit of its own): a proof that needs more is incorrect.
    """
    backend = _backend(server, project, repl, time_limit, memory_mb)
    asks = Lean(backend, form, header)
    # the statement alone, and its proof, which a server may be asked twice
    wall = 3 * (time_limit + HEADER_S + PATIENCE_S) + MARGIN_S
    return Verifier("lean", asks.extract, asks.compare, asks.gold, Limits(wall, 2 * memory_mb), PLACES)


def _backend(server: str | None, project: Path | None, repl: Path | None, time_limit: int, memory_mb: int) -> Backend:
    if (server is None) == (project is None):
        raise ConfigError(
            "verifier lean needs either server = URL of a Kimina Lean Server, or project = FOLDER of a Lake project "
            "(with repl = PROGRAM of the REPL, or without)"
        )
    if server is not None:
        if not server.startswith(("http://", "https://")) or repl:
            raise ConfigError(f"verifier lean: server is {server!r}: give http://HOST:PORT, and no repl with it")
        return Kimina(server, time_limit)
    assert project
    if not project.is_dir():
        raise ConfigError(f"verifier lean: project {project} is no folder: give that of a Lake project")
    if shutil.which("lake") is None:
        raise ConfigError(
            "verifier lean needs lake, which is not on the PATH: install Lean 4 with elan, or name a server"
        )
    if repl is None:
        return Project(project.absolute(), time_limit, memory_mb)
    if not repl.is_file():
        raise ConfigError(
            f"verifier lean: repl {repl} is no file: give the program that `lake build` makes of the REPL"
        )
    return Repl(("lake", "env", str(repl.absolute())), project.absolute(), time_limit, memory_mb)


class Lean:
    """What the verifier does, whichever Lean it asks."""

    def __init__(self, backend: Backend, form: str, header: str) -> None:
        self.backend, self.form, self.header = backend, form, header
        self.extract: Callable[[str], str | None] = continued if form == "continuation" else _fenced
        self._answer_problems: dict[tuple[str, str], str | None] = {}

    def gold(self, answer: str, reference: str | None) -> str | None:
        """Return the reference proof as a completion of this form; null where the prompt has none."""
        if reference is None:
            return None
        return f"{reference}\n{FENCE}" if self.form == "continuation" else f"{FENCE}lean4\n{reference}\n{FENCE}"

    def compare(self, extracted: str | None, answer: str) -> Verdict:
        """Have a proof read, with its theorem checked against the asked statement, and its axioms reported."""
        answer = _plain(answer)
        asked = parse(answer)
        if asked is None:
            return Verdict("error", extracted, "answer is no Lean statement: write theorem NAME : TYPE := by")
        if extracted is None:
            return Verdict("unparsable", detail="no closed proof fence")
        if extracted.endswith(TEXT_AFTER):
            return Verdict("incorrect", extracted, "text after the proof")
        header, opening = split_header(self._preamble(asked))
        text = without_imports(lean_code(_plain(extracted)), header)
        if self.form == "fence":
            for preamble in (opening, split_header(asked.preamble)[1]):
                text = without_preamble(text, preamble)
        if word := forbidden(text):
            return Verdict("incorrect", extracted, f"forbidden: {word}")
        if problem := self._answer_problem(header, opening, asked):
            return Verdict("error", extracted, problem)
        if self.form == "continuation":
            text = asked.text + text
        # A text cannot hold its own hash, so it can neither name nor replace what is called by it.
        mark = blake2b(f"{answer}|{text}".encode(errors="replace"), digest_size=16).hexdigest()
        body = f"{opening}{_stated(asked, mark)}\n{text}\n\n{_question(asked, mark)}"
        reply = self.backend(header, body)
        outcome, detail = reply if isinstance(reply, Failure) else judged(reply, f"checked_{mark}")
        return Verdict(outcome, extracted, detail and detail.replace(f"_{mark}", ""))  # type: ignore[arg-type]

    def _preamble(self, asked: Statement) -> str:
        return asked.preamble if split_header(asked.preamble)[0] else self.header + asked.preamble

    def _answer_problem(self, header: str, opening: str, asked: Statement) -> str | None:
        """Say why the header or the statement cannot be read, with ``sorry`` as its proof; null where they can.

        It is asked before any proof: what cannot be read, or is too dear, without a proof is no proof's fault. Nor is there
        anything to prove where the theorem's name has a meaning already: a text without it would pass.
        """
        unproven = f"#check_failure @{asked.name}\n\n{asked.head}\n:= sorry"
        body = f"{opening}{_stated(asked, 'alone')}\n{unproven}\n\n{_question(asked, 'alone')}"
        if (header, body) not in self._answer_problems:
            reply = self.backend(header, body)
            if isinstance(reply, Failure):  # may be better the next time
                return reply.detail if reply.outcome == "error" else f"answer cannot be read: {reply.detail}"
            self._answer_problems[header, body] = _problem(reply)
        return self._answer_problems[header, body]


def _problem(reply: list[Message]) -> str | None:
    errors = [one_line(message.text).replace("_alone", "") for message in reply if message.severity == "error"]
    if errors[:1] == [TAKEN]:
        return "answer: the name of its theorem is taken"
    return f"answer cannot be read: {errors[0]}" if errors else None


def _fenced(completion: str) -> str | None:
    return fenced(completion, LANGUAGES)


def _plain(text: str) -> str:
    """Return a text with the lines that a Kimina server makes of it, wherever Python ends one, and without lone surrogates."""
    return _LINE_END.sub("\n", text.encode(errors="replace").decode())


def _stated(asked: Statement, mark: str) -> str:
    """Return what stands before the completion: the asked type gets its meaning before the completion can change any."""
    return f"\n{asked.scope}def asked_{mark}{asked.levels} : Prop :=\n  {asked.type}\n"


def _question(asked: Statement, mark: str) -> str:
    """Return what stands after the completion; a ``checked`` that took over hypotheses has another type, and is an error."""
    return (
        f"theorem checked_{mark} : asked_{mark} := @{asked.name}\n"
        f"#guard_expr type_of% @checked_{mark} =~ asked_{mark}\n"
        f"#print axioms checked_{mark}\n"
    )
