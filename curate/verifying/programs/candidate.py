"""Run one candidate program inside the sandbox.

Started as a script by ``sandbox``, for every program anew, so it loads no module that it can do without. Its arguments are
the numbers of ``NUMBERS``, then the modules that the tests import. ``program``, ``control`` and ``tests`` are file descriptors; without tests
(-1) the program is run as a script. It says ``started`` on ``control`` before the program's first line.

With tests: the program is run as the module ``solution``, which says ``loaded``; only then do the tests come, with a
nonce. ``_assert_equals(n, value)`` of the tests sends a value out, to be compared where the program cannot reach; the
other asserts are decided here. The nonce says that the tests came to their end.
"""

from __future__ import annotations

import builtins
import os
import resource
import sys

TYPE_CHECKING = False  # typing takes longer to load than the interpreter
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

NUMBERS = ("program", "control", "tests", "cpu_s", "memory", "file", "processes")
globals()["__builtins__"] = dict(vars(builtins))  # functions below keep these, whatever the program does to the module


def limit(wanted: dict[str, int]) -> None:
    """Set limits that the program and all it starts cannot raise again."""
    for kind, soft, hard in (
        (resource.RLIMIT_CPU, wanted["cpu_s"], wanted["cpu_s"] + 1),
        (resource.RLIMIT_AS, wanted["memory"], wanted["memory"]),
        (resource.RLIMIT_FSIZE, wanted["file"], wanted["file"]),
        (resource.RLIMIT_NPROC, wanted["processes"], wanted["processes"]),
        (resource.RLIMIT_NOFILE, 64, 64),
        (resource.RLIMIT_CORE, 1, 1),  # 0 would still call a handler that core_pattern names
    ):
        most = resource.getrlimit(kind)[1]  # of the process that started this one; it cannot be raised
        known = hard if most == resource.RLIM_INFINITY else min(hard, most)
        resource.setrlimit(kind, (min(soft, known), known))


def whole(descriptor: int) -> bytes:
    """Read a descriptor to its end and close it."""
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read()


class UnplainError(Exception):
    """A value that is not made of Python's own types."""


def plain(value: Any) -> Any:
    """Rebuild a value from its parts by the methods of Python's own types; raises UnplainError for anything else.

    Subclasses lose what they add: a named tuple is a tuple, a Counter a dict, and an ``__eq__`` that is always true is gone.
    A bytearray is bytes.
    """
    kind = type(value)
    if value is None or kind is bool:
        return value
    for base, copy in (
        (int, lambda: int.__add__(value, 0)),
        (float, lambda: float.__add__(value, 0.0)),
        (complex, lambda: complex.__add__(value, 0j)),
        (str, lambda: str.__add__(value, "")),
        (bytes, lambda: bytes.__add__(value, b"")),
        (bytearray, lambda: bytes(bytearray.copy(value))),
        (list, lambda: [plain(part) for part in list.__iter__(value)]),
        (tuple, lambda: tuple([plain(part) for part in tuple.__iter__(value)])),
        (set, lambda: {plain(part) for part in set.__iter__(value)}),
        (frozenset, lambda: frozenset([plain(part) for part in frozenset.__iter__(value)])),
        (dict, lambda: {plain(key): plain(part) for key, part in dict.items(value)}),
        (type({}.keys()), lambda: {plain(part) for part in value}),
        (type({}.items()), lambda: {plain(part) for part in value}),
    ):
        if issubclass(kind, base):
            return copy()
    if kind.__module__ in ("fractions", "decimal"):
        import fractions

        return fractions.Fraction(*value.as_integer_ratio())
    raise UnplainError


def packed(value: Any) -> Any:
    """Return a plain value as JSON: ``[type, text or parts]`` where JSON has no such type."""
    kind = type(value)
    if value is None or kind in (bool, str):
        return value
    if kind is int:
        return ["int", hex(value)]
    if kind is list or kind is tuple or kind is set or kind is frozenset:
        return [kind.__name__, [packed(part) for part in value]]
    if kind is dict:
        return ["dict", [[packed(key), packed(part)] for key, part in value.items()]]
    if kind is float:
        return ["float", value.hex()]
    if kind is complex:
        return ["complex", [value.real.hex(), value.imag.hex()]]
    if kind is bytes:
        return ["bytes", value.hex()]
    return ["fraction", [hex(value.numerator), hex(value.denominator)]]


def comparer() -> Callable[[Any, Any], bool]:
    """Return a function that compares two plain values as Python does, by the methods of its own types alone.

    It knows Counter (what is not counted is 0) and OrderedDict (their order counts), where both values are exactly that.
    """
    from collections import Counter, OrderedDict  # before the program runs, which may replace them

    order = OrderedDict.__iter__

    def same(value: Any, wanted: Any) -> bool:
        kinds = type(value), type(wanted)
        for base in (list, tuple):
            if issubclass(kinds[0], base) and issubclass(kinds[1], base):
                parts, wanted_parts = list(base.__iter__(value)), list(base.__iter__(wanted))
                return len(parts) == len(wanted_parts) and all(map(same, parts, wanted_parts))
        if not (issubclass(kinds[0], dict) and issubclass(kinds[1], dict)):
            return bool(plain(value) == plain(wanted))
        pair = [{plain(key): part for key, part in dict.items(each)} for each in (value, wanted)]
        if kinds == (Counter, Counter):
            pair = [{key: part for key, part in each.items() if plain(part) != 0} for each in pair]
        if kinds == (OrderedDict, OrderedDict):  # a dict's own items do not follow move_to_end
            pair = [{plain(key): dict.get(each, key) for key in order(each)} for each in (value, wanted)]
            if list(pair[0]) != list(pair[1]):
                return False
        if pair[0].keys() != pair[1].keys():
            return False
        return all(same(part, pair[1][key]) for key, part in pair[0].items())

    return same


def judges(say: Callable[[Any], None], leave: Callable[[int], None]) -> dict[str, Callable[..., None]]:
    """Return the functions that the tests call in place of their asserts."""

    same = comparer()

    def fail(number: int) -> None:
        say({"failed": number})
        leave(1)

    def assert_equals(number: int, value: Any) -> None:
        try:
            sent = packed(plain(value))
        except (UnplainError, RecursionError, TypeError, ValueError, OverflowError):
            return fail(number)
        return say({"value": sent, "of": number})

    def assert_same(number: int, value: Any, wanted: Any) -> None:
        try:
            try:
                plain(wanted)
            except UnplainError:
                holds = (type(value) is type(wanted) or type(wanted).__module__ == "solution") and value == wanted
            else:
                holds = same(value, wanted)
        except (UnplainError, RecursionError, TypeError, ValueError, OverflowError):
            return fail(number)
        return say({"held": number}) if holds else fail(number)

    def assert_true(number: int, value: Any) -> None:
        return say({"held": number}) if value else fail(number)

    return {"_assert_equals": assert_equals, "_assert_same": assert_same, "_assert_true": assert_true}


def run_tests(wanted: dict[str, int], imports: list[str], code: Any) -> None:
    """Run the program as a module, then the tests in a copy of its names; never returns."""
    import json

    control, write, leave, dumps = wanted["control"], os.write, os._exit, json.JSONEncoder().encode

    def say(message: Any) -> None:
        rest = memoryview(((message if isinstance(message, str) else dumps(message)) + "\n").encode())
        while rest:
            rest = rest[write(control, rest) :]

    names = ["builtins", "io", "json", "json.decoder", "json.encoder", "os", "sys", *imports]
    modules = {name: sys.modules[name] for name in names if name in sys.modules or _imported(name)}
    before = {name: dict(vars(module)) for name, module in modules.items()}
    solution = _module("solution")
    sys.modules.update({"solution": solution, "__main__": solution})
    functions = judges(say, leave)
    exec(code, vars(solution))  # noqa: S102  (this is the sandbox)
    say("loaded")
    for name, module in modules.items():  # first: reading the tests uses them
        sys.modules[name] = module
        vars(module).update(before[name])
    tests = json.loads(whole(wanted["tests"]))
    shadows = set(before["builtins"]) - set(tests["tested"])
    space = {name: value for name, value in vars(solution).items() if name not in shadows or name.startswith("__")}

    def end_tests() -> None:
        say(tests["nonce"])
        leave(0)

    space |= {"__builtins__": before["builtins"], "_end_tests": end_tests, **functions}
    exec(compile(tests["source"], "tests", "exec", dont_inherit=True), space)  # noqa: S102
    end_tests()


def _module(name: str) -> ModuleType:
    module = type(sys)(name)
    vars(module)["__builtins__"] = builtins
    return module


def _imported(name: str) -> bool:
    try:
        __import__(name)
    except ImportError:
        return False
    return name in sys.modules


def main() -> None:
    """Set the limits, say that it starts, run the program."""
    arguments = sys.argv[1:]
    wanted = dict(zip(NUMBERS, map(int, arguments[: len(NUMBERS)]), strict=False))
    sys.argv[:] = ["program.py"]
    vars(builtins).update(exit=sys.exit, quit=sys.exit)  # what the module site, not loaded here, gives to scripts
    source = whole(wanted["program"])
    limit(wanted)
    os.write(wanted["control"], b"started\n")
    code = compile(source, "program.py", "exec", dont_inherit=True)
    if wanted["tests"] >= 0:
        run_tests(wanted, arguments[len(NUMBERS) :], code)
    os.close(wanted["control"])
    sys.modules["__main__"] = script = _module("__main__")
    exec(code, vars(script))  # noqa: S102


if __name__ == "__main__":
    main()
