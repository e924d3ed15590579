"""`coq`, with the real prover: the kernel decides, and nothing that a proof says of itself counts."""

import os
import shutil
from pathlib import Path

import pytest

from curate.errors import ConfigError
from curate.records import Verdict
from curate.verifying import get
from curate.verifying.provers import prover

needs_coq = pytest.mark.skipif(shutil.which("coqc") is None, reason="coqc is not installed: apt install coq")

SWAP = "Theorem swap (A B : Prop) : A /\\ B -> B /\\ A.\nProof."
STATED = "Theorem swap (A B : Prop) : A /\\ B -> B /\\ A."
PROOF = "Proof. intros [a b]. split; assumption. Qed."


def fence(text: str) -> str:
    return f"Here is the proof.\n```coq\n{text}\n```"


@needs_coq
@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (f"{STATED}\n{PROOF}", None),
        (
            "Lemma swap : forall A B : Prop, A /\\ B -> B /\\ A. Proof. exact (fun A B h => conj (proj2 h) (proj1 h)). Defined.",
            None,
        ),
        (f"Ltac both := split; assumption.\n{STATED} Proof. intros [a b]. both. Qed.\nPrint nat.", None),
    ],
)
def test_correct(text: str, detail: None) -> None:
    assert get("coq")(fence(text), SWAP) == Verdict("correct", text, detail)


@needs_coq
@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (f"{STATED} Proof. intros h. exact h. Qed.", "In environment"),
        (f"{STATED} Proof. intros [a b]. split; assumption.", "There are pending proofs"),
        (f"{STATED} Proof. Admitted.", "assumes swap"),
        (f"{STATED} Proof. intros. admit. Admitted.", "assumes swap"),
        (f"Axiom any : False. {STATED} Proof. destruct any. Qed.", "assumes any"),
        (f"Declare Module M. {STATED} {PROOF}", "Syntax error"),
        (
            f"Module Type S. Axiom any : False. End S. Declare Module M : S. {STATED} Proof. destruct M.any. Qed.",
            "assumes M.any",
        ),
        (f"Section S. Variable any : False. {STATED} Proof. destruct any. Qed. End S.", "no proof of the statement"),
        (
            f"Unset Guard Checking. Fixpoint f (n : nat) : False := f n. {STATED} Proof. destruct (f 0). Qed.",
            "forbidden command: Guard Checking",
        ),
        (f"Unset Universe Checking. {STATED} {PROOF}", "forbidden command: Universe Checking"),
        (
            "Theorem swap (A B : Prop) : A /\\ B -> B. Proof. intros [a b]. assumption. Qed.",
            "no proof of the statement",
        ),
        (
            "Theorem swap (A B : Prop) (h : B /\\ A) : A /\\ B -> B /\\ A. Proof. trivial. Qed.",
            "no proof of the statement",
        ),
        (
            f"Theorem other (A B : Prop) : A /\\ B -> B /\\ A. {PROOF}",
            "no proof of the statement: The reference swap was not found",
        ),
        (f'Notation "A /\\ B" := (A -> A) : type_scope. {STATED} Proof. trivial. Qed.', "no proof of the statement"),
        (
            "Definition and (A B : Prop) := True. Theorem swap (A B : Prop) : and A B -> and B A. Proof. trivial. Qed.",
            "no proof of the statement",
        ),
        (
            "Definition True' := True. Notation \"'Prop'\" := True'. Theorem swap : True. exact I. Qed.",
            "no proof of the statement",
        ),
        (f"{STATED} {PROOF} End S.", "There is nothing to end"),
        (f"{STATED} {PROOF} Section S.", "The section S needs to be closed."),
        (f"{STATED} {PROOF} Module M.", "The module M needs to be closed."),
        (
            f"{STATED} {PROOF} Require Import Program. Program Definition n : {{n : nat | n < n}} := 1.",
            "Unsolved obligations",
        ),
    ],
)
def test_incorrect(text: str, detail: str) -> None:
    verdict = get("coq")(fence(text), SWAP)
    assert (verdict.outcome, verdict.reward) == ("incorrect", 0.0), verdict
    assert detail in str(verdict.detail)


SEAL = "Module Type T. Parameter swap : forall A B : Prop, A /\\ B -> B /\\ A. End T."
FUNCTOR = f"Module Type T. Axiom any : False. End T. Module F (X : T). {STATED} Proof. destruct X.any. Qed. End F."
QUIET = "#[global] Set Printing All. #[global] Set Printing Width 5. #[global] Set Universe Polymorphism."


@pytest.mark.slow
@needs_coq
@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (f"From Coq Require Import ssreflect. {STATED} Proof. by move=> [a b]; split. Qed.", None),
        (f"From Ltac2 Require Import Ltac2. {STATED} {PROOF}", None),
        (f"From Coq Require Import Program Utf8 List String ZArith Lia Reals Psatz. {STATED} {PROOF}", None),
        (f"{QUIET} {STATED} {PROOF}", None),
        ("Notation swap := (fun (A B : Prop) (h : A /\\ B) => conj (proj2 h) (proj1 h)).", None),
        (f"{QUIET} {STATED} Proof. Admitted.", "assumes swap"),
        ("Notation swap := (fun (A B : Prop) (h : A /\\ B) => h).", "no proof of the statement"),
        (f"{SEAL} Module M : T. {STATED} Admitted. End M. Definition swap := M.swap.", "assumes M.swap"),
        (f"{FUNCTOR} Module M. Axiom any : False. End M. Module N := F M. Definition swap := N.swap.", "assumes M.any"),
        (f"#[bypass_check(guard)] Fixpoint f (n : nat) : False := f n. {STATED} destruct (f 0). Qed.", "forbidden"),
        (
            "Require Import Program. Program Lemma swap (A B : Prop) : A /\\ B -> B /\\ A. Admit Obligations.",
            "There are",
        ),
        (f"(* {STATED} {PROOF}", "Syntax Error: Lexer: Unterminated comment"),
    ],
)
def test_what_proofs_may_use_and_what_hides_nothing(text: str, detail: str | None) -> None:
    verdict = get("coq")(fence(text), SWAP)
    assert verdict.outcome == ("incorrect" if detail else "correct"), verdict
    assert str(verdict.detail).startswith(str(detail))


# Lexed as one token, the notation hides from a search for commands what follows it up to the comment at the end.
HIDE = 'Notation "x |(* y" := (x + y) (at level 40). Check (1 |(* 2).\n'
SHOW = '\n(* "*)" *)'
LOOP = "(fix f (n : nat) : False := f n)"
UNCHECKED = [  # what is false, proved by a check that is switched off where Print Assumptions does not see it
    (
        f"Theorem bad : 0 = 1. Proof. Unset Guard Checking. abstract (exact (False_ind _ ({LOOP} 0))).\n"
        "Set Guard Checking. Qed.",
        "Theorem bad : 0 = 1.",
    ),
    (
        "Module Type T. Parameter Inline t : nat -> False. End T. Module F (S : T). Definition loop := S.t. End F.\n"
        f"Module X. Local Unset Guard Checking. Definition t : nat -> False := {LOOP}. End X. Module M := F X.\n"
        "Theorem bad : 0 = 1. Proof. destruct (M.loop 0). Qed.",
        "Theorem bad : 0 = 1.",
    ),
    (
        "Ltac any := unshelve eexists; [exact_no_check Set | reflexivity]. Unset Universe Checking.\n"
        "#[bypass_check(universes=no)] Lemma bad : exists T : Set, Set = T. Proof. abstract any. Qed.",
        "Theorem bad : exists T : Set, Set = T.",
    ),
]


@needs_coq
@pytest.mark.parametrize(("text", "answer"), UNCHECKED)
def test_a_switched_off_check_is_found_by_its_name_and_by_coqchk(text: str, answer: str) -> None:
    verifier = get("coq")
    named, hidden = verifier(fence(text), answer), verifier(fence(HIDE + text + SHOW), answer)
    assert (named.outcome, hidden.outcome) == ("incorrect", "incorrect")
    assert str(named.detail).startswith("forbidden command: ")
    assert str(hidden.detail).startswith("coqchk: Type error")


@needs_coq
def test_coqchk_computes_as_coqc_does() -> None:
    slow = "Fixpoint slow (n : nat) : nat := match n with O => O | S m => slow m + slow m end."
    answer = f"{slow}\nTheorem t : slow 22 = O."
    verdict = get("coq", {"time_limit": 5})(
        fence("Theorem t : slow 22 = O. Proof. vm_compute. reflexivity. Qed."), answer
    )
    assert verdict.outcome == "correct"


@pytest.mark.parametrize(
    ("script", "outcome", "detail"),
    [
        ("exit 0", "correct", None),
        ("echo 'Fatal Error: Type error: x' >&2; exit 129", "incorrect", "coqchk: Type error: x"),
        ("echo 'Fatal Error: Out of memory' >&2; exit 129", "error", "coqchk: Out of memory"),
        ("echo 'bwrap: no namespace' >&2; exit 1", "error", "coqchk: bwrap: no namespace"),
        ("kill -XCPU $$", "timeout", "coqchk did not end in time"),
        ("kill -SEGV $$", "error", "coqchk: no reason given"),
    ],
)
def test_how_coqchk_ends(coqc, script: str, outcome: str, detail: str | None) -> None:
    coqc("echo Closed under the global context", script)
    verdict = get("coq")(fence(f"{STATED} {PROOF}"), SWAP)
    assert (verdict.outcome, verdict.detail) == (outcome, detail)


@needs_coq
def test_the_preamble_of_the_answer_is_there_whether_the_proof_repeats_it_or_not() -> None:
    preamble = "Open Scope nat_scope.\nInductive color := red | blue."
    answer = f"{preamble}\nTheorem t (c : color) (n : nat) : c = red \\/ c = blue \\/ n <= n."
    proof = "Theorem t (c : color) (n : nat) : c = red \\/ c = blue \\/ n <= n. Proof. destruct c; auto. Qed."
    verifier = get("coq")
    assert verifier(fence(proof), answer).outcome == "correct"
    for repeated in (
        preamble,
        f"{preamble}\n",
        f"Require Import Arith.\n{preamble}",
        f"(* First. *)\n{preamble} (* Then. *)",
        preamble.replace("\n", "\n\n  "),
        preamble.replace("\n", "\r\n"),
        preamble.partition("\n")[2],
    ):
        assert verifier(fence(f"{repeated}\n{proof}"), answer).outcome == "correct", repeated
    other = verifier(fence(f"Inductive color := red | blue | green. {proof}"), answer)
    assert other.outcome == "incorrect"


@needs_coq
def test_axioms_are_allowed_by_their_full_name() -> None:
    answer = "Theorem em (P : Prop) : P \\/ ~ P."
    proof = fence(f"Require Import Classical. {answer} Proof. apply classic. Qed.")
    forged = fence(
        f"Module Classical_Prop. Axiom classic : False. End Classical_Prop. {answer} Proof. destruct Classical_Prop.classic. Qed."
    )
    assert get("coq")(proof, answer).detail == "assumes Classical_Prop.classic"
    allows = get("coq", {"axioms": ["Coq.Logic.Classical_Prop.classic"]})
    assert allows(proof, answer).outcome == "correct"
    assert allows(forged, answer).outcome == "incorrect"


@needs_coq
@pytest.mark.parametrize(
    ("text", "outcome", "detail"),
    [
        (f"{STATED} Proof. Ltac loop := idtac; loop. loop. Qed.", "incorrect", "time_limit"),
        ("Definition x := Eval vm_compute in (Nat.pow 2 28).", "incorrect", "memory_limit"),
        ("Check " + "(" * 200_000 + "0" + ")" * 200_000 + ".", "incorrect", "memory_limit"),
        (
            f"From Ltac2 Require Import Ltac2. {STATED}\n"
            "let c := Constr.Unsafe.make (Constr.Unsafe.Rel 5) in exact $c. Qed.",
            "error",
            'prover crashed: Anomaly "in retyping: unbound local variable."',
        ),
    ],
)
def test_limits_and_crashes(text: str, outcome: str, detail: str | None) -> None:
    memory_mb = 600 if detail == "memory_limit" else 2000
    verdict = get("coq", {"time_limit": 1, "memory_mb": memory_mb})(fence(text), SWAP)
    assert (verdict.outcome, str(verdict.detail)[: len(str(detail))]) == (outcome, str(detail))


@needs_coq
def test_a_message_of_the_proof_is_not_taken_for_a_crash() -> None:
    text = f'{STATED} Proof. fail 1 "Anomaly"; idtac. Qed.'
    assert get("coq")(fence(text), SWAP).outcome == "incorrect"


@needs_coq
@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        ("18", "answer is no Coq statement"),
        ("", "answer is no Coq statement"),
        (
            "Theorem swap : nothing_of_this_name.",
            "answer does not compile: The reference nothing_of_this_name was not found",
        ),
        ("Require Import Nowhere. Theorem swap : True.", "answer does not compile: Cannot find a physical path"),
    ],
)
def test_an_answer_that_is_no_statement_is_an_error(answer: str, detail: str) -> None:
    verdict = get("coq")(fence(f"{STATED} {PROOF}"), answer)
    assert (verdict.outcome, verdict.reward) == ("error", None)
    assert str(verdict.detail).startswith(detail)


@needs_coq
def test_a_statement_in_an_open_section_is_an_error() -> None:
    answer = "Section S.\nVariable A : Type.\nTheorem t : forall x : A, x = x."
    proof = "Theorem t : forall x : A, x = x. Proof. reflexivity. Qed."
    for text in (proof, f"{proof} End S."):
        verdict = get("coq")(fence(text), answer)
        assert (verdict.outcome, verdict.detail) == (
            "error",
            "answer does not compile: The section S needs to be closed.",
        )


SLOW = "Fixpoint slow (n : nat) : nat := match n with 0 => 0 | S m => slow m + slow m end."


@needs_coq
@pytest.mark.parametrize(
    ("preamble", "memory_mb", "detail"),
    [
        (f"{SLOW} Definition big := Eval vm_compute in slow 40.", 2000, "answer does not compile: time_limit"),
        ("Definition big := Eval vm_compute in (Nat.pow 2 28).", 600, "answer does not compile: memory_limit"),
        ("Require Import Reals Psatz.", 200, "answer does not compile: memory_limit"),
    ],
)
def test_a_statement_that_is_over_the_limits_by_itself_is_an_error(preamble: str, memory_mb: int, detail: str) -> None:
    verifier = get("coq", {"time_limit": 1, "memory_mb": memory_mb})
    verdict = verifier(fence("Theorem t : True. Proof. exact I. Qed."), f"{preamble}\nTheorem t : True.")
    assert (verdict.outcome, verdict.reward, verdict.detail) == ("error", None, detail)


@needs_coq
@pytest.mark.parametrize(
    ("completion", "outcome", "detail"),
    [
        (f"```coq\n{STATED} {PROOF}", "unparsable", "no closed proof fence"),
        ("", "unparsable", "no closed proof fence"),
        (fence(f"{STATED} {PROOF}") + "\nDone.", "incorrect", "text after the proof"),
        (fence(f'{STATED} {PROOF} Redirect "x" Print nat.'), "incorrect", "forbidden command: Redirect"),
        (fence("\x00 \ud800 \u202e"), "incorrect", "Syntax Error"),
    ],
)
def test_what_is_no_proof_at_all(completion: str, outcome: str, detail: str) -> None:
    verdict = get("coq")(completion, SWAP)
    assert verdict.outcome == outcome
    assert detail in str(verdict.detail)


@needs_coq
def test_gold_is_the_reference_proof() -> None:
    verifier = get("coq")
    assert verifier.gold(SWAP, None) is None
    assert verifier(str(verifier.gold(SWAP, f"{STATED} {PROOF}")), SWAP).outcome == "correct"


@pytest.fixture
def coqc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put scripts in the place of coqc and coqchk."""

    def put(script: str, coqchk: str = "exit 0") -> None:
        for name, lines in (("coqc", script), ("coqchk", coqchk)):
            (tmp_path / name).write_text(f"#!/bin/sh\n{lines}\n")
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return put


@pytest.mark.parametrize(
    ("script", "detail"),
    [
        ("kill -SEGV $$", "prover crashed: signal 11"),
        ("exit 2", "prover crashed: exit status 2"),
        ("exit 127", "prover crashed: exit status 127"),
        ("exit 1", "prover failed: no reason given"),
        ("echo 'bwrap: no namespace' >&2; exit 1", "prover failed: bwrap: no namespace"),
        ('echo "Error: Can\'t open ./Proof.vo." >&2; exit 1', "prover failed: Can't open ./Proof.vo."),
    ],
)
def test_a_crash_of_the_prover_is_an_error(coqc, script: str, detail: str) -> None:
    coqc(script)
    verdict = get("coq")(fence(f"{STATED} {PROOF}"), SWAP)
    assert (verdict.outcome, verdict.reward, verdict.detail) == ("error", None, detail)


@needs_coq
@pytest.mark.parametrize(
    ("fails", "detail"),
    [("*Proof_*.v*", "prover failed"), ("*Question.v*", "prover failed"), ("*chk*", "coqchk"), ("", None)],
)
def test_a_program_that_does_not_start_says_nothing_of_a_proof(coqc, fails: str, detail: str | None) -> None:
    script = 'case "$0 $*" in {0}) echo "bwrap: Creating new namespace failed" >&2; exit 1;; esac; exec {1} "$@"'
    coqc(*(script.format(fails or "-", shutil.which(program)) for program in ("coqc", "coqchk")))
    verdict = get("coq")(fence(f"{STATED} {PROOF}"), SWAP)
    assert verdict.outcome == ("error" if detail else "correct")
    assert str(verdict.detail).startswith(str(detail))


@needs_coq
def test_a_fault_while_the_answer_is_looked_at_is_forgotten(coqc, tmp_path: Path) -> None:
    script = 'case "$*" in *Asked.v*) {0} ;; esac; exec {1} "$@"'
    faulty, sound = (script.format(does, shutil.which("coqc")) for does in ("exit 1", ":"))
    answer = "Theorem forgotten (A B : Prop) : A /\\ B -> B /\\ A."
    wrong = fence(f"{answer} Proof. exact I. Qed.")
    coqc(faulty)
    assert get("coq")(wrong, answer) == Verdict(
        "error", f"{answer} Proof. exact I. Qed.", "prover failed: no reason given"
    )
    (tmp_path / "coqc").write_text(f"#!/bin/sh\n{sound}\n")
    assert get("coq")(wrong, answer).outcome == "incorrect"


@pytest.mark.parametrize(
    "printed", ["", "Closed under the global context\nAxioms:\nx : False", "x\nClosed under the global context"]
)
def test_only_the_one_report_counts(coqc, printed: str) -> None:
    coqc(f"echo '{printed}'")
    assert get("coq")(fence(f"{STATED} {PROOF}"), SWAP).outcome == "incorrect"


def test_a_bubblewrap_that_is_slow_to_start_is_used(coqc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    coqc("exit 0")
    (tmp_path / "bwrap").write_text("#!/bin/sh\nexec sleep 5\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setattr(prover, "PROBE_S", 0.1)
    prover._can_confine.cache_clear()
    try:
        assert prover.confinement(tmp_path, tmp_path)[:1] == ["bwrap"]
    finally:
        prover._can_confine.cache_clear()


def test_without_coq_the_verifier_says_what_to_install(coqc, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    coqc("exit 0")
    monkeypatch.setenv("PATH", str(tmp_path))
    for program in ("coqchk", "coqc"):
        (tmp_path / program).unlink()
        with pytest.raises(ConfigError, match=f"needs {program},.*apt install coq"):
            get("coq")


@pytest.mark.parametrize("settings", [{"time_limit": 0}, {"memory_mb": 1}, {"axioms": "x"}, {"seconds": 1}])
def test_wrong_settings_are_refused(coqc, settings: dict[str, object]) -> None:
    coqc("exit 0")
    with pytest.raises(ConfigError, match=next(iter(settings))):
        get("coq", settings)
