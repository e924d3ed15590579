"""`lean` against sessions of its three provers, recorded or documented: what each reply means for a proof."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from curate.errors import ConfigError
from curate.records import Verdict
from curate.verifying import Verifier, get
from fake_lean import FakeKimina, put_lake

ANSWER = "theorem double (x : ℝ) (h₀ : 2 * x = 6) : x = 3 := by\n"
BACKENDS = ["kimina", "repl", "lake"]
Maker = Callable[..., Verifier]


@pytest.fixture
def kimina() -> Iterator[FakeKimina]:
    with FakeKimina() as server:
        yield server


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kimina: FakeKimina) -> Maker:
    """Make the verifier with one of the three provers."""
    program = put_lake(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def made(backend: str, **settings: object) -> Verifier:
        of = {
            "kimina": {"server": kimina.url},
            "repl": {"project": str(tmp_path), "repl": str(program)},
            "lake": {"project": str(tmp_path)},
        }
        return get("lean", {"form": "continuation", **of[backend], **settings})

    return made


def proof(case: str, text: str = "  linarith") -> str:
    return f"{text}; case_{case}\n```\n"


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("case", "outcome", "documented", "recorded"),
    [
        ("ok", "correct", None, None),
        ("ok_without_axioms", "correct", None, None),
        (
            "error",
            "incorrect",
            "linarith failed to find a contradiction case a x : ℝ",
            "unsolved goals a b : Nat ⊢ a + b = b + a",
        ),
        ("sorry", "incorrect", "sorry", "sorry"),
        ("axioms", "incorrect", "assumes Lean.ofReduceBool", "assumes _private._stdin.0.cheat"),
        (
            "weaker",
            "incorrect",
            "type mismatch @double has type",
            "Type mismatch swap has type ∀ (a b : Nat), a + b = a + b but is expected to have type asked",
        ),
        ("nameless", "incorrect", "unknown identifier 'double'", "Unknown identifier `swap`"),
        ("silent", "error", *["prover: it did not report the axioms of the proof"] * 2),
        ("memory", "incorrect", "memory_limit", "memory_limit"),
    ],
)
def test_outcome(
    make: Maker, backend: str, case: str, outcome: str, documented: str | None, recorded: str | None
) -> None:
    verdict = make(backend)(proof(case), ANSWER)
    assert verdict.outcome == outcome
    assert str(verdict.detail).startswith(str(recorded if backend == "lake" else documented))
    assert verdict.extracted == f"  linarith; case_{case}"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_proof_over_its_time_limit_is_incorrect(make: Maker, backend: str) -> None:
    verdict = make(backend, time_limit=1)(proof("timeout"), ANSWER)
    assert (verdict.outcome, verdict.reward, verdict.detail) == ("incorrect", 0.0, "time_limit")


@pytest.mark.parametrize(
    ("backend", "case", "detail"),
    [
        ("kimina", "crash", "lean server: HTTP status 500"),
        ("kimina", "header_timeout", "lean server: Lean REPL header command timed out in 60 seconds"),
        ("kimina", "refused", "prover: Unknown environment."),
        ("repl", "crash", "prover crashed: exit status 139"),
        ("repl", "refused", "prover: Unknown environment."),
        ("lake", "crash", "prover crashed: exit status 137"),
    ],
)
def test_a_failure_of_the_prover_is_an_error(make: Maker, backend: str, case: str, detail: str) -> None:
    verdict = make(backend)(proof(case), ANSWER)
    assert (verdict.outcome, verdict.reward, verdict.detail) == ("error", None, detail)


@pytest.mark.parametrize("backend", ["repl", "lake"])
def test_a_proof_too_deep_for_the_prover_is_over_its_memory(make: Maker, backend: str) -> None:
    assert make(backend)(proof("overflow"), ANSWER).detail == "memory_limit"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_statement_that_cannot_be_read_is_an_error_whatever_the_proof(make: Maker, backend: str) -> None:
    answer = f"-- statement unread_statement\n{ANSWER}"
    verdict = make(backend)(proof("error"), answer)
    said = "Unknown identifier `ℝ`" if backend == "lake" else "unknown identifier 'ℝ'"
    assert (verdict.outcome, verdict.detail) == ("error", f"answer cannot be read: {said}")


@pytest.mark.parametrize("backend", BACKENDS)
def test_after_a_crash_or_a_timeout_the_next_proof_is_judged(make: Maker, backend: str) -> None:
    verifier = make(backend, time_limit=3)
    outcomes = [verifier(proof(case), ANSWER).outcome for case in ("ok", "crash", "ok", "timeout", "ok")]
    assert outcomes == ["correct", "error", "correct", "incorrect", "correct"]


@pytest.mark.parametrize(
    ("completion", "outcome", "detail"),
    [
        ("  linarith", "unparsable", "no closed proof fence"),
        ("", "unparsable", "no closed proof fence"),
        (proof("ok") + "This closes the goal.", "incorrect", "text after the proof"),
        (proof("ok", "  sorry"), "incorrect", "forbidden: sorry"),
        (proof("ok", "  native_decide"), "incorrect", "forbidden: native_decide"),
        (proof("ok", "  run_tac return"), "incorrect", "forbidden: run_tac"),
        (proof("ok", "  linarith\n#exit"), "incorrect", "forbidden: #exit"),
        (proof("ok", "  linarith /- sorry -/"), "correct", None),
    ],
)
def test_what_is_judged_without_the_prover(make: Maker, completion: str, outcome: str, detail: str | None) -> None:
    verdict = make("kimina")(completion, ANSWER)
    assert (verdict.outcome, verdict.detail) == (outcome, detail)


@pytest.mark.parametrize("answer", ["", "18", "theorem t := by", "example : 1 = 1 := by", "theorem t : 1 = 1 := rfl"])
def test_an_answer_that_is_no_statement_is_an_error(make: Maker, answer: str) -> None:
    verdict = make("kimina")(proof("ok"), answer)
    assert (verdict.outcome, verdict.detail) == (
        "error",
        "answer is no Lean statement: write theorem NAME : TYPE := by",
    )


def test_the_statement_is_defined_before_the_proof_and_compared_after_it(make: Maker, kimina: FakeKimina) -> None:
    make("kimina", time_limit=7)(proof("ok", "  linarith -- x = 6 / 2\n "), ANSWER)
    _, body = kimina.bodies
    (code,) = body["codes"]
    assert (set(kimina.paths), body["timeout"], code["custom_id"]) == ({"/verify"}, 7, "proof")
    mark = code["proof"].rsplit("checked_", 1)[1].strip()
    assert code["proof"] == (
        "import Mathlib\nimport Aesop\n\n\nset_option maxHeartbeats 0\n\nopen BigOperators Real Nat Topology Rat\n\n"
        f"def asked_{mark} : Prop :=\n  ∀ (x : ℝ) (h₀ : 2 * x = 6), x = 3\n\n"
        "theorem double (x : ℝ) (h₀ : 2 * x = 6) : x = 3 := by\n  linarith             \n ; case_ok\n\n"
        f"theorem checked_{mark} : asked_{mark} := @double\n"
        f"#guard_expr type_of% @checked_{mark} =~ asked_{mark}\n#print axioms checked_{mark}\n"
    )


def test_an_answer_is_asked_once_without_a_proof_before_its_first_proof(make: Maker, kimina: FakeKimina) -> None:
    verifier = make("kimina")
    for case, n_asked in (("ok", 2), ("error", 3), ("ok", 4)):
        verifier(proof(case), ANSWER)
        assert len(kimina.bodies) == n_asked
    assert kimina.bodies[0]["codes"][0]["proof"] == (
        "import Mathlib\nimport Aesop\n\n\nset_option maxHeartbeats 0\n\nopen BigOperators Real Nat Topology Rat\n\n"
        "def asked_alone : Prop :=\n  ∀ (x : ℝ) (h₀ : 2 * x = 6), x = 3\n\n#check_failure @double\n\n"
        "theorem double (x : ℝ) (h₀ : 2 * x = 6) : x = 3\n:= sorry\n\ntheorem checked_alone : asked_alone := @double\n"
        "#guard_expr type_of% @checked_alone =~ asked_alone\n#print axioms checked_alone\n"
    )


def test_a_statement_whose_name_the_library_has_asks_for_nothing(make: Maker) -> None:
    answer = f"-- statement taken\n{ANSWER.replace('double', 'True.intro')}"
    verdict = make("lake", form="fence")("```lean4\n-- nothing, case_ok\n```", answer)
    assert (verdict.outcome, verdict.detail) == ("error", "answer: the name of its theorem is taken")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("statement", "detail"),
    [("timeout", "answer cannot be read: time_limit"), ("memory", "answer cannot be read: memory_limit")],
)
def test_a_statement_over_the_limits_is_an_error_whatever_the_proof(
    make: Maker, backend: str, statement: str, detail: str
) -> None:
    verdict = make(backend, time_limit=1)(proof("timeout"), f"-- statement {statement}\n{ANSWER}")
    assert (verdict.outcome, verdict.reward, verdict.detail) == ("error", None, detail)


def test_what_a_statement_opens_for_itself_is_open_for_the_asked_type_and_for_the_proof(
    make: Maker, kimina: FakeKimina
) -> None:
    make("kimina")(proof("ok"), f"open Foo in\n@[simp] {ANSWER}")
    sent = kimina.bodies[1]["codes"][0]["proof"]
    assert "\nopen Foo in\ndef asked_" in sent
    assert "\nopen Foo in\n@[simp] theorem double" in sent
    assert sent.count("open Foo in") == 2


@pytest.mark.parametrize("end", ["\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"])
def test_a_comment_ends_where_a_server_ends_the_line(make: Maker, kimina: FakeKimina, end: str) -> None:
    verifier = make("kimina")
    assert verifier(proof("ok", f"  linarith -- x{end}  sorry"), ANSWER).detail == "forbidden: sorry"
    assert verifier(proof("ok", f"  linarith -- x{end}  skip"), ANSWER).outcome == "correct"
    assert "  linarith     \n  skip; case_ok" in kimina.bodies[-1]["codes"][0]["proof"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_lone_surrogate_is_sent_as_a_question_mark(make: Maker, kimina: FakeKimina, backend: str) -> None:
    assert make(backend)(proof("ok", "  linarith \ud800"), f"-- \udfff\n{ANSWER}").outcome == "correct"
    assert backend != "kimina" or "linarith ?; case_ok" in kimina.bodies[-1]["codes"][0]["proof"]


def test_a_fence_holds_the_whole_theorem_with_or_without_the_header(make: Maker, kimina: FakeKimina) -> None:
    text = f"import Mathlib\nopen Real\n\n{ANSWER}  linarith; case_ok"
    verifier = make("kimina", form="fence", header="import Mathlib\n")
    completion = f"By arithmetic.\n```lean4\n{text}\n```"
    assert verifier(completion, f"import Mathlib\nimport Aesop\nopen Real\n{ANSWER}  sorry") == Verdict("correct", text)
    sent = kimina.bodies[1]["codes"][0]["proof"]
    assert sent.startswith("import Mathlib\nimport Aesop\n")
    assert sent.count("import") == 2
    other = verifier(completion.replace("import Mathlib", "import Lake"), ANSWER)
    assert other.detail == "forbidden: import"


def test_a_fence_may_repeat_the_preamble_of_the_answer(make: Maker, kimina: FakeKimina) -> None:
    preamble = 'import Mathlib\nopen Real\nnotation3 "F" => 1\n-- what is asked of\ndef f (x : ℝ) := x + 1\n'
    text = preamble.replace("\n", "\r\n").replace("-- what is asked of", "")
    verifier = make("kimina", form="fence")
    verdict = verifier(f"```lean4\n-- first\n{text}{ANSWER}  linarith; case_ok\n```", f"{preamble}{ANSWER}")
    assert verdict.outcome == "correct"
    assert kimina.bodies[1]["codes"][0]["proof"].count("def f ") == 1
    assert verifier(f"```lean4\n{text}{ANSWER}\n```", ANSWER).detail == "forbidden: notation3"


def test_gold_is_the_reference_in_the_form_of_a_completion(make: Maker) -> None:
    for form, reference in (("continuation", "  linarith; case_ok"), ("fence", f"{ANSWER}  linarith; case_ok")):
        verifier = make("kimina", form=form)
        assert verifier.gold(ANSWER, None) is None
        assert verifier(str(verifier.gold(ANSWER, reference)), ANSWER).outcome == "correct"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "either server = URL"),
        ({"server": "http://127.0.0.1:1", "project": "."}, "either server = URL"),
        ({"server": "localhost:8000"}, "give http://HOST:PORT"),
        ({"project": "/nowhere"}, "is no folder"),
        ({"project": ".", "repl": "/nowhere"}, "is no file"),
        ({"server": "http://127.0.0.1:1", "form": "fences"}, "form"),
        ({"server": "http://127.0.0.1:1", "time_limit": 0}, "time_limit"),
    ],
)
def test_wrong_settings_are_refused(make: Maker, settings: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        get("lean", settings)


def test_without_lake_the_verifier_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="elan"):
        get("lean", {"project": str(tmp_path)})
