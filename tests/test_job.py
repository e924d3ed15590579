"""Job files: every section is checked before anything runs, with the words a person needs to mend it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from curate.errors import ConfigError, did_you_mean
from curate.job import read_job, split_setting, steps

DATASET = "[dataset]\npath = 'd'\n"


def read(tmp_path: Path, text: str) -> list[Any]:
    path = tmp_path / "job.toml"
    path.write_text(text)
    return steps(path, read_job(path, []))


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("[verify]\nverifier = 'gsm8'", r"\[verify\]: no verifier is called 'gsm8' \(did you mean 'gsm8k'\?\)"),
        ("[verify]\nverifier = 'exact'\nas = 'My Exact'", r"\[verify\]: 'My Exact' cannot name a variant"),
        ("[judge]\nrule = 'arithmetics'", r"\[judge\]: no judging rule is called 'arithmetics' \(did you mean"),
        ("[reweight]\nrecipe = 'grop'", r"\[reweight\]: no recipe 'grop' \(did you mean 'grpo'\?\)"),
        ("[reweight.a]\nrecipe = 'grpo'\nepss = 1", r"\[reweight.a\]: grpo has no parameter 'epss'"),
        ("[reweight.a]\nrecipe = 'unlikely_grpo'", r"\[reweight.a\]: unlikely_grpo: missing .*'beta_rank'"),
        ("[reweight.a]\nrecipe = 'unlikely_grpo'\nbeta_rank = nan", "beta_rank must be a finite number"),
        (f"[reweight.a]\nrecipe = 'unlikely_grpo'\nbeta_rank = {10**400}", "beta_rank must be a finite number"),
        ("[reweight.Unlikely]\nrecipe = 'grpo'", r"\[reweight.Unlikely\]: 'Unlikely' cannot name a variant"),
        ("[logprob]\nmodel = 'nowhere'", r"\[logprob\]: nowhere is not a folder"),
        ("[evaluate]\nmodel = 'nowhere'\nprompts = 'p'\nto = 't'", r"\[evaluate\]: nowhere is not a folder"),
        ("[logprob]", r"\[logprob\]: give either model or from_sampler"),
        ("[logprob]\nfrom_sampler = true\nas = '1'", r"\[logprob\]: '1' cannot name a variant"),
        ("[import]\npath = 'x'\nrows_per_part = 0", "rows_per_part: .* greater than or equal to 1, got 0"),
        ("[import]\npath = 'x'\nmax_bad_share = 1.5", "max_bad_share: .* less than or equal to 1, got 1.5"),
        ("[import]\npath = 'x'\nmax_bad_share = nan", "max_bad_share: .* finite"),
        ("[verify]\nverifier = 'exact'\nmax_failed_share = -0.1", "max_failed_share: .* greater than or equal to 0"),
    ],
)
def test_what_a_verb_would_refuse_later_is_refused_at_once(tmp_path: Path, section: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, f"{DATASET}{section}\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dataset = 'x'\n", r"section \[dataset\] must give path"),
        ("[dataset]\npath = 3\n", r"section \[dataset\] must give path"),
        ("[dataset]\npath = 'd'\ncolour = 'red'\n", r"\[dataset\]: unknown key colour; known: path"),
        ("[dataset]\npath = 'd'\npaht = 'e'\n", r"unknown key paht \(did you mean 'path'\?\)"),
        (f"[dataset]\npath = {'9' * 5000}\n", "is no TOML file"),
        (f"[dataset]\npath = {'[' * 5000}\n", "is no TOML file"),
    ],
)
def test_a_wrong_dataset_section(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, text)


def test_a_right_job_is_read_in_pipeline_order(tmp_path: Path) -> None:
    text = (
        f"{DATASET}[reweight.a]\nrecipe = 'unlikely_grpo'\nbeta_rank = 0.25\n[import]\npath = 'x'\nrows_per_part = 1\n"
    )
    first, second = read(tmp_path, text)
    assert (first.title, first.arguments["rows_per_part"], first.arguments["path"]) == ("import", 1, [Path("x")])
    assert (second.title, second.arguments["as_"], second.arguments["set_"]) == ("reweight.a", "a", ["beta_rank=0.25"])


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("b=.25", 0.25),
        ("b=-.5e-1", -0.05),
        ("b=1.", 1.0),
        ("b=0.25", 0.25),
        ("b=3", 3),
        ("b=true", True),
        ("b=two", "two"),
        ("b=.", "."),
        ("b=1.2.3", "1.2.3"),
        ("b=" + "9" * 5000, "9" * 5000),
        ("b=.5e999999", math.inf),
    ],
)
def test_the_value_of_a_setting(setting: str, value: object) -> None:
    found = split_setting(setting)
    assert found == ("b", value)
    assert type(found[1]) is type(value)


def test_a_close_word_is_suggested() -> None:
    assert did_you_mean("verfy", ["verify", "judge"]) == " (did you mean 'verify'?)"
    assert did_you_mean("zzz", ["verify", "judge"]) == ""


def test_datasets_follow_each_other_each_in_pipeline_order(tmp_path: Path) -> None:
    text = f"""
    [dataset]
    path = "{tmp_path}/a"
    [reweight.a]
    recipe = "grpo"
    [reweight.b]
    recipe = "grpo"
    dataset = "{tmp_path}/b"
    [verify.a]
    verifier = "exact"
    [verify.b]
    verifier = "exact"
    dataset = "{tmp_path}/b"
    """
    path = tmp_path / "job.toml"
    path.write_text(text)
    titles = [step.title for step in steps(path, read_job(path, []))]
    assert titles == ["verify.a", "reweight.a", "verify.b", "reweight.b"]


@pytest.mark.parametrize("rounds", ["0", "1.5", "true", '"2"', "99999"])
def test_a_senseless_number_of_rounds_is_refused(tmp_path: Path, rounds: str) -> None:
    path = tmp_path / "job.toml"
    path.write_text(f'rounds = {rounds}\n[dataset]\npath = "x"\n')
    with pytest.raises(ConfigError, match=r"give how often sample \.\. train is repeated"):
        steps(path, read_job(path, []))


TRAINED_TWICE = """
[dataset]
path = "d"
[train.one]
recipe = "grpo"
model = "countdown-strong"
out = "one"
[train.two]
recipe = "grpo"
model = "one"
out = "two"
[logprob]
model = "two"
"""
ROUNDS = """
rounds = 2
[dataset]
path = "d"
[sample]
local = "countdown-strong"
[train]
recipe = "grpo"
model = "countdown-strong"
out = "policy"
[evaluate]
model = "policy/round-02"
prompts = "p"
to = "t"
"""


@pytest.mark.parametrize("text", [TRAINED_TWICE, ROUNDS])
def test_a_checkpoint_that_the_job_makes_need_not_be_there_yet(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text)


def test_a_round_that_is_never_trained_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="policy/round-03 is not a folder"):
        read(tmp_path, ROUNDS.replace("policy/round-02", "policy/round-03"))
