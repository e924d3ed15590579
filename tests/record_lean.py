"""Record what a Lean replies to the verifier: ``record_lean.py PROJECT SECONDS``, with ``lake`` on the PATH.

Writes ``verifying/provers/lean_sessions/lake.jsonl``. What the verifier would refuse before it asks Lean (``sorry``, ``axiom``, ``#exit``) is
asked all the same. A proof that no Lean ends in SECONDS is its timeout, and a crash is a Lean that SIGKILL ends, as the
kernel does for want of memory. The cases marked ``documented`` are kept as they are. No case needs Mathlib, nor the proof of
a theorem of the library.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from curate.verifying import get
from curate.verifying.provers import lean, prover
from curate.verifying.provers.prover import Ran
from fake_lean import SESSIONS

RUN = prover.run
FILE = SESSIONS / "lake.jsonl"
ANSWER = "theorem swap (a b : Nat) : a + b = b + a := by\n"
LEMMAS = """theorem back {a b : Nat} (h : a = b) : b = a := Eq.rec (motive := fun b _ => b = a) rfl h
theorem join {a b c : Nat} (h : a = b) (k : b = c) : a = c := Eq.rec (motive := fun c _ => a = c) h k
theorem next {a b : Nat} (h : a = b) : a.succ = b.succ := Eq.rec (motive := fun b _ => a.succ = b.succ) rfl h
theorem none_add : (n : Nat) → 0 + n = n
  | 0 => rfl
  | n + 1 => next (none_add n)
theorem next_add (a : Nat) : (b : Nat) → a.succ + b = (a + b).succ
  | 0 => rfl
  | b + 1 => next (next_add a b)
theorem turn (a : Nat) : (b : Nat) → a + b = b + a
  | 0 => back (none_add a)
  | b + 1 => join (next (turn a b)) (back (next_add b a))
"""
AXIOMS = "  have _p := @propext\n  have _s := @Quot.sound.{1}\n  have _c := @Classical.choice.{1}\n"
MANY = " ".join(f"(h{i} : x{i} = 0 ∨ x{i} = 2)" for i in range(30))
SLOW = (
    f"set_option maxHeartbeats 0\ntheorem slow ({' '.join(f'x{i}' for i in range(30))} : Nat) {MANY} : "
    f"{' + '.join(f'x{i}' for i in range(30))} ≠ 31 := by omega\n"
)
TEXTS = {
    "ok": f"{LEMMAS}{ANSWER}{AXIOMS}  exact turn a b",
    "ok_without_axioms": f"{LEMMAS}theorem same (n m : Nat) : n = n := rfl\n{ANSWER}  exact turn a b",
    "error": f"{ANSWER}  skip",
    "sorry": f"{ANSWER}  sorry",
    "axioms": f"axiom cheat (p : Prop) : p\n{ANSWER}  exact cheat _",
    "weaker": "theorem swap (a b : Nat) : a + b = a + b := rfl",
    "nameless": "theorem other (a b : Nat) : a + b = a + b := rfl",
    "silent": f"{LEMMAS}{ANSWER}  exact turn a b\n#exit",
    "timeout": f"{SLOW}{ANSWER}  skip",
}


TAKEN = "theorem True.intro : True := by\n"
UNREAD = "theorem swap (x : ℝ) : x = x := by\n"
KILLED = '#!/bin/sh\n(sleep 5; kill -KILL $$) &\nexec {lake} "$@"\n'


def main(project: str, seconds: int) -> None:
    """Ask a Lean everything and write the file."""
    found: dict[str, dict[str, Any]] = {}
    for case, text in TEXTS.items():
        replies = asked(project, seconds, text, ANSWER)
        found[case] = recorded(case, replies[1], seconds)
        if case == "error":
            found["statement"] = recorded("statement", replies[0], seconds)
    found["taken"] = recorded("taken", asked(project, seconds, "-- nothing", TAKEN)[0], seconds)
    found["unread_statement"] = recorded("unread_statement", asked(project, seconds, UNREAD, UNREAD)[0], seconds)
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "lake"
        program.write_text(KILLED.format(lake=shutil.which("lake")))
        program.chmod(0o755)
        os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"
        found["crash"] = recorded("crash", asked(project, seconds, TEXTS["error"], ANSWER)[0], seconds)
    kept = [case for case in map(json.loads, FILE.read_text("utf-8").splitlines()) if "documented" in case]
    lines = [json.dumps(case, ensure_ascii=False) for case in [*found.values(), *kept]]
    FILE.write_text("\n".join(lines) + "\n", "utf-8")


def asked(project: str, seconds: int, text: str, answer: str) -> list[Ran]:
    """Return how Lean ran each time that the verifier asked it about a proof."""
    ran: list[Ran] = []

    def run(*arguments: Any, **settings: Any) -> Ran:
        ran.append(RUN(*arguments, **settings))
        return ran[-1]

    with mock.patch.object(prover, "run", run), mock.patch.object(lean, "forbidden", return_value=None):
        verdict = get("lean", {"project": project, "header": "", "time_limit": seconds})(
            f"```lean4\n{text}\n```", answer
        )
    print(verdict.outcome, verdict.detail, flush=True)
    return ran


def recorded(case: str, ran: Ran, seconds: int) -> dict[str, Any]:
    """Return a line of the file, without what names this run: the folder of the proof, and the mark of the theorem."""
    whole = json.dumps([json.loads(line) for line in ran.output.splitlines()], ensure_ascii=False)
    whole = re.sub(r'"[^"]*/Proof.lean"', '"Proof.lean"', re.sub(r"(checked|asked)_[0-9a-f]{32}", r"\1_{mark}", whole))
    lines = json.loads(whole)
    if ran.status is None:
        return {"case": case, "lines": lines, "sleep": seconds}
    return {"case": case, "lines": lines, "exit": ran.status, "errors": ran.errors}


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
