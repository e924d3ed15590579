"""Make test code safe to run beside the program it tests: what the program must find out does not go in with it.

``assert f(2) == 4`` becomes ``_assert_equals(0, f(2))``: the value comes out of the sandbox and is compared with 4 here. Other
asserts are decided inside, by functions that hold on to Python's own comparison (``candidate.py``).
"""

from __future__ import annotations

import ast
import itertools
import json
import marshal
import sys
import warnings
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeGuard

from curate.verifying.programs.test_set import NoTestsError
from curate.verifying.programs.watch import Tests


@dataclass(slots=True)
class Prepared:
    """Test code to run inside, and what its asserts must give.

    ``wanted`` are the values compared out here, by the number of the assert; ``certain`` the asserts that must be met.
    """

    source: str = ""
    n_asserts: int = 0
    wanted: dict[int, Any] = field(default_factory=dict)
    certain: set[int] = field(default_factory=set)
    tested: set[str] = field(default_factory=set)
    imports: set[str] = field(default_factory=set)

    def inside(self) -> Tests:
        """Return what goes into the sandbox."""
        return Tests(self.source, sorted(self.tested), sorted(self.imports))


def prepare(source: str) -> Prepared:
    """Rewrite the asserts of test code; raises NoTestsError where it is no Python or holds none.

    ``test_...`` functions without parameters that nothing calls are called at the end, as pytest does.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # such as of '\\d' in a string
            tree = ast.parse(source)
        tree.body += [ast.parse(f"{name}()").body[0] for name in _uncalled_tests(tree)]
        rewrite = _Rewrite()
        rewrite.visit(tree)
        prepared = rewrite.prepared
        prepared.source = ast.unparse(ast.fix_missing_locations(tree))
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise NoTestsError(f"holds tests that are no Python: {error}"[:200]) from None
    if not prepared.n_asserts:
        raise NoTestsError("holds no assert")
    if missing := sorted(name for name in _imports(tree) if name.partition(".")[0] not in sys.stdlib_module_names):
        raise NoTestsError(f"holds tests that import {missing[0]}: the sandbox has the standard library alone"[:200])
    prepared.certain = _certain(tree)
    prepared.imports = _imports(tree)
    prepared.tested |= {name.id for name in _called(tree).get("check", []) if isinstance(name, ast.Name)}
    return prepared


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
            return number, number not in prepared.wanted
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
    """Return a literal's value in a tuple, as the value may be null; null where the expression is no literal."""
    try:
        return (ast.literal_eval(node),)
    except (ValueError, TypeError):
        return None


def _called(tree: ast.Module) -> dict[str, list[ast.expr]]:
    """Return the functions that statements of the module call by name, with the arguments."""
    return {name: arguments for statement in tree.body for name, arguments in [_call_of(statement)] if name}


def _call_of(statement: ast.stmt) -> tuple[str | None, list[ast.expr]]:
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Name(id=name), args=arguments)):
            return name, arguments
    return None, []


def _uncalled_tests(tree: ast.Module) -> list[str]:
    called = _called(tree)
    return [
        statement.name
        for statement in tree.body
        if isinstance(statement, ast.FunctionDef)
        and statement.name.startswith("test")
        and statement.name not in called
        and not statement.args.args
    ]


def _certain(tree: ast.Module) -> set[int]:
    """Return the asserts that every run to the end meets: of the module, and of functions that it calls, outside any block."""
    called = _called(tree)
    bodies = [tree.body, *(f.body for f in tree.body if isinstance(f, ast.FunctionDef) and f.name in called)]
    found = set()
    for statement in itertools.chain.from_iterable(bodies):
        name, arguments = _call_of(statement)
        if name and name.startswith("_assert_"):
            found.add(ast.literal_eval(arguments[0]))
    return found


def _imports(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names - {"solution"}
