"""Completions as models write them, with their answers, drawn by a seeded generator."""

from __future__ import annotations

import random

WORK = [
    "",
    "Let $x$ be the number of apples. Then $x + 3 = 10$, and $x = 7$.",
    "We have 3 boxes of 12 eggs, so 36 eggs in all. Each costs $2.",
    "First, \\[ \\frac{3}{4} + \\frac{1}{4} = 1. \\]\nNext we note that $n \\equiv 2 \\pmod 5$.",
    "Step 1: Add 4 and 5 to get 9.\nStep 2: multiply by 2: 9 * 2 = 18.",
    "The discriminant is $b^2 - 4ac = 25 - 24 = 1$, so the roots are $\\frac{5 \\pm 1}{2}$.",
    "By the AM-GM inequality, \\(a + b \\ge 2\\sqrt{ab}\\).\n\nTherefore we are nearly done.",
    "If we try $\\boxed{5}$ as a guess it does not fit the second condition of the problem, which asks for more.",
]
BOXED = [
    "So the answer is $\\boxed{%s}$.",
    "\\boxed{%s}",
    "Thus $x = \\boxed{%s}$.",
    "Hence, the final answer is: $\\boxed{%s}$.",
    "**Final Answer**\n\n\\[ \\boxed{%s} \\]",
    "$$\\boxed{%s}$$\n\nThis completes the solution.",
    "The final answer is $\\boxed{%s}$. I hope it is correct.",
    "Therefore, the answer is \\(\\boxed{%s}\\), as desired.",
    "\\boxed{%s}\n\n\\boxed{%s}",
    "The answer is \\boxed{ %s }. Let me check it: it fits all 3 conditions.",
    "$\\boxed{%s}$ is what we get after 2 steps.",
]
FORMULA = [
    "The final answer is $%s$. I hope it is correct.",
    "Final Answer: The final answer is $%s$.",
    "The answer is $%s$.",
    "Answer: $%s$",
    "**Answer:** \\(%s\\)",
    "So we get $%s$.",
    "Therefore \\[%s\\]",
    "The correct answer to this question is $%s$",
]
PLAIN = [
    "The answer is %s.",
    "Answer: %s",
    "**Answer:** %s",
    "#### %s",
    "So the final answer is %s",
    "The final answer is: %s.",
    "It comes to %s",
    "x = %s",
    "answer = %s",
    "The answer is **%s**.",
]
TWO = [
    "$\\boxed{%s}$ and $\\boxed{%s}$",
    "\\boxed{%s} or \\boxed{%s}",
    "$\\boxed{%s}, \\boxed{%s}$",
    "The roots are $%s$ and $%s$.",
]


def integer(rng: random.Random) -> list[str]:
    n = rng.choice([rng.randint(-20, 20), rng.randint(100, 99_999)])
    return [str(n), f"{n:,}", f"{n}.0", f"+{n}" if n > 0 else str(n), f"{n} \\text{{ cm}}", f"{n}^\\circ", f"\\${n}"]


def fraction(rng: random.Random) -> list[str]:
    a, b = rng.randint(1, 12), rng.randint(2, 12)
    return [
        f"\\frac{{{a}}}{{{b}}}",
        f"{a}/{b}",
        f"\\dfrac{{{2 * a}}}{{{2 * b}}}",
        f"{a / b:.6f}",
        f"-\\frac{{{a}}}{{{b}}}",
    ]


def percent(rng: random.Random) -> list[str]:
    n = rng.randint(1, 99)
    return [f"{n}\\%", f"{n}", f"{n / 100}", f"\\frac{{{n}}}{{100}}", f"{n} \\text{{ percent}}"]


def surd(rng: random.Random) -> list[str]:
    a, b = rng.randint(2, 9), rng.choice([2, 3, 5, 7])
    return [f"{a}\\sqrt{{{b}}}", f"\\sqrt{{{a * a * b}}}", f"\\sqrt{b} \\cdot {a}", f"{a}\\sqrt{{{b + 1}}}", f"{a}\\pi"]


def polynomial(rng: random.Random) -> list[str]:
    a, b = rng.randint(1, 9), rng.randint(1, 9)
    return [f"x^2 + {a + b}x + {a * b}", f"(x+{a})(x+{b})", f"{a * b} + {a + b}x + x^2", f"x^2 - {a + b}x + {a * b}"]


def interval(rng: random.Random) -> list[str]:
    a, b = sorted(rng.sample(range(-9, 10), 2))
    return [
        f"[{a}, {b}]",
        f"({a}, {b})",
        f"[{a},{b})",
        f"\\left[{a}, {b}\\right]",
        f"({a}, \\infty)",
        f"{a} \\le x \\le {b}",
    ]


def several(rng: random.Random) -> list[str]:
    a, b, c = rng.sample(range(-9, 30), 3)
    return [f"{a}, {b}, {c}", f"\\{{{a}, {b}, {c}\\}}", f"{c}, {a}, {b}", f"{a}, {b}", f"({a}, {b}, {c})"]


def equation(rng: random.Random) -> list[str]:
    a, b = rng.randint(2, 9), rng.randint(1, 20)
    return [f"x = {b}", f"{b}", f"y = {a}x + {b}", f"y = {b} + {a}x", f"y - {a}x = {b}", f"x = {b + 1}"]


def words(rng: random.Random) -> list[str]:
    return [f"\\text{{{w}}}" for w in rng.sample(["even", "odd", "Monday", "no solution", "(C)"], 3)] + ["C"]


KINDS = [integer, fraction, percent, surd, polynomial, interval, several, equation, words]


def completions(n: int, seed: int = 0) -> list[tuple[str, str]]:
    """Return n pairs (completion, bare answer); in about half of them the stated answer is another form or answer."""
    rng = random.Random(seed)
    pairs = []
    for _ in range(n):
        forms = rng.choice(KINDS)(rng)
        answer, stated = forms[0] if rng.random() < 0.7 else rng.choice(forms), rng.choice(forms)
        pairs.append((" ".join([rng.choice(WORK), _said(rng, stated)]).strip(), answer))
    return pairs


def _said(rng: random.Random, stated: str) -> str:
    parts = stated.split(", ")
    if len(parts) == 2 and stated[0] not in "[(\\" and rng.random() < 0.7:
        return rng.choice(TWO) % tuple(parts)
    plain = PLAIN if "\\" not in stated and rng.random() < 0.5 else []
    form = rng.choice(plain or rng.choice([BOXED, BOXED, FORMULA]))
    return form.replace("%s", stated)
