"""What no Lean proof may hold: gaps, unproven shortcuts, and commands that change the language or run programs.

Lean runs code while it reads a text, and lets a text change how the rest is read. What is refused here is what would let a
proof touch more than its own theorem; the axioms that it rests on are asked for besides. Lean must get the very text that
was searched (``curate.verifying.provers.comments`` takes the comments out first), and a word counts wherever a token of
Lean could begin: what is a letter, or ends a name, differs between Lean's lexer and any other.
"""

from __future__ import annotations

import re

from curate.verifying.provers.comments import lean_code

_GAPS = ("sorry", "sorryAx", "admit", "native_decide", "axiom", "ofReduceBool", "reduceBool", "trustCompiler")
_PROGRAMS = (
    *("unsafe", "implemented_by", "extern", "initialize", "builtin_initialize", "include_str", "polyrith"),
    *("run_cmd", "run_tac", "run_meta", "run_elab", "run_core", "by_elab", "elab", "elab_rules", "simproc", "dsimproc"),
    *("simproc_decl", "dsimproc_decl", "macro", "macro_rules", "syntax", "declare_syntax_cat", "notation", "notation3"),
    *("infix", "infixl", "infixr", "prefix", "postfix", "binder_predicate", "unif_hint", "register_simp_attr"),
    *("register_option", "register_builtin_option", "register_label_attr", "declare_config_elab", "import", "deriving"),
)
_CONTEXT = (
    "variable",
    "variable?",
    "include",
)  # would give what is asked after the text, `theorem checked`, a hypothesis more
_WORDS = (*_GAPS, *_PROGRAMS, *_CONTEXT, "Lean", "set_option")
_HASHED = (
    *("eval", "exit", "reduce", "print", "check", "check_failure", "check_tactic", "synth", "guard", "guard_msgs"),
    *("guard_expr", "test", "find", "find_home", "lint", "html", "widget", "simp", "conv", "norm_num"),
)
_OPTIONS = re.compile(
    r"maxHeartbeats|maxRecDepth|autoImplicit|exponentiation\.threshold|(?:synthInstance|linter|pp|push_neg)\.[\w.]+"
)
# A name begins with a letter, after white space or a mark that is part of no longer token. Other letters and digits begin with the
# end of another token, or may: `0sorry`, `1.e5sorry`, `x⁻¹sorry`, `'a'sorry`, `→osorry`. So may what is glued to `#eval`.
_TOKEN = re.compile(
    rf"""(?:(?P<name>(?<![^\s(),.:;{{}}⟨⟩])(?<![0-9_]\.)[A-Za-z_][A-Za-z0-9_'!?]*)|(?P<part>[A-Za-z0-9_'!?]+))(?P<percent>%?)
        |\#(?:{"|".join(_HASHED)})
        |«""",
    re.VERBOSE,
)
_IMPORT = re.compile(r"^import[ \t]+([\w.]+)[ \t]*\r?$", re.MULTILINE)


def split_header(text: str) -> tuple[str, str]:
    """Cut a text after its last import: what is dear to read and may be kept between proofs, and the rest."""
    last = 0
    for found in _IMPORT.finditer(text):
        last = found.end()
    return text[:last], text[last:]


def without_imports(text: str, header: str) -> str:
    """Return a text without the lines that import what the header imports, all of Mathlib where it imports ``Mathlib``."""
    known = set(_IMPORT.findall(header))
    roots = {"Mathlib", "Aesop"} if "Mathlib" in known else set()  # Mathlib imports Aesop
    return _IMPORT.sub(lambda found: "" if found[1] in known or found[1].partition(".")[0] in roots else found[0], text)


def without_preamble(code: str, preamble: str) -> str:
    """Return a text without the lines that repeat a preamble in it: Lean has read them already; white space may differ."""
    words = lean_code(preamble).split()
    repeated = r"^[ \t]*" + r"\s+".join(map(re.escape, words)) + r"[ \t]*$"
    return re.sub(repeated, "", code, count=1, flags=re.MULTILINE) if words else code


def forbidden(code: str) -> str | None:
    """Return the first word that is forbidden in a text as Lean gets it, its strings included; null where there is none."""
    for found in _TOKEN.finditer(code):
        word = _forbidden_word(found)
        if word == "set_option":
            option = code[found.end() : found.end() + 100].split(maxsplit=1)
            if option and _OPTIONS.fullmatch(option[0]):
                continue
            return " ".join(["set_option", *option[:1]])
        if word:
            return word
    return None


def _forbidden_word(found: re.Match[str]) -> str | None:
    """Return the forbidden word that a name is, that a part of a token ends in, or that stands by itself."""
    name, part = found["name"], found["part"]
    if found["percent"] and (name or part).endswith("eval"):
        return "eval%"
    if name:
        return name if name in _WORDS else None
    return next(filter(part.endswith, _WORDS), None) if part else found.group()
