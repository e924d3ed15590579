"""Our advantages against verl 0.9.1: as recorded, and live on 500 batches where it is installed.

What differs, on purpose, has a test below: a group of one, rewards that are equal but for rounding, and the samples that
sums over the batch are over. A sample that was not judged verl cannot have: it counts as 0 there.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from typing import Any

import pytest

from curate.reweighting import recipes
from curate.reweighting.apply import reweight
from curate.reweighting.recipe import Recipe
from rivals_case import Batch, frame_of, largest_difference, make_batches, ours

ALL: dict[str, Any] = {"keep_groups": "all"}
live = pytest.mark.skipif(
    importlib.util.find_spec("verl") is None, reason="verl is not installed: its recorded numbers stand"
)


@dataclass(frozen=True)
class Case:
    """verl's estimator, our recipe, what verl gave for BATCH in float64, and what the two may differ by."""

    estimator: str
    recipe: Recipe
    recorded: list[float]
    tolerance: float = 1e-12
    arguments: dict[str, Any] = field(default_factory=dict)


BATCH: Batch = [
    [(1.0, 3), (0.0, 5), (0.0, 2), (0.0, 4)],
    [(1.0, 4), (1.0, 1), (0.0, 2)],
    [(0.0, 3), (0.0, 3)],
    [(1.0, 2), (1.0, 5)],
    [(2.0, 1), (0.5, 2), (-1.0, 4)],
]
GRPO = [1.499997000006, *[-0.499999000002] * 3, 0.577349269191358, 0.577349269191358, -1.154698538382715]
GRPO += [*[0.0] * 4, 0.999999333333778, 0.0, -0.999999333333778]
GRPO_32 = [1.499996960169277, *[-0.499998986723092] * 3, 0.577349231862125, 0.577349231862125, -1.154698566962344]
GRPO_32 += [*[0.0] * 4, 0.999999364217527, 0.0, -0.999999364217527]
CENTRED = [0.75, -0.25, -0.25, -0.25, 1 / 3, 1 / 3, -2 / 3, *[0.0] * 4, 1.5, 0.0, -1.5]
RLOO = [1.0, -1 / 3, -1 / 3, -1 / 3, 0.5, 0.5, -1.0, *[0.0] * 4, 2.25, 0.0, -2.25]
OPO = [0.785714285714286, *[-0.214285714285714] * 3, 0.285714285714286, 0.285714285714286, -0.714285714285714]
OPO += [*[0.0] * 4, 2.142857142857143, 0.642857142857143, -0.857142857142857]
GPG = [1.3125, -0.4375, -0.4375, -0.4375, 0.583333333333333, 0.583333333333333, -1.166666666666667]  # alpha = 14/8
GPG += [*[0.0] * 4, 2.625, 0.0, -2.625]
PASSK = [1.999996000008, *[0.0] * 10, 0.999999333333778, 0.0, 0.0]
PLUS = [0.962637187550346, *[-0.49914520817457] * 3, 0.962637187550346, 0.962637187550346, *[-0.49914520817457] * 3]
PLUS += [0.962637187550346, 0.962637187550346, 2.424419583275261, 0.231745989687888, -1.960927603899486]
BASELINE = [1.432838741299332, *[-0.225882813387555] * 3, 0.741704760179796, 0.741704760179796, -0.917016794507092]
BASELINE += [*[0.188797575284167] * 4, 2.676879907314498, 0.188797575284167, -2.299284756746164]

# grpo_vectorized takes its means and gpg its alpha in float32, whatever the rewards come in. The mean of a whitening is
# over the number of tokens + 1e-8, so that a batch of equal rewards gets up to 1e-5 there; here exactly 0.
CASES = {
    "grpo": Case("grpo", recipes.grpo(**ALL), GRPO),
    "grpo_vectorized": Case("grpo_vectorized", recipes.grpo(**ALL), GRPO_32, 2e-5),
    "dr_grpo": Case("grpo", recipes.dr_grpo(**ALL), CENTRED, arguments={"norm_adv_by_std_in_grpo": False}),
    "rloo": Case("rloo", recipes.rloo(**ALL), RLOO),
    "rloo_vectorized": Case("rloo_vectorized", recipes.rloo(**ALL), RLOO),
    "opo": Case("opo", recipes.opo(**ALL), OPO),
    "gpg": Case("gpg", recipes.gpg(alpha="verl", **ALL), GPG, 1e-5),
    "grpo_passk": Case("grpo_passk", recipes.grpo_passk(**ALL), PASSK),
    "reinforce_pp": Case("reinforce_plus_plus", recipes.reinforce_pp(**ALL), PLUS, 1e-5),
    "reinforce_pp_baseline": Case("reinforce_plus_plus_baseline", recipes.reinforce_pp_baseline(**ALL), BASELINE, 1e-8),
}
each = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@each
def test_equals_verl_0_9_1_as_recorded(case: Case) -> None:
    assert largest_difference(ours([BATCH], case.recipe), [wanted(case, BATCH, case.recorded)]) < case.tolerance


def wanted(case: Case, batch: Batch, theirs: list[float]) -> list[float]:
    """Return what we want to give: what verl gives, but 0 in uniform groups, which a whitening over tokens moves."""
    if case.estimator != "reinforce_plus_plus_baseline":
        return theirs
    uniform = [len({reward for reward, _ in group}) == 1 for group in batch for _ in group]
    return [0.0 if is_uniform else value for value, is_uniform in zip(theirs, uniform, strict=True)]


def by_verl(batch: Batch, estimator: str, **arguments: Any) -> list[float]:
    """Return the advantages that verl gives a batch in float64, the reward on each sample's last token."""
    import numpy as np
    import torch
    from verl.trainer.ppo.core_algos import ADV_ESTIMATOR_REGISTRY

    class Config(dict[str, Any]):
        gamma = 1.0

    samples = [sample for group in batch for sample in group]
    lengths = torch.tensor([n for _, n in samples])
    mask = (torch.arange(int(lengths.max())) < lengths[:, None]).double()
    rewards = torch.zeros_like(mask)
    rewards[torch.arange(len(samples)), lengths - 1] = torch.tensor([r for r, _ in samples], dtype=torch.float64)
    arguments = {"config": Config(norm_adv_by_std_in_grpo=True)} | arguments
    if estimator != "reinforce_plus_plus":
        arguments["index"] = np.array([g for g, group in enumerate(batch) for _ in group])
    advantages, _ = ADV_ESTIMATOR_REGISTRY[estimator](token_level_rewards=rewards, response_mask=mask, **arguments)
    return [float(value) for value in advantages[:, 0]]


@live
@each
def test_the_recorded_numbers_are_the_installed_verl_s(case: Case) -> None:
    assert by_verl(BATCH, case.estimator, **case.arguments) == pytest.approx(case.recorded, abs=1e-12)


@live
@each
def test_equals_the_installed_verl_on_500_batches(case: Case) -> None:
    batches = make_batches(500)
    expected = [wanted(case, batch, by_verl(batch, case.estimator, **case.arguments)) for batch in batches]
    found = largest_difference(ours(batches, case.recipe), expected)
    print(f"largest difference from {case.estimator}: {found:.2g}")
    assert found < case.tolerance


@live
@pytest.mark.parametrize("scaled", [True, False])
def test_the_preset_equals_it_with_groups_of_one_too(scaled: bool) -> None:
    batches = make_batches(500, smallest=1)
    expected = [by_verl(batch, "grpo", norm_adv_by_std_in_grpo=scaled) for batch in batches]
    found = largest_difference(ours(batches, recipes.verl_grpo(norm_adv_by_std_in_grpo=scaled)), expected)
    assert found < 1e-6  # the std of 1 is float32 there


# Two samples, a group of one (0.5), and three rewards that are equal but for rounding.
ODD: Batch = [[(1.0, 2), (0.0, 1)], [(0.5, 3)], [(0.1 + 0.2, 1), (0.3, 2), (0.3, 2)]]
ODD_RECORDED = {
    "grpo": [0.7071057811879616, -0.7071057811879616, 0.49999952316329654, 0.0, -5.551115123e-11, -5.551115123e-11],
    "grpo_vectorized": [0.70710578001, -0.70710578001, 0.4999995231, -0.0119209289, -0.0119209289, -0.0119209289],
    "rloo": [1.0, -1.0, 0.5, 0.0, -1.1102230246251565e-16, -1.1102230246251565e-16],
    "rloo_vectorized": [1.0, -1.0, 0.0, 0.0, -1.1102230246251565e-16, -1.1102230246251565e-16],
    "opo": [1 / 3, -2 / 3, 0.5, 5.551115123125783e-17, 0.0, 0.0],
}


@pytest.mark.parametrize("name", ODD_RECORDED)
def test_what_differs_is_a_group_of_one_and_noise(name: str) -> None:
    recipe, recorded = CASES[name].recipe, ODD_RECORDED[name]
    found = reweight(frame_of(ODD), recipe)
    assert found["advantage"].to_list()[:2] == pytest.approx(recorded[:2], abs=2e-5)
    # verl hands a group of one its raw reward, rloo_vectorized 0; here it is dropped.
    assert recorded[2] == pytest.approx(0.0 if name == "rloo_vectorized" else 0.5, abs=1e-6)
    assert found["drop_reason"][2] == "singleton"
    # verl makes noise of nearly equal rewards, grpo_vectorized in float32 a hundredth; here they are exactly 0.
    assert any(recorded[3:])
    assert found["advantage"].to_list()[3:] == [0.0] * 3


@live
@pytest.mark.parametrize("name", ODD_RECORDED)
def test_what_differs_is_what_the_installed_verl_gives(name: str) -> None:
    assert by_verl(ODD, name) == pytest.approx(ODD_RECORDED[name], abs=1e-9)


@live
def test_verl_refuses_a_group_of_one_for_pass_at_k() -> None:
    with pytest.raises(ValueError, match="at least 2 samples per group"):
        by_verl(ODD, "grpo_passk")


def test_a_group_of_one_counts_in_the_alpha_of_verl() -> None:
    # verl 0.9.1 gave +-0.7 for ODD with a group of one of reward 0 beside it: alpha = 7/5. It trains the 0.5 at 0.7.
    batch = [*ODD, [(0.0, 1)]]
    assert ours([batch], recipes.gpg(alpha="verl"))[0][:3] == [0.7, -0.7, None]
    # Our default takes the two groups of one and the three equal ones out of B: alpha = 7/2.
    assert ours([batch], recipes.gpg())[0][:3] == [1.75, -1.75, None]


def test_a_whitening_gives_uniform_groups_nothing_and_does_not_count_them_where_they_are_dropped() -> None:
    # verl gives its uniform groups .19, as wrong samples are longer and the mean of B over tokens is below 0.
    assert BASELINE[7:11] == [0.188797575284167] * 4
    assert ours([BATCH], recipes.reinforce_pp_baseline(**ALL))[0][7:11] == [0.0] * 4
    # verl whitens over them too, as keep_groups="all" does; the default drops them first: B over the 10 samples left.
    lengths = [3, 5, 2, 4, 4, 1, 2, 1, 2, 4]
    values = [0.75, -0.25, -0.25, -0.25, 1 / 3, 1 / 3, -2 / 3, 1.5, 0.0, -1.5]
    mean = sum(n * b for n, b in zip(lengths, values, strict=True)) / 28
    variance = sum(n * (b - mean) ** 2 for n, b in zip(lengths, values, strict=True)) / 27
    found = [a for a in ours([BATCH], recipes.reinforce_pp_baseline())[0] if a is not None]
    assert found == pytest.approx([(b - mean) / (variance + 1e-8) ** 0.5 for b in values], abs=1e-12)
    assert found[0] != pytest.approx(BASELINE[0], abs=0.01)


def test_a_sample_that_was_not_judged_is_no_failure() -> None:
    # Scored 0, as a trainer on verl has it, the group's mean is 1/2; here it is that of the judged ones.
    assert ours([[[(1.0, 1), (1.0, 1), (0.0, 1), (None, 1)]]], recipes.dr_grpo()) == [
        [pytest.approx(1 / 3), pytest.approx(1 / 3), pytest.approx(-2 / 3), None]
    ]
    assert ours([[[(1.0, 1), (1.0, 1), (0.0, 1), (0.0, 1)]]], recipes.dr_grpo()) == [[0.5, 0.5, -0.5, -0.5]]
