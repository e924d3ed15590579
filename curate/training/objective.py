"""Which loss is minimised: its name and its settings, checked before any work."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from curate.errors import ConfigError, did_you_mean

Name = Literal["grpo", "gspo", "cispo", "topr", "asymre", "dro", "sft", "dpo", "rebel", "prdp"]
Aggregation = Literal["token_mean", "sequence_mean", "constant"]
CispoClip = Literal["upper", "both"]
Kl = Literal["k2", "k3"]
Weighting = Literal["none", "truncated", "masked"]
Importance = Literal["truncated", "masked"]

CLIPPED = ("grpo", "gspo", "cispo")
WITHOUT_RATIO = ("asymre", "sft", "dpo")
PAIRWISE = ("dpo", "rebel", "prdp")
CLIP_DEFAULTS = {"gspo": (3e-4, 4e-4)}


@dataclass(frozen=True, slots=True)
class Objective:
    """Hold the settings of one loss; see ``curate.training.losses`` and, for pairs, ``curate.training.pairs``.

    - ``name``: grpo (2402.03300; with ``clip_high`` .28 the clip-higher of DAPO, 2503.14476), gspo (2507.18071),
      cispo (2506.13585), topr (2503.14286), asymre (2506.20520), dro (2405.19107), sft; of pairs: dpo (2305.18290),
      rebel (2404.16767), prdp (2402.08714).
    - ``clip_low``, ``clip_high``: the ratio is cut to [1 - clip_low, 1 + clip_high]; null is .2 and .2, for gspo its
      published 3e-4 and 4e-4.
    - ``dual_clip``: c > 1, the bound c * |A| of the loss of a token with A < 0 (1912.09729 uses 3); null is no bound.
    - ``cispo_clip``: "upper" cuts the ratio at 1 + clip_high only (TRL writes that sum: its epsilon_high of 5 is a
      clip_high of 4 here), "both" at both ends (verl).
    - ``kl_coef``, ``kl``: strength and estimator of the KL to the reference; k1 has no useful gradient: refused.
    - ``aggregation``: token_mean (DAPO), sequence_mean (GRPO), constant (Dr. GRPO 2503.20783; needs ``max_length``, L_max,
      in tokens). ``self_normalised`` divides by the sum of the sample weights instead of their count.
    - ``beta``: dro's pull towards old, or dpo's to the reference, above 0; either needs it.
    - ``log_clip``: prdp's clip, how far a token's log ratio may be from old, in nats; prdp needs it.
    - ``from_first_difference``: a pair's loss leaves out the tokens before the first that differ (2405.00451).
    - ``delta``: asymre's V lies so far below the group's mean; asymre needs it. It has the unit of the stored
      advantages, which are centred: with unscaled ones (r - mean) it is a reward, with standardized ones it counts the
      group's standard deviations. The paper's guarantee needs it above 0; 0 is for ``sequence_weights``.
    - ``sequence_weights``: with asymre, weight every sequence by its ratio new / behaviour, without a gradient:
      "truncated" cuts it at ``importance_cap``, "masked" sets it to 0 above.
    - ``importance``: form of the weight exp(old - behaviour) of a token in decoupled mode, where old is not the behaviour;
      read by grpo, gspo and cispo (the others compare with the behaviour itself): "truncated" cuts it at
      ``importance_cap``, "masked" takes tokens above out of the loss and out of N.
    - ``mask_delta``: keep a sequence with A < 0 only where mean_t(behaviour - new) <= mask_delta; null keeps all.

    Raises ConfigError for a value outside its range and for a setting that the objective would not look at.
    """

    name: Name = "grpo"
    clip_low: float | None = None
    clip_high: float | None = None
    dual_clip: float | None = None
    cispo_clip: CispoClip = "upper"
    kl_coef: float = 0.0
    kl: Kl = "k3"
    aggregation: Aggregation = "token_mean"
    max_length: int | None = None
    self_normalised: bool = False
    beta: float | None = None
    delta: float | None = None
    sequence_weights: Weighting = "none"
    importance: Importance = "truncated"
    importance_cap: float = 2.0
    mask_delta: float | None = None
    log_clip: float | None = None
    from_first_difference: bool = False

    def __post_init__(self) -> None:
        _check_choices(self)
        _check_ranges(self)
        _check_belongings(self)

    @property
    def clip(self) -> tuple[float, float]:
        """Return (clip_low, clip_high) with the objective's own defaults where they are null."""
        low, high = CLIP_DEFAULTS.get(self.name, (0.2, 0.2))
        return low if self.clip_low is None else self.clip_low, high if self.clip_high is None else self.clip_high

    @property
    def needs_old(self) -> bool:
        """Tell whether the loss itself reads old log-probs; sft, dpo and plain asymre train without any."""
        return self.name not in WITHOUT_RATIO or self.sequence_weights != "none" or self.mask_delta is not None

    @property
    def needs_reference(self) -> bool:
        """Tell whether the loss reads the log-probs of a reference: dpo, prdp, and others with a KL term."""
        return self.kl_coef > 0 or self.name in ("dpo", "prdp")

    @property
    def is_pairwise(self) -> bool:
        """Tell whether the loss is one of pairs instead of rows."""
        return self.name in PAIRWISE


def _check_choices(objective: Objective) -> None:
    if str(objective.kl) == "k1":
        raise ConfigError(
            "kl is 'k1': as a loss its expected gradient is zero on the policy's own samples, so it would hold nothing "
            "back: use k3 (or k2)"
        )
    choices = {"name": Name, "cispo_clip": CispoClip, "kl": Kl, "aggregation": Aggregation}
    choices |= {"sequence_weights": Weighting, "importance": Importance}
    for field, known in choices.items():
        value = getattr(objective, field)
        if value not in get_args(known):
            label = "objective" if field == "name" else field
            close = did_you_mean(str(value), get_args(known))
            raise ConfigError(f"{label} is {value!r}: use one of {', '.join(get_args(known))}{close}")


def _check_ranges(objective: Objective) -> None:
    low, high = objective.clip
    _demand("clip_low", low, 0 <= low < 1, "from 0 to below 1")
    _demand("clip_high", high, 0 <= high < math.inf, "0 or above")
    _demand("kl_coef", objective.kl_coef, 0 <= objective.kl_coef < math.inf, "0 or above")
    _demand("importance_cap", objective.importance_cap, 0 < objective.importance_cap < math.inf, "above 0")
    if objective.dual_clip is not None:
        _demand("dual_clip", objective.dual_clip, 1 < objective.dual_clip < math.inf, "above 1 (the paper has 3)")
    if objective.mask_delta is not None:
        _demand("mask_delta", objective.mask_delta, 0 <= objective.mask_delta < math.inf, "0 or above, in nats a token")


def _check_belongings(objective: Objective) -> None:
    """Refuse what is missing, and what would be silently without effect."""
    name, asymre, constant = objective.name, objective.name == "asymre", objective.aggregation == "constant"
    is_weighted = objective.sequence_weights != "none"
    _belongs(objective, "max_length", constant, "aggregation constant", "L_max in tokens, 1 or above", least=1)
    has_beta = name in ("dro", "dpo")
    _belongs(objective, "beta", has_beta, _reader(name, "dro", "dpo"), "above 0", least=0, is_open=True)
    _belongs(objective, "log_clip", name == "prdp", "objective prdp", "above 0, in nats", least=0, is_open=True)
    floor = "0 or above" if is_weighted else "above 0: its guarantee needs V under the group's mean"
    _belongs(objective, "delta", asymre, "objective asymre", floor, least=0, is_open=not is_weighted)
    clips = objective.clip_low is not None or objective.clip_high is not None
    if clips and name not in CLIPPED:
        raise ConfigError(f"objective {name} has no clip: leave clip_low and clip_high out, or use grpo, gspo or cispo")
    if objective.dual_clip is not None and name not in ("grpo", "gspo"):
        raise ConfigError(f"objective {name} has no dual clip: leave dual_clip out, or use grpo or gspo")
    if objective.cispo_clip != "upper" and name != "cispo":
        raise ConfigError(f"objective {name} does not read cispo_clip: leave it out")
    if objective.cispo_clip == "upper" and name == "cispo" and objective.clip_low is not None:
        raise ConfigError("cispo_clip 'upper' has no lower end: leave clip_low out, or set cispo_clip to 'both'")
    if objective.importance == "masked" and name not in CLIPPED:
        raise ConfigError(f"objective {name} has no token weights to mask: leave importance out")
    if objective.from_first_difference and not objective.is_pairwise:
        raise ConfigError(f"from_first_difference compares the two sides of a pair: leave it out for {name}")
    if objective.is_pairwise:
        _refuse_token_settings(objective)
    if is_weighted and not asymre:
        raise ConfigError(f"sequence_weights goes with asymre (-A*new without a ratio): leave it out for {name}")


def _refuse_token_settings(objective: Objective) -> None:
    """Refuse what weighs or adds up tokens: a pair's loss is one number, averaged over pairs."""
    token_settings = ("aggregation", "self_normalised", "mask_delta", "kl_coef")
    plain = Objective.__dataclass_fields__
    for field in token_settings:
        if getattr(objective, field) != plain[field].default:
            why = "holds to its reference itself" if field == "kl_coef" else "is a mean over pairs"
            raise ConfigError(f"objective {objective.name} {why}: leave {field} out")


def _reader(name: str, *readers: str) -> str:
    return f"objective {name if name in readers else ' or '.join(readers)}"


def _belongs(
    objective: Objective, field: str, is_read: bool, reader: str, what: str, *, least: float, is_open: bool = False
) -> None:
    value = getattr(objective, field)
    if is_read and value is None:
        raise ConfigError(f"{reader} needs {field}: {what}")
    if not is_read and value is not None:
        raise ConfigError(f"{field} is read by {reader} only: leave it out")
    if value is not None:
        _demand(field, value, (value > least if is_open else value >= least) and value < math.inf, what)


def _demand(field: str, value: float, is_good: bool, what: str) -> None:
    if not is_good:
        raise ConfigError(f"{field} is {value}: it must be {what}")
