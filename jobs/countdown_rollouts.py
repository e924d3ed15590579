"""Write rollouts of a toy policy on countdown: reach a target from four numbers, each used once.

    python jobs/countdown_rollouts.py runs/quickstart/rollouts.jsonl

The policy knows a fixed list of completions a problem (solutions, games that miss the target, slips, giving up) and
draws from it with known probabilities, so that ids and log-probs are exact: the log-prob of a character is that of the
mixture given the characters before it. Everything follows from the seed.
"""

from __future__ import annotations

import json
import math
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from curate.tasks.countdown import Problem
from curate.tasks.generate import problems
from curate.tasks.moves import after, legal_moves
from curate.tasks.solve import solutions

N_PROMPTS, GROUP_SIZE, SEED = 96, 16, 7
N_RIGHT, N_WRONG = 8, 8
END = "\n"


def game(rng: random.Random, problem: Problem) -> str:
    """Play legal moves at random; one step in six states a false result, and the game goes on with the true one."""
    left, steps = problem.numbers, []
    while len(left) > 1:
        move = rng.choice(list(legal_moves(left)))
        slip = rng.choice([-2, -1, 1, 2]) if rng.random() < 1 / 6 else 0
        steps.append(f"{move.a}{move.operator}{move.b}={move.result + slip}")
        left = after(left, move)
    return ";".join(steps)


def policy(rng: random.Random, problem: Problem) -> dict[str, float]:
    """Return the completions of one problem with their probabilities; right ones share the policy's skill."""
    right = rng.sample(every := solutions(problem), min(N_RIGHT, len(every)))
    wrong = sorted({game(rng, problem) for _ in range(40)} - set(every))
    wrong = [*rng.sample(wrong, min(N_WRONG, len(wrong))), "?"]
    skill = rng.betavariate(0.5, 0.8)
    shares = {}
    for share, texts in ((skill, right), (1 - skill, wrong)):
        weights = [1 / (place + 1) ** 1.5 for place in range(len(texts))]
        shares |= {text: share * weight / sum(weights) for text, weight in zip(texts, weights, strict=True)}
    return shares


def character_logprobs(text: str, shares: dict[str, float]) -> list[float]:
    """Return the log-prob of each character of ``text`` and its end, given the characters before it."""
    alive, logprobs = {other + END: share for other, share in shares.items()}, []
    for place, character in enumerate(text + END):
        before = sum(alive.values())
        alive = {other: share for other, share in alive.items() if other[place : place + 1] == character}
        logprobs.append(min(0.0, math.log(sum(alive.values()) / before)))
    return logprobs


def rollouts(rng: random.Random) -> Iterator[dict[str, object]]:
    for number, problem in enumerate(problems(N_PROMPTS, SEED, n_numbers=4)):
        shares = policy(rng, problem)
        for index, text in enumerate(rng.choices(list(shares), list(shares.values()), k=GROUP_SIZE)):
            yield {
                "prompt_id": f"countdown-{number:03d}",
                "prompt": problem.prompt,
                "prompt_ids": [ord(c) for c in problem.prompt],
                "answer": problem.text,
                "group": number,
                "sample_index": index,
                "completion": text,
                "completion_ids": [ord(c) for c in text + END],
                "logprobs": character_logprobs(text, shares),
                "logprob_semantics": "processed",
                "finish_reason": "stop",
                "policy": "toy",
                "temperature": 1.0,
                "top_p": 1.0,
            }


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row) for row in rollouts(random.Random(SEED))]
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"wrote {len(lines)} samples to {target}", file=sys.stderr)
