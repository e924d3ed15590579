"""The code verifier: what is run, what the tests say, and what a prompt's answer may look like."""

from __future__ import annotations

import json
from typing import Any

import pytest

from curate.errors import ConfigError
from curate.verifying import Verifier, get
from curate.verifying.programs.asserts import prepare, verdict_of
from curate.verifying.programs.code import gold
from curate.verifying.programs.output import same_output
from curate.verifying.programs.program import last_program
from curate.verifying.programs.test_set import NoTestsError, read_test_set


@pytest.fixture(scope="module")
def code() -> Verifier:
    try:
        return get("code", {"time_limit": 5})
    except ConfigError as error:
        pytest.skip(str(error))


def judged(code: Verifier, program: str, **answer: Any) -> tuple[str, str | None]:
    verdict = code.compare(program, json.dumps(answer))
    return verdict.outcome, verdict.detail


# ---


@pytest.mark.parametrize(
    ("completion", "program"),
    [
        ("print(1)", "print(1)"),
        ("So:\n```python\nprint(1)\n```\nDone.", "print(1)"),
        ("```python\nfirst\n```\n```py\nlast\n```\n```\noutput\n```", "last"),
        ("```\nfirst\n```\nthen\n```\nlast\n```", "last"),
        ("```Python3 title=x\na\n\n  b\n```", "a\n\n  b"),
        ("  ```python\n  indented\n  ```", "indented"),
        (
            '1. So:\n   ```python\n   def f():\n       s = """\n x"""\n\n       return s\n   ```',
            'def f():\n    s = """\nx"""\n\n    return s',
        ),
        ("\t```python\n\tif x:\n\t\ty\n\t```", "if x:\n\ty"),
        ("   ```python\nif x:\n  y\n   ```", "if x:\n  y"),
        ("~~~python\nprint(1)\n```\n~~~~", "print(1)\n```"),
        ("```python\nprint(1)\n~~~\n```", "print(1)\n~~~"),
        ("~~~python\nprint(1)\n```", None),
        ("Title\n~~~~~\n```python\nprint(1)\n```", "print(1)"),
        ('"""\nTitle\n~~~~~\n"""\nprint(1)', '"""\nTitle\n~~~~~\n"""\nprint(1)'),
        ("````python\ns = '''\n```\n'''\n````", "s = '''\n```\n'''"),
        ("```c\nint main;\n```", "int main;"),
        ("```python\nprint(1)\n```\n```python\nprint(2", None),
        ("```python\nprint(1)", None),
        ("```python\n \n```", None),
        ("```inline``` code", "```inline``` code"),
        ("", None),
        (" \n", None),
    ],
)
def test_the_program_is_the_last_python_fence(completion: str, program: str | None) -> None:
    assert last_program(completion) == program


def test_the_gold_completion_is_the_reference_in_a_fence() -> None:
    assert gold("{}", "print(1)") == "```python\nprint(1)\n```"
    assert gold("{}", "Like this:\n```python\nprint(1)\n```") == "Like this:\n```python\nprint(1)\n```"
    assert gold("{}", None) is None


@pytest.mark.parametrize(
    ("given", "wanted", "tolerance", "same"),
    [
        (b"1\n2\n", "1\n2", None, True),
        (b"1  \n2\t\n\n\n", "1\n2\n", None, True),
        (b"1\r\n2\r\n", "1\n2", None, True),
        (b" 1\n2", "1\n2", None, False),
        (b"1\n\n2", "1\n2", None, False),
        (b"1.0", "1", None, False),
        (b"Yes", "yes", None, False),
        (b"\xff", "\ufffd", None, True),
        (b"0.3333333", "0.333333333", 1e-6, True),
        (b"0.33", "0.333333333", 1e-6, False),
        (b"x 1.0000001", "x 1", 1e-6, True),
        (b"y 1.0000001", "x 1", 1e-6, False),
        (b"1\n2", "1 2", 1e-6, False),
        (b"nan", "1", 1e-6, False),
        (b"inf", "1", 1e-6, False),
        (b"1 1", "1", 1e-6, False),
    ],
)
def test_outputs_agree_but_for_white_space_at_the_end(
    given: bytes, wanted: str, tolerance: float | None, same: bool
) -> None:
    assert same_output(given, wanted, tolerance) is same


PAIRS = [{"input": "1 2", "output": "3"}]


@pytest.mark.parametrize(
    ("answer", "pairs", "source"),
    [
        ({"stdin_tests": PAIRS}, [("1 2", "3")], None),
        (PAIRS, [("1 2", "3")], None),
        ({"inputs": ["1 2", ""], "outputs": ["3", "0"]}, [("1 2", "3"), ("", "0")], None),
        ({"tests": "assert f(1)", "setup": "x = 1"}, [], "x = 1\nassert f(1)"),
        ({"test_list": ["assert f(1)", "assert f(2)"], "test_setup_code": ""}, [], "\nassert f(1)\nassert f(2)"),
        (["assert f(1)"], [], "\nassert f(1)"),
        ({"test": "def check(c): assert c(1)", "entry_point": "f"}, [], "\ndef check(c): assert c(1)\n\ncheck(f)\n"),
    ],
)
def test_the_shapes_of_an_answer(answer: Any, pairs: list[tuple[str, str]], source: str | None) -> None:
    tests = read_test_set(json.dumps(answer))
    assert (tests.pairs, tests.source) == (pairs, source)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("print(1)", "not JSON"),
        ("6", "no JSON object"),
        ("[]", "no JSON object"),
        ("{}", "no tests"),
        ('{"stdin_tests": []}', "no tests"),
        ('{"stdin_tests": [1]}', "no list of objects"),
        ('{"stdin_tests": [{"input": "1"}]}', "no text"),
        ('{"stdin_tests": [{"input": 1, "output": 2}]}', "no text"),
        ('{"stdin_tests": [{"input": "1", "output": "2", "testtype": "functional"}]}', "assert tests"),
        ('{"inputs": ["1"], "outputs": []}', "one length"),
        ('{"fn_name": "f", "inputs": [[1]], "outputs": [[2]]}', "assert tests"),
        ('{"stdin_tests": [{"input": "1", "output": "2"}], "tests": "assert 1"}', "both kinds"),
        ('{"tests": 1}', "no text"),
        ('{"tests": "assert f(1)", "time_limit": -1}', "time_limit -1"),
        ('{"tests": "assert f(1)", "time_limit": "2 s"}', "time_limit '2 s'"),
        ('{"tests": "assert f(1)", "memory_mb": NaN}', "memory_mb nan"),
        ('{"tests": "assert f(1)", "memory_mb": true}', "memory_mb True"),
    ],
)
def test_an_answer_without_tests_that_can_be_run_says_why(answer: str, reason: str) -> None:
    with pytest.raises(NoTestsError, match=reason):
        read_test_set(answer)


def test_what_an_assert_compares_with_a_literal_stays_out() -> None:
    prepared = prepare(
        "import math\nassert f(1) == 41\nassert 42 == f(2)\nassert f(3) == g(43)\nassert f(4) and f(5) == [44]\n"
    )
    assert [number in prepared.source for number in ("41", "42", "43", "44")] == [False, False, True, False]
    assert prepared.wanted == {0: 41, 1: 42, 4: [44]}
    assert (prepared.n_asserts, prepared.certain) == (5, {0, 1, 2, 3, 4})
    assert (prepared.tested, prepared.imports) == ({"f"}, {"math"})


def test_a_forged_value_that_is_slow_to_compare_is_refused_and_an_equal_one_of_another_type_is_not() -> None:
    prepared = prepare("assert f() == [1, True, 0]")
    colliding = [["int", hex(k * (2**61 - 1))] for k in range(200_000)]  # one hash for all: a set of them takes hours
    one, zero = ["complex", [(1.0).hex(), (0.0).hex()]], ["complex", [(0.0).hex(), (0.0).hex()]]
    for value, problem in ((["set", colliding], "assert 1 of 1 failed"), (["list", [one, one, zero]], None)):
        assert verdict_of(prepared, [json.dumps({"value": value, "of": 0}).encode()], True)[0] == problem


def test_asserts_that_may_never_be_met_are_not_required() -> None:
    source = "def check(c):\n    assert c(1) == 1\n    for x in ():\n        assert c(x) == 2\ndef unused():\n    assert 0 == 3\ncheck(f)"
    assert prepare(source).certain == {0}


@pytest.mark.parametrize(
    ("source", "certain"),
    [
        ("def test_a():\n    assert f(0) == 0\ndef test_a():\n    assert f(1) == 1", {1}),
        ("def t():\n    assert f(0) == 0\nt()\ndef t():\n    assert f(1) == 1\nt()", {0, 1}),
        ("def t():\n    assert f(0) == 0\nt()\ndef t():\n    assert f(1) == 1", {0}),
        ("def t():\n    assert f(0) == 0\nt = print\nt()\nassert f(1) == 1", {1}),
        ("@skip\ndef t():\n    assert f(0) == 0\nt()\nassert f(1) == 1", {1}),
        ("def t():\n    assert f(0) == 0\n    if f(1): return\n    assert f(1) == 1\nt()", {0}),
        ("def t():\n    g = lambda: 1\n    def h(): return 1\n    assert f(0) == 0\nt()", {0}),
        ("def t():\n    assert f(0) == 0\n    yield\nt()\nassert f(1) == 1", {1}),
        ("import sys\nassert f(0) == 0\nif f(1): sys.exit(0)\nassert f(1) == 1", {0}),
        ("def t():\n    assert f(0) == 0\n    if f(1): exit()\n    assert f(1) == 1\nt()\nassert f(2) == 2", {0}),
        ("import sys\nassert f(0) == 0\nif f(1): sys.exit(1)\nassert f(1) == 1", {0, 1}),
    ],
)
def test_an_assert_is_required_where_every_run_to_the_end_meets_it(source: str, certain: set[int]) -> None:
    assert prepare(source).certain == certain


@pytest.mark.parametrize(
    ("source", "entry_point", "tested"),
    [
        ("assert abs(f(1)) < 2", None, set()),
        ("assert sum(1, 2) == 3", None, {"sum"}),
        ("x = sum(1, 2)\nassert x == 3", None, {"sum"}),
        ("assert abs(sum(1, 2) - 3) < 1", "sum", {"sum"}),
        ("def check(c):\n    assert abs(c(1)) < 2\ncheck(sum)", None, {"sum"}),
        ("from solution import sum\nassert abs(sum(1, 2) - 3) < 1", None, set()),
        ("assert abs(eval('f(1)')) < 1", None, set()),
    ],
)
def test_a_function_that_is_named_like_one_of_pythons_is_found(
    source: str, entry_point: str | None, tested: set[str]
) -> None:
    assert prepare(source, entry_point).tested == tested


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("assert abs(sum(1, 2) - 3) < 1", "calls abs, sum and no other function: name the tested one as entry_point"),
        ("try:\n    assert f(1) == 2\nexcept AssertionError:\n    assert f(1) == 1", "catches the failure"),
        ("try:\n    assert f(1)\nexcept:\n    pass", "catches the failure"),
        ("try:\n    assert f(1)\nexcept (ValueError, Exception) as e:\n    print(e)", "catches the failure"),
        (
            "def t():\n    assert f(1)\nfor _ in '12':\n    try:\n        t()\n    except Exception:\n        pass",
            "catches",
        ),
        ("from contextlib import suppress\nwith suppress(AssertionError):\n    assert f(1)", "catches the failure"),
        ("assert f(1)\ndef test_b(x):\n    assert f(x)", "holds test_b, which nothing calls"),
        ("assert f(1)\nasync def test_b():\n    assert f(2)", "holds test_b, which nothing calls"),
        ("class T:\n    def test_a(self):\n        assert f(1)\nassert f(2)", "tests in the class T"),
        ("import unittest\nclass T(unittest.TestCase):\n    def test_a(self): assert f(1)\nunittest.main()", "class T"),
        ("assert (", "no Python"),
        ("f(1)", "no assert"),
        ("", "no assert"),
        ("import pytest\nassert f(1)", "import pytest"),
    ],
)
def test_tests_that_cannot_be_judged_by_are_refused(source: str, reason: str) -> None:
    with pytest.raises(NoTestsError, match=reason):
        prepare(source)


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    f(-1)\n    assert False, 'must raise'\nexcept Exception:\n    pass\nassert f(1)",
        "try:\n    assert f(1)\nexcept ValueError:\n    pass",
        "try:\n    assert f(1)\nexcept AssertionError:\n    print('no')\n    raise",
        "try:\n    f(1)\nexcept Exception:\n    assert f(2)",
        "for x in '12':\n    test_b(x)\ndef test_b(x):\n    assert f(x)",
        "class T:\n    def test_a(self):\n        assert f(1)\nT().test_a()",
    ],
)
def test_tests_that_only_look_as_if_they_could_not_be_judged_by_are_taken(source: str) -> None:
    prepare(source)


# ---


def test_a_script_is_run_once_for_each_input_up_to_the_first_failure(code: Verifier) -> None:
    program = "a, b = map(int, input().split())\nprint(a + b if a < 9 else 1 / 0)"
    tests = [{"input": "1 2", "output": "3\n"}, {"input": "3 4", "output": "7"}]
    assert judged(code, program, stdin_tests=tests) == ("correct", None)
    assert judged(code, program, stdin_tests=[*tests, {"input": "9 9", "output": "18"}]) == (
        "incorrect",
        "exit code 1: ZeroDivisionError",
    )
    wrong = [tests[0], {"input": "3 4", "output": "8"}, {"input": "9 9", "output": "18"}]
    assert judged(code, program, stdin_tests=wrong) == ("incorrect", "test 2 of 3: wrong output")


def test_a_script_may_use_the_usual_ways_to_read_and_stop(code: Verifier) -> None:
    program = (
        "import sys, threading\nsys.setrecursionlimit(10**6)\nthreading.stack_size(2**26)\n"
        "def main():\n    total = sum(map(int, open(0).read().split()))\n    print(total)\n"
        "if __name__ == '__main__':\n    t = threading.Thread(target=main)\n    t.start()\n    t.join()\n    exit()"
    )
    assert judged(code, program, stdin_tests=[{"input": "1 2\n3", "output": "6"}]) == ("correct", None)


@pytest.mark.parametrize(
    ("program", "tests", "found"),
    [
        ("def f(x): return x * x", ["assert f(2) == 4", "assert f(3) == 9"], ("correct", None)),
        ("def f(x): return 4", ["assert f(2) == 4", "assert f(3) == 9"], ("incorrect", "assert 2 of 2 failed")),
        ("def f(): return None", ["assert f() == None", "assert f() is None", "assert not f()"], ("correct", None)),
        ("def f(): return 1.0, True", ["assert f() == (1, 1)"], ("correct", None)),
        ("def f(): return [1]", ["assert f() == (1,)"], ("incorrect", "assert 1 of 1 failed")),
        ("f = lambda: {1: (2.5, {3}, b'x', 'é\\ud800', 2j, None)}", ["assert f() == {1: (2.5, {3}, b'x', 'é\\ud800', 2j, None)}"], ("correct", None)),
        ("f = lambda: 10 ** 4000", [f"assert f() == {10**4000}"], ("correct", None)),
        ("f = lambda: float('nan')", ["assert f() != f()", "assert f() == 1.0"], ("incorrect", "assert 2 of 2 failed")),
        ("f = lambda: float('inf')", ["assert f() == 1e400"], ("correct", None)),
        ("from collections import Counter as f", ["assert f('aab') == {'a': 2, 'b': 1}", "assert f('a').keys() == {'a'}"], ("correct", None)),
        ("f = lambda: bytearray(b'ab')", ["assert f() == b'ab'", "assert [f()] == [bytes([97, 98])]"], ("correct", None)),
        ("from collections import Counter\nf = lambda: Counter(a=1, b=0)", ["from collections import Counter", "assert f() == Counter('a')", "assert [{1: f()}] == [{1: Counter('a')}]", "assert f() == dict(a=1)"], ("incorrect", "assert 3 of 3 failed")),
        ("from collections import Counter\nf = lambda: Counter(a=1, b=0)", ["assert f() == {'a': 1}"], ("incorrect", "assert 1 of 1 failed")),
        ("from collections import OrderedDict\nf = lambda: OrderedDict(a=1, b=2)", ["from collections import OrderedDict", "assert f() == OrderedDict(a=1, b=2)", "assert f() == dict(b=2, a=1)", "assert f() == OrderedDict(b=2, a=1)"], ("incorrect", "assert 3 of 3 failed")),
        ("from collections import OrderedDict\nf = lambda: OrderedDict(a=1, b=2)", ["from collections import OrderedDict", "assert (f(),) == (OrderedDict(b=2, a=1),)"], ("incorrect", "assert 1 of 1 failed")),
        ("from collections import OrderedDict\nf = OrderedDict(a=1, b=2)\nf.move_to_end('a')", ["from collections import OrderedDict", "assert f == OrderedDict(b=2, a=1)", "assert f == OrderedDict(a=1, b=2)"], ("incorrect", "assert 2 of 2 failed")),
        ("f = lambda: [1, (2, {3: [4]})]", ["x = 4", "assert f() == [1, (2, {3: [x]})]", "assert f() == [1, [2, {3: [x]}]]"], ("incorrect", "assert 2 of 2 failed")),
        ("from collections import namedtuple\nf = namedtuple('f', 'x y')", ["assert f(1, 2) == (1, 2)"], ("correct", None)),
        ("from fractions import Fraction as f", ["assert f(6, 2) == 3", "assert f(1, 2) == 0.5"], ("correct", None)),
        ("class P:\n    def __init__(self, x): self.x = x\n    def __eq__(self, o): return self.x == o.x", ["assert P(1) == P(1)", "assert [P(1)] == [P(1)]", "assert P(1) != P(2)"], ("correct", None)),
        ("def sum(a, b): return a + b", ["assert sum(10, 15) == 25"], ("correct", None)),
        ("import dataclasses\n@dataclasses.dataclass\nclass D:\n    x: int = 1", ["assert D().x == 1", "assert D() == D()"], ("correct", None)),
        ("def f(x): return x\nif __name__ == '__main__': input()", ["assert f(1) == 1"], ("correct", None)),
        ("from __future__ import annotations\ndef f(x: nonsense): return x", ["assert f(1) == 1"], ("correct", None)),
        ("f = lambda: ...", ["assert f() == ..."], ("correct", None)),
        ("def sum(a, b): return a + b", ["x = sum(10, 15)", "assert x == 25"], ("correct", None)),
        ("def f(x): return x", ["def test_a(): assert f(1) == 1", "def test_a(): assert f(2) == 2"], ("correct", None)),
        ("def f(x): return x", ["def test_a(): assert f(1) == 1", "def test_b(n=3): assert f(0) == n"], ("incorrect", "assert 2 of 2 failed")),
        ("def f(x): return x", ["import sys", "def main():", "    assert f(1) == 1", "    sys.exit(0)", "main()"], ("correct", None)),
        ("def f(x): return x", ["assert f(1) == 1", "raise SystemExit"], ("correct", None)),
        ("def f(x): return x", ["if f(1) != 1: exit(1)", "assert f(2) == 2"], ("correct", None)),
        ("def f(x): return 0", ["if f(1) != 1: exit(1)", "assert f(2) == 0"], ("incorrect", "exit code 1")),
        ("def f(x): exit(0)", ["import sys", "for x in range(2):", "    assert f(x) == x", "sys.exit(0)"], ("incorrect", "tests not reached")),
        ("def f(x): return x or exit(0)", ["for x in (1, 0):", "    assert f(x) == x"], ("incorrect", "tests not reached")),
        ("def f(x): return []", ["for x in f(1):", "    assert x == 1"], ("incorrect", "tests not reached")),
        ("def f(x): return x", ["def test_a():", "    assert f(1) == 1", "    yield"], ("error", "answer holds tests that met no assert")),
        ("def f(x): return x", ["from solution import f", "def main():", "    for x in ():", "        assert f(x) == x", "main()"], ("error", "answer holds tests that met no assert")),
        ("def f(x): return x", ["for x in range(3):\n    assert f(x) == x", "assert f(1) == 1 and f(2) == 2, 'both'"], ("correct", None)),
    ],
)  # fmt: skip
def test_asserts_mean_what_they_mean_in_python(
    code: Verifier, program: str, tests: list[str], found: tuple[str, str | None]
) -> None:
    assert judged(code, program, tests="\n".join(tests)) == found


def test_functions_of_pytest_and_of_human_eval_are_called(code: Verifier) -> None:
    pytest_style = (
        "from solution import f\ndef test_one():\n    assert f(1) == 1\ndef test_two():\n    assert f(2) == 2"
    )
    assert judged(code, "def f(x): return x", tests=pytest_style) == ("correct", None)
    assert judged(code, "def f(x): return 1", tests=pytest_style) == ("incorrect", "assert 2 of 2 failed")
    check = "METADATA = {}\n\ndef check(candidate):\n    assert candidate([2, 1]) == [1, 2]\n"
    assert judged(code, "def sorted(x): return [1, 2]", test=check, entry_point="sorted") == ("correct", None)


def test_an_answer_may_state_its_own_limits(code: Verifier) -> None:
    slow, tests = "import time\ntime.sleep(1)\nprint(1)", [{"input": "", "output": "1"}]
    assert judged(code, slow, stdin_tests=tests, time_limit=0.5) == ("incorrect", "time_limit")
    assert judged(code, slow, stdin_tests=tests, time_limit=5) == ("correct", None)
    assert judged(code, "x = bytearray(10**8)\nprint(1)", stdin_tests=tests, memory_mb=64) == (
        "incorrect",
        "memory_limit",
    )
    assert judged(code, slow, stdin_tests=tests, time_limit=121) == (
        "error",
        "answer allows 121 s: give --set total_seconds=121",
    )
    assert judged(code, slow, stdin_tests=tests, memory_mb=2000) == (
        "error",
        "answer allows 2000 MB: give --set memory_mb=2000",
    )


@pytest.mark.parametrize("memory_mb", [63, 12, 0.5])
def test_an_answer_that_allows_less_memory_than_python_takes_is_at_fault(code: Verifier, memory_mb: float) -> None:
    found = judged(code, "print(1)", stdin_tests=[{"input": "", "output": "1"}], memory_mb=memory_mb)
    assert found == ("error", f"answer allows {int(memory_mb)} MB: no program runs in less than 64")


def test_tests_that_together_take_too_long_are_undecided() -> None:
    code = get("code", {"time_limit": 2, "total_seconds": 2})
    tests = [{"input": "", "output": "1"}] * 9
    outcome, detail = judged(code, "import time\ntime.sleep(0.7)\nprint(1)", stdin_tests=tests)
    assert (outcome, str(detail)[1:]) == ("timeout", " of 9 tests passed in 2 s")


def test_tests_that_meet_no_assert_judge_nothing(code: Verifier) -> None:
    found = judged(code, "x = 1", tests="for x in ():\n    assert x")
    assert found == ("error", "answer holds tests that met no assert")


def test_tests_with_odd_escapes_are_read_without_a_warning() -> None:
    assert prepare(r"assert f('\d') == '\w'").wanted == {0: r"\w"}


def test_settings_out_of_range_are_refused() -> None:
    for settings in ({"time_limit": 0}, {"memory_mb": 1}, {"sandbox": "docker"}):
        with pytest.raises(ConfigError, match="verifier code"):
            get("code", settings)
