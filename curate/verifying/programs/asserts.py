"""Make test code safe to run beside the program it tests: what the program must find out does not go in with it.

``assert f(2) == 4`` becomes ``_assert_equals(0, f(2))``: the value comes out of the sandbox and is compared with 4 here. Other
asserts are decided inside, by functions that hold on to Python's own comparison (``candidate.py``).
"""

from __future__ import annotations

import ast
import builtins
import json
import marshal
import sys
import warnings
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeGuard

from curate.verifying.programs.reached import (
    bound_names,
    called,
    certain_asserts,
    end_where_tests_exit,
    read_names,
    refuse_caught_asserts,
    uncalled_tests,
)
from curate.verifying.programs.test_set import NoTestsError
from curate.verifying.programs.watch import Tests


@dataclass(slots=True)
class Prepared:
    """Test code to run inside, and what its asserts must give.

    ``wanted`` are the values compared out here, by the number of the assert; ``certain`` the asserts that must be met;
    ``tested`` the names that are the program's even where Python has them too; ``free`` those that the tests read and do
    not bind.
    """

    source: str = ""
    n_asserts: int = 0
    wanted: dict[int, Any] = field(default_factory=dict)
    certain: set[int] = field(default_factory=set)
    tested: set[str] = field(default_factory=set)
    free: set[str] = field(default_factory=set)
    imports: set[str] = field(default_factory=set)

    def inside(self) -> Tests:
        """Return what goes into the sandbox."""
        return Tests(self.source, sorted(self.tested), sorted(self.imports))

    def nulls(self) -> str:
        """Return a program whose every name is null, as far as the tests can ask for it."""
        names = sorted((self.free - _PYTHONS) | (self.free & self.tested))
        lines = ["def __getattr__(name):", "    if name.startswith('__'): raise AttributeError"]
        return "\n".join([*lines, *(f"{name} = None" for name in names)])


def prepare(source: str, entry_point: str | None = None) -> Prepared:
    """Rewrite the asserts of test code; raises NoTestsError where it is no Python, holds none or cannot be judged by them.

    ``test...`` functions that need no arguments and that nothing calls are called at the end, as pytest does.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # such as of '\\d' in a string
            tree = ast.parse(source)
        return _prepared(tree, entry_point)
    except NoTestsError:
        raise
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise NoTestsError(f"holds tests that are no Python: {error}"[:200]) from None


def _prepared(tree: ast.Module, entry_point: str | None) -> Prepared:
    imports, free = _imports(tree), _free(tree)
    if missing := sorted(name for name in imports if name.partition(".")[0] not in sys.stdlib_module_names):
        raise NoTestsError(f"holds tests that import {missing[0]}: the sandbox has the standard library alone"[:200])
    refuse_caught_asserts(tree)
    tree.body += [ast.parse(f"{name}()").body[0] for name in uncalled_tests(tree)]
    end_where_tests_exit(tree)
    rewrite = _Rewrite()
    rewrite.visit(tree)
    prepared = rewrite.prepared
    if not prepared.n_asserts:
        raise NoTestsError("holds no assert")
    prepared.tested |= {name.id for name in called(tree).get("check", []) if isinstance(name, ast.Name)}
    prepared.tested |= {entry_point} if entry_point else set()
    prepared.tested |= set() if prepared.tested else _tested(tree, free)
    prepared.source = ast.unparse(ast.fix_missing_locations(tree))
    prepared.certain, prepared.free, prepared.imports = certain_asserts(tree), free, imports
    return prepared


def _free(tree: ast.Module) -> set[str]:
    """Return the names that the tests read and do not bind: Python's, and the program's."""
    return read_names(tree) - bound_names(ast.walk(tree))


def _tested(tree: ast.Module, free: set[str]) -> set[str]:
    """Return the function under test where its name is one of Python's: it is the only function that the tests call.

    Raises NoTestsError where they call several, all of Python's: which of them is the program's is not to be guessed.
    """
    if free - _PYTHONS or _reaches_otherwise(tree, free):
        return set()
    calls = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    names = sorted(calls & free)
    if len(names) > 1:
        raise NoTestsError(f"calls {', '.join(names)} and no other function: name the tested one as entry_point"[:200])
    return set(names)


def _reaches_otherwise(tree: ast.Module, free: set[str]) -> bool:
    """Say whether the tests may get at the program by other means than its names."""
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names}
    return bool(modules & {"solution", "importlib", "sys"} or free & {"eval", "exec", "globals", "vars", "__import__"})


def verdict_of(prepared: Prepared, messages: list[bytes], finished: bool) -> tuple[str | None, int]:
    """Return what went wrong in a run of the tests, null where nothing did, and how many asserts were met."""
    met: set[int] = set()
    for line in messages:
        number, held = _held(prepared, line)
        if not held:
            return f"assert {number + 1} of {prepared.n_asserts} failed", len(met)
        met.add(number)
    return (None if finished and prepared.certain <= met else "tests not reached"), len(met)


def _held(prepared: Prepared, line: bytes) -> tuple[int, bool]:
    """Read one message, which the program may have written itself: only a value can hold what a value must."""
    try:
        message = json.loads(line)
        if "failed" in message:
            return int(message["failed"]), False
        if "held" in message:
            number = int(message["held"])
            return number, 0 <= number < prepared.n_asserts and number not in prepared.wanted
        number = int(message["of"])
        wanted = prepared.wanted[number]
        return number, len(line) <= _longest(wanted) and bool(unpacked(message["value"]) == wanted)
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, ArithmeticError):
        return 0, False


def _longest(wanted: Any) -> int:
    """Return a length that no message with an equal value exceeds: what is longer may have been made to be slow to compare."""
    return 1000 + 100 * len(marshal.dumps(wanted, 2))  # of version 2: later ones write what recurs once


def unpacked(value: Any) -> Any:
    """Read a value as ``candidate.packed`` writes it; raises ValueError, TypeError or the like for anything else."""
    if value is None or isinstance(value, bool | str):
        return value
    kind, parts = value
    if kind == "dict":
        return {unpacked(key): unpacked(part) for key, part in parts}
    if kind in _COLLECTIONS:
        return _COLLECTIONS[kind]([unpacked(part) for part in parts])
    if kind == "int":
        return int(parts, 16)
    if kind == "float":
        return float.fromhex(parts)
    if kind == "complex":
        return complex(*map(float.fromhex, parts))
    if kind == "fraction":
        return Fraction(int(parts[0], 16), int(parts[1], 16))
    return bytes.fromhex(parts)


_PYTHONS = {*dir(builtins), "exit", "quit", "__name__"}
_COLLECTIONS: dict[str, Any] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}


class _Rewrite(ast.NodeTransformer):
    """Replaces asserts by calls, numbered in the order of the source."""

    def __init__(self) -> None:
        self.prepared = Prepared()

    def visit_Assert(self, node: ast.Assert) -> list[ast.stmt]:
        tests = node.test.values if _is_and(node.test) else [node.test]
        return [ast.copy_location(self._call(test), node) for test in tests]

    def _call(self, test: ast.expr) -> ast.stmt:
        number = self.prepared.n_asserts
        self.prepared.n_asserts += 1
        match test:
            case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
                for value, wanted in ((left, right), (right, left)):
                    literal = _literal(wanted)
                    if literal:
                        self.prepared.wanted[number] = literal[0]
                        match value:
                            case ast.Call(func=ast.Name(id=name)):
                                self.prepared.tested.add(name)
                        return _say("_assert_equals", number, value)
                return _say("_assert_same", number, left, right)
        return _say("_assert_true", number, test)


def _say(function: str, number: int, *values: ast.expr) -> ast.stmt:
    return ast.Expr(ast.Call(ast.Name(function, ast.Load()), [ast.Constant(number), *values], []))


def _is_and(test: ast.expr) -> TypeGuard[ast.BoolOp]:
    return isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And)


def _literal(node: ast.expr) -> tuple[Any] | None:
    """Return a literal's value in a tuple, as the value may be null; null where the expression is no literal, or holds ``...``."""
    try:
        value = (ast.literal_eval(node),)
    except (ValueError, TypeError):
        return None
    return None if any(isinstance(each, ast.Constant) and each.value is ... for each in ast.walk(node)) else value


def _imports(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names - {"solution"}
