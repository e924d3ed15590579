"""Write rollouts of a toy policy on countdown: reach a target from three numbers, each used once.

    python jobs/countdown_rollouts.py runs/quickstart/rollouts.jsonl

The policy knows a fixed list of completions a prompt (right ones, slips, dead ends, no answer) and draws from it with
known probabilities, so that ids and log-probs are exact: the log-prob of a character is that of the mixture given the
characters before it. Everything follows from the seed.
"""

from __future__ import annotations

import json
import math
import random
import sys
from collections import defaultdict
from itertools import permutations
from pathlib import Path

N_PROMPTS, GROUP_SIZE, SEED = 96, 16, 7
OPERATIONS = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b}


def chains(numbers: list[int]) -> list[tuple[str, str, int]]:
    """Return (first step, second step, value) of every way to combine three numbers left to right."""
    found = []
    for a, b, c in permutations(numbers):
        for first, combine in OPERATIONS.items():
            middle = combine(a, b)
            for second, finish in OPERATIONS.items():
                value = finish(middle, c)
                found.append((step(a, first, b, middle), step(middle, second, c, value), value))
    return found


def step(a: int, sign: str, b: int, result: int) -> str:
    return f"{a} {sign} {b} = <<{a}{sign}{b}={result}>>{result}"


def completions(rng: random.Random, numbers: list[int], target: int, skill: float) -> dict[str, float]:
    """Return the policy's completions of one prompt with their probabilities; right ones share ``skill``."""
    right, wrong = [], []
    for first, second, value in chains(numbers):
        text = f"{first}\n{second}\nA: {value}"
        (right if value == target else wrong).append(text)
        slipped = first.rpartition("=<<")[0] if "=<<" in first else first
        if rng.random() < 0.1:
            wrong.append(f"{slipped}\nA: {target + rng.choice([-2, -1, 1, 2])}")
    rng.shuffle(right)
    wrong = [*rng.sample(wrong, min(6, len(wrong))), f"{numbers[0]} + {numbers[1]} ... I give up"]
    weights: dict[str, float] = defaultdict(float)
    for share, texts in ((skill, right), (1 - skill, wrong)):
        ranks = [1 / (place + 1) ** 1.5 for place in range(len(texts))]
        for text, rank in zip(texts, ranks, strict=True):
            weights[text] += share * rank / sum(ranks)
    return dict(weights)


def character_logprobs(text: str, weights: dict[str, float]) -> list[float]:
    """Return the log-prob of each character of ``text`` and its end, given the characters before it."""
    ended = text + "\n\n"
    alive = {other + "\n\n": weight for other, weight in weights.items()}
    logprobs = []
    for place, character in enumerate(ended):
        before = sum(alive.values())
        alive = {other: w for other, w in alive.items() if other[place : place + 1] == character}
        logprobs.append(min(0.0, math.log(sum(alive.values()) / before)))
    return logprobs


def rollouts(rng: random.Random) -> list[dict[str, object]]:
    rows = []
    for number in range(N_PROMPTS):
        numbers = [rng.randint(1, 12) for _ in range(3)]
        first, second, target = rng.choice(chains(numbers))
        prompt = f"Reach {target} with {numbers[0]}, {numbers[1]} and {numbers[2]}, each used once.\n"
        weights = completions(rng, numbers, target, skill=rng.betavariate(0.5, 0.8))
        for index, text in enumerate(rng.choices(list(weights), list(weights.values()), k=GROUP_SIZE)):
            rows.append(
                {
                    "prompt_id": f"countdown-{number:03d}",
                    "prompt": prompt,
                    "prompt_ids": [ord(c) for c in prompt],
                    "answer": str(target),
                    "reference": f"{first}\n{second}\nA: {target}",
                    "group": number,
                    "sample_index": index,
                    "completion": text,
                    "completion_ids": [ord(c) for c in text + "\n\n"],
                    "logprobs": character_logprobs(text, weights),
                    "logprob_semantics": "processed",
                    "finish_reason": "stop",
                    "policy": "toy",
                    "temperature": 1.0,
                    "top_p": 1.0,
                }
            )
    return rows


if __name__ == "__main__":
    target_path = Path(sys.argv[1])
    target_path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row) for row in rollouts(random.Random(SEED))]
    target_path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"wrote {len(lines)} samples to {target_path}", file=sys.stderr)
