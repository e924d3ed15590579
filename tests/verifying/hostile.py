"""Completions that attack their verifier, with the only right outcome of each: programs first, texts after them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

MARKER = "curate-hostile-marker"  # what programs try to leave behind
SECRET = "CURATE_HOSTILE_SECRET"  # an environment variable of the job
TIME_LIMIT = 2.0  # seconds a program may take; those that wait or hang take all of it
MEMORY_MB = 256
TEXT_LIMIT = 5.0

# Double the number of standard input; double(x).
SCRIPT = json.dumps({"stdin_tests": [{"input": "3\n", "output": "6\n"}]})
MODULE = json.dumps({"tests": "assert double(3) == 6\nassert double([1]) == [1, 1]\n"})
# Asserts that are no comparison with a literal, and so are decided beside the program.
BESIDE = json.dumps(
    {
        "tests": "import math\nassert abs(double(3) - 6) < 1e-9\nassert math.isclose(double(2.5), 5.0)\nassert double(4) == 2 ** 3"
    }
)

# An assert that a run need not meet, as far as can be read from it.
BLOCK = json.dumps({"tests": "for x in (3,):\n    assert double(x) == 6"})


@dataclass(frozen=True)
class Hostile:
    """One completion for one verifier; ``detail`` must be in the verdict's where it is not null."""

    name: str
    verifier: str
    completion: str
    answer: str
    outcomes: tuple[str, ...]
    detail: str | None = None


def script(name: str, program: str, detail: str | None = None, outcome: str = "incorrect") -> Hostile:
    return Hostile(name, "code", f"```python\n{program}\n```", SCRIPT, (outcome,), detail)


def module(
    name: str, program: str, detail: str | None = None, outcome: str = "incorrect", tests: str = MODULE
) -> Hostile:
    return Hostile(name, "code", f"```python\n{program}\n```", tests, (outcome,), detail)


def harmless(name: str, program: str) -> Hostile:
    """Return a program that tries something, is refused, and answers rightly."""
    return script(name, f"try:\n    {program}\nexcept OSError:\n    pass\nprint(6)", outcome="correct")


DOUBLE = "def double(x): return x * 2\n"
HOME = str(Path.home())

RESOURCES = [
    script("an honest script", "print(int(input()) * 2)", outcome="correct"),
    module("an honest function", DOUBLE, outcome="correct"),
    module("an honest function beside", DOUBLE, outcome="correct", tests=BESIDE),
    script("sleeps forever", "import time\ntime.sleep(1e9)", "time_limit"),
    module("sleeps forever in a function", "def double(x):\n    import time\n    time.sleep(1e9)", "time_limit"),
    script("computes forever", "while True: pass", "time_limit"),
    script("power tower", "print(9**9**9)", "time_limit"),
    script("catastrophic regex", "import re\nre.match('(a+)+$', 'a' * 60 + 'b')", "time_limit"),
    script("stops itself", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", "time_limit"),
    script(
        "ignores every signal",
        "import signal\nfor n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n    except (OSError, ValueError): pass\n"
        "while True: pass",
        "time_limit",
    ),
    script("memory at once", "x = bytearray(10**11)", "memory_limit"),
    script("memory in pieces", "x = []\nwhile True: x.append(b'x' * 10**7)", "memory_limit"),
    script(
        "memory of many processes",
        "import os, time\nfor _ in range(4):\n    if os.fork() == 0:\n        x = b'x' * 10**8\n        time.sleep(60)\ntime.sleep(60)",
        "memory_limit",
    ),
    script("shared memory", "import mmap\nmmap.mmap(-1, 10**8)", "PermissionError"),
    script(
        "shared memory that is not mapped",
        "import mmap, os, time\nfor _ in range(7):\n    if os.fork() == 0: break\nm = mmap.mmap(-1, 10**8)\n"
        "for at in range(0, 10**8, 10**7):\n    m[at:at + 10**7] = b'x' * 10**7\n    m.madvise(mmap.MADV_DONTNEED)\nprint(6)",
        "PermissionError",
    ),
    script(
        "shared memory of a device",
        "import mmap, os\nmmap.mmap(os.open('/dev/zero', os.O_RDWR), 10**8)",
        "exit code 1: ",
    ),
    script(
        "a shared file of many processes",
        "import mmap, os, time\nwith open('x', 'wb') as f: f.truncate(3 * 10**7)\nwith open('x', 'r+b') as f: x = mmap.mmap(f.fileno(), 0)\n"
        "for at in range(0, 3 * 10**7, 4096): x[at] = 1\nfor _ in range(12):\n    if os.fork() == 0:\n        s = sum(x[::4096])\n        time.sleep(60)\ntime.sleep(60)",
        "memory_limit",
    ),
    script("memory that belongs to no process", "import os\nos.memfd_create('x')", "PermissionError"),
    script(
        "takes the processors from its watch",
        "import os\nfor _ in range(12):\n    if os.fork() == 0:\n        os.setsid()\n        break\nwhile True: pass",
        "time_limit",
    ),
    script("fork bomb", "import os\nwhile True: os.fork()"),
    script(
        "fork bomb that goes on",
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        "time_limit",
    ),
    script(
        "thread bomb",
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        "RuntimeError",
    ),
    script("deep recursion", "def f(n): return f(n + 1)\nf(0)", "RecursionError"),
    script(
        "deep recursion without a limit",
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(n): return [f(n + 1)]\nf(0)",
    ),
    script("deep nesting of data", "x = []\nfor _ in range(10**6): x = [x]\nprint(x)"),
    script("deep nesting of source", "(" * 10**5 + ")" * 10**5),
    script("huge output", "while True: print('x' * 10**6)", "output_limit"),
    script("huge output on the other stream", "import sys\nwhile True: sys.stderr.write('x' * 10**6)", "output_limit"),
    module("huge value", "def double(x): return 'x' * 17 * 10**6", "output_limit"),
    module(
        "nested value", "def double(x):\n    y = []\n    for _ in range(10**5): y = [y]\n    return y", "assert 1 of 2"
    ),
    module("a value that holds itself", "def double(x):\n    y = []\n    y.append(y)\n    return y", "assert 1 of 2"),
    script(
        "fills its folder",
        "with open('x', 'wb') as f, open('y', 'wb') as g, open('z', 'wb') as h:\n    while True:\n        for each in (f, g, h): each.write(b'x' * 10**6)",
        "OSError",
    ),
    script("opens everything", "x = [open('/dev/null') for _ in range(10**5)]", "OSError"),
    script(
        "raises its limits", "import resource\nresource.setrlimit(resource.RLIMIT_NPROC, (10**6, 10**6))", "ValueError"
    ),
    script("crashes", "import ctypes\nctypes.string_at(0)", "signal 11"),
    script("aborts", "import os\nos.abort()", "signal 6"),
    script("is no Python", "def (", "SyntaxError"),
    script("is one line of a megabyte", f"x = '{'a' * 990_000}'\nprint(6)", outcome="correct"),
    script("is longer than a megabyte", f"x = '{'a' * 1_100_000}'\nprint(6)", "1000000 characters"),
    script("holds a null character", "print(6)\0", "exit code 1: "),
    script("reads more than there is", "input()\ninput()", "EOFError"),
]

REACH = [
    script("writes to the home folder", f"open({HOME + '/' + MARKER!r}, 'w')", "exit code 1: "),
    harmless("tries to write to the home folder", f"open({HOME + '/' + MARKER!r}, 'w')"),
    harmless("writes to the folder for temporary files", f"open('/tmp/{MARKER}', 'w').write('x')"),
    harmless("writes to shared memory", f"open('/dev/shm/{MARKER}', 'w').write('x')"),
    harmless("writes to the root", f"open('/{MARKER}', 'w').write('x')"),
    harmless("appends to the library", "import os; open(os.__file__, 'a').write('x')"),
    script("connects", "import socket\nsocket.create_connection(('127.0.0.1', 22), 1)", "exit code 1: "),
    script("connects far", "import socket\nsocket.create_connection(('8.8.8.8', 53), 1)", "OSError"),
    script("looks up a name", "import socket\nsocket.getaddrinfo('example.com', 80)", "gaierror"),
    script("opens a socket to the host", "import socket\nsocket.socket(40, socket.SOCK_STREAM)", "OSError"),
    script("writes to the memory of process 1", "open('/proc/1/mem', 'r+b')", "exit code 1: "),
    script("reads /etc/passwd", "print(open('/etc/passwd').read())", "FileNotFoundError"),
    script("reads a secret of the environment", f"import os\nprint(os.environ[{SECRET!r}])", "KeyError"),
    script(
        "reads secrets of other processes",
        f"import glob\nfor path in glob.glob('/proc/[0-9]*/environ'):\n    try:\n        if {SECRET!r} in open(path).read(): print(6)\n    except OSError: pass",
        "wrong output",
    ),
    script(
        "looks at other processes",
        "import os\nif any(int(name) > 9 for name in os.listdir('/proc') if name.isdigit()): print(6)",
        "wrong output",
    ),
    harmless("kills everything", "import os; os.kill(-1, 9)"),
    script(
        "leaves a daemon",
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(1e9)\nelse: print(6)",
        outcome="correct",
    ),
    script(
        "makes namespaces",
        "import ctypes\nl = ctypes.CDLL(None)\nif l.unshare(0x10000000) == 0 or l.unshare(0x20000) == 0: print(6)",
        "wrong output",
    ),
    script(
        "looks for the answer",
        "import os\nfound = b''\nfor n in range(3, 64):\n    try: found += os.pread(n, 10**6, 0)\n    except OSError: pass\n"
        "if b'6' in found and b'found' not in found: print(6)",
        "wrong output",
    ),
]

ALWAYS = "class Always(int):\n    def __eq__(self, other): return True\n    def __bool__(self): return True\n"
# Says whatever it likes in the name of what runs the tests, when it is called.
FORGES = """
import os, sys
def forge(said):
    frame = sys._getframe()
    while not {"tests", "wanted"} <= set(frame.f_locals): frame = frame.f_back
    os.write(frame.f_locals["wanted"]["control"], said + frame.f_locals["tests"]["nonce"].encode() + b"\\n")
    os._exit(0)
def double(x): """
CHEATS = [
    module("exits before the tests", "exit(0)", "tests not reached"),
    module("exits before the tests, hard", "import os\nos._exit(0)", "tests not reached"),
    module("exits in the function", "def double(x): exit(0)", "tests not reached"),
    module("exits in the function, hard", "import os\ndef double(x): os._exit(0)", "tests not reached"),
    module("exits at the end", "import atexit, os\natexit.register(os._exit, 0)\n1 / 0", "tests not reached"),
    module(
        "swallows its exception", "import os, sys\nsys.excepthook = lambda *_: os._exit(0)\n1 / 0", "tests not reached"
    ),
    module("kills itself", "import os\ndef double(x): os.kill(os.getpid(), 9)", "signal 9"),
    module("equals everything", ALWAYS + "def double(x): return Always(0)", "assert 1 of 2"),
    module(
        "equals everything beside",
        ALWAYS + "def double(x): return Always(6) if x == 3 else 5.0 if x == 2.5 else Always(0)",
        "assert 3 of 3",
        tests=BESIDE,
    ),
    module(
        "holds what equals everything",
        ALWAYS + "def double(x): return 6 if x == 3 else [Always(0), Always(0)]",
        "assert 2 of 2",
    ),
    module(
        "is no number but equals everything",
        "class Always:\n    __eq__ = lambda *_: True\ndef double(x): return Always()",
        "assert 1 of 2",
    ),
    module(
        "patches abs",
        "import builtins\nbuiltins.abs = lambda _: 0\ndef double(x): return 5.0 if x == 2.5 else 8",
        "assert 1 of 3",
        tests=BESIDE,
    ),
    module(
        "shadows abs",
        "def abs(_): return 0\ndef double(x): return 5.0 if x == 2.5 else 8",
        "assert 1 of 3",
        tests=BESIDE,
    ),
    module(
        "patches math",
        "import math\nmath.isclose = lambda *_: True\ndef double(x): return 0 if x == 2.5 else x * 2",
        "assert 2 of 3",
        tests=BESIDE,
    ),
    module(
        "replaces math",
        "import sys, types\nsys.modules['math'] = types.SimpleNamespace(isclose=lambda *_: True)\ndef double(x): return 0 if x == 2.5 else x * 2",
        "assert 2 of 3",
        tests=BESIDE,
    ),
    module(
        "overwrites AssertionError",
        "import builtins\nclass AssertionError(BaseException): pass\nbuiltins.AssertionError = AssertionError\ndef double(x): return 0",
        "assert 1 of 2",
    ),
    module(
        "patches what the judge may use",
        "import builtins, json, os\nfor name in ('isinstance', 'issubclass', 'type', 'len', 'set', 'list'): setattr(builtins, name, lambda *_: True)\n"
        "json.dumps = lambda *_: '{}'\nos.write = lambda *_: 1\nos._exit = lambda _: None\ndef double(x): return 0",
        "assert 1 of 2",
    ),
    module(
        "prints that it passed",
        'print(\'ok\\npassed\\n{"held": 0}\\n{"held": 1}\')\nraise SystemExit(0)',
        "tests not reached",
    ),
    module(
        "says that its asserts held",
        'import os\nfor n in range(3, 64):\n    try: os.write(n, b\'loaded\\n{"held": 0}\\n{"held": 1}\\n\')\n    except OSError: pass\nos._exit(0)',
        "assert 1 of 2",
    ),
    module(
        "plays the harness",  # takes the nonce and gives it back, but does not know the values
        "import json, os, sys\nwanted = sys._getframe(1).f_locals['wanted']\nos.write(wanted['control'], b'loaded\\n')\n"
        "told = json.loads(os.fdopen(wanted['tests']).read())\n"
        "os.write(wanted['control'], (told['nonce'] + '\\n').encode())\nos._exit(0)",
        "tests not reached",
    ),
    module(
        "reads the tests",  # the values are not in them
        "import sys\ndef double(x):\n    frame = sys._getframe(1)\n    while frame:\n        for value in frame.f_locals.get('tests', {}).get('source', '').split():\n"
        "            if value == '6': return 6\n        frame = frame.f_back\n",
        "assert 1 of 2",
    ),
    module("holds an assert that there is not", FORGES + "forge(b'{\"held\": 99}\\n')", "assert 100 of 1", tests=BLOCK),
    module("says only that the tests came to their end", FORGES + "forge(b'')", "tests not reached", tests=BLOCK),
    module(
        "counts as equal whatever it counts",
        "import collections\ncollections.Counter.__eq__ = lambda *_: True\n"
        "collections.Counter.items = lambda _: ()\ndouble = collections.Counter",
        "assert 1 of 1",
        tests=json.dumps({"tests": "from collections import Counter\nassert double('a') == Counter('aa')"}),
    ),
    module(
        "has another order",
        "from collections import OrderedDict\ndef double(x): return OrderedDict.fromkeys(x)",
        "assert 1 of 1",
        tests=json.dumps(
            {"tests": "from collections import OrderedDict\nassert double('ab') == OrderedDict.fromkeys('ba')"}
        ),
    ),
    module("has no such function", "def triple(x): return x * 3", "NameError"),
    script("answers and fails", "print(6)\nraise SystemExit(3)", "exit code 3"),
    script("loses its output", "import sys\nsys.stdout = None\nprint(6)", "wrong output"),
    script("answers in other digits", "print('６')", "wrong output"),
    script("answers and goes on", "print(6)\nprint(6)", "wrong output"),
]

UNREADABLE = [
    Hostile("empty", "code", "", SCRIPT, ("unparsable",)),
    Hostile("an empty fence", "code", "```python\n\n```", SCRIPT, ("unparsable",)),
    Hostile("cut off in its fence", "code", "```python\nprint(6)", SCRIPT, ("unparsable",)),
    Hostile("a fence in each line", "code", "```\n" * 100_001, SCRIPT, ("unparsable",)),
    Hostile("a megabyte of backticks", "code", "`" * 10**6, SCRIPT, ("unparsable",)),
    Hostile("an answer that is no JSON", "code", "print(6)", "6", ("error",), "no test set"),
    Hostile("an answer of brackets", "code", "print(6)", "[" * 10**5, ("error",), "no test set"),
]


def text(name: str, verifier: str, completion: str, *outcomes: str, answer: str = "6") -> Hostile:
    return Hostile(name, verifier, completion, answer, outcomes)


NEVER = ("incorrect", "unparsable", "timeout", "error")  # whatever it is, it is not correct
NUMBERS = [
    ("nan", "nan", ("incorrect", "unparsable")),
    ("inf", "inf", ("incorrect", "unparsable")),
    ("1e400", "1e400", ("incorrect",)),
    ("1e999999999", "1e999999999", ("incorrect", "timeout")),
    ("divided by zero", "6/0", ("incorrect", "unparsable")),
    ("a million digits", "9" * 10**6, ("incorrect", "unparsable")),
    ("empty", "", ("unparsable",)),
    ("blank", " \n\t" * 1000, ("unparsable",)),
    ("a line of a megabyte", "x" * 10**6, ("incorrect", "unparsable")),
    ("a null character", "\0", ("incorrect", "unparsable")),
]
TEXTS = [
    *(
        text(f"{verifier}: {name}", verifier, said, *outcomes)
        for verifier in ("numeric", "math")
        for name, said, outcomes in NUMBERS
    ),
    text("numeric: unicode digits", "numeric", "٦", "unparsable"),
    text("exact: nan", "exact", "nan", "incorrect"),
    text("exact: empty", "exact", "", "unparsable"),
    text("exact: a line of a megabyte", "exact", "6" * 10**6, "incorrect"),
    text("gsm8k: a million markers", "gsm8k", "####\n" * 10**5, "unparsable"),
    text("gsm8k: inf", "gsm8k", "#### inf", "incorrect"),
    text("multiple_choice: empty", "multiple_choice", "", "unparsable", answer="C"),
    text("multiple_choice: every letter", "multiple_choice", "A B C D " * 10**5, "incorrect", "unparsable", answer="C"),
    text("multiple_choice: a letter of another alphabet", "multiple_choice", "С", "unparsable", answer="C"),
    text("multiple_choice: a line of a megabyte", "multiple_choice", "answer is " * 10**5, "unparsable", answer="C"),
    text("regex: catastrophic", "regex", "a" * 10**6 + "b", "unparsable"),
    text("regex: empty", "regex", "", "unparsable"),
    text("math: power tower", "math", r"\boxed{9^{9^{9^{9}}}}", *NEVER),
    text("math: factorial", "math", r"\boxed{(10^{10})!}", *NEVER),
    text("math: nested fractions", "math", r"\boxed{" + r"\frac{1}{" * 2000 + "2" + "}" * 2000 + "}", *NEVER),
    text("math: nested roots", "math", r"\boxed{" + r"\sqrt{" * 10_000 + "2" + "}" * 10_000 + "}", *NEVER),
    text("math: nested brackets", "math", r"\boxed{" + "(" * 10_000 + "2" + ")" * 10_000 + "}", *NEVER),
    text("math: boxes that never close", "math", r"\boxed{" * 100_000, *NEVER),
    text("math: dollars", "math", "$" * 10**6, *NEVER),
    text("math: code", "math", r"\boxed{__import__('os').system('touch " + MARKER + r"')}", *NEVER),
]

SETTINGS: dict[str, dict[str, object]] = {
    "code": {"time_limit": TIME_LIMIT, "memory_mb": MEMORY_MB},
    "regex": {"pattern": "(a+)+$"},
}
CODE = [*RESOURCES, *REACH, *CHEATS, *UNREADABLE]
CORPUS = [*CODE, *TEXTS]
