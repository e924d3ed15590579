import polars as pl
import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.errors import ConfigError, ContractError
from curate.reweighting import recipes
from curate.reweighting.apply import apply, reweight
from curate.reweighting.columns import COLUMNS, IMPORT, SCORES
from curate.reweighting.recipe import Recipe

UNLIKELY = recipes.unlikely_grpo(beta_rank=0.25)
SPECTRAL = recipes.spectral_grpo()


def frame(**columns: object) -> pl.DataFrame:
    base = {"group_id": [1, 1, 1], "sample_index": [0, 1, 2], "reward": [1.0, 0.0, None]}
    return pl.DataFrame({**base, **columns})


@pytest.mark.parametrize(
    ("recipe", "lacking", "message"),
    [
        (
            recipes.grpo(),
            "reward",
            "grpo reads the column reward, which is not there: run `curate verify DIR --verifier NAME`",
        ),
        (UNLIKELY, "mean_logprob", "reads the column mean_logprob.*: run `curate logprob DIR --model PATH`"),
        (SPECTRAL, "rts", "spectral_grpo reads the column rts.*: run `curate judge DIR --rule NAME`"),
        (recipes.grpo(), "sample_index", "reads the column sample_index.*: run `curate import PATH --to DIR`"),
    ],
)
def test_a_missing_column_names_the_command_that_makes_it(recipe: Recipe, lacking: str, message: str) -> None:
    full = frame(mean_logprob=[-1.0, -2.0, -3.0], rts=[None, 0.5, 0.25])
    for function in (reweight, apply):
        with pytest.raises(ConfigError, match=message):
            function(full.drop(lacking), recipe)


@pytest.mark.parametrize("command", sorted({IMPORT, SCORES, *(column.command for column in COLUMNS.values())}))
def test_the_commands_in_messages_exist_with_their_options(command: str) -> None:
    _, verb, *arguments = command.split()
    text = CliRunner().invoke(app, [verb, "--help"]).output
    assert "Usage: " in text
    assert [a for a in arguments if a.startswith("--") and f"{a} " not in text] == []


def test_a_column_of_text_is_no_number() -> None:
    with pytest.raises(ConfigError, match="reads reward as a number, but its type is String"):
        reweight(frame(reward=["1", "0", None]), recipes.grpo())


def test_an_outcome_of_booleans_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"outcome must be text .* but its type is Boolean"):
        reweight(frame(outcome=[True, False, None]), recipes.grpo())


def test_nan_and_infinity_are_counted_with_their_first_key() -> None:
    bad = frame(mean_logprob=[-1.0, float("nan"), float("-inf")])
    with pytest.raises(
        ContractError, match=r"mean_logprob is NaN or infinite.*: 2 rows, first group_id 1, sample_index 1"
    ):
        reweight(bad, UNLIKELY)
    with pytest.raises(ContractError, match="reward is NaN or infinite"):
        reweight(frame(reward=[1.0, float("inf"), 0.0]), recipes.grpo())


def test_nan_in_a_column_that_is_not_read_does_not_matter() -> None:
    reweight(frame(mean_logprob=[float("nan")] * 3), recipes.grpo())


def test_every_broken_rule_is_in_the_message() -> None:
    bad = frame(rts=[1.5, None, None], outcome=["correct", "Incorrect", "error"])
    with pytest.raises(ContractError, match=r"outcome is none of correct, .*sample_index 1; rts is outside"):
        reweight(bad, SPECTRAL)


@pytest.mark.parametrize("rows", [[0, 1, 1, 2], [1, 0, 2, 1], [2, 2, 2, 2]])
def test_a_key_twice_is_refused_in_any_row_order(rows: list[int]) -> None:
    with pytest.raises(ContractError, match=r"is there more than once: . rows, first group_id 1, sample_index"):
        reweight(frame()[rows], recipes.grpo())


def test_a_null_key_is_refused() -> None:
    with pytest.raises(ContractError, match="group_id or sample_index is null: 1 rows, first group_id 1"):
        reweight(frame(sample_index=[0, None, 1]), recipes.grpo())


ALL = [
    recipes.grpo(),
    recipes.dr_grpo(),
    recipes.rloo(),
    recipes.raft(),
    UNLIKELY,
    recipes.he2025_release(),
    SPECTRAL,
    recipes.unlikely_spectral(beta_rank=0.25),
]
READ = {"mean_logprob": [-1.0, -2.0, -3.0], "rts": [None, 0.5, 0.25]}
OUTCOME = ["correct", "incorrect", None]


@pytest.mark.parametrize("recipe", ALL, ids=lambda recipe: recipe.name)
@pytest.mark.parametrize("rewards", [[0.7, 0.2, None], [1.0, -1.0, None]])
def test_other_rewards_than_0_and_1_need_an_outcome_and_a_recipe_for_them(recipe: Recipe, rewards: list[float]) -> None:
    for function in (reweight, apply):
        with pytest.raises(ConfigError, match=r"counts correct samples.*add an outcome column"):
            function(frame(reward=rewards, **READ), recipe)
        with_outcome = frame(reward=rewards, outcome=OUTCOME, **READ)
        if recipe.rewards == "real":
            wrong = "gated" if recipe.name == "raft" else None
            assert function(with_outcome, recipe)["drop_reason"].to_list() == [None, wrong, "unjudged"]
        else:
            with pytest.raises(ConfigError, match=f"{recipe.name} is defined for binary rewards only"):
                function(with_outcome, recipe)


@pytest.mark.parametrize("recipe", ALL, ids=lambda recipe: recipe.name)
def test_a_reward_without_an_outcome_is_refused(recipe: Recipe) -> None:
    unknown = frame(outcome=["correct", None, None], **READ)
    with pytest.raises(ConfigError, match="1 rows have a reward and no outcome: import with --correct-when"):
        reweight(unknown, recipe)


def test_a_binary_recipe_refuses_rewards_at_odds_with_the_outcome() -> None:
    odd = frame(outcome=["incorrect", "incorrect", None], **READ)
    with pytest.raises(ConfigError, match="1 rows differ"):
        reweight(odd, UNLIKELY)
    assert reweight(odd, recipes.grpo())["drop_reason"].to_list() == ["all_wrong", "all_wrong", "unjudged"]
