"""What no Lean proof may hold: gaps, unproven shortcuts, and commands that change the language or run programs.

Lean runs code while it reads a text, and lets a text change how the rest is read. What is refused here is what would let a
proof touch more than its own theorem; the axioms that it rests on are asked for besides.
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
_CONTEXT = ("variable", "include")  # would give what is asked after the text, `theorem checked`, a hypothesis more
_HASHED = (
    *("eval", "exit", "reduce", "print", "check", "check_failure", "check_tactic", "synth", "guard", "guard_msgs"),
    *("guard_expr", "test", "find", "find_home", "lint", "html", "widget", "simp", "conv", "norm_num"),
)
_OPTIONS = re.compile(r"(?:maxHeartbeats|maxRecDepth|autoImplicit|(?:synthInstance|linter|pp)\.[\w.]+)")
_FORBIDDEN = re.compile(
    rf"""(?<![\w'!?])(?:{"|".join(_GAPS + _PROGRAMS + _CONTEXT)}|Lean|set_option)(?![\w'!?])
        |(?<![\w'!?])eval%
        |\#(?:{"|".join(_HASHED)})(?![\w'])
        |[«"]""",
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
    """Return a text without the lines that import what the header imports: imports stand at the top of a file."""
    known = set(_IMPORT.findall(header))
    return _IMPORT.sub(lambda found: "" if found[1] in known else found[0], text)


def forbidden(text: str) -> str | None:
    """Return the first word of a text that is forbidden; null where there is none."""
    code = lean_code(text)
    for found in _FORBIDDEN.finditer(code):
        if found.group() != "set_option":
            return "interpolated string" if found.group() == '"' else found.group()
        option = code[found.end() : found.end() + 100].split(maxsplit=1)
        if not option or not _OPTIONS.fullmatch(option[0]):
            return " ".join(["set_option", *option[:1]])
    return None
