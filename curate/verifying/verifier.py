"""What every verifier is: one function that finds an answer, one that judges it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from curate.records import Verdict


@dataclass(frozen=True, slots=True)
class Verifier:
    """Judge one completion against one answer: ``verifier(completion, answer) -> Verdict``.

    ``extract`` finds the answer a completion gives (null where it gives none); ``compare`` judges what was extracted
    against the right answer. Samples of a group mostly agree, so a stage judges each distinct
    ``(extracted, answer)`` pair once. Neither function raises on any text.
    """

    name: str
    extract: Callable[[str], str | None]
    compare: Callable[[str | None, str], Verdict]

    def __call__(self, completion: str, answer: str) -> Verdict:
        """Extract, then compare."""
        return self.compare(self.extract(completion), answer)
