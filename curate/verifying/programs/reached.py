"""Read from test code which of it is surely run, and where the tests themselves end the run."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterable, Iterator

from curate.verifying.programs.test_set import NoTestsError

END = "_end_tests"  # the name that ``candidate.py`` gives to the function that says that the tests came to their end
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_CATCHING = {"AssertionError", "Exception", "BaseException"}
_EXITS = {"exit", "quit", "sys.exit", "os._exit"}


def call_of(statement: ast.stmt) -> tuple[str | None, list[ast.expr]]:
    """Return the name that a statement calls, with the arguments; null where it is no such call."""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Name(id=name), args=arguments)):
            return name, arguments
    return None, []


def called(tree: ast.Module) -> dict[str, list[ast.expr]]:
    """Return the functions that statements of the module call by name, with the arguments."""
    return {name: arguments for statement in tree.body for name, arguments in [call_of(statement)] if name}


def read_names(tree: ast.Module) -> set[str]:
    """Return the names that the tests read, whatever the scope."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def uncalled_tests(tree: ast.Module) -> list[str]:
    """Return the ``test...`` functions that no statement of the module calls, each name once.

    Raises NoTestsError for tests that would be passed over silently: a class of tests, or a function that needs arguments or
    an event loop, whose name the tests never read.
    """
    read = read_names(tree)
    called_by_name = called(tree)
    found: dict[str, None] = {}
    for statement in tree.body:
        match statement:
            case ast.FunctionDef(name=name, args=arguments) if _is_test(statement) and not _required(arguments):
                if name not in called_by_name:
                    found[name] = None
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if _is_test(statement):
                if name not in read:
                    raise NoTestsError(f"holds {name}, which nothing calls: it needs arguments or an event loop"[:200])
            case ast.ClassDef(name=name, body=body) if name not in read and any(map(_is_test, body)):
                raise NoTestsError(f"holds tests in the class {name}: write them as functions"[:200])
    return list(found)


def _is_test(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test")


def _required(arguments: ast.arguments) -> bool:
    n_positional = len(arguments.posonlyargs) + len(arguments.args)
    return n_positional > len(arguments.defaults) or None in arguments.kw_defaults


def certain_asserts(tree: ast.Module) -> set[int]:
    """Return the numbers of the rewritten asserts that every run to the end meets.

    They are those outside any block, of the module and of functions that it calls, before anything that may return or end.
    """
    calls = map(call_of, _run_through(tree))
    return {ast.literal_eval(arguments[0]) for name, arguments in calls if name and name.startswith("_assert_")}


def _run_through(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield the module's statements, and after a call by name those of the function that has the name then."""
    defined: dict[str, ast.FunctionDef] = {}
    for statement in _before_end(tree.body):
        yield statement
        name, _ = call_of(statement)
        if name in defined:
            yield from _before_end(defined[name].body)
            if any(map(_is_end, itertools.chain.from_iterable(map(_own, defined[name].body)))):
                return
        for bound in bound_names(_own(statement)):
            defined.pop(bound, None)
        if isinstance(statement, ast.FunctionDef) and not statement.decorator_list and not _is_generator(statement):
            defined[statement.name] = statement


def _before_end(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    return itertools.takewhile(lambda statement: not any(map(_ends, _own(statement))), body)


def _ends(node: ast.AST) -> bool:
    return isinstance(node, ast.Return) or _is_end(node)


def _is_end(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and call_of(node)[0] == END


def _is_generator(function: ast.FunctionDef) -> bool:
    nodes = itertools.chain.from_iterable(map(_own, function.body))
    return any(isinstance(node, ast.Yield | ast.YieldFrom) for node in nodes)


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and those below it, but not what lies in functions and classes."""
    yield node
    if not isinstance(node, _SCOPES):
        for child in ast.iter_child_nodes(node):
            yield from _own(child)


def bound_names(nodes: Iterable[ast.AST]) -> set[str]:
    """Return the names that nodes bind, whatever the scope: by assignment, ``def``, ``class``, ``import``, ``except``, as a parameter."""
    found = set()
    for node in nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
                found.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                found.add(name)
            case ast.alias(name=name, asname=alias):
                found.add(alias or name.partition(".")[0])
    return found


def end_where_tests_exit(tree: ast.Module) -> None:
    """Let ``sys.exit(0)`` and the like, of the module and of functions that it calls, say that the tests came to their end."""
    names = called(tree)
    functions = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name in names]
    for holder in (tree, *functions):
        _Exits().generic_visit(holder)


class _Exits(ast.NodeTransformer):
    """Replaces statements that end the process without a complaint; what functions and classes hold stays."""

    def visit(self, node: ast.AST) -> ast.AST:
        match node:
            case ast.Expr(value=ast.Call(func=function, args=arguments)) if ast.unparse(function) in _EXITS:
                ends = _no_complaint(arguments)
            case ast.Raise(exc=ast.Name(id="SystemExit")):
                ends = True
            case ast.Raise(exc=ast.Call(func=ast.Name(id="SystemExit"), args=arguments)):
                ends = _no_complaint(arguments)
            case _:
                return node if isinstance(node, _SCOPES) else self.generic_visit(node)
        return ast.copy_location(ast.Expr(ast.Call(ast.Name(END, ast.Load()), [], [])), node) if ends else node


def _no_complaint(arguments: list[ast.expr]) -> bool:
    return all(isinstance(code, ast.Constant) and code.value in (0, None) for code in arguments)


def refuse_caught_asserts(tree: ast.Module) -> None:
    """Raise NoTestsError where the failure of an assert would be caught: here the first that fails ends the run.

    An assert of a constant (``assert False`` behind a call that has to raise) is allowed, as it can only mean a failure, and
    so is a handler that raises again.
    """
    asserting = {each.name for each in tree.body if isinstance(each, ast.FunctionDef) and _asserts(each.body, set())}
    for node in ast.walk(tree):
        match node:
            case ast.Try(body=body, handlers=handlers) | ast.TryStar(body=body, handlers=handlers):
                caught = any(_catches(each.type) and not isinstance(each.body[-1], ast.Raise) for each in handlers)
            case ast.With(body=body, items=items):
                caught = any(map(_suppresses, items))
            case _:
                continue
        if caught and _asserts(body, asserting):
            raise NoTestsError("catches the failure of an assert: the first that fails ends the tests")


def _asserts(body: list[ast.stmt], asserting: set[str]) -> bool:
    for node in itertools.chain.from_iterable(map(_own, body)):
        match node:
            case ast.Assert(test=test) if not isinstance(test, ast.Constant):
                return True
            case ast.Call(func=ast.Name(id=name)) if name in asserting:
                return True
    return False


def _catches(kind: ast.expr | None) -> bool:
    if isinstance(kind, ast.Tuple):
        return any(map(_catches, kind.elts))
    return kind is None or (isinstance(kind, ast.Name) and kind.id in _CATCHING)


def _suppresses(item: ast.withitem) -> bool:
    match item.context_expr:
        case ast.Call(func=ast.Name(id="suppress") | ast.Attribute(attr="suppress" | "assertRaises"), args=kinds):
            return any(map(_catches, kinds))
    return False
