"""`lean` with a real Lean, where one is found: ``lake`` on the PATH and CURATE_LEAN_PROJECT, or CURATE_KIMINA.

CURATE_LEAN_PROJECT is the folder of a built Lake project, CURATE_LEAN_REPL the program of a REPL of the same Lean,
CURATE_KIMINA the address of a Kimina server. The theorems need no Mathlib. A Lean in WebAssembly takes a minute for each.
"""

from __future__ import annotations

import os
import shutil

import pytest

from curate.verifying import get
from record_lean import TEXTS

PROJECT, REPL, KIMINA = (os.environ.get(f"CURATE_{name}") for name in ("LEAN_PROJECT", "LEAN_REPL", "KIMINA"))
HAS_PROJECT = bool(PROJECT and shutil.which("lake"))
ANSWER = "theorem swap (a b : Nat) : a + b = b + a := by\n"
PLACES = [
    pytest.param(
        {"server": KIMINA}, id="kimina", marks=pytest.mark.skipif(not KIMINA, reason="CURATE_KIMINA names no server")
    ),
    pytest.param(
        {"project": PROJECT},
        id="lake",
        marks=pytest.mark.skipif(not HAS_PROJECT, reason="no lake or CURATE_LEAN_PROJECT"),
    ),
    pytest.param(
        {"project": PROJECT, "repl": REPL},
        id="repl",
        marks=pytest.mark.skipif(not (HAS_PROJECT and REPL), reason="no lake, CURATE_LEAN_PROJECT or CURATE_LEAN_REPL"),
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("text", "outcome", "detail"),
    [
        (TEXTS["ok"], "correct", None),
        (f"{ANSWER}  exact Nat.add_comm a b", "correct", None),
        (f"theorem help (n : Nat) : n = n := rfl\n{ANSWER}  omega", "correct", None),
        (f"{ANSWER}  rfl", "incorrect", ""),
        (f"{ANSWER}  skip", "incorrect", "unsolved goals"),
        ("theorem swap (a b : Nat) : a + b = a + b := rfl", "incorrect", ""),
        ("theorem other (a b : Nat) : a + b = b + a := by omega", "incorrect", "nknown"),
        ("variable (h : False)\ninclude h\ntheorem swap (a b : Nat) : a + b = b + a := h.elim", "incorrect", ""),
        ("instance : Add Nat := ⟨fun _ _ => 0⟩\ntheorem swap (a b : Nat) : a + b = b + a := rfl", "incorrect", ""),
        (f"{ANSWER}  sorry", "incorrect", "forbidden: sorry"),
        (f"{ANSWER}  omega\n/-", "incorrect", "unterminated comment"),
        (TEXTS["axioms"], "incorrect", "forbidden: axiom"),
    ],
)  # fmt: skip
def test_the_kernel_decides(place: dict[str, str], text: str, outcome: str, detail: str | None) -> None:
    verdict = get("lean", {**place, "header": "", "time_limit": 300})(f"```lean4\n{text}\n```", ANSWER)
    assert verdict.outcome == outcome, verdict
    assert detail is None or detail in str(verdict.detail)
