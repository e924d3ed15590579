"""jobs/minif2f.toml: every statement becomes a prompt, and the job runs from a scripted sampler through a scripted Lean server."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset
from curate.models.tokenizer import load_tokenizer
from curate.verbs.lookup import POLICIES
from fake_lean import FakeKimina
from fake_server import FakeServer

JOB = Path(__file__).parent.parent / "jobs" / "minif2f.toml"
N_PROMPTS = 12
SCRIPT = {  # what the sampler says -> outcome and how the detail begins
    "  linarith; case_ok\n```\n": ("correct", None),
    "  norm_num; case_ok_without_axioms\n```": ("correct", None),
    "  linarith; case_error\n```\n": ("incorrect", "linarith failed"),
    "  simp\n  sorry\n```\n": ("incorrect", "forbidden: sorry"),
    "  exact?; case_sorry\n```\n": ("incorrect", "sorry"),
    "  decide; case_timeout\n```\n": ("incorrect", "time_limit"),
    "  linarith; case_ok\n```\nThis proves it.": ("incorrect", "text after the proof"),
    "  linarith": ("unparsable", "no closed proof fence"),
    "  omega; case_crash\n```\n": ("error", "lean server: HTTP status 500"),
}


@pytest.fixture(scope="module")
def source() -> Path:
    if "CURATE_TEST_DATA" not in os.environ:
        pytest.skip("CURATE_TEST_DATA is not set: it names the folder that holds minif2f/minif2f_test.parquet")
    return Path(os.environ["CURATE_TEST_DATA"]) / "minif2f" / "minif2f_test.parquet"


def run(*settings: str) -> Any:
    words = [word for setting in settings for word in ("--set", setting)]
    result = CliRunner().invoke(app, ["run", str(JOB), *words])
    assert result.exit_code == 0, result.output
    return result


def test_every_statement_becomes_a_prompt_that_ends_where_the_proof_begins(source: Path, tmp_path: Path) -> None:
    section = tomllib.loads(JOB.read_text("utf-8"))["prompts"]
    words = [
        word for key, value in section.items() if key != "source" for word in (f"--{key.replace('_', '-')}", value)
    ]
    result = CliRunner().invoke(app, ["prompts", str(source), "--to", str(tmp_path), *words])
    assert result.exit_code == 0, result.output
    given = pl.read_parquet(source)
    made = Dataset(tmp_path).scan("prompts").collect()
    assert len(made) == 244
    assert made["prompt_id"].to_list() == given["theorem_full_name"].to_list()
    assert made["answer"].to_list() == given["theorem_statement"].to_list()
    for prompt, said, stated in zip(
        made["prompt"], given["informal_statement"], given["theorem_statement"], strict=True
    ):
        assert prompt.startswith(
            "Complete the following Lean 4 code:\n\n```lean4\nimport Mathlib\nimport Aesop\n\nset_option"
        )
        assert prompt.endswith(f"\n\nopen BigOperators Real Nat Topology Rat\n\n{said}{stated}")
        assert prompt.endswith(":= by\n")


@pytest.mark.slow
def test_the_job_runs_with_a_scripted_sampler_and_a_scripted_lean_server(source: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(POLICIES / "bytes-blank")
    script = [[*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id] for text in SCRIPT]

    def complete(_: Sequence[int], seed: int, most: int) -> list[int]:
        return script[seed % len(script)][:most]

    def decode(ids: Sequence[int]) -> str:
        return str(tokenizer.decode(ids, skip_special_tokens=True))

    sampler = FakeServer(model="bytes-blank", max_model_len=8192, vocabulary=259, complete=complete, decode=decode)
    with sampler, FakeKimina() as lean:
        run(
            f"dataset.path={tmp_path}",
            f"prompts.source={source}",
            f"prompts.n={N_PROMPTS}",
            f'sample.server=["{sampler.url}"]',
            f"sample.group_size={len(SCRIPT)}",
            f"verify.server={lean.url}",
            "verify.workers=2",
            "verify.max_failed_share=0.2",
        )
    data = Dataset(tmp_path)
    rows = data.scan("samples").join(data.scan("verdicts"), on=["group_id", "sample_index"]).collect()
    assert len(rows) == N_PROMPTS * len(SCRIPT)
    for text, outcome, detail in rows.select("completion", "outcome", "detail").iter_rows():
        assert (outcome, str(detail)[: len(str(SCRIPT[text][1]))]) == (SCRIPT[text][0], str(SCRIPT[text][1]))
    assert rows["completion"].value_counts()["count"].to_list() == [N_PROMPTS] * len(SCRIPT)
    query = "SELECT recipe, drop_reason, count(*), count(advantage) FROM advantages GROUP BY ALL ORDER BY ALL"
    kept = (len(SCRIPT) - 1) * N_PROMPTS
    for recipe in ("grpo", "unlikely_grpo"):
        assert (recipe, None, kept, kept) in data.sql(query).fetchall()
        assert (recipe, "unjudged", N_PROMPTS, 0) in data.sql(query).fetchall()
    for (mean,) in data.sql("SELECT avg(advantage) FROM advantages WHERE recipe = 'grpo' GROUP BY group_id").fetchall():
        assert abs(mean) < 1e-9
