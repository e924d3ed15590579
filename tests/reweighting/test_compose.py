"""Recipes composed of pieces, by hand and by name."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from curate.errors import ConfigError
from curate.reweighting import compose, compose_named, estimators, gates, recipes, reweight, shaping, weightings
from curate.reweighting.compose import with_gate, with_weighting
from curate.reweighting.pieces import Estimator, Gate, Shaping, strictest
from curate.reweighting.recipe import SHAPED, needed_columns
from reweighting_case import group


def reasons(rewards: list[float], recipe: Any) -> list[str | None]:
    return reweight(group(rewards), recipe)["drop_reason"].to_list()


def test_shapings_act_in_order_and_the_estimator_sees_the_last() -> None:
    plus, twice = Shaping(lambda reward, _: reward + 1), Shaping(lambda reward, _: reward * 2)
    frame = group([1.0, 0.0])
    both = reweight(frame, compose(estimators.dr_grpo(), shape=[plus, twice]))
    assert both["shaped"].to_list() == [4.0, 2.0]
    assert both["advantage"].to_list() == [1.0, -1.0]
    other = reweight(frame, compose(estimators.dr_grpo(), shape=[twice, plus]))
    assert other["shaped"].to_list() == [3.0, 1.0]


def test_a_named_recipe_is_its_composition() -> None:
    frame = pl.concat([group([1.0, 0.0, 1.0, 0.0]), group([0.0, 0.0, 0.0], group_id=3)])
    pieces = [shaping.unlikeliness(0.25), shaping.graded(damping=0.25)]
    composed = compose(estimators.grpo(), shape=pieces, gate=[gates.not_all_correct()])
    assert reweight(frame, composed).equals(reweight(frame, recipes.unlikely_spectral(beta_rank=0.25)))
    assert composed.composition == recipes.unlikely_spectral(beta_rank=0.25).composition


def test_without_a_gate_the_widest_that_a_piece_asks_for_is_taken() -> None:
    def gate_of(estimator: Estimator, *shape: Shaping) -> list[str]:
        return [gate.name for gate in compose(estimator, shape).gates]

    assert gate_of(estimators.rloo()) == ["mixed"]
    assert gate_of(estimators.rloo(), shaping.unlikeliness(0.25), shaping.graded()) == ["not_all_correct"]
    assert gate_of(estimators.reinforce_pp()) == ["all"]


def test_every_gate_must_let_a_group_train_and_outcomes_are_the_first_reason() -> None:
    never = Gate(trains=pl.lit(False), drop=pl.when(pl.col("reward").count() > 2).then(pl.lit("gated")))
    recipe = compose(estimators.grpo(), gate=[never, gates.mixed()])
    assert reasons([1.0, 0.0], recipe) == [None, None]
    assert reasons([1.0, 0.0, 0.0], recipe) == ["gated"] * 3
    assert reasons([0.0, 0.0, 0.0], recipe) == ["all_wrong"] * 3
    assert reasons([0.0, 0.0, 0.0], compose(estimators.grpo(), gate=[never])) == ["degenerate"] * 3
    assert reasons([0.0], recipe) == ["singleton"]


def test_a_shaping_does_not_act_where_a_gate_bars_the_group() -> None:
    barred = Gate(trains=pl.lit(False), drop=pl.when(pl.col("reward").count() > 0).then(pl.lit("gated")))
    frame = group([1.0, 0.0], mean_logprob=[None, None])
    found = reweight(frame, with_gate(recipes.unlikely_grpo(beta_rank=0.25), barred))
    assert found["drop_reason"].to_list() == ["gated", "gated"]
    assert found["shaped"].to_list() == [1.0, 0.0]


def test_a_gate_before_a_recipe_never_keeps_what_the_recipe_drops() -> None:
    assert reasons([1.0, 1.0], with_gate(recipes.grpo(), gates.all_())) == ["all_correct"] * 2
    assert reasons([0.0, 0.0], with_gate(recipes.spectral_grpo(), gates.mixed())) == ["all_wrong"] * 2
    kept = with_gate(recipes.grpo(keep_groups="all"), gates.not_all_wrong())
    assert reasons([1.0, 1.0], kept) == [None, None]
    assert reasons([0.0, 0.0], kept) == ["all_wrong"] * 2


def test_a_sample_that_is_gated_stays_in_the_statistics() -> None:
    first = Gate(sample=pl.when(pl.col("finish_reason") == "length").then(pl.lit("gated")))
    frame = group([1.0, 0.0, 0.0, 0.0], finish_reason=["stop", "length", "stop", "stop"])
    found = reweight(frame, with_gate(recipes.dr_grpo(), first))
    assert found["advantage"].to_list() == [0.75, None, -0.25, -0.25]
    assert found["drop_reason"].to_list() == [None, "gated", None, None]
    assert found["group_size"].to_list() == [4] * 4


def test_a_composition_is_defined_for_what_all_its_pieces_are() -> None:
    assert strictest(["real", "non_negative"]) == "non_negative"
    assert strictest([]) == "real"
    assert compose(estimators.grpo(), shape=[shaping.diversity(0.5)]).rewards == "non_negative"
    assert compose(estimators.grpo(), shape=[shaping.diversity(0.5), shaping.unlikeliness(0.5)]).rewards == "binary"


def test_what_pieces_change_in_the_advantage_comes_in_their_order() -> None:
    half, clip = (
        Shaping(lambda r, _: r, after=lambda a: a / 2),
        Shaping(lambda r, _: r, after=lambda a: a.clip(-0.2, 0.2)),
    )
    frame = group([1.0, 0.0])
    assert reweight(frame, compose(estimators.dr_grpo(), [half, clip]))["advantage"].to_list() == [0.2, -0.2]
    assert reweight(frame, compose(estimators.dr_grpo(), [clip, half]))["advantage"].to_list() == [0.1, -0.1]


def test_sums_over_the_dataset_read_who_is_kept_and_who_has_a_signal() -> None:
    counts = {
        "all": pl.when(SHAPED.is_not_null()).then(1.0),
        "kept": pl.when(pl.col("kept")).then(1.0),
        "uniform": pl.when(pl.col("degenerate")).then(1.0),
    }
    estimator = Estimator(
        lambda shaped: pl.col("batch_all") + pl.col("batch_kept") / 100 + pl.col("batch_uniform") / 1e4, batch=counts
    )
    frame = pl.concat([group([1.0, 0.0, None]), group([0.0, 0.0, 0.0], group_id=3)])
    # 5 judged, 2 of them in a mixed group, 3 in a uniform one
    assert reweight(frame, compose(estimator))["advantage"].to_list() == [5.0203, 5.0203, None, None, None, None]


def test_whitening_by_hand() -> None:
    # r = 1, 0 (2 tokens), 0: over samples mean 1/3, var (4/9 + 2/9)/2 = 1/3; over tokens mean 1/4, var (9/16 + 3/16)/3 = 1/4
    frame = group([1.0, 0.0, 0.0], n_tokens=[1, 2, 1])
    samples = reweight(frame, recipes.reinforce_pp(over="samples", eps=0))["advantage"].to_list()
    assert samples == pytest.approx([(2 / 3) * 3**0.5, *[-(1 / 3) * 3**0.5] * 2], abs=1e-12)
    tokens = reweight(frame, recipes.reinforce_pp(over="tokens", eps=0))["advantage"].to_list()
    assert tokens == pytest.approx([1.5, -0.5, -0.5], abs=1e-12)
    # B = 1/2, -1/2 in the first group, 1/3, 1/3, -2/3 in the second: mean 0, var (1/2 + 2/3)/4 = 7/24
    two = pl.concat([group([1.0, 0.0]), group([1.0, 1.0, 0.0], group_id=3)])
    centred = reweight(two, recipes.reinforce_pp_baseline(over="samples", eps=0))["advantage"].to_list()
    scale = (24 / 7) ** 0.5
    assert centred == pytest.approx([scale / 2, -scale / 2, scale / 3, scale / 3, -2 * scale / 3], abs=1e-12)


def test_whitening_over_tokens_leaves_a_sample_of_unknown_length_out() -> None:
    frame = group([1.0, 0.0, 0.0], n_tokens=[1, 1, None])
    found = reweight(frame, recipes.reinforce_pp(eps=0))
    assert found["drop_reason"].to_list() == [None, None, "no_likelihood"]
    assert found["advantage"].to_list()[:2] == pytest.approx([0.5**0.5, -(0.5**0.5)])


def test_a_weighting_goes_by_the_groups_that_train() -> None:
    # pass rates 1/2 and 1/4 of the two groups that train; the all-wrong group has no weight to take
    frame = pl.concat([group([1.0, 0.0], 1), group([0.0, 0.0], 2), group([1.0, 0.0, 0.0, 0.0], 3)]).with_columns(
        prompt_id=pl.col("group_id").cast(pl.String)
    )
    found = reweight(frame, recipes.cvar_dro(alpha=0.5))
    assert found["weight"].to_list() == [0.0, 0.0, None, None, 2.0, 2.0, 2.0, 2.0]
    on_raft = reweight(frame, with_weighting(recipes.raft(), weightings.cvar(0.5)))
    assert on_raft["weight"].to_list() == [0.0, None, None, None, 2.0, None, None, None]
    assert on_raft["advantage"].to_list() == [1.0, None, None, None, 1.0, None, None, None]


def test_groups_of_one_prompt_weigh_alike_unless_each_is_taken_alone() -> None:
    frame = pl.concat([group([1.0, 0.0], 1), group([1.0, 0.0, 0.0, 0.0], 2), group([1.0, 1.0, 1.0, 0.0], 3)])
    frame = frame.with_columns(prompt_id=pl.Series(["p"] * 6 + ["q"] * 4))
    # losses: p 4/6 for both its groups, q 1/4; alone 1/2, 3/4, 1/4
    by_prompt = reweight(frame, recipes.cvar_dro(alpha=2 / 3))["weight"].to_list()
    assert by_prompt == pytest.approx([1.5] * 6 + [0.0] * 4)
    alone = reweight(frame, recipes.cvar_dro(alpha=1 / 3, unit="group"))["weight"].to_list()
    assert alone == pytest.approx([0.0, 0.0, 3.0, 3.0, 3.0, 3.0, 0.0, 0.0, 0.0, 0.0])


def test_kl_scale_is_a_column_where_the_weighting_has_it() -> None:
    frame = pl.concat([group([1.0, 0.0], 1), group([1.0, 0.0, 0.0, 0.0], 2), group([0.0, 0.0], 3)])
    frame = frame.with_columns(domain=pl.Series(["a"] * 2 + ["b"] * 4 + ["b"] * 2))
    found = reweight(frame, recipes.group_invariant(eta=1.0))
    hard, easy = found["weight"][2], found["weight"][0]
    assert hard > 1 > easy
    assert found["kl_scale"].to_list()[6:] == [None, None]
    # (1/w) / mean(1/w)
    assert found["kl_scale"][0] == pytest.approx((1 / easy) / ((1 / easy + 1 / hard) / 2))
    assert "kl_scale" not in reweight(frame, recipes.grpo()).columns


def test_pieces_by_name() -> None:
    made = compose_named(
        estimator="rloo", shape=["unlikeliness"], gate=["mixed"], settings={"unlikeliness": {"beta_rank": 0.25}}
    )
    assert made.name == "mixed+unlikeliness+rloo"
    assert made.parameters["shape"][0] == {
        "name": "unlikeliness",
        "beta_rank": 0.25,
        "rank_by": "mean",
        "among": "group",
        "ties": "average",
        "clamp_sign": False,
    }
    assert made.parameters["estimator"] == {"name": "rloo"}
    frame = group([1.0, 0.0, 1.0])
    same = compose(estimators.rloo(), [shaping.unlikeliness(0.25)], [gates.mixed()])
    assert reweight(frame, made).equals(reweight(frame, same))


def test_lens_can_be_composed_by_name() -> None:
    made = compose_named(estimator="lens", shape=["confidence"], settings={"lens": {"alpha": 0.5}})
    frame = group([0.0, 0.0, 1.0], mean_logprob=[-1.0, -2.0, -3.0])
    assert reweight(frame, made).equals(reweight(frame, recipes.lens(alpha=0.5)))


def test_a_gate_and_a_weighting_go_with_a_recipe_by_name() -> None:
    made = compose_named("grpo", gate=["not_all_wrong"], weighting="cvar", settings={"eps": 1, "cvar": {"alpha": 0.5}})
    assert made.name == "grpo"
    assert made.parameters["eps"] == 1.0
    assert [gate["name"] for gate in made.parameters["gate"]] == ["not_all_wrong", "mixed"]
    assert made.parameters["weighting"] == {"name": "cvar", "alpha": 0.5, "unit": "prompt"}
    assert "prompt_id" in needed_columns(made)
    assert compose_named("grpo").parameters == {"eps": 1e-6, "keep_groups": "mixed"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"give recipe \(--recipe NAME\), or estimator \(--estimator NAME\) to compose one"),
        ({"recipe": "grop"}, r"no recipe 'grop' \(did you mean 'grpo'\?\); known: "),
        ({"estimator": "rlo"}, r"no estimator 'rlo' \(did you mean 'rloo'\?\); known: .*dr_grpo"),
        (
            {"estimator": "rloo", "shape": ["unlikelines"]},
            r"no shaping 'unlikelines' \(did you mean 'unlikeliness'\?\)",
        ),
        ({"estimator": "rloo", "gate": ["mixd"]}, r"no gate 'mixd' \(did you mean 'mixed'\?\); known: "),
        ({"recipe": "grpo", "weighting": "cvra"}, r"no weighting 'cvra' \(did you mean 'cvar'\?\)"),
        ({"estimator": "rloo", "shape": ["unlikeliness"]}, "unlikeliness: missing a required argument: 'beta_rank'"),
        ({"estimator": "grpo", "settings": {"grpo": {"epss": 1}}}, r"no parameter 'epss' \(did you mean 'eps'\?\)"),
        ({"estimator": "grpo", "settings": {"eps": 1}}, r"no piece 'eps' to set.*: set a parameter as PIECE.PARAMETER"),
        (
            {"estimator": "grpo", "shape": ["unlikeliness"], "settings": {"unlikely": {"beta_rank": 0.25}}},
            r"no piece 'unlikely' to set \(did you mean 'unlikeliness'\?\)",
        ),
        ({"estimator": "grpo", "settings": {"shap": ["a"]}}, r"no piece 'shap' to set \(did you mean 'shape'\?\)"),
        (
            {"estimator": "grpo", "settings": {"grpo": 1}},
            "grpo is a piece of the recipe: set its parameters, as in grpo.P",
        ),
        ({"recipe": "grpo", "settings": {"cvar": {"alpha": 1}}}, "grpo has no parameter 'cvar'"),
        ({"recipe": "grpo", "estimator": "rloo"}, "recipe grpo has its estimator and shaping: leave recipe away"),
        ({"recipe": "grpo", "shape": ["graded"]}, "recipe grpo has its estimator and shaping: leave recipe away"),
        ({"estimator": "grpo", "shape": ["graded", "graded"]}, "graded is named twice"),
        ({"recipe": "cvar_dro", "settings": {"alpha": 0}}, "alpha is 0.0: it must be above 0"),
    ],
)
def test_what_does_not_go_together_is_refused_with_what_does(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compose_named(**given)


@pytest.mark.parametrize("estimator", [estimators.psr(), estimators.passk(k=2), estimators.reinforce_rej()])
def test_a_shaping_that_would_do_nothing_is_refused(estimator: Estimator) -> None:
    with pytest.raises(ConfigError, match="does not read the shaped reward, so unlikeliness would change nothing"):
        compose(estimator, shape=[shaping.unlikeliness(beta_rank=0.25)])
    compose(estimator, shape=[shaping.focal(gamma=1.0)])
