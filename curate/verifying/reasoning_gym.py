r"""The `reasoning_gym` verifier: the score that a task of reasoning-gym gives to an answer.

The prompt's answer is JSON of the task and its whole entry, as ``curate prompts reasoning_gym:TASK`` writes it.

Some score functions of reasoning-gym 0.1.25 hand text to ``eval``. No text of a completion, nor of an entry, gets there:

- ``string_insertion``, ``spiral_matrix``, ``binary_matrix`` and ``n_queens`` evaluate an answer that is not right as it
  stands, for partial credit; here these compare the text alone;
- ``simple_integration``, ``intermediate_integration`` and ``polynomial_multiplication`` evaluate the answer (and their entry)
  with sympy, which is ``eval``; here only arithmetic gets that far: numbers, one-letter variables, the names of
  elementary functions, ``+ - * / ^ ( )``. Any other answer is unparsable;
- ``puzzle24`` and ``countdown`` do so too; here only whole numbers and ``+ - * / ( )`` get that far, as variables and powers
  would make any number of nothing (``x/x + x/x``);
- ``bitwise_arithmetic`` and ``number_sorting`` evaluate their entry; here it must be hexadecimal arithmetic, a list of numbers.

Some are judged stricter than there: ``game_of_life_halting`` scores any text as right, here it must be the entry's answer;
``puzzle24`` takes any four numbers that make 24 to 25, here they must be those of the problem and make 24; ``number_sorting``
takes numbers that are off by 1, and ``nan``, here they must be the numbers; ``complex_arithmetic`` scores ``nan`` 1, and
``coin_flip`` any beginning of the right digits (``0``), here the probability must be right to 0.0001.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any

from curate.errors import ConfigError
from curate.records import Verdict
from curate.verifying.boxed import last_boxed
from curate.verifying.verifier import Limits, Verifier

LIMITS = Limits(seconds=10, memory_mb=2000)
MAX_CHARS = 100_000
# What score functions raise on an answer that is not of the form they expect.
UNREADABLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
)

_FUNCTIONS = "sqrt|exp|log|ln|sin|cos|tan|cot|sec|csc|asin|acos|atan|sinh|cosh|tanh|pi"
# No dot but in a number, no quote, bracket or underscore: there is no way to an attribute, a string or another name.
_ARITHMETIC = re.compile(rf"(?:[0-9]+(?:\.[0-9]+)?|(?:{_FUNCTIONS}|[A-Za-z])(?![A-Za-z0-9_.])|[-+*/^() ])*")
_FOUR_OPERATIONS = re.compile(r"(?:[0-9]+|[-+() ]|[*/](?![*/]))*")
_HEXADECIMAL = re.compile(r"(?:0x[0-9a-f]+|[-+*/<>&|^~() ])*")
_NUMBERS = re.compile(r"\[[-0-9., '\"]*\]")

AS_TEXT: dict[str, Callable[[str, dict[str, Any]], bool]] = {
    "string_insertion": lambda given, entry: given == entry["answer"],
    "spiral_matrix": lambda given, entry: given == entry["answer"].strip(),
    "binary_matrix": lambda given, entry: given == entry["answer"],
    "n_queens": lambda given, entry: given in entry["metadata"]["valid_answers"],
    "game_of_life_halting": lambda given, entry: given == entry["answer"],
}


def _value(given: str) -> Any:
    """Return the value of arithmetic, exactly; only what ARITHMETIC lets through may come here."""
    from sympy.parsing.sympy_parser import parse_expr

    return parse_expr(given)


def _floats(numbers: str) -> list[float]:
    return [float(each) for each in json.loads(numbers.replace("'", '"'))]


STRICTER: dict[str, Callable[[str, dict[str, Any]], bool]] = {  # what must hold besides a score of 1
    "number_sorting": lambda given, entry: _floats(given) == _floats(entry["answer"]),
    "puzzle24": lambda given, entry: bool(_value(given) == 24),
    "complex_arithmetic": lambda given, entry: "nan" not in given.lower(),
    "coin_flip": lambda given, entry: (
        abs(Fraction(given.replace(",", "")) - Fraction(entry["answer"])) <= Fraction(1, 10_000)
    ),
}
ARITHMETIC = {  # what an answer must be to be evaluated
    "simple_integration": _ARITHMETIC,
    "intermediate_integration": _ARITHMETIC,
    "polynomial_multiplication": _ARITHMETIC,
    "puzzle24": _FOUR_OPERATIONS,
    "countdown": _FOUR_OPERATIONS,
}
EVALUATED: dict[str, tuple[Callable[[dict[str, Any]], str], re.Pattern[str]]] = {
    "simple_integration": (lambda entry: entry["metadata"]["integrand"], _ARITHMETIC),
    "intermediate_integration": (lambda entry: entry["metadata"]["integrand"], _ARITHMETIC),
    "polynomial_multiplication": (lambda entry: entry["answer"], _ARITHMETIC),
    "bitwise_arithmetic": (lambda entry: entry["metadata"]["problem"], _HEXADECIMAL),
    "number_sorting": (lambda entry: entry["answer"], _NUMBERS),
}


def extract(completion: str) -> str | None:
    r"""Return the content of the last ``<answer>...</answer>``, else of the last ``\boxed``, else the last line.

    White space around it is cut. Null where that is empty or over 100,000 characters.
    """
    end = completion.rfind("</answer>")
    start = completion.rfind("<answer>", 0, max(end, 0))
    if start >= 0:
        found = completion[start + len("<answer>") : end].strip()
    else:
        boxed = last_boxed(completion)
        stripped = completion.rstrip()
        found = boxed.content if boxed else stripped[stripped.rfind("\n") + 1 :].strip()
    return found if found and len(found) <= MAX_CHARS else None


def compare(extracted: str | None, answer: str) -> Verdict:
    """Judge whether the task scores the answer 1; a lower score is incorrect, partial credit stands in the detail.

    An answer of the prompt that holds no entry, and one whose entry would be evaluated and is no arithmetic, is an error.
    """
    task, entry = entry_of(answer)
    if entry is None or task not in _tasks():
        return Verdict(
            "error", extracted, f"answer is no reasoning_gym entry{f' of a known task: {task}' if task else ''}"
        )
    if task in EVALUATED and not _is_plain(entry, *EVALUATED[task]):
        return Verdict("error", extracted, "answer is an entry that would be evaluated, and not arithmetic alone")
    if extracted is None:
        return Verdict("unparsable", detail="no answer found")
    if task in ARITHMETIC and not ARITHMETIC[task].fullmatch(extracted):
        return Verdict("unparsable", extracted, "not arithmetic alone")
    if task == "puzzle24" and sorted(re.findall("[0-9]+", extracted)) != sorted(map(str, entry["metadata"]["numbers"])):
        return Verdict("incorrect", extracted, "other numbers")
    try:
        score = float(AS_TEXT[task](extracted, entry)) if task in AS_TEXT else _score(task, extracted, entry)
        if score == 1.0 and task in STRICTER and not STRICTER[task](extracted, entry):
            return Verdict("incorrect", extracted)
    except UNREADABLE as error:
        return Verdict("unparsable", extracted, f"not readable: {type(error).__name__}")
    if score == 1.0:
        return Verdict("correct", extracted)
    return Verdict("incorrect", extracted, f"score {score:.3g}" if score else None)


def gold(answer: str, reference: str | None) -> str | None:
    """Return the entry's own answer in a tag; null where the entry has none (such tasks have many right answers)."""
    _, entry = entry_of(answer)
    own = entry.get("answer") if entry else None
    return f"<answer>{own}</answer>" if isinstance(own, str) else None


def entry_of(answer: str) -> tuple[str, dict[str, Any] | None]:
    """Read task and entry back; the entry is null where the text holds none."""
    try:
        told = json.loads(answer, object_hook=_typed)
    except (ValueError, RecursionError, TypeError):
        return "", None
    if not isinstance(told, dict) or not isinstance(told.get("task"), str):
        return "", None
    entry = told.get("entry")
    is_whole = isinstance(entry, dict) and {"question", "answer", "metadata"} <= entry.keys()
    return told["task"], entry if is_whole else None


def reasoning_gym() -> Verifier:
    r"""Judge the last <answer>...</answer>, \boxed{...} or line by the score function of the prompt's reasoning-gym task."""
    _tasks()
    return Verifier("reasoning_gym", extract, compare, gold, LIMITS)


def _tasks() -> Any:
    try:
        from reasoning_gym.factory import DATASETS
    except ImportError:
        raise ConfigError("verifier reasoning_gym needs reasoning-gym: pip install 'curate[reasoning-gym]'") from None
    return DATASETS


def _typed(found: dict[str, Any]) -> Any:
    if found.keys() == {"__tuple__"}:
        return tuple(found["__tuple__"])
    return dict(found["__pairs__"]) if found.keys() == {"__pairs__"} else found


def _is_plain(entry: dict[str, Any], evaluated: Callable[[dict[str, Any]], str], form: re.Pattern[str]) -> bool:
    try:
        return bool(form.fullmatch(evaluated(entry)))
    except (KeyError, TypeError):
        return False


@lru_cache(maxsize=8)
def _scoring(task: str) -> Callable[[str, dict[str, Any]], float]:
    from reasoning_gym.factory import get_score_answer_fn

    made: Callable[[str, dict[str, Any]], float] = get_score_answer_fn(task)
    return made


def _score(task: str, extracted: str, entry: dict[str, Any]) -> float:
    return float(_scoring(task)(extracted, entry))
