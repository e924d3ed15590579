"""The shipped policies: what they can do, and that the blank ones are what the script beside the jobs writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from curate.verbs.lookup import POLICIES

JOBS = Path(__file__).parents[1] / "jobs"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["countdown-blank", "bytes-blank"])
def test_the_blank_policies_are_those_the_script_writes(name: str, tmp_path: Path) -> None:
    subprocess.run([sys.executable, JOBS / "blank_policies.py", tmp_path], check=True, capture_output=True)
    written = {path.name: path.read_text() for path in (tmp_path / name).iterdir()}
    assert written == {path.name: path.read_text() for path in (POLICIES / name).iterdir()}


def n_correct_of_32(name: str) -> list[int]:
    """Sample 96 held-out problems 32 times each; return the number of correct completions of each."""
    from curate.sampling.completion import Setting
    from curate.sampling.local import LocalSampler
    from curate.tasks.generate import problems
    from curate.tasks.verify import compare, extract

    asked = problems(96, 11, "heldout")
    sampler = LocalSampler(POLICIES / name, device="cpu")
    seeds = [[100 * place + number for number in range(32)] for place in range(96)]
    prompts = [sampler.encode(problem.prompt, "text") for problem in asked]
    groups = sampler.sample(prompts, seeds, Setting(max_new_tokens=64))
    return [
        sum(compare(extract(text), problem.text).outcome == "correct" for text in sampler.texts(group))
        for problem, group in zip(asked, groups, strict=True)
    ]


def test_the_strong_policy_solves_15_to_30_percent() -> None:
    assert 0.15 <= sum(n_correct_of_32("countdown-strong")) / (96 * 32) <= 0.30


def test_the_early_policy_fails_in_at_least_half_of_its_groups_though_not_always() -> None:
    solved = n_correct_of_32("countdown-early")
    assert solved.count(0) >= 48
    assert sum(solved) > 0


@pytest.mark.parametrize("name", ["countdown-strong", "countdown-early"])
def test_the_shipped_weights_are_bfloat16_and_small(name: str) -> None:
    from safetensors import safe_open

    path = POLICIES / name / "model.safetensors"
    with safe_open(path, framework="pt") as weights:
        assert {weights.get_slice(key).get_dtype() for key in weights.keys()} == {"BF16"}  # noqa: SIM118
    assert path.stat().st_size < 2_000_000
