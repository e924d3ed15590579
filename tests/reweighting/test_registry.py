import json

import polars as pl
import pytest

from curate.errors import ConfigError
from curate.reweighting import recipes
from curate.reweighting.catalogue import describe
from curate.reweighting.recipe import needed_columns
from curate.reweighting.registry import build, names


def test_every_recipe_is_listed_under_its_functions_name() -> None:
    assert {"diverse_grpo", "grpo", "he2025_release", "raft", "rloo", "unlikely_spectral"} <= set(names())
    for name in names():
        assert getattr(recipes, name).__name__ == name


@pytest.mark.parametrize(
    ("name", "parameters", "columns"),
    [
        ("grpo", {}, ("outcome", "reward")),
        ("dr_grpo", {}, ("outcome", "reward")),
        ("rloo", {"keep_groups": "all"}, ("outcome", "reward")),
        ("unlikely_grpo", {"beta_rank": 0.25}, ("mean_logprob", "outcome", "reward")),
        ("unlikely_grpo", {"beta_rank": 0.25, "rank_by": "sum"}, ("outcome", "reward", "sum_logprob")),
        ("raft", {}, ("outcome", "reward")),
        ("he2025_release", {}, ("mean_logprob", "outcome", "reward")),
        ("spectral_grpo", {}, ("outcome", "reward", "rts")),
        (
            "spectral_grpo",
            {"no_error": "last_step"},
            ("first_error_step", "n_steps", "outcome", "reward", "rts"),
        ),
        ("spectral_grpo", {"until_round": 3, "round": 4}, ("outcome", "reward")),
        ("diverse_grpo", {"lambda_div": 0}, ("diversity", "outcome", "reward")),
        ("unlikely_spectral", {"beta_rank": 0}, ("mean_logprob", "outcome", "reward", "rts")),
    ],
)
def test_a_recipe_tells_the_columns_it_needs_before_anything_runs(
    name: str, parameters: dict[str, object], columns: tuple[str, ...]
) -> None:
    recipe = build(name, parameters)
    assert recipe.name == name
    assert needed_columns(recipe) == columns


def test_a_recipe_carries_all_its_parameters_and_its_source() -> None:
    recipe = build("grpo", {"eps": 1})
    assert recipe.parameters == {"eps": 1.0, "keep_groups": "mixed"}
    assert type(recipe.parameters["eps"]) is float
    assert recipe.source == ("arXiv 2402.03300",)


def test_a_preset_carries_the_parameters_of_the_recipe_it_sets() -> None:
    recipe = build("he2025_release")
    assert recipe.parameters == {
        "beta_rank": 0.25,
        "rank_by": "mean",
        "among": "group",
        "ties": "index",
        "gate_on": "outcome",
        "scale": "std",
        "clamp_sign": False,
        "eps": 1e-6,
        "keep_groups": "mixed",
    }
    assert recipe.source[-1] == "AndreHe02/rewarding-unlikely-release@ca1cff0"


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        (
            "unlikly_grpo",
            {},
            r"no recipe 'unlikly_grpo' \(did you mean 'unlikely_grpo'\?\); known: .*diverse_grpo, dr_grpo",
        ),
        ("grpo", {"epss": 1e-6}, r"no parameter 'epss' \(did you mean 'eps'\?\); its parameters: eps, keep_"),
        ("he2025_release", {"beta_rank": 0.5}, "he2025_release has no parameter 'beta_rank'; it has no param"),
        ("unlikely_grpo", {}, "missing a required argument: 'beta_rank'"),
        ("unlikely_grpo", {"beta_rank": True}, "beta_rank must be a finite number, got True"),
        ("unlikely_grpo", {"beta_rank": "0.25"}, "beta_rank must be a finite number, got '0.25'"),
        ("unlikely_grpo", {"beta_rank": float("nan")}, "beta_rank must be a finite number, got nan"),
        ("unlikely_grpo", {"beta_rank": 10**400}, "beta_rank must be a finite number, got 1000"),
        ("unlikely_grpo", {"beta_rank": 1.5}, r"beta_rank must be in \[0, 1\], got 1.5"),
        ("unlikely_grpo", {"beta_rank": 1, "clamp_sign": 1}, "clamp_sign must be true or false, got 1"),
        (
            "unlikely_grpo",
            {"beta_rank": 1, "ties": "avrage"},
            r"ties must be \"average\" \| \"index\", got 'avrage' \(did you mean 'average'\?\)",
        ),
        ("unlikely_grpo", {"beta_rank": 1, "ties": 3}, "ties must be .* got 3"),
        ("grpo", {"eps": -1}, "eps must be at least 0, got -1"),
        ("diverse_grpo", {}, "missing a required argument: 'lambda_div'"),
        ("diverse_grpo", {"lambda_div": -0.5}, "lambda_div must be at least 0, got -0.5"),
        ("spectral_grpo", {"beta": 0}, "beta must be above 0"),
        ("spectral_grpo", {"graded_max": 0}, r"graded_max must be in \(0, 1\]"),
        ("spectral_grpo", {"graded_max": 1.1}, r"graded_max must be in \[0, 1\]"),
        ("spectral_grpo", {"min_spread": -0.1}, r"min_spread must be in \[0, 1\]"),
        ("spectral_grpo", {"damping": -1}, "damping must be at least 0"),
        ("spectral_grpo", {"until_round": 3}, "until_round=3 needs the round of this data: set round = 1, 2"),
        ("spectral_grpo", {"until_round": 3.0, "round": 1}, "until_round must be a whole number, got 3.0"),
    ],
)
def test_wrong_names_and_values_are_refused_with_what_is_known(
    name: str, parameters: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        build(name, parameters)


def test_a_call_from_a_notebook_is_checked_like_a_job_file() -> None:
    with pytest.raises(ConfigError, match="did you mean 'beta_rank'"):
        recipes.unlikely_grpo(beta_rnk=0.25)  # type: ignore[call-arg]


@pytest.mark.parametrize("name", names())
def test_a_description_is_json_and_names_every_parameter(name: str) -> None:
    found = json.loads(json.dumps(describe(name)))
    assert found["doc"].count("\n") >= 2
    assert {"outcome", "reward"} <= set(found["needed_columns"])
    assert found["source"]
    assert all(set(p) == {"name", "type", "required", "default"} for p in found["parameters"])


def test_the_description_of_beta_rank_says_that_it_has_no_default() -> None:
    found = describe("unlikely_grpo")
    assert found["rewards"] == "binary"
    assert found["parameters"][0] == {
        "name": "beta_rank",
        "type": "a finite number",
        "required": True,
        "default": None,
    }
    assert found["parameters"][1]["type"] == '"mean" | "sum"'


def test_expressions_are_written_for_one_group() -> None:
    recipe = recipes.grpo()
    one_group = pl.DataFrame({"reward": [1.0, 0.0], "correct": [True, False]})
    assert one_group.select(shaped=recipe.shaped)["shaped"].to_list() == [1.0, 0.0]
