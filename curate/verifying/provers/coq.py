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
from curate.verifying.provers import prover
from curate.verifying.provers.coq_commands import forbidden
from curate.verifying.provers.coq_statement import Statement, parse
from curate.verifying.provers.fence import FENCE, TEXT_AFTER, fenced
from curate.verifying.verifier import Limits, Verifier

COQC = ("coqc", "-q", "-noglob", "-color", "no", "-w", "-all", "-native-compiler", "no", "-Q", ".", "")
COQCHK = ("coqchk", "-silent", "-bytecode-compiler", "yes", "-Q", ".", "")
ANOMALY = 129  # coqc's exit status where Coq itself is at fault; an error of the text is 1
CLOSED = "Closed under the global context"
MARGIN_S = 10

_TOO_LARGE = re.compile(
    r"^(?:Error: (?:Out of memory|Stack overflow)\.|Fatal error: .*(?:[Oo]ut.of.memory|Stack_overflow))", re.M
)
_REFUSED = re.compile(r"^Fatal Error: (?:Type error|Universe inconsistency)", re.M)
_AXIOM = re.compile(r"([^\s:]+)(?:\s*:.*)?")


def extract(completion: str) -> str | None:
    """Return the last ``coq`` fence, else the last fence without a language, else the whole text without any fence.

    Null where it is empty or the fence is not closed.
    """
    return fenced(completion, ("coq", "v", "gallina", "rocq"))


def coq(
    time_limit: Annotated[int, Field(ge=1)] = 10,
    memory_mb: Annotated[int, Field(ge=200)] = 2000,
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
        return judge(extracted, answer, time_limit, memory_mb, allowed)

    # two files are compiled and then checked for a verdict, or one more compiled for an answer that is looked at
    wall = 2 * _wall(time_limit) + _wall(2 * time_limit) + MARGIN_S
    return Verifier("coq", extract, compare, gold, Limits(wall, 2 * memory_mb))


def gold(answer: str, reference: str | None) -> str | None:
    """Return the reference proof in a fence; null where the prompt has none."""
    return None if reference is None else f"{FENCE}coq\n{reference}\n{FENCE}"


def judge(extracted: str | None, answer: str, time_limit: int, memory_mb: int, axioms: tuple[str, ...]) -> Verdict:
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
        outcome, detail = _checked(Path(folder), extracted, asked, answer, time_limit, memory_mb, axioms)
    return Verdict(outcome, extracted, detail)  # type: ignore[arg-type]


def _checked(
    folder: Path,
    text: str,
    asked: Statement,
    answer: str,
    time_limit: int,
    memory_mb: int,
    axioms: tuple[str, ...],
) -> tuple[str, str | None]:
    # A text cannot hold its own hash, so it can neither name nor replace what is called by it.
    library = f"Proof_{blake2b(f'{answer}|{text}'.encode(errors='replace'), digest_size=16).hexdigest()}"
    text = text.strip().removeprefix(asked.preamble.strip())
    (folder / f"{library}.v").write_text(f"{_head(asked, library)}\n{text}\n", "utf-8", "replace")
    ran = _compiled(folder, library, time_limit, memory_mb)
    if failure := _failure(ran):
        return failure
    if ran.status != 0:
        problem = _answer_problem(answer, time_limit, memory_mb)
        return ("error", problem) if problem else ("incorrect", _complaint(ran, library))
    question = (
        f"Require {library}.\nDefinition checked : {library}.asked_{library} := @{library}.{asked.name}.\n"
        "Print Assumptions checked.\n"
    )
    (folder / "Question.v").write_text(question, "utf-8")
    ran = _compiled(folder, "Question", time_limit, memory_mb)
    if failure := _failure(ran):
        return failure
    if ran.status != 0:
        return "incorrect", "no proof of the statement: " + _complaint(ran, library)
    if assumed := [name for name in assumptions(ran.output) if not _is_allowed(name, axioms)]:
        return "incorrect", "assumes " + ", ".join(assumed[:5]).replace(f"{library}.", "")
    return _checked_again(folder, library, time_limit, memory_mb)


def _checked_again(folder: Path, library: str, time_limit: int, memory_mb: int) -> tuple[str, str | None]:
    """Have the compiled files checked by ``coqchk``, the libraries they use taken as they are.

    Coq forgets that a definition was made with a check switched off where it ends up in an ``abstract`` lemma or in an
    applied functor, and ``Print Assumptions`` then does not list it (rocq-prover/rocq issues 12155, 20550).
    """
    command = (*COQCHK, "-norec", library, "-norec", "Question")
    ran = prover.run(command, folder, _wall(2 * time_limit), 2 * time_limit, 2 * memory_mb)
    if ran.status == 0:
        return "correct", None
    if ran.status == ANOMALY and _REFUSED.search(ran.errors):
        return "incorrect", f"coqchk: {prover.complaint(ran.errors)}"
    if ran.status is None or ran.is_out_of_time:
        return "timeout", "coqchk did not end in time"
    return "error", f"coqchk: {prover.complaint(ran.errors)}"


def _head(asked: Statement, library: str) -> str:
    """Return what stands before the completion: the asked type gets its meaning before the completion can change any."""
    return f"{asked.preamble}\nDefinition asked_{library} : Type :=\n{asked.type}\n."


def _compiled(folder: Path, library: str, time_limit: int, memory_mb: int) -> prover.Ran:
    return prover.run((*COQC, f"{library}.v"), folder, _wall(time_limit), time_limit, memory_mb)


def _wall(time_limit: int) -> float:
    return 3 * time_limit + MARGIN_S


def _failure(ran: prover.Ran) -> tuple[str, str] | None:
    """Return the verdict on a run that says nothing of the proof but that it is too dear, or that Coq has failed."""
    if ran.is_out_of_time:
        return "incorrect", "time_limit"
    if ran.status is None:
        return "timeout", "the machine gave it too little time"
    if ran.status not in (0, ANOMALY) and _TOO_LARGE.search(ran.errors):
        return "incorrect", "memory_limit"
    if ran.status == ANOMALY:
        return "error", "prover crashed: " + prover.complaint(ran.errors)
    if ran.status not in (0, 1):
        why = f"signal {ran.status - 128}" if ran.status > 128 else f"exit status {ran.status}"
        return "error", f"prover crashed: {why}"
    return None


def _complaint(ran: prover.Ran, library: str) -> str:
    said = ran.errors.replace(f"asked_{library}", "asked").replace(f"./{library}.v", "proof.v")
    return prover.complaint(said.replace(f"{library}.", ""))


@lru_cache(maxsize=1024)
def _answer_problem(answer: str, time_limit: int, memory_mb: int) -> str | None:
    """Say why the statement itself does not compile; null where it does."""
    asked = parse(answer)
    assert asked
    with tempfile.TemporaryDirectory(prefix="curate-coq-") as folder:
        (Path(folder) / "Asked.v").write_text(_head(asked, "Asked"), "utf-8", "replace")
        ran = _compiled(Path(folder), "Asked", time_limit, memory_mb)
    return None if ran.status == 0 else f"answer does not compile: {prover.complaint(ran.errors)}"


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
