"""Write theorems of Coq with known proofs, and a group of scripted samples for each.

    python jobs/coq_theorems.py runs/coq          # theorems.jsonl: prompts; rollouts.jsonl: the samples that jobs/coq.toml judges

Propositional theorems say that a formula implies what steps that hold in intuitionistic logic make of it (``tauto`` proves them),
those of linear arithmetic that an inequality between natural numbers survives a positive combination (``lia``).
The scripted sampler answers each with a proof and with everything that can go wrong. All follows from the seed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

ATOMS = ("A", "B", "C", "D")
OPERATORS = ("/\\", "\\/", "->")
SEED, N_THEOREMS = 5, 8

Formula = str | tuple[str, "Formula", "Formula"]


class Theorem(NamedTuple):
    """A theorem: what must be loaded, its name, binders and type, a weaker type, and the tactic that proves both."""

    domain: str
    preamble: str
    name: str
    binders: str
    type: str
    weaker: str
    tactic: str

    @property
    def statement(self) -> str:
        return f"Theorem {self.name} {self.binders} :\n  {self.type}."


def shown(formula: Formula) -> str:
    return formula if isinstance(formula, str) else f"({shown(formula[1])} {formula[0]} {shown(formula[2])})"


def random_formula(rng: random.Random, depth: int) -> Formula:
    if depth == 0:
        return rng.choice(ATOMS)
    return rng.choice(OPERATORS), random_formula(rng, depth - 1), random_formula(rng, depth - 1)


def step(rng: random.Random, formula: Formula) -> Formula:
    """Return a formula that this one implies: swapped, regrouped, weakened, or with a premise more."""
    extra = rng.choice(ATOMS)
    if isinstance(formula, str) or formula[0] == "->":
        return rng.choice([("\\/", formula, extra), ("\\/", extra, formula), ("->", extra, formula)])
    operator, left, right = formula
    swapped: Formula = (operator, right, left)
    if isinstance(right, tuple) and right[0] == operator:
        return rng.choice([swapped, (operator, (operator, left, right[1]), right[2])])
    if operator == "/\\" and isinstance(right, tuple) and right[0] == "\\/":
        return rng.choice([swapped, ("\\/", ("/\\", left, right[1]), ("/\\", left, right[2]))])
    return rng.choice([swapped, left if operator == "/\\" else swapped, ("->", extra, formula)])


def propositional(rng: random.Random, number: int) -> Theorem:
    first = last = random_formula(rng, 2)
    for _ in range(rng.randint(2, 4)):
        last = step(rng, last)
    binders, weaker = f"({' '.join(ATOMS)} : Prop)", f"{shown(first)} -> {shown(('->', 'A', last))}"
    return Theorem("propositional", "", f"prop_{number}", binders, f"{shown(first)} -> {shown(last)}", weaker, "tauto")


def linear(rng: random.Random, number: int) -> Theorem:
    times, more, left, right = (rng.randint(2, 9) for _ in range(4))
    given = f"x + {left} <= y -> z < {right} * x"
    goal = f"{times} * x + z + {times * left} < {times} * y + {right} * x"
    weaker = f"{times} * x + z < {times} * y + {right} * x + {more}"
    preamble = "Require Import Lia.\n"
    binders = "(x y z : nat)"
    return Theorem("linear", preamble, f"linear_{number}", binders, f"{given} -> {goal}", f"{given} -> {weaker}", "lia")


def proof(theorem: Theorem) -> str:
    return f"{theorem.statement}\nProof.\n  intros. {theorem.tactic}.\nQed."


def by_hand(theorem: Theorem) -> str:
    names = theorem.binders.strip("(").partition(":")[0].strip()
    helper = f"Lemma helper {theorem.binders} : {theorem.type}.\nProof. {theorem.tactic}. Qed."
    return f"{helper}\n{theorem.statement}\nProof. exact (helper {names}). Qed."


def wrong(theorem: Theorem) -> str:
    return f"{theorem.statement}\nProof.\n  intros. exact I.\nQed."


def admitted(theorem: Theorem) -> str:
    return f"{theorem.statement}\nProof.\n  intros.\nAdmitted."


def axiom(theorem: Theorem) -> str:
    return f"Axiom obvious : False.\n{theorem.statement}\nProof.\n  destruct obvious.\nQed."


def weaker(theorem: Theorem) -> str:
    return f"Theorem {theorem.name} {theorem.binders} :\n  {theorem.weaker}.\nProof.\n  intros. {theorem.tactic}.\nQed."


def endless(theorem: Theorem) -> str:
    return f"Ltac search := idtac; search.\n{theorem.statement}\nProof.\n  intros. search.\nQed."


def crash(theorem: Theorem) -> str:
    """Hand the kernel a variable that is bound nowhere: coqc 8.16 ends with an anomaly."""
    term = "let c := Constr.Unsafe.make (Constr.Unsafe.Rel 5) in exact $c"
    return f"From Ltac2 Require Import Ltac2.\n{theorem.statement}\nProof.\n  intros. {term}.\nQed."


KINDS: tuple[Callable[[Theorem], str], ...] = (proof, by_hand, wrong, admitted, axiom, weaker, endless, crash)


def theorems(rng: random.Random, n: int) -> Iterator[Theorem]:
    """Yield theorems, one of each domain in turn."""
    for number in range(n):
        yield (propositional, linear)[number % 2](rng, number)


def asked(theorem: Theorem) -> dict[str, str]:
    """Return the row of a theorem in a file of prompts."""
    text = theorem.preamble + theorem.statement
    return {
        "prompt_id": theorem.name,
        "prompt": f"Prove this theorem of Coq. Answer with the whole text in one fence.\n\n```coq\n{text}\n```\n",
        "answer": text,
        "reference": theorem.preamble + proof(theorem),
        "domain": theorem.domain,
    }


def rollouts(rng: random.Random, some: list[Theorem]) -> Iterator[dict[str, object]]:
    """Yield one group a theorem: a sample of each kind, in an order of its own."""
    for theorem in some:
        kinds = rng.sample(KINDS, len(KINDS))
        for index, kind in enumerate(kinds):
            text = f"```coq\n{theorem.preamble}{kind(theorem)}\n```"
            sample = {"group": theorem.name, "sample_index": index, "completion": text, "policy": "script"}
            yield asked(theorem) | sample | {"finish_reason": "stop"}


def write(path: Path, rows: list[dict[str, object]] | list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    print(f"wrote {len(rows)} rows to {path}", file=sys.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("-n", type=int, default=N_THEOREMS)
    told = parser.parse_args()
    rng = random.Random(SEED)
    some = list(theorems(rng, told.n))
    told.folder.mkdir(parents=True, exist_ok=True)
    write(told.folder / "theorems.jsonl", [asked(theorem) for theorem in some])
    write(told.folder / "rollouts.jsonl", list(rollouts(rng, some)))
