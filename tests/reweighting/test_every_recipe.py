"""Laws that hold for every registered recipe, each run with each of them under one choice of its parameters, by hypothesis."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.reweighting import conclude, with_gate, with_weighting
from curate.reweighting.apply import apply, reweight, survey
from curate.reweighting.order import KEY
from curate.reweighting.recipe import Recipe
from curate.reweighting.registry import build, build_piece, entry, names
from reweighting_case import Group, datasets, every_choice, every_recipe, frame_of, group

EVERY = every_choice()
COMPUTED = ["shaped", "advantage", "weight", "drop_reason", "group_size", "n_correct"]
IN_ANY_ORDER = [name for name, recipe in EVERY.items() if recipe.parameters.get("ties") != "index"]
AFFINE = [name for name in EVERY if entry("recipe", name.split()[0]).affine]

N_SHARDS = 6  # drawing a dataset costs more than re-weighting it, so that several recipes share one
randoms = st.randoms(use_true_random=False)
often = settings(max_examples=5, deadline=None)


def every_one_of(choices: Iterable[str]) -> pytest.MarkDecorator:
    """Run a law on all recipes of ``choices``: ``shard`` has the choices of parameters of each of some of them."""
    of_recipe: dict[str, list[str]] = {}
    for choice in choices:
        of_recipe.setdefault(choice.split()[0], []).append(choice)
    shards = [list(of_recipe.values())[first::N_SHARDS] for first in range(N_SHARDS)]
    return pytest.mark.parametrize("shard", shards, ids=["-".join(names[0] for names in shard) for shard in shards])


def picked(shard: list[list[str]], random: Random) -> list[str]:
    """Pick one choice of parameters of each recipe."""
    return [random.choice(choices) for choices in shard]


def assert_same(found: pl.DataFrame, expected: pl.DataFrame, tolerance: float = 1e-12) -> None:
    for column in COMPUTED:
        assert found[column].to_list() == pytest.approx(expected[column].to_list(), abs=tolerance), column


@every_one_of(EVERY)
@often
@given(datasets, randoms)
def test_shuffling_rows_shuffles_their_results(shard: list[list[str]], groups: list[Group], random: Random) -> None:
    frame = frame_of(groups)
    order = list(range(frame.height))
    random.shuffle(order)
    for name in picked(shard, random):
        assert reweight(frame[order], EVERY[name]).equals(reweight(frame, EVERY[name])[order]), name


@every_one_of(IN_ANY_ORDER)
@often
@given(datasets, randoms)
def test_permuting_the_samples_of_a_group_permutes_their_advantages(
    shard: list[list[str]], groups: list[Group], random: Random
) -> None:
    orders = [random.sample(range(len(rows)), len(rows)) for rows in groups]
    permuted = [[rows[i] for i in order] for rows, order in zip(groups, orders, strict=True)]
    starts = [sum(map(len, groups[:g])) for g in range(len(groups))]
    rows = [start + i for start, order in zip(starts, orders, strict=True) for i in order]
    for name in picked(shard, random):
        expected = reweight(frame_of(groups), EVERY[name])[rows]
        assert_same(reweight(frame_of(permuted), EVERY[name]), expected, tolerance=1e-9)


@every_one_of(EVERY)
@often
@given(datasets, randoms, st.integers(0, 5), st.integers(0, 5))
def test_splitting_the_dataset_into_parts_changes_nothing(
    shard: list[list[str]], groups: list[Group], random: Random, first: int, second: int
) -> None:
    frame = frame_of(groups)
    cuts = sorted((first, second))
    borders = [0, *(sum(map(len, groups[:cut])) for cut in cuts), frame.height]
    parts = [frame[start:end] for start, end in pairwise(borders)]
    for name in picked(shard, random):
        recipe = EVERY[name]
        whole = conclude(pl.concat([survey(part, recipe) for part in parts]), recipe) if recipe.reads_dataset else None
        split = pl.concat([apply(part, recipe, whole=whole) for part in parts])
        assert split.equals(apply(frame, recipe)), name


@every_one_of(EVERY)
@often
@given(datasets, randoms)
def test_every_row_is_kept_or_has_a_reason(shard: list[list[str]], groups: list[Group], random: Random) -> None:
    for name in picked(shard, random):
        found = reweight(frame_of(groups), EVERY[name])
        kept = found.filter(pl.col("drop_reason").is_null())
        assert kept["advantage"].is_finite().all(), name
        assert kept["weight"].is_finite().all(), name
        assert (kept["weight"] >= 0).all(), name
        assert kept["shaped"].null_count() == 0, name
        dropped = found.filter(pl.col("drop_reason").is_not_null())
        assert dropped["advantage"].null_count() == dropped["weight"].null_count() == dropped.height, name


@every_one_of(EVERY)
@often
@given(datasets, randoms)
def test_every_gate_can_stand_before_every_recipe_and_widens_none(
    shard: list[list[str]], groups: list[Group], random: Random
) -> None:
    frame = frame_of(groups)
    for name in picked(shard, random):
        recipe, gate = EVERY[name], random.choice(names("gate"))
        gated = with_gate(recipe, build_piece("gate", gate, entry("gate", gate).example))
        assert (gated.name, gated.parameters, gated.rewards) == (recipe.name, recipe.parameters, recipe.rewards)
        kept, before = (
            reweight(frame, each).filter(pl.col("drop_reason").is_null()).select(*KEY, "advantage")
            for each in (gated, recipe)
        )
        both = kept.join(before, on=KEY, how="left", suffix="_before")
        assert both["advantage_before"].null_count() == 0, (name, gate)
        if not recipe.reads_dataset:
            assert both["advantage"].to_list() == pytest.approx(both["advantage_before"].to_list(), abs=1e-12)


@every_one_of(name for name, recipe in EVERY.items() if recipe.weighting is None)
@often
@given(datasets, randoms)
def test_a_weighting_changes_weights_alone_whose_mean_over_groups_is_that_of_before(
    shard: list[list[str]], groups: list[Group], random: Random
) -> None:
    frame = frame_of(groups)
    for name in picked(shard, random):
        weighting = random.choice(names("weighting"))
        weighed = with_weighting(
            EVERY[name], build_piece("weighting", weighting, entry("weighting", weighting).example)
        )
        plain, found = reweight(frame, EVERY[name]), reweight(frame, weighed)
        assert found.drop("weight", "kl_scale", strict=False).equals(plain.drop("weight")), (name, weighting)
        factors = found.select("group_id", factor=found["weight"] / plain["weight"]).drop_nulls()
        if factors.height and factors["factor"].is_finite().all():
            of_group = factors.group_by("group_id").agg(least=pl.min("factor"), most=pl.max("factor"))
            assert of_group["least"].to_list() == pytest.approx(of_group["most"].to_list(), rel=1e-12), (
                name,
                weighting,
            )
            assert of_group["most"].mean() == pytest.approx(1.0, abs=1e-9), (name, weighting)


def scaled(advantages: pl.Series) -> list[float | None]:
    """Return the advantages divided by the largest, so that one positive factor makes no difference."""
    largest = advantages.abs().max()
    return (advantages / largest).to_list() if isinstance(largest, float) and largest > 0 else advantages.to_list()


@every_one_of(AFFINE)
@often
@given(datasets, randoms, st.floats(0.1, 10), st.floats(-10, 10))
def test_an_offset_and_a_factor_of_all_rewards_are_forgotten(
    shard: list[list[str]], groups: list[Group], random: Random, factor: float, offset: float
) -> None:
    frame = frame_of(groups)
    for name in picked(shard, random):
        moved = reweight(frame.with_columns(pl.col("reward") * factor + offset), EVERY[name])
        plain = reweight(frame, EVERY[name])
        assert moved["drop_reason"].to_list() == plain["drop_reason"].to_list(), name
        # eps is 1e-4 at most and a std above 0 is 0.03 at least: a group's scale moves by 1e-4 / (0.1 * 0.35) between both
        assert scaled(moved["advantage"]) == pytest.approx(scaled(plain["advantage"]), abs=5e-3), name


LIMITS = [
    ("unlikely_grpo", {"beta_rank": 0}, "grpo", {}),
    ("unlikely_grpo", {"beta_rank": 0, "scale": "none"}, "dr_grpo", {}),
    ("diverse_grpo", {"lambda_div": 0}, "dr_grpo", {}),
    ("spectral_grpo", {"until_round": 1, "round": 2}, "grpo", {"keep_groups": "not_all_correct"}),
    ("kl_ball_dro", {"rho": 0}, "grpo", {}),
    ("chi2_dro", {"rho": 0}, "grpo", {}),
    ("cvar_dro", {"alpha": 1}, "grpo", {}),
    ("group_dro", {"eta": 0}, "grpo", {}),
    ("group_invariant", {"eta": 0}, "grpo", {}),
    ("openrlhf_grpo", {}, "grpo", {"eps": 1e-9, "keep_groups": "all"}),
]


@pytest.mark.parametrize(("name", "parameters", "limit", "its"), LIMITS)
def test_a_recipe_without_its_idea_is_the_plain_one(
    name: str, parameters: dict[str, Any], limit: str, its: dict[str, Any]
) -> None:
    rewards = [[1.0, 0.0, 0.0, None], [0.0, 0.0, 0.0], [1.0, 1.0], [1.0, 0.0, 1.0]]
    frame = pl.concat([group(each, group_id=i) for i, each in enumerate(rewards)])
    assert_same(reweight(frame, build(name, parameters)), reweight(frame, build(limit, its)))


@pytest.mark.parametrize("recipe", every_recipe().values(), ids=every_recipe().keys())
def test_a_recipe_carries_its_pieces(recipe: Recipe) -> None:
    made = recipe.composition
    assert [piece["name"] for piece in made["gate"]] == [gate.name for gate in recipe.gates]
    for kind, pieces in (("gate", made["gate"]), ("shaping", made["shape"]), ("estimator", [made["estimator"]])):
        for piece in pieces:
            assert piece["name"] in names(kind)  # type: ignore[arg-type]
            parameters = {key: value for key, value in piece.items() if key != "name"}
            assert build_piece(kind, piece["name"], parameters).parameters == parameters  # type: ignore[arg-type]
