"""One thing that was found: its name, where, how often, on what evidence, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

FAULTS = {
    "mixed_policies": "groups that several policies sampled",
    "shifted_logprobs": "log-probs that stand beside the next or the last token",
    "misread_rewards": "rewards of -1 and 1 read as 0 and 1",
    "wrong_temperature": "log-probs or samples of another temperature than the recorded one",
    "template_twice": "a chat template inside a chat template",
    "ids_not_text": "token ids that do not decode to the text",
    "duplicated_groups": "the same group under two ids",
    "unflagged_truncation": "truncated samples that do not say so",
    "mixed_step_base": "first wrong steps counted from 0 among such counted from 1",
    "failing_gold": "right answers that the verifier does not accept",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault in ``n`` of ``of`` rows, groups or prompts (``unit``) that were looked at; ``first`` is the key of one.

    With ``is_note`` it is allowed, or the evidence does not prove it.
    """

    fault: str
    where: str
    evidence: str
    n: int
    of: int
    unit: str
    first: str
    do: str
    is_note: bool = False

    def __str__(self) -> str:
        first = f", first {self.first}" if self.first else ""
        return (
            f"{self.fault} in {self.where}: {self.evidence} ({self.n:,} of {self.of:,} {self.unit}{first}). {self.do}"
        )


def key(group_id: object, sample_index: object) -> str:
    """Return the key of a sample as messages show it."""
    return f"group_id={group_id}, sample_index={sample_index}"
