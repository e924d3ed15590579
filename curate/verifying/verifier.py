"""What every verifier is: one function that finds an answer, one that judges it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from curate.records import Verdict

MOST_SECONDS, MOST_MB = 1_000_000, 1_000_000  # that a limit may be: 11 days, 1 TB


@dataclass(frozen=True, slots=True)
class Limits:
    """What one comparison may take before its worker is killed: wall-clock seconds, and memory in MB (10^6 bytes)."""

    seconds: float
    memory_mb: int


def answer_alone(answer: str, reference: str | None) -> str | None:
    """Return the answer as the completion that gives it."""
    return answer


@dataclass(frozen=True, slots=True)
class Verifier:
    """Judge one completion against one answer: ``verifier(completion, answer) -> Verdict``.

    ``extract`` finds the answer a completion gives (null where it gives none). It runs in the process of the job, so it takes
    time and memory linear in the text, whatever the text. ``compare`` judges what was extracted against the right
    answer; samples of a group mostly agree, so each distinct ``(extracted, answer)`` pair is judged once. Neither
    raises on any text. Without ``limits`` ``compare`` is bounded too and runs in the same process; with them it runs in a
    worker process that is killed when it takes more (``pool``). A program or proof with a limit of its own must have been
    stopped by then: that is ``incorrect``, detail ``time_limit``; a killed worker is ``timeout``. A factory imports what
    ``compare`` needs: workers are forked from a process that has called it. What ``compare`` leaves running is killed when
    it returns, but for the children given to ``processes.keep``, which live as long as the worker.

    ``gold`` makes, of a prompt's answer and reference, a completion that must be correct (null where none is known).
    ``places`` names the settings that say where the judge is found, not how it judges: verdicts do not depend on them.
    """

    name: str
    extract: Callable[[str], str | None]
    compare: Callable[[str | None, str], Verdict]
    gold: Callable[[str, str | None], str | None] = answer_alone
    limits: Limits | None = None
    places: frozenset[str] = frozenset()

    def __call__(self, completion: str, answer: str) -> Verdict:
        """Extract, then compare, both in this process and without a limit."""
        return self.compare(self.extract(completion), answer)
