"""How often verifiers are wrong on 300 pairs of answers labelled by hand: equal as mathematics, or not.

``docs/verifiers.md`` states these figures. A label says what is true, not what a verifier says: ``50\\%`` is not 50, a metre
is 100 centimetres.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curate.verifying import get
from curate.verifying.numbers import parse_number
from curate.verifying.workers.pool import Pool

PAIRS: list[dict[str, Any]] = [
    json.loads(line)
    for line in Path(__file__).with_name("labelled_pairs.jsonl").read_text(encoding="utf-8").splitlines()
]
DOCS = Path(__file__).parents[2] / "docs" / "verifiers.md"


def rates(outcomes: list[str], pairs: list[dict[str, Any]]) -> tuple[int, int]:
    """Return how many equal pairs are not correct, and how many unequal ones are."""
    judged = list(zip(pairs, outcomes, strict=True))
    missed = sum(pair["equal"] and outcome != "correct" for pair, outcome in judged)
    return missed, sum(not pair["equal"] and outcome == "correct" for pair, outcome in judged)


def test_half_of_the_pairs_are_equal_and_none_comes_twice() -> None:
    assert [pair["equal"] for pair in PAIRS].count(True) == 150
    assert len({(pair["answer"], pair["given"]) for pair in PAIRS}) == len(PAIRS) == 300


@pytest.mark.slow
def test_math() -> None:
    verifier = get("math")
    assert verifier.limits is not None
    pairs = [(verifier.extract(f"\\boxed{{{pair['given']}}}"), pair["answer"]) for pair in PAIRS]
    with Pool("math", {}, verifier.limits) as pool:
        outcomes = [verdict.outcome for verdict, _ in pool.verdicts(pairs)]
    missed, mistaken = rates(outcomes, PAIRS)
    print(f"math: {missed} of 150 equal pairs are not correct, {mistaken} of 150 unequal pairs are")
    assert (missed, mistaken) == (7, 8)
    assert "7 of 150 (4.7 %)" in DOCS.read_text(encoding="utf-8")
    assert "8 of 150 (5.3 %)" in DOCS.read_text(encoding="utf-8")


def test_numeric_is_never_wrong_on_what_it_reads() -> None:
    pairs = [p for p in PAIRS if parse_number(p["answer"]) is not None and parse_number(p["given"]) is not None]
    outcomes = [get("numeric")(pair["given"], pair["answer"]).outcome for pair in pairs]
    assert len(pairs) == 42
    assert rates(outcomes, pairs) == (0, 0)


def test_exact_accepts_no_unequal_pair_and_few_equal_ones() -> None:
    outcomes = [get("exact")(pair["given"], pair["answer"]).outcome for pair in PAIRS]
    missed, mistaken = rates(outcomes, PAIRS)
    print(f"exact: {missed} of 150 equal pairs are not correct, {mistaken} of 150 unequal pairs are")
    assert (missed, mistaken) == (147, 0)
