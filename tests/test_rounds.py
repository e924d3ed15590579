"""rounds = N: the steps of a job unrolled, by value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curate.errors import ConfigError
from curate.rounds import Step, unroll

FOLDER = Path("runs/loop")


def step(name: str, **arguments: Any) -> Step:
    return Step(name, name, lambda **_: None, arguments)


def loop(**changes: Any) -> list[Step]:
    sample = {"dataset": FOLDER, "local": Path("start"), "seed": 7} | changes
    return [
        step("prompts", to=FOLDER, seed=3),
        step("sample", **sample),
        step("verify", dataset=FOLDER),
        step("train", dataset=FOLDER, model=Path("start"), out=Path("out")),
        step("evaluate", datasets=[Path("heldout")], model=Path("out/round-02")),
    ]


def test_each_round_has_its_own_folder_seeds_and_start() -> None:
    prompts, sample, verify, train, *later = unroll(loop(), 2, FOLDER)
    assert prompts.arguments == {"to": FOLDER / "round-01", "seed": 3}
    assert sample.arguments == {"dataset": FOLDER / "round-01", "local": Path("start"), "seed": 7}
    assert verify.arguments == {"dataset": FOLDER / "round-01"}
    assert train.arguments == {"dataset": FOLDER / "round-01", "model": Path("start"), "out": Path("out/round-01")}
    prompts, sample, verify, train, evaluate = later
    assert prompts.arguments == {"to": FOLDER / "round-02", "seed": 4}
    assert sample.arguments == {"dataset": FOLDER / "round-02", "local": Path("out/round-01"), "seed": 8}
    assert train.arguments == {
        "dataset": FOLDER / "round-02",
        "model": Path("out/round-01"),
        "out": Path("out/round-02"),
    }
    assert train.title == "round 2 of 2: train"
    assert evaluate.arguments == {"datasets": [Path("heldout")], "model": Path("out/round-02")}


def test_a_section_on_another_folder_keeps_it() -> None:
    steps = loop()
    steps[2] = step("verify", dataset=Path("elsewhere"))
    assert [s.arguments["dataset"] for s in unroll(steps, 2, FOLDER) if s.name == "verify"] == [Path("elsewhere")] * 2


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([s for s in loop() if s.name != "train"], r"one \[sample\] and one \[train\]"),
        ([*loop(), step("sample", local=Path("b"), seed=0)], r"one \[sample\] and one \[train\]"),
        (loop(local=None), r"give \[sample\] local and \[train\] model the same path"),
        (loop(local=Path("other")), r"give \[sample\] local and \[train\] model the same path"),
        ([*loop(), step("export", out=Path("x"))], r"not \[export\]: run that on a round's folder"),
    ],
)
def test_what_cannot_be_repeated_is_refused(steps: list[Step], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        unroll(steps, 2, FOLDER)
