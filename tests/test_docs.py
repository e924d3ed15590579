"""Documents that would rot: generated tables, commands, job files, the notebook example."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import curate
from curate import docs
from curate.cli import app
from curate.job import read_job, steps
from curate.verbs import VERBS

ROOT = Path(__file__).parent.parent
DOCUMENTS = [
    ROOT / name
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "data/README.md",
        "docs/check.md",
        "docs/methods.md",
        "docs/online.md",
        "docs/verifiers.md",
    )
]
JOBS = sorted((ROOT / "jobs").glob("*.toml"))


@pytest.mark.parametrize(
    "path", [ROOT / name for name in ("README.md", "data/README.md", "docs/verifiers.md")], ids=str
)
def test_generated_tables_are_current(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "begin -->" in text
    assert docs.inserted(text) == text, "run: python -m curate.docs README.md data/README.md docs/verifiers.md"


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_every_command_in_a_document_exists_with_its_options(path: Path) -> None:
    for line in re.findall(r"curate ([a-z]+[^`\n]*)", path.read_text(encoding="utf-8")):
        words = line.split("  #")[0].split()
        if words[0] not in VERBS:
            continue
        shown = CliRunner().invoke(app, [words[0], "--help"]).stdout
        for option in re.findall(r"--[a-z][a-z-]*", line.split("  #")[0]):
            assert option in shown, f"{path.name}: curate {line}"


def test_the_readme_shows_only_verbs_that_exist() -> None:
    shown = re.findall(r"^    curate ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(shown) <= set(VERBS)
    assert len(shown) > 8


def test_the_readme_s_python_runs() -> None:
    code = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(code) == 1
    lines = code[0].strip().split("\n")
    scope: dict[str, object] = {}
    exec("\n".join(lines[:-1]), scope)
    weighted = eval(lines[-1], scope)
    assert isinstance(weighted, pl.DataFrame)
    assert weighted["drop_reason"].to_list() == [None, None, None, "unjudged"]
    assert weighted["sample_index"].to_list() == [0, 1, 2, 3]


@pytest.mark.parametrize("path", JOBS, ids=lambda p: p.name)
def test_a_job_file_is_valid_and_starts_with_its_command(path: Path) -> None:
    assert path.read_text(encoding="utf-8").splitlines()[0] == f"# curate run jobs/{path.name}"
    assert steps(path, read_job(path, []))


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run jobs/quickstart.toml on its toy rollouts, in a folder of its own."""
    folder = tmp_path_factory.mktemp("quickstart")
    rollouts = folder / "runs" / "quickstart" / "rollouts.jsonl"
    subprocess.run([sys.executable, ROOT / "jobs" / "countdown_rollouts.py", rollouts], check=True, capture_output=True)
    command = [
        sys.executable,
        "-c",
        "from curate.cli import main; main()",
        "run",
        str(ROOT / "jobs" / "quickstart.toml"),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "quickstart" / "dataset"


def test_make_demo_runs_the_demo() -> None:
    dry = subprocess.run(["make", "-n", "demo"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert ".venv/bin/curate demo" in dry.splitlines()


def test_the_quickstart_runs_its_recipes_and_keeps_every_rule(quickstart: Path) -> None:
    data = curate.Dataset(quickstart)
    job = tomllib.loads((ROOT / "jobs" / "quickstart.toml").read_text())
    assert data.variants("advantages") == sorted(job["reweight"])
    assert CliRunner().invoke(app, ["check", str(quickstart)]).exit_code == 0


def test_the_figure_shows_advantage_moving_to_rare_samples(quickstart: Path) -> None:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import figure
    finally:
        sys.path.pop(0)
    rows = figure.change_by_rank(curate.Dataset(quickstart))
    likely, rare = rows.filter(pl.col("rank") <= 4), rows.filter(pl.col("rank") >= 12)
    assert (likely["change"] < 0).all()
    assert (rare["change"] > 0).all()
    drawn = (ROOT / "docs" / "advantage-by-rank.svg").read_text()
    bars = re.findall(r"change of the mean advantage: ([−0-9.]+)", drawn)
    shown = [float(bar.replace("−", "-")) for bar in bars]
    assert shown == pytest.approx(rows["change"].to_list(), abs=1e-9), "run docs/figure.py again"
