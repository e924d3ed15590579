"""The closed list of reasons why a sample does not train; the first that applies is given."""

from __future__ import annotations

REASONS = (
    "unjudged",
    "surplus",
    "no_likelihood",
    "no_rts",
    "no_diversity",
    "no_score",
    "no_branches",
    "singleton",
    "all_wrong",
    "all_correct",
    "degenerate",
    "gated",
)
