"""The `code` verifier: a Python program against stdin/stdout tests or asserts, in a sandbox."""

from __future__ import annotations

import time
from functools import partial
from typing import Annotated

from pydantic import Field

from curate.errors import VerifierError
from curate.records import Verdict
from curate.verifying.programs.asserts import Prepared, prepare, verdict_of
from curate.verifying.programs.confined import fault, run
from curate.verifying.programs.output import same_output
from curate.verifying.programs.program import last_program
from curate.verifying.programs.sandbox import Kind, Sandbox, find_sandbox
from curate.verifying.programs.test_set import NoTestsError, TestSet, read_test_set
from curate.verifying.programs.watch import Allowed, Ran
from curate.verifying.verifier import MOST_MB, MOST_SECONDS, Limits, Verifier

MAX_CHARS = 1_000_000
LEAST_MB = 64  # for the interpreter itself
_SPARE_S, _SPARE_MB = 30.0, 1_000  # of the worker: the sandbox's start, and what reading tests and output takes


def gold(answer: str, reference: str | None) -> str | None:
    """Return the reference solution in a fence; null where there is none."""
    if reference is None or last_program(reference) is None or "```" in reference:
        return reference
    return f"```python\n{reference}\n```"


def compare(sandbox: Sandbox, ceiling: Allowed, time_limit: float, extracted: str | None, answer: str) -> Verdict:
    """Run the program against the tests that the answer holds, up to the first that fails.

    ``incorrect`` is every failing of the program: wrong output, an exception, an exit code but 0, ``time_limit``,
    ``memory_limit``, ``output_limit``, an end before the tests were. ``error`` is an answer without readable tests or with limits
    above the verifier's, a sandbox that does not start, and a machine that runs out of memory; ``timeout`` is tests that
    together take more than ``total_seconds``.
    """
    try:
        tests = read_test_set(answer)
        allowed = _allowed(tests, ceiling, time_limit)
        if extracted is None:
            return Verdict("unparsable", detail="no program")
        if len(extracted) > MAX_CHARS:
            return Verdict("incorrect", extracted, f"program of more than {MAX_CHARS} characters")
        if tests.source is not None:
            return _assert(sandbox, extracted, tests, allowed)
        return _feed(sandbox, extracted, tests, allowed, ceiling.seconds)
    except NoTestsError as problem:
        return Verdict("error", extracted, f"answer {problem}")
    except VerifierError as problem:
        return Verdict("error", extracted, str(problem))


def _allowed(tests: TestSet, ceiling: Allowed, time_limit: float) -> Allowed:
    seconds = tests.time_limit or time_limit
    memory_mb = ceiling.memory_mb if tests.memory_mb is None else tests.memory_mb
    if seconds > ceiling.seconds:
        raise NoTestsError(f"allows {seconds:g} s: give --set total_seconds={seconds:g}")
    if memory_mb < LEAST_MB:
        raise NoTestsError(f"allows {memory_mb} MB: no program runs in less than {LEAST_MB}")
    if memory_mb > ceiling.memory_mb:
        raise NoTestsError(f"allows {memory_mb} MB: give --set memory_mb={memory_mb}")
    return Allowed(seconds, memory_mb)


def _feed(sandbox: Sandbox, program: str, tests: TestSet, allowed: Allowed, total_seconds: float) -> Verdict:
    """Run the program once for each input; the outputs are compared here, never shown to it."""
    started = time.monotonic()
    n = len(tests.pairs)
    for number, (given, wanted) in enumerate(tests.pairs, 1):
        ran = run(sandbox, program, allowed, given)
        problem = fault(ran)
        if problem:
            return Verdict("incorrect", program, problem)
        if not same_output(ran.stdout, wanted, tests.tolerance):
            return Verdict("incorrect", program, f"test {number} of {n}: wrong output")
        if number < n and time.monotonic() - started > total_seconds:
            return Verdict("timeout", program, f"{number} of {n} tests passed in {total_seconds:g} s")
    return Verdict("correct", program)


def _assert(sandbox: Sandbox, program: str, tests: TestSet, allowed: Allowed) -> Verdict:
    """Run the program as a module, then the tests beside it."""
    prepared = prepare(tests.source or "", tests.entry_point)
    ran = run(sandbox, program, allowed, tests=prepared.inside())
    problem, n_met = verdict_of(prepared, ran.messages, ran.finished)
    if problem is None and n_met == 0:
        if _meet_nothing(sandbox, prepared, allowed):
            return Verdict("error", program, "answer holds tests that met no assert")
        problem = "tests not reached"
    return Verdict("incorrect" if problem else "correct", program, _detail(ran, problem))


def _meet_nothing(sandbox: Sandbox, prepared: Prepared, allowed: Allowed) -> bool:
    """Say whether the tests end without an assert even beside a program in which every name is null.

    Then it is their fault. If not the program had a part in it, perhaps only by claiming that the tests came to their end.
    """
    ran = run(sandbox, prepared.nulls(), allowed, tests=prepared.inside())
    return ran.finished and not ran.messages


def _detail(ran: Ran, problem: str | None) -> str | None:
    """Prefer what stopped the program to what its tests last said of it."""
    if problem is None or ran.stopped:
        return ran.stopped
    return problem if problem.startswith("assert") else fault(ran) or problem


def code(
    time_limit: Annotated[float, Field(gt=0, le=MOST_SECONDS, allow_inf_nan=False)] = 10.0,
    memory_mb: Annotated[int, Field(ge=LEAST_MB, le=MOST_MB)] = 1024,
    total_seconds: Annotated[float, Field(gt=0, le=MOST_SECONDS, allow_inf_nan=False)] = 120.0,
    sandbox: Kind = "auto",
) -> Verifier:
    """Run the last Python fence of the completion against the answer's tests (JSON), in a sandbox.

    time_limit: seconds for one test, or for all asserts, where the answer states none.
    memory_mb: megabytes for the program and what it starts, and the most an answer may allow.
    total_seconds: seconds for all tests of one program; over it the verdict is timeout.
    sandbox: auto, bubblewrap or namespaces; auto takes the first that holds on this machine.
    """
    ceiling = Allowed(max(total_seconds, time_limit), memory_mb)
    return Verifier(
        "code",
        last_program,
        partial(compare, find_sandbox(sandbox), ceiling, time_limit),
        gold,
        Limits(ceiling.seconds * 2 + _SPARE_S, memory_mb + _SPARE_MB),
    )
