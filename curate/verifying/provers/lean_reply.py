"""What a Lean prover replies, whichever way it is asked, and what its messages say of a proof."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from curate.verifying.provers.prover import Failure

STANDARD_AXIOMS = frozenset({"propext", "Classical.choice", "Quot.sound"})
ERRORS, INFORMATION = ("error",), ("info", "information")

# where the header, or the build of Lean, makes a `module` of every file: says nothing of the proof
_NO_REPORT = "cannot use `#print axioms`"
_USES_SORRY = re.compile(r"declaration uses ['`]sorry['`]")


class Message(NamedTuple):
    """One message of Lean: ``error``, ``warning``, ``info`` (``information`` on the command line) or ``trace``, and its text."""

    severity: str
    text: str


Reply = list[Message] | Failure
# (header, body) -> reply: the header is imports and what may be kept between proofs
Backend = Callable[[str, str], Reply]


def messages(found: Any) -> Reply:
    """Read a list of message objects; a failure where they are none."""
    if found is None:
        return []
    if not isinstance(found, list) or not all(map(_is_message, found)):
        return Failure("error", "prover: its messages could not be read")
    return [Message(each["severity"], each["data"]) for each in found]


def _is_message(found: Any) -> bool:
    return isinstance(found, Mapping) and isinstance(found.get("severity"), str) and isinstance(found.get("data"), str)


def of_repl(reply: Any) -> Reply:
    """Read a reply of the REPL: ``{"env": N, "messages": [...], "sorries": [...]}``, or ``{"message": why it failed}``."""
    if not isinstance(reply, Mapping):
        return Failure("error", "prover: its reply is no JSON object")
    if "message" in reply:
        return Failure("error", f"prover: {one_line(str(reply['message']))}")
    found = messages(reply.get("messages"))
    if reply.get("sorries") and isinstance(found, list):
        found.append(Message("warning", "declaration uses 'sorry'"))
    if found == [] and "env" not in reply and "sorries" not in reply:
        return Failure("error", "prover: its reply holds neither messages nor an environment")
    return found


def judged(found: Iterable[Message], theorem: str) -> tuple[str, str | None]:
    """Return outcome and detail: correct where nothing failed and ``theorem`` rests on the standard axioms alone.

    The axioms are those of the one message that reports on ``theorem``, whose name the proof cannot know.
    """
    found = list(found)
    errors = [message.text for message in found if message.severity in ERRORS]
    for text in errors:
        if not text.startswith(_NO_REPORT):
            return "incorrect", one_line(text)
    if errors:
        return "error", f"prover: {one_line(errors[0])}"
    if any(_USES_SORRY.search(message.text) for message in found):
        return "incorrect", "sorry"
    reports = [
        axioms for m in found if m.severity in INFORMATION and (axioms := axioms_of(m.text, theorem)) is not None
    ]
    if len(reports) != 1:
        return "error", "prover: it did not report the axioms of the proof"
    if others := [axiom for axiom in reports[0] if axiom not in STANDARD_AXIOMS]:
        return "incorrect", "assumes " + ", ".join(others[:5])
    return "correct", None


def axioms_of(text: str, theorem: str) -> list[str] | None:
    """Read what ``#print axioms`` says of a theorem, in whatever namespace; null for any other text."""
    words = " ".join(text.split())
    subject, _, rest = words.partition(" ")
    if not (subject == f"'{theorem}'" or subject.endswith(f".{theorem}'")):
        return None
    if rest == "does not depend on any axioms":
        return []
    listed = re.fullmatch(r"depends on axioms: \[(.*)\]", rest)
    return [name.strip() for name in listed[1].split(",")] if listed else None


def one_line(text: str, most: int = 200) -> str:
    """Return a text on one line of at most ``most`` characters."""
    return " ".join(text.split())[:most]
