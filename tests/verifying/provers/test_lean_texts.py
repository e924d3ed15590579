"""Reading Lean: the statement that an answer asks, and the words that no proof may hold."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.verifying.provers.comments import lean_code
from curate.verifying.provers.lean_commands import forbidden, split_header, without_imports, without_preamble
from curate.verifying.provers.lean_statement import parse


@pytest.mark.parametrize(
    ("answer", "statement"),
    [
        ("theorem t : True := by", ("", "t", "", "True", "theorem t : True := by")),
        ("theorem t : True", ("", "t", "", "True", "theorem t : True")),
        ("lemma t (x : ℝ) : x = x := by\n  sorry", ("", "t", "", "∀ (x : ℝ), x = x", "lemma t (x : ℝ) : x = x := by\n  ")),
        (
            "import Mathlib\nopen Real\n/-- theorem a : b -/\ntheorem A.t' {x : ℝ} (h : x = 1) :\n  x ≤ 1 :=\n",
            ("import Mathlib\nopen Real\n/-- theorem a : b -/\n", "A.t'", "", "∀ {x : ℝ} (h : x = 1), x ≤ 1",
                      "theorem A.t' {x : ℝ} (h : x = 1) :\n  x ≤ 1 :=\n"),
        ),
        ("theorem t.{u} (α : Type u) : α = α := by", ("", "t", ".{u}", "∀ (α : Type u), α = α", "theorem t.{u} (α : Type u) : α = α := by")),
        ("theorem t : let x := 1; x = 1 := by", ("", "t", "", "let x := 1; x = 1", "theorem t : let x := 1; x = 1 := by")),
        ("theorem t : f (n := 1) = {a := 2} := by", ("", "t", "", "f (n := 1) = {a := 2}", "theorem t : f (n := 1) = {a := 2} := by")),
        ("theorem t : ∃ x : ℕ, x = 1 := by", ("", "t", "", "∃ x : ℕ, x = 1", "theorem t : ∃ x : ℕ, x = 1 := by")),
        ("theorem t : 1 = 1 := rfl", None),
        ("theorem t : 1 = 1 := by rfl", None),
        ("theorem t := rfl", None),
        ("theorem t : := by", None),
        ("example : 1 = 1 := by", None),
        ("-- theorem t : True := by", None),
        ("", None),
    ],
)  # fmt: skip
def test_statement(answer: str, statement: tuple[str, ...] | None) -> None:
    found = parse(answer)
    assert (found and found[:5]) == statement


@pytest.mark.parametrize(
    ("answer", "preamble", "scope", "head", "type_"),
    [
        ("theorem t : True := by", "", "", "theorem t : True", "True"),
        ("theorem t : True", "", "", "theorem t : True", "True"),
        ("open A\nopen Foo in\ntheorem t : True := by sorry", "open A\n", "open Foo in\n", "open Foo in\ntheorem t : True", "True"),
        ("open Foo in\nopen Bar in\n@[simp] theorem t : True :=", "", "open Foo in\nopen Bar in\n",
         "open Foo in\nopen Bar in\n@[simp] theorem t : True", "True"),
        ("set_option maxRecDepth 9 in theorem t : True", "", "set_option maxRecDepth 9 in ",
         "set_option maxRecDepth 9 in theorem t : True", "True"),
        ("@[simp]\nprivate theorem t : True := by", "", "", "@[simp]\nprivate theorem t : True", "True"),
        ("theorem t (x : ℝ) -- a number\n  : x = x -- itself\n := by", "", "",
         "theorem t (x : ℝ)            \n  : x = x", "∀ (x : ℝ), x = x"),
        ('theorem t : "--" = "a" := by', "", "", 'theorem t : "--" = "a"', '"--" = "a"'),
    ],
)  # fmt: skip
def test_what_stands_around_a_statement(answer: str, preamble: str, scope: str, head: str, type_: str) -> None:
    found = parse(answer)
    assert found
    assert (found.preamble, found.scope, found.head, found.type) == (preamble, scope, head, type_)
    assert found.text == answer.removeprefix(preamble).removesuffix("sorry")


def test_every_statement_of_minif2f_is_read() -> None:
    import polars as pl

    folder = os.environ.get("CURATE_TEST_DATA")
    if not folder:
        pytest.skip("CURATE_TEST_DATA is not set: it names the folder with minif2f/minif2f_test.parquet")
    rows = pl.read_parquet(Path(folder) / "minif2f" / "minif2f_test.parquet")
    found = [parse(text) for text in rows["theorem_statement"]]
    assert [each.name for each in found if each] == rows["theorem_full_name"].to_list()
    assert len(found) == 244
    for each, text in zip(found, rows["theorem_statement"], strict=True):
        assert each
        assert (each.text, each.preamble) == (text, "")
        assert forbidden(lean_code(text)) is None
        assert bare(f"theorem {each.name}{each.type.removeprefix('∀')} = by") == bare(text)


def bare(text: str) -> str:
    return "".join(each for each in text if each not in " \n:,")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("by sorry", "sorry"),
        ("by admit", "admit"),
        ("exact sorryAx _", "sorryAx"),
        ("by native_decide", "native_decide"),
        ("axiom x : False", "axiom"),
        ('local notation "a" => b', "notation"),
        ("macro_rules | `(x) => `(y)", "macro_rules"),
        ("@[implemented_by f] def g := 1", "implemented_by"),
        ("#eval 1", "#eval"),
        ("#exit", "#exit"),
        ("open Lean Meta in", "Lean"),
        ("exact _root_.Lean.foo", "Lean"),
        ("1.run_cmd skip", "run_cmd"),
        ("set_option debug.skipKernelTC true", "set_option debug.skipKernelTC"),
        ("set_option", "set_option"),
        ("exact eval% 1", "eval%"),
        ("theorem «a--b» : False := by sorry", "«"),
        ('exact s!"{by sorry}"', "sorry"),
        ('exact "sorry"', "sorry"),
        ('have : "a -- b" = "a" := by sorry', "sorry"),
        ("/- -/ sorry", "sorry"),
        ("/- sorry", "sorry"),
        ("0axiom x : False", "axiom"),
        ("0xfaxiom x : False", "axiom"),
        ("1.e5axiom x : False", "axiom"),
        ("x⁻¹macro_rules", "macro_rules"),
        ("(5)!macro_rules", "macro_rules"),
        ("#[0][0]!macro_rules", "macro_rules"),
        ("Cᵒᵖmacro_rules", "macro_rules"),
        ("'a'macro_rules", "macro_rules"),
        ("→oby_elab", "by_elab"),
        ("[MODby_elab", "by_elab"),
        ("𝟙_by_elab", "by_elab"),
        ("Σsorry", "sorry"),
        ("0eval% x", "eval%"),
        ("0set_option debug.skipKernelTC true", "set_option debug.skipKernelTC"),
        ("{x : Int //-1 < x} macro_rules", "macro_rules"),
        ("/-/-/ macro_rules", "macro_rules"),
        ('/-- -- -/\n " -/\nmacro_rules -- "', "macro_rules"),
        ("f 1'\"' macro_rules f 1'\"'", "macro_rules"),
        ('f 1r"\\" macro_rules f 1r"\\"', "macro_rules"),
        ("#evaliff", "#eval"),
        ("#exitx", "#exit"),
        ("variable (t : 1 = 2)\ninclude t", "variable"),
        ("include t", "include"),
        ("variable? [Fact False] => [Fact False]", "variable?"),
        ("set_option maxHeartbeats 400000 in\n  simp", None),
        ("set_option linter.unusedVariables false", None),
        ("set_option exponentiation.threshold 500 in", None),
        ("set_option push_neg.use_distrib true in", None),
        ("-- sorry\n simp /- admit -/", None),
        ("simp [h⁻¹, n !, (n)!, 5!] -- admit", None),
        ("exact ⟨fun h => h.1, by norm_num⟩ /-- macro -/", None),
        ('exact "a -- b"', None),
        ("have h₀ : {x : ℝ // x < 1} := ⟨0, by simp⟩", None),
        ("rw [List.take_prefix, ← h_include]", None),
        ("exact not_sorry.admitted", None),
        ("have sorry' := 1; simp [List.prefix_append]", None),
        ("@[simp] lemma a : #s = 1 := by simp", None),
        ("", None),
    ],
)
def test_forbidden(text: str, word: str | None) -> None:
    assert forbidden(lean_code(text)) == word


def test_imports_are_cut_from_what_follows_and_dropped_where_the_header_has_them() -> None:
    assert split_header("import A\nimport B.C\nopen D\n") == ("import A\nimport B.C", "\nopen D\n")
    assert split_header("open D\n") == ("", "open D\n")
    assert without_imports("import A\nimport E\ntheorem t", "import A\nimport B") == "\nimport E\ntheorem t"
    ours = "import Mathlib.Data.Real.Basic\nimport Aesop\nimport Mathlib\nimport MathlibExtras"
    assert without_imports(ours, "import Mathlib").split() == ["import", "MathlibExtras"]
    assert without_imports(ours, "import Mathlib.Data.Real.Basic").split("\n")[1:] == ours.split("\n")[1:]


@pytest.mark.parametrize(
    ("code", "preamble", "left"),
    [
        ("def f := 1\ntheorem t", "def f := 1\n", "\ntheorem t"),
        ("\n open A\ndef f :=\n  1\n\ntheorem t", "-- f\ndef f := 1\n", "\n open A\n\n\ntheorem t"),
        ("universe  u\nopen A\ntheorem t", "universe u\n\nopen A", "\ntheorem t"),
        ("open A\nopen A\ntheorem t", "open A", "\nopen A\ntheorem t"),
        ("open A B\ntheorem t", "open A", "open A B\ntheorem t"),
        ("open A in\ntheorem t", "open A", "open A in\ntheorem t"),
        ("theorem t", "", "theorem t"),
        ("theorem t", "-- none", "theorem t"),
    ],
)
def test_a_preamble_that_is_repeated_is_cut_out(code: str, preamble: str, left: str) -> None:
    assert without_preamble(code, preamble) == left


PIECES = [
    "theorem ",
    "t",
    " : ",
    ":=",
    " by",
    "\n",
    "(",
    ")",
    "let ",
    "--",
    "/-",
    "-/",
    '"',
    "«",
    "sorry",
    "set_option ",
]


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_jumble_is_read(text: str) -> None:
    found = parse(text)
    assert found is None or (found.name in text and found.text in text)
    assert forbidden(text) is None or "sorry" in text or "«" in text or "set_option" in text


@pytest.mark.parametrize(
    "piece", ["theorem t : ", ": let x ", "(", "open a in ", "@[a", "set_option pp.x ", "/-", "import A\n", "x ", ":="]
)
def test_long_texts_are_read(piece: str) -> None:
    many = piece * (300_000 // len(piece))
    text = "theorem t : " + many
    parse(text)
    parse(f"{many}\n theorem t : True")
    assert forbidden(text) in (None, "import")
    without_imports(text, text)
