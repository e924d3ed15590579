import importlib.metadata
import math
import random
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from curate.errors import ConfigError
from curate.reweighting import compose, estimators, recipes, reweight
from curate.reweighting.shaping import normalise_then_sum, sum_then_normalise
from group_case import group, outcomes, reasons, shaped
from rivals_case import trl_lines

WEIGHTS = {"reward": 1.0, "clarity": 0.5}


def test_sum_then_normalise_by_hand() -> None:
    frame = group([1.0, 1.0, 0.0], score_clarity=[2.0, 0.0, 4.0])
    assert shaped(frame, sum_then_normalise(WEIGHTS)) == [2.0, 1.0, 2.0]
    assert shaped(frame, sum_then_normalise({"clarity": 1.0})) == [2.0, 0.0, 4.0]
    assert shaped(frame, sum_then_normalise({"reward": 1.0, "clarity": 0.0})) == [1.0, 1.0, 0.0]


def test_normalise_then_sum_by_hand() -> None:
    # reward 1 1 0: mean 2/3, std 1/sqrt 3, z = .57735, .57735, -1.1547; clarity 2 0 4: mean 2, std 2, z = 0, -1, 1
    frame = group([1.0, 1.0, 0.0], score_clarity=[2.0, 0.0, 4.0])
    expected = [0.5773502692, 0.0773502692, -0.6547005384]
    assert shaped(frame, normalise_then_sum(WEIGHTS, eps=0)) == pytest.approx(expected, abs=1e-9)


def test_rewards_that_add_up_alike_differ_if_normalised_first() -> None:
    # sums 1, 1, 0, 2 of (reward, clarity) = (1, 0), (0, 1), (0, 0), (1, 1) in a group where reward is rarer
    frame = group([1.0, 0.0, 0.0, 0.0], score_clarity=[0.0, 1.0, 1.0, 0.0])
    summed = shaped(frame, sum_then_normalise({"reward": 1.0, "clarity": 1.0}))
    apart = shaped(frame, normalise_then_sum({"reward": 1.0, "clarity": 1.0}, eps=0))
    assert summed[0] == summed[1] == 1.0
    assert apart[0] == pytest.approx(1.5 - 0.8660254, abs=1e-6)
    assert apart[1] == pytest.approx(-0.5 + 0.8660254, abs=1e-6)


def test_an_objective_that_is_uniform_adds_exactly_nothing() -> None:
    frame = group([1.0, 0.0], score_clarity=[0.1 + 0.2, 0.3])
    assert shaped(frame, normalise_then_sum({"clarity": 1.0})) == [0.0, 0.0]


def test_a_sample_that_lacks_a_score_leaves() -> None:
    frame = group([1.0, 0.0, 0.0], score_clarity=[1.0, None, 2.0])
    for made in (sum_then_normalise(WEIGHTS), normalise_then_sum(WEIGHTS)):
        assert reasons(frame, made) == [None, "no_score", None]
    assert reasons(frame, sum_then_normalise({"reward": 2.0})) == [None, None, None]


def test_all_groups_of_multi_objective_train() -> None:
    frame = group([0.0, 0.0], score_clarity=[1.0, 3.0])
    found = reweight(frame, recipes.multi_objective(WEIGHTS, eps=0))
    assert found["advantage"].to_list() == pytest.approx([-(0.5**0.5), 0.5**0.5])
    mixed_only = reweight(frame, recipes.multi_objective(WEIGHTS, keep_groups="mixed"))
    assert mixed_only["drop_reason"].to_list() == ["all_wrong"] * 2


@pytest.mark.parametrize("weights", [{}, {"^score_.*$": 1.0}, {"*": 1.0}, {"a/b": 1.0}])
def test_no_objective_or_a_name_that_is_a_pattern_is_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="weights"):
        sum_then_normalise(weights)


def test_a_score_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="score_clarity, which is not there"):
        reweight(group([1.0, 0.0]), recipes.multi_objective(WEIGHTS))


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def std(values: list[float]) -> float:
    return math.sqrt(math.fsum((value - mean(values)) ** 2 for value in values) / (len(values) - 1))


def test_gdpo_against_plain_python_over_a_dataset() -> None:
    rng = random.Random(260105242)
    sizes = [rng.randint(2, 8) for _ in range(40)]
    rows = [
        {
            "group_id": g,
            "sample_index": i,
            "reward": float(rng.random() < 0.4),
            "score_clarity": float(rng.randint(0, 3)),
        }
        for g, size in enumerate(sizes)
        for i in range(size)
    ]
    relative: list[float] = []
    for g in range(len(sizes)):
        group_rows = [row for row in rows if row["group_id"] == g]
        columns = [[row[name] for row in group_rows] for name in ("reward", "score_clarity")]
        z = [[(v - mean(c)) / (std(c) + 1e-4) for v in c] for c in columns]  # torch's formula: 0 where uniform
        relative += [a + 0.5 * b for a, b in zip(*z, strict=True)]
    expected = [(r - mean(relative)) / math.sqrt(std(relative) ** 2 + 1e-8) for r in relative]
    found = reweight(pl.DataFrame(rows), recipes.gdpo(WEIGHTS, eps=1e-4))
    assert found["drop_reason"].null_count() == found.height
    assert found["advantage"].to_list() == pytest.approx(expected, abs=1e-9)


def test_gdpo_over_tokens_counts_long_samples_more() -> None:
    frame = group([1.0, 0.0], score_clarity=[0.0, 0.0], n_tokens=[1, 3])
    # z = +-.70711: over tokens the mean is (.70711 - 3 * .70711) / 4 = -.35355, the variance (ddof 1) 3 * .25 * 2 / 3 = .5
    found = reweight(frame, recipes.gdpo(WEIGHTS, over="tokens", eps=0, eps_whiten=0))
    assert found["advantage"].to_list() == pytest.approx([1.5, -0.5], abs=1e-9)


def test_a_group_of_one_is_a_singleton_under_whitening() -> None:
    made = compose(estimators.whiten(), shape=[normalise_then_sum({"reward": 1.0})])
    assert reweight(group([1.0], outcome=outcomes("c")), made)["drop_reason"].to_list() == ["singleton"]


def by_trl(rows: pl.DataFrame, size: int, order: str) -> list[float]:
    """Return the advantages of the installed TRL for the two objectives, weights 1 and 0.5, groups of one size."""
    import torch

    lines, module = trl_lines("GRPOTrainer")
    settings: dict[str, Any] = {"scale_rewards": "group", "multi_objective_aggregation": order}
    weights = torch.tensor([1.0, 0.5], dtype=torch.float64)
    scope = module | {
        "self": SimpleNamespace(reward_weights=weights, reward_funcs=[None, None], **settings),
        "rewards_per_func": torch.tensor(rows.select("reward", "score_clarity").rows(), dtype=torch.float64),
        "num_generations": size,
        "device": "cpu",
    }
    exec(lines, scope)
    return [float(value) for value in scope["advantages"]]


@pytest.mark.parametrize("order", ["sum_then_normalize", "normalize_then_sum"])
def test_both_orders_equal_trl_1_16_0(order: str) -> None:
    pytest.importorskip("trl")
    assert importlib.metadata.version("trl") == "1.16.0", "look at its advantage lines again, and name the version here"
    rng = random.Random(20260108)
    for _ in range(100):
        size = rng.randint(2, 8)
        rows = pl.DataFrame(
            [
                {
                    "group_id": g,
                    "sample_index": i,
                    "reward": float(rng.random() < rate),
                    "score_clarity": rng.randint(0, 20) / 2,
                }
                for g, rate in enumerate([0.0, 0.3, 0.7, 1.0])
                for i in range(size)
            ]
        )
        theirs = by_trl(rows, size, order)
        if order == "normalize_then_sum":
            # It divides by std + 1e-4 where we take the root of var + eps: compare at unit std.
            recipe = recipes.gdpo(WEIGHTS, eps=1e-4, eps_whiten=0)
            theirs = [a / std(theirs) for a in theirs]
        else:
            recipe = recipes.multi_objective(WEIGHTS, eps=1e-4)
        # Its nanstd takes n / (n - 1) in float32, whatever the rewards come in.
        assert reweight(rows, recipe)["advantage"].to_list() == pytest.approx(theirs, abs=1e-5)
