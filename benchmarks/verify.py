"""Claim: `math` judges 0.9 x cores x the answers a second of math-verify called in one process, and as it does.

    python benchmarks/verify.py [--n 200000] [--sample 2000] [--rounds 5] [--workers N]

Judges n different pairs of completion and answer (seeded forms: integers, decimals, fractions, percents, surds, polynomials,
intervals, sets, pairs, equations), taking turns between

- ours: ``extract``, then ``Pool`` with one worker a core, on each round's share of the pairs;
- theirs: ``verify(parse(answer), parse(completion))`` with math-verify's own timeouts, in one process, on a sample of them.

Reach: the ratio of the rates at least 0.9 x workers, and the same verdict on every pair of the samples.
Integers and fractions of integers are compared as such by ours and are a bit less than half of these; the rates without
integers are stated apart. math-verify takes 10 to 100 ms an answer: 200,000 are an hour on two cores, so try a smaller --n
first. Then the same with repeats as groups have them, 32 samples that give few distinct answers: what comparing
each distinct pair once adds.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from itertools import islice
from typing import NamedTuple

import math_verify
from tqdm import tqdm

from curate.verifying import get
from curate.verifying.workers.pool import Pool, n_cores

GROUP = 32
REACH = 0.9  # of the ideal, the rate of one process times the workers


class Asked(NamedTuple):
    """A completion, the answer it is judged by, and whether both state plain integers."""

    completion: str
    answer: str
    is_integer: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=200_000, help="different pairs")
    parser.add_argument("--sample", type=int, default=2_000, help="pairs a round that math-verify judges")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=n_cores())
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(
        f"math-verify {version('math-verify')}, sympy {version('sympy')}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores, {options.workers} workers, {options.n:,} different pairs, {options.rounds} rounds"
    )
    asked = list(islice(different(options.seed), options.n))
    verifier = get("math")
    assert verifier.limits is not None
    with Pool("math", {}, verifier.limits, options.workers) as pool:
        judge = Judge(pool)
        judge(asked[:1])
        rate = taking_turns("all forms", shares(asked, options.rounds), judge, options)
        others = [each for each in islice(different(options.seed + 1), options.n // 4) if not each.is_integer]
        taking_turns("without integers", shares(others, options.rounds), judge, options)
        repeats(judge, rate, options.n, options.seed + 2)


class Judge:
    """Our side: extraction in this process, comparison in the pool."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.extract = get("math").extract

    def __call__(self, asked: Sequence[Asked]) -> list[bool]:
        pairs = ((self.extract(each.completion), each.answer) for each in asked)
        return [verdict.outcome == "correct" for verdict, _ in self.pool.verdicts(pairs)]


def theirs(asked: Sequence[Asked]) -> list[bool]:
    return [
        bool(math_verify.verify(math_verify.parse(f"$\\boxed{{{each.answer}}}$"), math_verify.parse(each.completion)))
        for each in asked
    ]


def timed(judge: Callable[[Sequence[Asked]], list[bool]], asked: Sequence[Asked]) -> tuple[list[bool], float]:
    started = time.perf_counter()
    verdicts = judge(asked)
    return verdicts, len(asked) / (time.perf_counter() - started)


def shares(asked: Sequence[Asked], n: int) -> list[Sequence[Asked]]:
    return [asked[turn::n] for turn in range(n)]


def taking_turns(name: str, rounds: list[Sequence[Asked]], judge: Judge, options: argparse.Namespace) -> float:
    """Print both rates and their ratio, and return ours: answers a second, the median over the rounds."""
    ours_rates, theirs_rates, n_other, n_compared = [], [], 0, 0
    for turn, share in enumerate(tqdm(rounds, name, unit="round")):
        sample = share[: options.sample]
        sides = {"ours": lambda share=share: timed(judge, share), "theirs": lambda sample=sample: timed(theirs, sample)}
        found = {side: sides[side]() for side in (sides if turn % 2 else reversed(sides))}
        ours_rates.append(found["ours"][1])
        theirs_rates.append(found["theirs"][1])
        n_other += sum(a != b for a, b in zip(found["ours"][0], found["theirs"][0], strict=False))
        n_compared += len(sample)
    ratios = [ours / theirs for ours, theirs in zip(ours_rates, theirs_rates, strict=True)]
    ratio, ideal = statistics.median(ratios), options.workers
    print(f"{name}: {sum(map(len, rounds)):,} pairs")
    for side, rates in (("ours", ours_rates), ("theirs", theirs_rates)):
        print(f"  {side:6} {statistics.median(rates):8,.0f} answers/s ({min(rates):,.0f} .. {max(rates):,.0f})")
    print(
        f"  ours / theirs {ratio:.2f} ({min(ratios):.2f} .. {max(ratios):.2f}), {ratio / ideal:.2f} of {ideal} workers x theirs; "
        f"{verdict(ratio >= REACH * ideal)} {REACH:.2f}"
    )
    print(f"  other verdicts: {n_other} of {n_compared:,}; {verdict(n_other == 0)} 0")
    return statistics.median(ours_rates)


def repeats(judge: Judge, unique_rate: float, n: int, seed: int) -> None:
    """Print the rate on groups whose samples agree as real ones do, over the rate on different pairs."""
    asked = list(islice(groups(seed), n))
    before = judge.pool.n_compared
    _, rate = timed(judge, asked)
    n_compared = judge.pool.n_compared - before
    print(
        f"groups of {GROUP}: {len(asked):,} samples, {n_compared:,} different pairs: {rate:,.0f} samples/s, "
        f"{rate / unique_rate:.1f} times the rate on different pairs (comparing all {len(asked) / n_compared:.1f} times)"
    )


def verdict(is_reached: bool) -> str:
    return "within" if is_reached else "NOT within"


# The pairs


def different(seed: int) -> Iterator[Asked]:
    """Yield pairs of which no two have the same stated answer and answer; about half state the right one."""
    rng = random.Random(seed)
    seen: set[tuple[str, str]] = set()
    while True:
        form = rng.choice([integer, integer, integer, decimal, fraction, percent, surd, polynomial, several, equation])
        right, other = form(rng)
        stated = right if rng.random() < 0.5 else other
        answer = right if rng.random() < 0.5 else form_again(rng, right)
        if (stated, answer) not in seen:
            seen.add((stated, answer))
            yield Asked(f"We work it out, and so the answer is $\\boxed{{{stated}}}$.", answer, form is integer)


def form_again(rng: random.Random, right: str) -> str:
    """Return the answer written with other spaces, which is another pair of the same mathematics."""
    return right.replace(" ", "  ") if rng.random() < 0.5 else right


def groups(seed: int) -> Iterator[Asked]:
    """Yield groups of 32 samples that state up to eight answers, the first ones most often."""
    rng, pairs = random.Random(seed), different(seed)
    while True:
        few = list(islice(pairs, rng.randint(1, 8)))
        weights = [1 / (place + 1) ** 2 for place in range(len(few))]
        for each in rng.choices(few, weights, k=GROUP):
            yield each._replace(answer=few[0].answer)


def integer(rng: random.Random) -> tuple[str, str]:
    n = rng.randint(-(10**7), 10**7)
    return str(n), str(n + rng.choice([-1, 1, 10]))


def decimal(rng: random.Random) -> tuple[str, str]:
    n = rng.randint(1, 10**7)
    return f"{n / 1000:.3f}", f"{n / 100:.2f}"


def fraction(rng: random.Random) -> tuple[str, str]:
    a, b = rng.randint(1, 5000), rng.randint(2, 5000)
    return f"\\frac{{{a}}}{{{b}}}", f"{b}/{a}"


def percent(rng: random.Random) -> tuple[str, str]:
    n = rng.randint(1, 10**6)
    return f"{n / 1000:.3f}\\%", f"{n / 100:.2f}\\%"


def surd(rng: random.Random) -> tuple[str, str]:
    a, b = rng.randint(2, 3000), rng.choice([2, 3, 5, 6, 7, 10, 11, 13])
    return f"{a}\\sqrt{{{b}}}", f"\\sqrt{{{a * b}}}"


def polynomial(rng: random.Random) -> tuple[str, str]:
    a, b, c = (rng.randint(1, 400) for _ in range(3))
    return f"{a}x^2 + {b}x + {c}", f"{a}x^2 - {b}x + {c}"


def several(rng: random.Random) -> tuple[str, str]:
    a, b = sorted(rng.sample(range(-3000, 3000), 2))
    brackets = rng.choice(["[%s, %s)", "(%s, %s)", "\\{%s, %s\\}", "%s, %s"])
    return brackets % (a, b), brackets % (a, b + 1)


def equation(rng: random.Random) -> tuple[str, str]:
    a, b = rng.randint(2, 3000), rng.randint(1, 3000)
    return f"y = {a}x + {b}", f"y = {b}x + {a}"


if __name__ == "__main__":
    main()
