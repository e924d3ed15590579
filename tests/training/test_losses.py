"""The policy losses: limits worked by hand, oracles (b), (d), (f), and the published codes TRL and verl."""

import importlib.util
from collections import defaultdict
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import ConfigError
from curate.training.aggregate import share_of_n
from curate.training.losses import policy_loss, token_means
from curate.training.objective import Objective

# One fixed batch: tokens clipped from above (0, 2) and below (1, 0), one past the dual clip (2, 1), two ragged rows.
NEW = torch.tensor([[-0.5, -1.2, -0.3, -2.0], [-0.9, -0.1, -1.5, -0.4], [-2.2, -0.7, -0.6, -0.8]])
OLD = torch.tensor([[-0.7, -1.0, -0.7, -1.1], [-0.6, -0.6, -1.4, -0.4], [-2.0, -1.9, -0.65, -2.1]])
REF = torch.tensor([[-0.6, -1.4, -0.2, -1.0], [-1.2, -0.3, -1.1, -0.4], [-1.5, -0.9, -0.6, -2.1]])
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0]])
A_B = torch.tensor([1.5, -0.8, -0.7])
A = A_B.unsqueeze(1).expand(3, 4)

EVERY = [
    Objective(),
    Objective(dual_clip=3.0, kl_coef=0.1),
    Objective(name="gspo"),
    Objective(name="cispo"),
    Objective(name="cispo", cispo_clip="both"),
    Objective(name="topr"),
    Objective(name="asymre", delta=0.1),
    Objective(name="asymre", delta=0.0, sequence_weights="masked"),
    Objective(name="dro", beta=0.5),
    Objective(name="sft"),
]


def run(objective: Objective, *, new: torch.Tensor = NEW, **grids: Any) -> tuple[float, torch.Tensor]:
    """Return loss and gradient of one optimiser step of one micro-batch."""
    new = new.clone().requires_grad_()
    given_grids = {"old_BT": OLD, "ref_BT": REF} | grids
    advantages, mask = given_grids.pop("advantages", A), given_grids.pop("mask", MASK)
    known = {name: given_grids.get(name) for name in ("weights_B", "old_BT", "behaviour_BT")}
    n = share_of_n(objective, mask, **known)
    loss, _ = policy_loss(objective, new, advantages, mask, denominator=n, **given_grids)
    loss.backward()
    assert new.grad is not None
    return float(loss.detach()), new.grad


def sums(objective: Objective, **grids: Any) -> dict[str, float]:
    return policy_loss(objective, NEW, A, MASK, denominator=1.0, **({"old_BT": OLD, "ref_BT": REF} | grids))[1]


@pytest.mark.parametrize("name", ["grpo", "gspo", "topr", "sft"])
def test_at_old_the_gradient_is_minus_the_advantage(name: str) -> None:
    loss, gradient = run(Objective(name=name), new=OLD)
    if name in ("grpo", "gspo"):
        assert loss == pytest.approx(-(4 * 1.5 - 3 * 0.8 - 2 * 0.7) / 9)
    torch.testing.assert_close(gradient, -A * MASK / 9)


@given(st.lists(st.floats(-3, 3), min_size=12, max_size=12), st.lists(st.floats(-8, 0), min_size=12, max_size=12))
def test_at_old_grpo_is_minus_the_mean_advantage(advantages: list[float], old: list[float]) -> None:
    grid, values = torch.tensor(old).view(3, 4), torch.tensor(advantages).view(3, 4)
    loss, gradient = run(Objective(), new=grid, old_BT=grid, advantages=values)
    assert loss == pytest.approx(float(-(values * MASK).sum() / 9), abs=1e-5)
    torch.testing.assert_close(gradient, -values * MASK / 9)


def one_token(advantage: float, ratio: float, **settings: Any) -> tuple[float, float]:
    new, one = torch.tensor([[-1.0]]), torch.ones(1, 1)
    old = new - torch.tensor(ratio).log()
    loss, gradient = run(Objective(**settings), new=new, old_BT=old, ref_BT=None, advantages=advantage * one, mask=one)
    return loss, float(gradient)


@pytest.mark.parametrize(
    ("settings", "advantage", "ratio", "loss", "gradient"),
    [
        ({}, 2.0, 1.1, -2.2, -2.2),
        ({}, 2.0, 1.5, -2.4, 0.0),
        ({}, 2.0, 0.5, -1.0, -1.0),  # PPO's clip is no trust region: A > 0 with a low ratio stays free
        ({}, -2.0, 0.5, 1.6, 0.0),
        ({}, -2.0, 10.0, 20.0, 20.0),
        ({"clip_high": 0.28}, 2.0, 1.5, -2.56, 0.0),
        ({"dual_clip": 3.0}, -2.0, 10.0, 6.0, 0.0),
        ({"dual_clip": 3.0}, -2.0, 2.0, 4.0, 4.0),
        ({"dual_clip": 3.0}, 2.0, 0.5, -1.0, -1.0),
        ({"name": "gspo"}, 2.0, 1.1, -2.0008, 0.0),
        ({"name": "cispo"}, 2.0, 1.5, 2.4, -2.4),
        ({"name": "cispo"}, 2.0, 0.5, 1.0, -1.0),
        ({"name": "cispo", "cispo_clip": "both"}, 2.0, 0.5, 1.6, -1.6),
        ({"name": "cispo", "clip_high": 4.0}, -2.0, 10.0, -10.0, 10.0),
        ({"name": "topr"}, 2.0, 0.25, 2.0, -2.0),
        ({"name": "topr"}, -2.0, 0.25, -0.5, 0.5),
        ({"name": "topr"}, -2.0, 4.0, -2.0, 2.0),
        ({"name": "asymre", "delta": 0.5}, 2.0, 4.0, 2.5, -2.5),
        ({"name": "asymre", "delta": 0.0, "sequence_weights": "truncated"}, 2.0, 4.0, 4.0, -4.0),
        ({"name": "asymre", "delta": 0.0, "sequence_weights": "masked"}, 2.0, 4.0, 0.0, 0.0),
        ({"name": "asymre", "delta": 0.0, "sequence_weights": "masked"}, 2.0, 0.5, 1.0, -1.0),
        ({"name": "sft"}, 1.0, 4.0, 1.0, -1.0),
    ],
)
def test_one_token_by_hand(
    settings: dict[str, Any], advantage: float, ratio: float, loss: float, gradient: float
) -> None:
    assert one_token(advantage, ratio, **settings) == pytest.approx((loss, gradient), abs=1e-5)


def test_dro_by_hand() -> None:
    # new = -1, old = -1.5: -(2 * -1 - .4 / 2 * .25) = 2.05; gradient -(2 - .4 * .5) = -1.8
    loss, gradient = one_token(2.0, float(torch.tensor(0.5).exp()), name="dro", beta=0.4)
    assert (loss, gradient) == pytest.approx((2.05, -1.8))


def test_a_log_ratio_is_cut_at_20() -> None:
    loss, gradient = one_token(-1.0, float(torch.tensor(30.0).exp()))
    assert loss == pytest.approx(float(torch.tensor(20.0).exp()), rel=1e-5)
    assert gradient == 0.0


@given(st.lists(st.floats(0, 3), min_size=3, max_size=3), st.lists(st.floats(-8, 0), min_size=12, max_size=12))
def test_topr_without_a_negative_advantage_is_supervised(advantages: list[float], old: list[float]) -> None:
    values, old_BT = torch.tensor(advantages).unsqueeze(1).expand(3, 4), torch.tensor(old).view(3, 4)
    loss, gradient = run(Objective(name="topr"), advantages=values, old_BT=old_BT)
    other, other_gradient = run(Objective(name="sft"), advantages=values, old_BT=None)
    assert loss == other
    assert torch.equal(gradient, other_gradient)


def test_topr_weighs_by_the_whole_sequence() -> None:
    _, gradient = run(Objective(name="topr"))
    # row 1: d = -.3 + .5 - .1 = .1 > 0, so w = 1; row 2: d = -.2 + 1.2 = 1 > 0, w = 1
    torch.testing.assert_close(gradient, -A * MASK / 9)
    _, gradient = run(Objective(name="topr"), old_BT=OLD + 0.5)
    weights = torch.tensor([1.0, -1.4, 0.0]).exp().clamp(max=1.0).unsqueeze(1)
    torch.testing.assert_close(gradient, -weights * A * MASK / 9)


def test_gspo_takes_one_ratio_a_sequence_and_a_gradient_a_token() -> None:
    mean = (0.2 - 0.2 + 0.4 - 0.9) / 4
    loss, gradient = run(Objective(name="gspo", clip_low=0.2, clip_high=0.2, aggregation="sequence_mean"))
    ratios = torch.tensor([mean, 0.1 / 3, 0.5]).exp()
    assert loss == pytest.approx(float(-(ratios * A_B).mean()), rel=1e-5)
    torch.testing.assert_close(gradient[0, :4], torch.full((4,), float(-ratios[0] * 1.5 / 12)))


@pytest.mark.parametrize("objective", EVERY, ids=lambda o: o.name)
def test_masked_positions_are_never_read(objective: Objective) -> None:
    nan = torch.full_like(NEW, float("nan"))
    spoiled = {"old_BT": OLD, "ref_BT": REF, "advantages": A}
    spoiled = {name: torch.where(MASK.bool(), grid, nan) for name, grid in spoiled.items()}
    loss, gradient = run(objective, new=torch.where(MASK.bool(), NEW, nan), **spoiled)
    clean, clean_gradient = run(objective)
    assert loss == clean
    assert torch.equal(gradient, clean_gradient)


@pytest.mark.parametrize("aggregation", ["token_mean", "sequence_mean", "constant"])
@pytest.mark.parametrize("objective", EVERY, ids=lambda o: o.name)
def test_a_micro_batch_without_a_trained_token_gives_0_and_runs_backward(
    objective: Objective, aggregation: Any
) -> None:
    objective = replace(objective, aggregation=aggregation, max_length=4 if aggregation == "constant" else None)
    loss, gradient = run(objective, mask=MASK * 0)
    assert loss == 0.0
    assert torch.equal(gradient, torch.zeros_like(NEW))
    assert share_of_n(objective, MASK * 0) == 0.0


def test_token_advantages_replace_the_sequence_s() -> None:
    values = torch.tensor([[1.0, -1.0, 0.5, 2.0], [0.0, 1.0, -1.0, 9.0], [1.0, 1.0, 9.0, 9.0]])
    _, gradient = run(Objective(), new=OLD, advantages=values)
    torch.testing.assert_close(gradient, -values * MASK / 9)


def test_kl_is_added_with_its_coefficient() -> None:
    plain, _ = run(Objective())
    held, _ = run(Objective(kl_coef=0.1))
    d, ratio = NEW - REF, (NEW - OLD).exp()
    kl = (ratio * ((-d).exp() + d - 1) * MASK).sum() / 9
    assert held == pytest.approx(plain + 0.1 * float(kl), rel=1e-5)
    with pytest.raises(ValueError, match="give ref_BT"):
        run(Objective(kl_coef=0.1), ref_BT=None)


def test_the_scale_of_a_sample_multiplies_its_kl_alone() -> None:
    plain, _ = run(Objective())
    held, _ = run(Objective(kl_coef=0.1), kl_scale_B=torch.tensor([0.0, 1.0, 3.0]))
    d, ratio = NEW - REF, (NEW - OLD).exp()
    kl = (ratio * ((-d).exp() + d - 1) * MASK).sum(-1) / 9
    assert held == pytest.approx(plain + 0.1 * float(kl[1] + 3 * kl[2]), rel=1e-5)
    assert run(Objective(), kl_scale_B=torch.tensor([0.0, 1.0, 3.0]))[0] == plain
    unscaled = sums(Objective(kl_coef=0.1))["kl"]
    assert sums(Objective(kl_coef=0.1), kl_scale_B=torch.tensor([0.0, 1.0, 3.0]))["kl"] == unscaled


def test_supervised_training_multiplies_the_loss_by_the_weight() -> None:
    ones = torch.ones(3, 4)
    assert (-(NEW * MASK).sum(-1)).tolist() == pytest.approx([4.0, 2.5, 2.9])
    explained, _ = run(Objective(name="sft"), advantages=ones, weights_B=torch.tensor([0.04, 1.0, 1.0]))
    assert explained == pytest.approx((0.04 * 4.0 + 2.5 + 2.9) / 9, rel=1e-5)  # ExPO's .04 (2507.02834)
    weights = torch.tensor([0.0, 1.0, 0.5]).div(0.5).exp()  # RWR's exp(r / T) of T = .5: 1, 7.389, 2.718
    loss, gradient = run(Objective(name="sft"), advantages=ones, weights_B=weights)
    assert loss == pytest.approx((4.0 + 7.389056 * 2.5 + 2.718282 * 2.9) / 9, rel=1e-5)
    torch.testing.assert_close(gradient, -weights.unsqueeze(-1) * MASK / 9)
    shared, _ = run(Objective(name="sft", self_normalised=True), advantages=ones, weights_B=weights)
    counted = float((weights * MASK.sum(-1)).sum())
    assert shared == pytest.approx((4.0 + 7.389056 * 2.5 + 2.718282 * 2.9) / counted, rel=1e-5)


def test_decoupled_mode_multiplies_by_the_truncated_weight() -> None:
    behaviour = OLD - torch.tensor([0.5, 1.0, 0.0, -1.0])  # weights 1.649, 2.718, 1, .368
    loss, _ = run(Objective(), behaviour_BT=behaviour)
    ratio = (NEW - OLD).exp()
    token = -torch.minimum(ratio * A, ratio.clamp(0.8, 1.2) * A)
    expected = (token * torch.tensor([1.6487213, 2.0, 1.0, 0.36787944]) * MASK).sum() / 9
    assert loss == pytest.approx(float(expected), rel=1e-5)
    assert sums(Objective(), behaviour_BT=behaviour)["importance"] == pytest.approx(
        3 * 1.64872 + 3 * 2 + 2 + 0.36788, rel=1e-5
    )


def test_decoupled_mode_masked_takes_tokens_out_of_the_loss_and_of_n() -> None:
    behaviour = OLD - torch.tensor([0.5, 1.0, 0.0, -1.0])
    objective = Objective(importance="masked")
    assert share_of_n(objective, MASK, old_BT=OLD, behaviour_BT=behaviour) == 6.0
    loss, gradient = run(objective, behaviour_BT=behaviour)
    again, _ = run(Objective(), mask=MASK * torch.tensor([1, 0, 1, 1]), behaviour_BT=behaviour)
    assert loss == pytest.approx(again)
    assert gradient[:, 1].abs().sum() == 0.0
    assert sums(objective, behaviour_BT=behaviour)["tokens"] == 6.0


def test_without_a_clip_the_behaviour_itself_is_compared_with() -> None:
    behaviour = OLD - 0.1
    for name, settings in {"topr": {}, "dro": {"beta": 0.5}}.items():
        objective = Objective(name=name, **settings)  # type: ignore[arg-type]
        assert run(objective, behaviour_BT=behaviour)[0] == run(objective, old_BT=behaviour)[0]


def test_the_off_policy_mask_drops_far_negative_sequences_and_leaves_n() -> None:
    # mean(old - new) a row: .125, -.033, -.5
    behind = NEW.clone()
    behind[1] -= 1.0
    objective = Objective(name="asymre", delta=1e-9, mask_delta=0.5)
    _, gradient = run(objective, new=behind)
    assert gradient[1].abs().sum() == 0.0
    torch.testing.assert_close(gradient[0], -A[0] * MASK[0] / 9)
    torch.testing.assert_close(gradient[2], -A[2] * MASK[2] / 9)
    with pytest.raises(ValueError, match="give old_BT"):
        run(objective, old_BT=None)


def test_the_sums_are_those_of_the_trained_tokens() -> None:
    got = sums(Objective(dual_clip=3.0, clip_high=0.28), entropy_BT=torch.full((3, 4), 0.5))
    assert (got["tokens"], got["sequences"], got["clipped"], got["entropy"]) == (9.0, 3.0, 3.0, 4.5)
    d = (NEW - OLD)[MASK.bool()]
    assert got["log_ratio"] == pytest.approx(float(d.sum()), abs=1e-6)
    assert got["ratio"] == pytest.approx(float(d.exp().sum()))
    assert got["k3"] == pytest.approx(float((d.exp() - 1 - d).sum()))
    assert token_means(got)["clipped"] == pytest.approx(3 / 9)
    assert token_means(sums(Objective()) | {"tokens": 0.0}) == {}
    assert "ratio" not in sums(Objective(name="sft"), old_BT=None)


def test_an_objective_with_a_ratio_needs_old() -> None:
    with pytest.raises(ValueError, match="give old_BT"):
        run(Objective(), old_BT=None)
    assert [o.needs_old for o in EVERY] == [True] * 6 + [False, True, True, False]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "grop"}, r"objective is 'grop': use one of grpo, .* \(did you mean 'grpo'\?\)"),
        ({"kl": "k1"}, "expected gradient is zero"),
        ({"clip_low": 1.0}, "clip_low is 1.0: it must be from 0 to below 1"),
        ({"clip_high": float("nan")}, "clip_high is nan"),
        ({"dual_clip": 1.0}, "above 1"),
        ({"kl_coef": -0.1}, "kl_coef is -0.1: it must be 0 or above"),
        ({"importance_cap": 0.0}, "importance_cap is 0.0"),
        ({"mask_delta": -1.0}, "mask_delta is -1.0"),
        ({"aggregation": "constant"}, "aggregation constant needs max_length"),
        ({"max_length": 10}, "max_length is read by aggregation constant only"),
        ({"name": "dro"}, "objective dro needs beta: above 0"),
        ({"name": "dro", "beta": 0.0}, "beta is 0.0"),
        ({"beta": 0.1}, "beta is read by objective dro or dpo only"),
        ({"name": "asymre"}, "objective asymre needs delta"),
        ({"name": "asymre", "delta": 0.0}, "its guarantee needs V under the group's mean"),
        ({"name": "sft", "clip_low": 0.1}, "objective sft has no clip"),
        ({"name": "topr", "dual_clip": 3.0}, "objective topr has no dual clip"),
        ({"cispo_clip": "both"}, "does not read cispo_clip"),
        ({"name": "cispo", "clip_low": 0.1}, "has no lower end"),
        ({"name": "topr", "importance": "masked"}, "no token weights"),
        ({"sequence_weights": "masked"}, "goes with asymre"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Objective(**settings)


def test_clips_have_the_published_defaults() -> None:
    assert Objective().clip == (0.2, 0.2)
    assert Objective(name="gspo").clip == (3e-4, 4e-4)
    assert Objective(name="gspo", clip_high=0.1).clip == (3e-4, 0.1)


class Accelerator:
    """The few calls TRL's loss makes of its accelerator, for one process."""

    num_processes = 1

    def gather(self, values: torch.Tensor) -> torch.Tensor:
        return values

    def reduce(self, values: torch.Tensor, reduction: str) -> torch.Tensor:
        return values


def by_trl(loss_type: str, level: str = "token", high: float = 0.28, **args: Any) -> tuple[float, torch.Tensor]:
    """Return loss and gradient of the installed TRL's own GRPOTrainer._compute_loss, with our log-probs put in."""
    from trl import GRPOTrainer

    new = NEW.clone().requires_grad_()
    stub = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *_, **__: (new, torch.zeros_like(new), None),
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=args.pop("off_policy_mask_threshold", None),
        get_off_policy_mask=GRPOTrainer.get_off_policy_mask,
        importance_sampling_level=level,
        beta=args.pop("beta", 0.0),
        args=SimpleNamespace(**({"delta": None, "use_bias_correction_kl": True, "steps_per_generation": 1} | args)),
        loss_type=loss_type,
        epsilon_low=0.2,
        epsilon_high=high,
        use_vllm=False,
        model=SimpleNamespace(training=True),
        current_gradient_accumulation_steps=1,
        max_completion_length=16,
        accelerator=Accelerator(),
        _entropy_bonus_enabled=False,
        _metrics={"train": defaultdict(list)},
    )
    ids = torch.zeros_like(MASK)
    inputs = {"prompt_ids": ids, "prompt_mask": MASK, "completion_ids": ids, "completion_mask": MASK}
    inputs |= {"advantages": A_B, "old_per_token_logps": OLD, "ref_per_token_logps": REF}
    loss = GRPOTrainer._compute_loss(stub, stub.model, inputs | {"num_items_in_batch": MASK.sum()})
    loss.backward()
    assert new.grad is not None
    return float(loss.detach()), new.grad


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"loss_type": "grpo"}, {"aggregation": "sequence_mean"}),
        ({"loss_type": "bnpo"}, {}),
        ({"loss_type": "dapo"}, {}),
        ({"loss_type": "dr_grpo"}, {"aggregation": "constant", "max_length": 16}),
        ({"loss_type": "dapo", "delta": 3.0}, {"dual_clip": 3.0}),
        ({"loss_type": "dapo", "beta": 0.1}, {"kl_coef": 0.1}),
        ({"loss_type": "dapo", "off_policy_mask_threshold": 0.01}, {"mask_delta": 0.01}),
        ({"loss_type": "grpo", "level": "sequence"}, {"name": "gspo", "clip_low": 0.2, "aggregation": "sequence_mean"}),
        ({"loss_type": "dapo", "level": "sequence"}, {"name": "gspo", "clip_low": 0.2}),
        ({"loss_type": "cispo", "high": 1.28}, {"name": "cispo"}),
    ],
    ids=str,
)
def test_equals_the_installed_trl(theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    """The loss and its gradient are those of the installed TRL (1.16.0 when written)."""
    pytest.importorskip("trl", reason="TRL is a development dependency")
    loss, gradient = run(Objective(clip_high=0.28, **ours))
    expected, expected_gradient = by_trl(**theirs)
    assert loss == pytest.approx(expected, abs=1e-6)
    torch.testing.assert_close(gradient, expected_gradient, atol=1e-6, rtol=0)


# Name and aggregation there, the same settings here; loss and sum of |gradient| as verl 0.9.1 gave them for this batch in
# float64, with clip_ratio_low .2, clip_ratio_high .28, clip_ratio_c 3, dro_beta .5 and loss_scale_factor 16.
BY_VERL = [
    ("vanilla", "token-mean", {"dual_clip": 3.0}, -0.026010697591629897, 0.6984459149568426),
    (
        "vanilla",
        "seq-mean-token-mean",
        {"dual_clip": 3.0, "aggregation": "sequence_mean"},
        0.2777747950955387,
        0.6283394767869629,
    ),
    (
        "vanilla",
        "seq-mean-token-sum-norm",
        {"dual_clip": 3.0, "aggregation": "constant", "max_length": 16},
        -0.004877005798430617,
        0.13095860905440798,
    ),
    ("gspo", "token-mean", {"name": "gspo", "clip_low": 0.2}, -0.05615815156609066, 1.12050438521337),
    (
        "gspo",
        "seq-mean-token-mean",
        {"name": "gspo", "clip_low": 0.2, "aggregation": "sequence_mean"},
        0.21915854040194704,
        1.1016554407803,
    ),
    (
        "cispo",
        "token-mean",
        {"name": "cispo", "clip_low": 0.2, "cispo_clip": "both"},
        0.19039079586413912,
        1.1152424142711757,
    ),
    ("dro", "token-mean", {"name": "dro", "beta": 0.5, "clip_high": None}, 0.2988888888888888, 1.1777777777777776),
]


@pytest.mark.parametrize(("name", "mode", "ours", "loss", "gradient"), BY_VERL)
def test_equals_verl_0_9_1_as_recorded(
    name: str, mode: str, ours: dict[str, Any], loss: float, gradient: float
) -> None:
    got, got_gradient = run(Objective(**({"clip_high": 0.28} | ours)))
    assert got == pytest.approx(loss, abs=1e-6)
    assert float(got_gradient.abs().sum()) == pytest.approx(gradient, abs=1e-6)


@pytest.mark.skipif(
    importlib.util.find_spec("verl") is None, reason="verl is not installed: its recorded numbers stand"
)
@pytest.mark.parametrize(("name", "mode", "ours", "loss", "gradient"), BY_VERL)
def test_the_recorded_numbers_are_the_installed_verl_s(
    name: str, mode: str, ours: dict[str, Any], loss: float, gradient: float
) -> None:
    from verl.trainer.ppo.core_algos import get_policy_loss_fn
    from verl.workers.config import ActorConfig

    clips = {"clip_ratio": 0.2, "clip_ratio_low": 0.2, "clip_ratio_high": 0.28, "clip_ratio_c": 3.0}
    config = ActorConfig(strategy="fsdp", rollout_n=1, ppo_micro_batch_size_per_gpu=1, **clips)
    object.__setattr__(config.policy_loss, "dro_beta", 0.5)
    config.global_batch_info["loss_scale_factor"] = 16
    new = NEW.double().requires_grad_()
    got, _ = get_policy_loss_fn(name)(OLD.double(), new, A.double(), MASK.double(), mode, config)
    got.backward()
    assert float(got.detach()) == pytest.approx(loss, abs=1e-6)
    assert float(new.grad.abs().sum()) == pytest.approx(gradient, abs=1e-6)
