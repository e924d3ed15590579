"""jobs/coq.toml on generated theorems: every kind of scripted sample ends as it should, and the rewards follow."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset
from curate.verifying.provers.coq_statement import parse

JOBS = Path(__file__).parent.parent / "jobs"
OUTCOMES = {  # kind of sample: outcome and how its detail begins
    "proof": ("correct", None),
    "by_hand": ("correct", None),
    "wrong": ("incorrect", "In environment"),
    "admitted": ("incorrect", "assumes "),
    "axiom": ("incorrect", "assumes obvious"),
    "weaker": ("incorrect", "no proof of the statement"),
    "endless": ("incorrect", "time_limit"),
    "crash": ("error", "prover crashed: Anomaly"),
}


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(JOBS))
    try:
        import coq_theorems
    finally:
        sys.path.pop(0)
    return coq_theorems


def test_theorems_are_many_alike_for_a_seed_and_statements(script) -> None:
    some = list(script.theorems(random.Random(1), 200))
    assert some == list(script.theorems(random.Random(1), 200))
    assert len({theorem.type for theorem in some}) > 150
    assert {theorem.domain for theorem in some} == {"propositional", "linear"}
    for theorem in some:
        asked = parse(script.asked(theorem)["answer"])
        assert asked
        assert (asked.name, asked.preamble) == (theorem.name, theorem.preamble)


def holds(formula, world: int, worlds: list[dict[str, int]]) -> bool:
    """Say whether a formula holds in a world of a chain: an implication must hold in all later worlds too."""
    if isinstance(formula, str):
        return world >= worlds[0][formula]
    operator, left, right = formula
    if operator == "/\\":
        return holds(left, world, worlds) and holds(right, world, worlds)
    if operator == "\\/":
        return holds(left, world, worlds) or holds(right, world, worlds)
    later = range(world, 3)
    return all(holds(right, each, worlds) or not holds(left, each, worlds) for each in later)


def test_each_step_follows_in_every_chain_of_three_worlds(script) -> None:
    rng = random.Random(2)
    for _ in range(100):
        formulas = [script.random_formula(rng, 2)]
        for _ in range(4):
            formulas.append(script.step(rng, formulas[-1]))
        for _ in range(30):
            born = [{atom: rng.randint(0, 3) for atom in script.ATOMS}]
            for first, then in pairwise(formulas):
                assert all(holds(then, w, born) or not holds(first, w, born) for w in range(3)), (first, then)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("coqc") is None, reason="coqc is not installed: apt install coq")
def test_the_job_ends_as_it_should(script, tmp_path: Path) -> None:
    subprocess.run([sys.executable, JOBS / "coq_theorems.py", tmp_path, "-n", "2"], check=True, capture_output=True)
    settings = [f"dataset.path={tmp_path}/dataset", f"import.path={tmp_path}/rollouts.jsonl", "verify.workers=2"]
    words = [word for setting in settings for word in ("--set", setting)]
    result = CliRunner().invoke(app, ["run", str(JOBS / "coq.toml"), *words])
    assert result.exit_code == 0, result.output
    data = Dataset(tmp_path / "dataset")
    rows = data.scan("samples").join(data.scan("verdicts"), on=["group_id", "sample_index"]).collect()
    found = dict(zip(rows["completion"], rows.select("outcome", "detail", "reward").iter_rows(), strict=True))
    for theorem in script.theorems(random.Random(script.SEED), 2):
        for kind in script.KINDS:
            outcome, detail, reward = found.pop(f"```coq\n{theorem.preamble}{kind(theorem)}\n```")
            expected = OUTCOMES[kind.__name__]
            assert (outcome, str(detail)[: len(str(expected[1]))]) == (expected[0], str(expected[1])), (kind, detail)
            assert reward == {"correct": 1.0, "incorrect": 0.0, "error": None}[outcome]
    assert not found
    # two of seven are right; the crash is dropped, not counted as wrong
    query = "SELECT drop_reason, group_size, round(advantage, 6), count(*) FROM advantages WHERE recipe = 'dr_grpo' GROUP BY ALL"
    assert sorted(data.sql(query).fetchall(), key=str) == [
        ("unjudged", 7, None, 2),
        (None, 7, round(-2 / 7, 6), 10),
        (None, 7, round(5 / 7, 6), 4),
    ]
