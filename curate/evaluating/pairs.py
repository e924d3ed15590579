"""Two policies on the same prompts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from curate.errors import ConfigError
from curate.evaluating.intervals import Estimate, mean_over_prompts
from curate.evaluating.summary import Evaluation

SAME = 1e-12


@dataclass(frozen=True, slots=True)
class Pair:
    """pass@k of one policy minus that of the baseline, prompt by prompt.

    ``n_wins`` prompts where the policy is higher, ``n_ties``, ``n_losses``; ``n_only_baseline`` and ``n_only_policy``
    prompts that only one of them was asked, ``n_short`` common prompts where either has fewer than k samples: all
    left out.
    """

    k: int
    difference: Estimate
    n_wins: int
    n_ties: int
    n_losses: int
    n_only_baseline: int
    n_only_policy: int
    n_short: int

    def as_json(self) -> dict[str, Any]:
        """Return value, low, high, method and n_prompts of the difference, and the counts."""
        counts = {name: value for name, value in asdict(self).items() if name.startswith("n_")}
        return {**asdict(self.difference), **counts}


def compare_pair(baseline: Evaluation, policy: Evaluation, k: int, *, seed: int = 0) -> Pair:
    """Compare pass@k of two policies on the prompts that both were asked, with a BCa interval over those prompts.

    The interval is of the mean of the differences, so what the prompts share cancels. Where every difference is the
    same, as between a dataset and itself, there is no interval. Raises ConfigError without a common prompt_id.
    """
    column = f"pass@{k}"
    one, other = (e.prompts.select("prompt_id", value=column) for e in (baseline, policy))
    both = one.join(other, on="prompt_id", suffix="_policy", maintain_order="left")
    if both.is_empty():
        raise ConfigError(
            "the two datasets have no prompt_id in common: a paired comparison needs the same prompts, "
            "so sample both policies from one set of prompts"
        )
    asked = both.drop_nulls()
    d = (asked["value_policy"] - asked["value"]).to_numpy()
    return Pair(
        k=k,
        difference=mean_over_prompts(d, seed=seed),
        n_wins=int((d > SAME).sum()),
        n_ties=int((abs(d) <= SAME).sum()),
        n_losses=int((d < -SAME).sum()),
        n_only_baseline=one.height - both.height,
        n_only_policy=other.height - both.height,
        n_short=both.height - asked.height,
    )
