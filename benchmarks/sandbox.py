"""What a sandbox costs: milliseconds per program, against the same Python without one. Run it on a quiet machine.

python benchmarks/sandbox.py [N_PROGRAMS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from curate.errors import ConfigError
from curate.verifying.programs.confined import run
from curate.verifying.programs.sandbox import KINDS, find_sandbox, interpreter
from curate.verifying.programs.watch import Allowed

PROGRAM = "print(int(input()) * 2)"


def median_ms(act: Callable[[], object], n: int) -> float:
    """Return the median milliseconds of ``n`` calls, after one that does not count."""
    act()
    times = []
    for _ in range(n):
        started = time.perf_counter()
        act()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def bare() -> None:
    command = [interpreter(), "-s", "-P", "-S", "-B", "-c", PROGRAM]
    subprocess.run(command, input=b"3\n", capture_output=True, check=True, start_new_session=True)


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    rival = median_ms(bare, n)
    print(f"no sandbox   {rival:6.1f} ms per program (median of {n})")
    for name in KINDS:
        try:
            sandbox = find_sandbox(name)  # type: ignore[arg-type]
        except ConfigError as error:
            print(f"{name:12} not here: {error}")
            continue
        ours = median_ms(lambda sandbox=sandbox: run(sandbox, PROGRAM, Allowed(10.0, 256), "3\n"), n)
        print(f"{name:12} {ours:6.1f} ms per program, {ours / rival:.1f} times as long")


if __name__ == "__main__":
    main()
