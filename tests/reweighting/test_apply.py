import math

import polars as pl
import pytest

from curate.reweighting import recipes
from curate.reweighting.apply import apply, reweight
from curate.reweighting.recipe import Recipe

NAMES = ["shaped", "advantage", "weight", "drop_reason", "group_size", "n_correct"]
ALL = {
    "grpo": recipes.grpo(),
    "dr_grpo": recipes.dr_grpo(),
    "rloo": recipes.rloo(),
    "raft": recipes.raft(),
    "unlikely_grpo": recipes.unlikely_grpo(beta_rank=0.25),
    "unlikely_by_sum": recipes.unlikely_grpo(beta_rank=0.25, rank_by="sum", among="correct", scale="none"),
    "he2025_release": recipes.he2025_release(),
    "spectral_grpo": recipes.spectral_grpo(),
    "spectral_all": recipes.spectral_grpo(scope="all", curve="linear"),
    "unlikely_spectral": recipes.unlikely_spectral(beta_rank=0.25),
    "diverse_grpo": recipes.diverse_grpo(lambda_div=0.5),
}
SPECTRAL = {"spectral_grpo", "spectral_all", "unlikely_spectral"}
CORRECT_ONLY = {"raft"}
every_recipe = pytest.mark.parametrize("name", ALL)
every_recipe_of_groups = pytest.mark.parametrize("name", sorted(set(ALL) - CORRECT_ONLY))
correct_only = pytest.mark.parametrize("name", sorted(CORRECT_ONLY))


def group(rewards: list[float | None], **columns: list[object]) -> pl.DataFrame:
    size = len(rewards)
    base: dict[str, object] = {
        "group_id": [7] * size,
        "sample_index": list(range(size)),
        "reward": pl.Series(rewards, dtype=pl.Float64),
        "mean_logprob": [-0.5 - i for i in range(size)],
        "sum_logprob": [-50.0 - i for i in range(size)],
        "rts": [i / 10 for i in range(size)],
        "diversity": [0.5] * size,
    }
    return pl.DataFrame({**base, **columns})


def reasons(frame: pl.DataFrame) -> list[str | None]:
    return frame["drop_reason"].to_list()


def assert_dropped(frame: pl.DataFrame, reason: str) -> None:
    assert reasons(frame) == [reason] * frame.height
    assert frame["advantage"].null_count() == frame.height
    assert frame["weight"].null_count() == frame.height


def test_the_six_columns_come_after_the_input_and_replace_older_ones() -> None:
    once = reweight(group([1.0, 0.0]), ALL["grpo"])
    assert once.columns == [*group([1.0]).columns, *NAMES]
    assert once.schema["group_size"] == pl.Int32
    assert once.schema["advantage"] == pl.Float64
    assert once.schema["drop_reason"] == pl.String
    assert reweight(once, ALL["grpo"]).equals(once)


@every_recipe
def test_an_empty_frame_stays_empty(name: str) -> None:
    found = reweight(group([1.0, 0.0]).clear(), ALL[name])
    assert found.height == 0
    assert set(NAMES) <= set(found.columns)


@every_recipe_of_groups
def test_a_group_of_one_is_a_singleton_also_where_nothing_was_read(name: str) -> None:
    for reward in (0.0, 1.0):
        found = reweight(
            group([reward], mean_logprob=[None], sum_logprob=[None], rts=[None], diversity=[None]), ALL[name]
        )
        assert_dropped(found, "singleton")
        assert found.select("shaped", "group_size").row(0) == (reward, 1)


@every_recipe
def test_an_all_wrong_group_teaches_only_with_a_graded_reward(name: str) -> None:
    found = reweight(group([0.0] * 4), ALL[name])
    assert found["n_correct"].to_list() == [0] * 4
    if name not in SPECTRAL:
        assert_dropped(found, "all_wrong")
        assert found["shaped"].to_list() == [0.0] * 4
    else:
        assert reasons(found) == [None] * 4
        assert found["advantage"].is_sorted()
        assert found["advantage"].sum() == pytest.approx(0.0, abs=1e-12)


@correct_only
def test_a_recipe_without_group_statistics_keeps_a_group_of_one_and_one_of_correct_samples(name: str) -> None:
    alone = reweight(group([1.0]), ALL[name])
    assert alone.select(NAMES).row(0) == (1.0, 1.0, 1.0, None, 1, 1)
    assert_dropped(reweight(group([0.0]), ALL[name]), "all_wrong")
    found = reweight(group([1.0] * 4), ALL[name])
    assert found.select(NAMES).rows() == [(1.0, 1.0, 1.0, None, 4, 4)] * 4


@correct_only
def test_wrong_samples_of_a_mixed_group_are_gated_and_counted(name: str) -> None:
    found = reweight(group([1.0, 0.0, None, 1.0]), ALL[name])
    assert found.select(NAMES).rows() == [
        (1.0, 1.0, 1.0, None, 3, 2),
        (0.0, None, None, "gated", 3, 2),
        (None, None, None, "unjudged", 3, 2),
        (1.0, 1.0, 1.0, None, 3, 2),
    ]


@every_recipe_of_groups
def test_an_all_correct_group_is_dropped_and_nothing_is_read_for_it(name: str) -> None:
    unknown = dict.fromkeys(("mean_logprob", "sum_logprob", "rts", "diversity"), [None] * 4)
    found = reweight(group([1.0] * 4, **unknown), ALL[name])
    assert_dropped(found, "all_correct")
    assert found["shaped"].to_list() == [1.0] * 4
    assert found["n_correct"].to_list() == [4] * 4


@every_recipe
def test_a_sample_that_was_not_judged_is_not_a_zero(name: str) -> None:
    full = reweight(group([1.0, 0.0, None, 0.0, 1.0]), ALL[name])
    without = reweight(group([1.0, 0.0, None, 0.0, 1.0])[[0, 1, 3, 4]], ALL[name])
    assert full[[0, 1, 3, 4]].equals(without)
    assert full.select(NAMES).row(2) == (None, None, None, "unjudged", 4, 2)


@every_recipe
def test_a_group_that_nobody_judged(name: str) -> None:
    found = reweight(group([None, None]), ALL[name])
    assert_dropped(found, "unjudged")
    assert found.select("shaped", "group_size", "n_correct").rows() == [(None, 0, 0)] * 2


@every_recipe
def test_samples_alike_in_all_that_is_read_get_the_same_advantage(name: str) -> None:
    alike = {"mean_logprob": [-1.0] * 4, "sum_logprob": [-9.0] * 4, "rts": [0.3] * 4}
    found = reweight(group([1.0, 1.0, 0.0, 0.0], **alike), ALL[name])
    assert found["advantage"][2] == found["advantage"][3]
    if name != "he2025_release":  # ties by index
        assert found["advantage"][0] == found["advantage"][1]
    found = reweight(group([0.0] * 4, **alike), ALL[name])
    assert_dropped(found, "degenerate" if name in SPECTRAL else "all_wrong")


@every_recipe
def test_kept_rows_have_a_finite_advantage_and_weight_1(name: str) -> None:
    found = reweight(group([1.0, 0.0, 1.0, 0.0]), ALL[name])
    wrong = "gated" if name in CORRECT_ONLY else None
    assert reasons(found) == [None, wrong, None, wrong]
    assert found["advantage"].drop_nulls().is_finite().all()
    assert found["weight"].to_list() == [1.0, None if wrong else 1.0] * 2
    assert found["group_size"].to_list() == [4] * 4
    assert found["n_correct"].to_list() == [2] * 4


@pytest.mark.parametrize("make", [recipes.grpo, recipes.dr_grpo, recipes.rloo])
def test_equal_float32_rewards_are_degenerate_not_noise(make: type[Recipe]) -> None:
    sevens = group([0.0] * 7, outcome=["correct"] + ["incorrect"] * 6).with_columns(reward=pl.lit(0.7, pl.Float32))
    assert_dropped(reweight(sevens, make()), "degenerate")
    kept = reweight(sevens, make(keep_groups="all"))
    assert kept["advantage"].to_list() == [0.0] * 7
    assert kept["weight"].to_list() == [1.0] * 7
    assert kept["shaped"].to_list() == [pytest.approx(0.7, abs=1e-7)] * 7


@pytest.mark.parametrize(
    ("keep_groups", "expected"),
    [
        ("mixed", ["all_wrong", "all_correct", None]),
        ("not_all_correct", ["degenerate", "all_correct", None]),
        ("all", [None, None, None]),
    ],
)
def test_keep_groups_on_plain_rewards(keep_groups: str, expected: list[str | None]) -> None:
    frame = pl.DataFrame(
        {"group_id": [1, 1, 2, 2, 3, 3], "sample_index": [0, 1] * 3, "reward": [0.0, 0.0, 1.0, 1.0, 1.0, 0.0]}
    )
    found = reweight(frame, recipes.grpo(keep_groups=keep_groups))  # type: ignore[arg-type]
    assert reasons(found)[::2] == expected
    if keep_groups == "all":
        assert found["advantage"].to_list()[:4] == [0.0] * 4


def test_a_missing_likelihood_leaves_the_group_only_where_it_is_read() -> None:
    logprobs: list[object] = [None, -1.0, -2.0]
    recipe = recipes.unlikely_grpo(beta_rank=0.5)
    mixed = reweight(group([1.0, 1.0, 0.0], mean_logprob=logprobs), recipe)
    assert reasons(mixed) == ["no_likelihood", None, None]
    assert mixed.select("group_size", "n_correct").row(0) == (2, 1)
    assert mixed["shaped"].to_list() == [None, 0.75, 0.0]
    assert_dropped(reweight(group([0.0] * 3, mean_logprob=logprobs), recipe), "all_wrong")
    among_correct = recipes.unlikely_grpo(beta_rank=0.5, among="correct")
    wrong_unscored = reweight(group([0.0, 1.0, 1.0], mean_logprob=logprobs), among_correct)
    assert wrong_unscored["shaped"].to_list() == [0.0, 0.75, 1.0]


def test_a_group_that_loses_its_other_samples_is_a_singleton_or_all_wrong() -> None:
    recipe = recipes.unlikely_grpo(beta_rank=0.5)
    single = reweight(group([1.0, 0.0], mean_logprob=[None, -1.0]), recipe)
    assert reasons(single) == ["no_likelihood", "singleton"]
    all_wrong = reweight(group([1.0, 0.0, 0.0], mean_logprob=[None, -1.0, -2.0]), recipe)
    assert reasons(all_wrong) == ["no_likelihood", "all_wrong", "all_wrong"]


def test_a_group_whose_correct_samples_left_is_not_graded() -> None:
    found = reweight(
        group([1.0, 0.0, 0.0], mean_logprob=[None, -1.0, -2.0], rts=[None, 0.0, 0.5]), ALL["unlikely_spectral"]
    )
    assert reasons(found) == ["no_likelihood", "degenerate", "degenerate"]


def test_a_missing_rts_leaves_the_group_only_where_it_is_read() -> None:
    rts: list[object] = [None, 0.1, 0.6]
    assert reasons(reweight(group([0.0] * 3, rts=rts), ALL["spectral_grpo"])) == ["no_rts", None, None]
    assert reasons(reweight(group([0.0, 1.0, 0.0], rts=rts), ALL["spectral_grpo"])) == [None] * 3
    assert reasons(reweight(group([0.0, 1.0, 0.0], rts=rts), ALL["spectral_all"])) == ["no_rts", None, None]
    assert reasons(reweight(group([1.0, 1.0, 0.0], rts=rts), ALL["spectral_all"])) == [None] * 3
    assert reasons(reweight(group([0.0, 1.0, 0.0], rts=rts), ALL["unlikely_spectral"])) == [None] * 3


def test_a_missing_diversity_leaves_the_group_only_where_it_is_read() -> None:
    recipe = ALL["diverse_grpo"]
    mixed = reweight(group([1.0, 1.0, 0.0], diversity=[None, 0.5, None]), recipe)
    assert mixed.select(NAMES).rows() == [
        (None, None, None, "no_diversity", 2, 1),
        (1.25, 0.625, 1.0, None, 2, 1),
        (0.0, -0.625, 1.0, None, 2, 1),
    ]
    only_wrong_left = reweight(group([1.0, 0.0, 0.0], diversity=[None, None, None]), recipe)
    assert reasons(only_wrong_left) == ["no_diversity", "all_wrong", "all_wrong"]
    single = reweight(group([1.0, 0.0], diversity=[None, None]), recipe)
    assert reasons(single) == ["no_diversity", "singleton"]


def test_duplicates_share_a_likelihood_where_their_ids_are_known() -> None:
    frame = group([1.0, 1.0, 0.0], completion_ids=[[1], [1], [2]])
    assert reweight(frame, ALL["unlikely_grpo"])["shaped"].to_list() == [0.875, 0.875, 0.0]
    assert apply(frame, ALL["unlikely_grpo"])["shaped"].to_list() == [pytest.approx(5 / 6), pytest.approx(11 / 12), 0.0]
    assert reweight(frame, ALL["unlikely_grpo"])["mean_logprob"].to_list() == [-0.5, -1.5, -2.5]


def test_apply_gives_what_reweight_gives() -> None:
    frame = pl.concat([group([1.0, 0.0, None]), group([0.0, 0.0]).with_columns(group_id=pl.lit(3, pl.Int64))])
    for recipe in ALL.values():
        assert apply(frame, recipe).equals(reweight(frame, recipe))


def test_integer_and_boolean_rewards_text_and_categorical_outcomes() -> None:
    expected = reweight(group([1.0, 0.0, 0.0]), ALL["grpo"])["advantage"].to_list()
    for dtype in (pl.Int8, pl.Boolean, pl.Float32):
        frame = group([1.0, 0.0, 0.0]).with_columns(pl.col("reward").cast(dtype))
        assert reweight(frame, ALL["grpo"])["advantage"].to_list() == expected
    for outcome_type in (pl.String, pl.Categorical, pl.Enum(["incorrect", "correct"])):
        frame = group([1.0, 0.0, 0.0]).with_columns(
            outcome=pl.Series(["correct", "incorrect", "incorrect"], dtype=outcome_type)
        )
        assert reweight(frame, ALL["grpo"])["advantage"].to_list() == expected


def test_a_group_of_a_million_samples() -> None:
    size = 1_000_000
    frame = pl.select(
        group_id=pl.repeat("one", size),
        sample_index=pl.int_range(size),
        reward=(pl.int_range(size) % 4 == 0).cast(pl.Float64),
        mean_logprob=-((pl.int_range(size) * 7919) % 10_007).cast(pl.Float64),
    )
    found = reweight(frame, ALL["unlikely_grpo"])
    assert found["group_size"][0] == size
    assert found["n_correct"][0] == size // 4
    assert found["advantage"].is_finite().all()
    assert math.fsum(found["advantage"]) == pytest.approx(0.0, abs=1e-3)
    assert found["advantage"].std() == pytest.approx(1.0, abs=1e-4)


def test_the_input_is_not_changed() -> None:
    frame = group([1.0, 0.0], completion_ids=[[1], [1]])
    before = frame.clone()
    reweight(frame, ALL["unlikely_spectral"])
    assert frame.equals(before)
