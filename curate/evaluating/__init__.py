"""Evaluation: pass@k, diversity and uplift of stored samples, with intervals over prompts. Pure: polars and numpy."""

from curate.evaluating.intervals import Estimate, mean_over_prompts
from curate.evaluating.pairs import Pair, compare_pair
from curate.evaluating.passk import chunked_pass_at_k, pass_at_k
from curate.evaluating.summary import INFERENCE, Evaluation, Point, evaluate_frame
from curate.evaluating.uplift import Place, Uplift, uplift_by_rank
from curate.evaluating.votes import maj_at_k

__all__ = [
    "INFERENCE",
    "Estimate",
    "Evaluation",
    "Pair",
    "Place",
    "Point",
    "Uplift",
    "chunked_pass_at_k",
    "compare_pair",
    "evaluate_frame",
    "maj_at_k",
    "mean_over_prompts",
    "pass_at_k",
    "uplift_by_rank",
]
