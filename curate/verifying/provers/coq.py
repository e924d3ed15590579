"""The `coq` verifier: the kernel of Coq says whether the completion's theorem proves the statement that was asked."""

from __future__ import annotations

import re
import shutil
import tempfile
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Annotated

from pydantic import Field

from curate.errors import ConfigError
from curate.records import Verdict
from curate.verifying.provers.coq_commands import forbidden
from curate.verifying.provers.coq_preamble import without_preamble
from curate.verifying.provers.coq_run import MARGIN_S, TOO_DEAR, Coq, wall_s
from curate.verifying.provers.coq_statement import Statement, parse
from curate.verifying.provers.fence import FENCE, TEXT_AFTER, fenced
from curate.verifying.provers.prover import Failure
from curate.verifying.verifier import MOST_MB, MOST_SECONDS, Limits, Verifier

CLOSED = "Closed under the global context"

_AXIOM = re.compile(r"([^\s:]+)(?:\s*:.*)?")


def extract(completion: str) -> str | None:
    """Return the last ``coq`` fence, else the last fence without a language, else the whole text without any fence.

    Null where it is empty or the fence is not closed.
    """
    return fenced(completion, ("coq", "v", "gallina", "rocq"))


def coq(
    time_limit: Annotated[int, Field(ge=1, le=MOST_SECONDS)] = 10,
    memory_mb: Annotated[int, Field(ge=200, le=MOST_MB)] = 2000,
    axioms: list[str] | None = None,
) -> Verifier:
    """Check a Coq proof with ``coqc`` and ``coqchk``: the answer is a statement ``Theorem NAME : TYPE.``, after what it needs to be read.

    The completion is a whole text with a theorem of that name, in a fence of its own and nothing after it. Correct where
    the kernel accepts the theorem as a proof of the asked type, it rests on no axiom but ``axioms`` (full names, as
    ``Coq.Logic.Classical_Prop.classic``), and the compiled files pass ``coqchk``. ``time_limit`` is in seconds of CPU,
    ``memory_mb`` in MB: a proof that needs more is incorrect. ``coqchk`` may take twice as much.
    """
    for program in ("coqc", "coqchk"):
        if shutil.which(program) is None:
            raise ConfigError(
                f"verifier coq needs {program}, which is not on the PATH: install Coq, as with `apt install coq`"
            )
    allowed = tuple(axioms or ())

    def compare(extracted: str | None, answer: str) -> Verdict:
        return judge(extracted, answer, Coq(time_limit, memory_mb), allowed)

    # two files are compiled and then checked for a verdict, or one more compiled for an answer that is looked at
    wall = 2 * wall_s(time_limit) + wall_s(2 * time_limit) + MARGIN_S
    return Verifier("coq", extract, compare, gold, Limits(wall, 2 * memory_mb))


def gold(answer: str, reference: str | None) -> str | None:
    """Return the reference proof in a fence; null where the prompt has none."""
    return None if reference is None else f"{FENCE}coq\n{reference}\n{FENCE}"


def judge(extracted: str | None, answer: str, limited: Coq, axioms: tuple[str, ...]) -> Verdict:
    """Compile a proof and have its theorem checked against the asked statement, each in a file of its own."""
    asked = parse(answer)
    if asked is None:
        return Verdict("error", extracted, "answer is no Coq statement: write Theorem NAME : TYPE.")
    if extracted is None:
        return Verdict("unparsable", detail="no closed proof fence")
    if extracted.endswith(TEXT_AFTER):
        return Verdict("incorrect", extracted, "text after the proof")
    if command := forbidden(extracted):
        return Verdict("incorrect", extracted, f"forbidden command: {command}")
    with tempfile.TemporaryDirectory(prefix="curate-coq-") as folder:
        failure = _failure(Path(folder), extracted, asked, answer, limited, axioms)
    if failure is None:
        return Verdict("correct", extracted)
    return Verdict(failure.outcome, extracted, failure.detail)  # type: ignore[arg-type]


def _failure(
    folder: Path, text: str, asked: Statement, answer: str, limited: Coq, axioms: tuple[str, ...]
) -> Failure | None:
    # A text cannot hold its own hash, so it can neither name nor replace what is called by it.
    library = f"Proof_{blake2b(f'{answer}|{text}'.encode(errors='replace'), digest_size=16).hexdigest()}"
    source = f"{_head(asked, library)}\n{without_preamble(text, asked.preamble)}\n"
    (folder / f"{library}.v").write_text(source, "utf-8", "replace")
    _, failure = limited.compile(folder, library, library)
    if failure:
        return _blamed(failure, answer, limited)
    question = (
        f"Require {library}.\nDefinition checked : {library}.asked_{library} := @{library}.{asked.name}.\n"
        "Print Assumptions checked.\n"
    )
    (folder / "Question.v").write_text(question, "utf-8")
    output, failure = limited.compile(folder, "Question", library)
    if failure:
        if failure.outcome == "incorrect" and failure.detail not in TOO_DEAR:
            failure = failure._replace(detail=f"no proof of the statement: {failure.detail}")
        return _blamed(failure, answer, limited)
    if assumed := [name for name in assumptions(output) if not _is_allowed(name, axioms)]:
        return Failure("incorrect", "assumes " + ", ".join(assumed[:5]).replace(f"{library}.", ""))
    return limited.check(folder, library, "Question")


def _head(asked: Statement, library: str) -> str:
    """Return what stands before the completion: the asked type gets its meaning before the completion can change any."""
    return f"{asked.preamble}\nDefinition asked_{library} : Type :=\n{asked.type}\n."


def _blamed(failure: Failure, answer: str, limited: Coq) -> Failure:
    """Return the failure, or why it says nothing of the proof: the statement alone fails too."""
    if failure.outcome != "incorrect":
        return failure
    try:
        problem = _answer_problem(answer, limited)
    except _FaultError as fault:
        return fault.failure
    return Failure("error", f"answer does not compile: {problem}") if problem else failure


class _FaultError(Exception):
    """The machine or Coq failed: what is raised is not cached."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


@lru_cache(maxsize=1024)
def _answer_problem(answer: str, limited: Coq) -> str | None:
    """Say why the statement itself does not compile; null where it does."""
    asked = parse(answer)
    assert asked
    with tempfile.TemporaryDirectory(prefix="curate-coq-") as folder:
        (Path(folder) / "Asked.v").write_text(_head(asked, "Asked"), "utf-8", "replace")
        _, failure = limited.compile(Path(folder), "Asked", "Asked")
    if failure and failure.outcome != "incorrect":
        raise _FaultError(failure)
    return failure.detail if failure else None


def assumptions(output: str) -> list[str]:
    """Return what ``Print Assumptions`` lists: names, or the line itself where it says more than a name; empty = closed."""
    if " ".join(output.split()) == CLOSED:
        return []
    lines = [line for line in output.splitlines() if line[:1].strip()]
    if lines[:1] != ["Axioms:"] or len(lines) == 1:
        return [" ".join(output.split())[:200] or "nothing was printed"]
    return [found[1] if (found := _AXIOM.fullmatch(line)) else line for line in lines[1:]]


def _is_allowed(name: str, axioms: tuple[str, ...]) -> bool:
    return any(axiom == name or axiom.endswith(f".{name}") for axiom in axioms)
