"""Runs coqc and coqchk, and says what their end means for a proof."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from curate.verifying.provers import prover
from curate.verifying.provers.prover import Failure

COQC = ("coqc", "-q", "-noglob", "-color", "no", "-w", "-all", "-native-compiler", "no", "-Q", ".", "")
COQCHK = ("coqchk", "-silent", "-bytecode-compiler", "yes", "-Q", ".", "")
ANOMALY = 129  # coqc's exit status where Coq itself is at fault, and coqchk's where it refuses a file
MARGIN_S = 10
TOO_DEAR = ("time_limit", "memory_limit")

_TOO_LARGE = re.compile(
    r"^(?:Error: (?:Out of memory|Stack overflow)\.|Fatal error: .*(?:[Oo]ut.of.memory|Stack_overflow))", re.M
)
# 1 is coqc's exit status for an error of the text, but also for a disk that is full, and that of a bwrap or sh that fails
_SAID = re.compile(
    r'^(?:File "\./\w+\.v", line |Error:\s+(?:There are pending proofs|Unsolved obligations|The (?:section|module)\b))',
    re.M,
)
_REFUSED = re.compile(r"^Fatal Error: (?:Type error|Universe inconsistency)", re.M)


class Coq(NamedTuple):
    """Coq with limits for each file: seconds of CPU, and MB of addresses."""

    time_limit: int
    memory_mb: int

    def compile(self, folder: Path, file: str, library: str) -> tuple[str, Failure | None]:
        """Compile a file of the folder: what was printed, and how it failed, said without the name of the library."""
        command = (*COQC, f"{file}.v")
        ran = prover.run(command, folder, wall_s(self.time_limit), self.time_limit, self.memory_mb)
        return ran.output, None if ran.status == 0 else _failure(ran, library)

    def check(self, folder: Path, *libraries: str) -> Failure | None:
        """Have compiled files checked by ``coqchk``, within twice the limits, the other libraries taken as they are.

        Coq forgets that a definition was made with a check switched off where it ends up in an ``abstract`` lemma or in an
        applied functor, and ``Print Assumptions`` then does not list it (rocq-prover/rocq issues 12155, 20550).
        """
        command = (*COQCHK, *(word for library in libraries for word in ("-norec", library)))
        ran = prover.run(command, folder, wall_s(2 * self.time_limit), 2 * self.time_limit, 2 * self.memory_mb)
        if ran.status == 0:
            return None
        if ran.status is None or ran.is_out_of_time:
            return Failure("timeout", "coqchk did not end in time")
        is_refused = ran.status == ANOMALY and _REFUSED.search(ran.errors)
        return Failure("incorrect" if is_refused else "error", f"coqchk: {prover.complaint(ran.errors)}")


def wall_s(time_limit: int) -> float:
    """Return the seconds after which a run that has not used up its CPU time is given up."""
    return 3 * time_limit + MARGIN_S


def _failure(ran: prover.Ran, library: str) -> Failure:
    """Read the end of a coqc that did not end well."""
    if ran.is_out_of_time:
        return Failure("incorrect", "time_limit")
    if ran.status is None:
        return Failure("timeout", "the machine gave it too little time")
    if ran.status == ANOMALY:
        return Failure("error", f"prover crashed: {prover.complaint(ran.errors)}")
    if _TOO_LARGE.search(ran.errors):
        return Failure("incorrect", "memory_limit")
    if ran.status != 1:
        why = f"signal {ran.status - 128}" if ran.status > 128 else f"exit status {ran.status}"
        return Failure("error", f"prover crashed: {why}")
    said = (
        ran.errors.replace(f"asked_{library}", "asked").replace(f"./{library}.v", "proof.v").replace(f"{library}.", "")
    )
    if not _SAID.search(ran.errors):
        return Failure("error", f"prover failed: {prover.complaint(said)}")
    return Failure("incorrect", prover.complaint(said))
