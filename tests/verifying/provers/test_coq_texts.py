"""Reading Coq: the statement that an answer asks, the commands no proof may hold, the axioms that a report lists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.verifying.provers.coq import assumptions
from curate.verifying.provers.coq_commands import forbidden
from curate.verifying.provers.coq_preamble import without_preamble
from curate.verifying.provers.coq_statement import Statement, parse


@pytest.mark.parametrize(
    ("answer", "statement"),
    [
        ("Theorem t : True.", Statement("", "t", "True")),
        ("Lemma t' (a b : nat) {P} : a = b.", Statement("", "t'", "forall (a b : nat) {P}, a = b")),
        ("Theorem t: forall x : nat, x = x.", Statement("", "t", "forall x : nat, x = x")),
        ("Require Import Lia.\nTheorem t :\n  1 = 1.\nProof.", Statement("Require Import Lia.\n", "t", "1 = 1")),
        ("Theorem t : True. Proof. Admitted.", Statement("", "t", "True")),
        (
            "Lemma a : True. Proof. exact I. Qed. Lemma b : False.",
            Statement("Lemma a : True. Proof. exact I. Qed. ", "b", "False"),
        ),
        ("(* Theorem a : False. *) Theorem b : True.", Statement("(* Theorem a : False. *) ", "b", "True")),
        ("Theorem t : let x := 1 in x = 1.", Statement("", "t", "let x := 1 in x = 1")),
        ("Theorem t : Nat.add 1 1 = 2.", Statement("", "t", "Nat.add 1 1 = 2")),
        ("Theorem t (x : nat := 1) : x = 1.", Statement("", "t", "forall (x : nat := 1), x = 1")),
        ("Theorem t : True. Proof. exact I. Qed.", None),
        ("Theorem t : True", None),
        ("Theorem t := I.", None),
        ("Theorem t : .", None),
        ("Theorem : True.", None),
        ("NoTheorem t : True.", None),
        ("forall x, x = x", None),
        ("18", None),
        ("", None),
    ],
)
def test_statement(answer: str, statement: Statement | None) -> None:
    assert parse(answer) == statement


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ('Redirect "x" Print nat.', "Redirect"),
        ("intros. Load foo. Qed.", "Load"),
        ('Qed.\n  Time  Fail Cd "/".', "Cd"),
        ("- { Load foo. }", "Load"),
        ("2: { Load foo. }", "Load"),
        ("[goal]: { all: { Load foo. } }", "Load"),
        ('#[local] Set  Extraction Output Directory "/".', "Set Extraction"),
        ('Global Add Rec LoadPath "/" as x.', "Add Rec LoadPath"),
        ('Declare ML\nModule "x".', "Declare ML Module"),
        ("Timeout 5 Recursive Extraction nat.", "Recursive Extraction"),
        ('Print Sorted Universes "x".', "Print Sorted Universes"),
        ("Reset t. Back 3.", "Reset"),
        ("(* *)Drop.", "Drop"),
        ("Theorem t : True. Proof. Unset Guard\n Checking. exact I. Qed.", "Guard Checking"),
        ("x.Set Positivity (* *) Checking.", "Positivity Checking"),
        ("exact 0 Universe Checking", "Universe Checking"),
        ("#[local, bypass_check(guard)] Fixpoint f := f.", "bypass_check"),
        ("(* Guard Checking *) Definition Checking := my_bypass_check Guard Checking'.", None),
        ("Inductive op := Load | Back | Drop.", None),
        ("(* . Redirect *) exact I.", None),
        ('idtac ". Load x". exact I.', None),
        ("Print nat. Reload. Theorem Load : True.", None),
        ("", None),
    ],
)
def test_forbidden(text: str, command: str | None) -> None:
    assert forbidden(text) == command


@pytest.mark.parametrize(
    ("text", "preamble", "rest"),
    [
        ("Theorem", "", "Theorem"),
        ("Definition a := 0. Theorem", "Definition a := 0. ", " Theorem"),
        ("Definition a\r\n:=  0.\nTheorem", "Definition a := 0.", "\nTheorem"),
        ("(* x. *) Definition a := 0.(* y *) Theorem", "Definition a := 0.", "(* x. *) (* y *) Theorem"),
        ("Require Import A. D. Set B. E. F.", "Import C. D.\nOpen Scope x. E.", "Require Import A.  Set B.  F."),
        ("D.", "D. (* and. *)", ""),
        ('D ". ".', 'D ". ".', ""),
        ('D ".  .".', 'D ". .".', ""),
        ('D "x".', 'D "y".', 'D "x".'),
        ("D. Theorem", "D. E.", "D. Theorem"),
        ("E. D. Theorem", "D. E.", "E. D. Theorem"),
        ("Module M. D. End M.", "D.", "Module M. D. End M."),
        ("Definition D.", "D.", "Definition D."),
        ("D", "D.", "D"),
        ("", "D.", ""),
        ("Importance.", "Importance.", ""),
    ],
)
def test_preamble_that_is_repeated(text: str, preamble: str, rest: str) -> None:
    assert without_preamble(text, preamble) == rest


@pytest.mark.parametrize(
    ("output", "names"),
    [
        ("Closed under the global context\n", []),
        ("Closed under\nthe global\n context\n", []),
        ("Axioms:\nP.t : False\n", ["P.t"]),
        (
            "Axioms:\nP.t\n  : forall x : nat,\n    x = x\nClassical_Prop.classic : forall P : Prop, P \\/ ~ P\n",
            ["P.t", "Classical_Prop.classic"],
        ),
        ("Axioms:\nt is assumed to be guarded.\n", ["t is assumed to be guarded."]),
        (
            "Axioms:\nu relies on an unsafe hierarchy.\nTheory:\nType hierarchy is collapsed (logic is inconsistent)\n",
            ["u relies on an unsafe hierarchy.", "Theory", "Type hierarchy is collapsed (logic is inconsistent)"],
        ),
        ("Axioms:\n", ["Axioms:"]),
        ("x\nClosed under the global context", ["x Closed under the global context"]),
        ("", ["nothing was printed"]),
    ],
)
def test_assumptions(output: str, names: list[str]) -> None:
    assert assumptions(output) == names


PIECES = ["1: ", "all", "Theorem ", "t", " : ", ".", "\n", "(", ")", '"', "(*", "*)", "#[", "Load", "{", "Time "]


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_jumble_is_read(text: str) -> None:
    found = parse(text)
    assert found is None or set(found.name) <= set("tLoad1")
    assert forbidden(text) in (None, "Load")
    assert len(without_preamble(text, "Load.")) <= len(text)


@given(st.text())
def test_only_the_exact_report_is_closed(output: str) -> None:
    assert assumptions(output) != []


@pytest.mark.parametrize("piece", ["#[", "{ ", "Time ", ". ", "(", "Theorem t : ", "x", "Recursive "])
def test_long_texts_are_read(piece: str) -> None:
    text = piece * (500_000 // len(piece))
    assert forbidden(text) is None
    assert parse(text) is None
    assert without_preamble(text, "D.") == text
