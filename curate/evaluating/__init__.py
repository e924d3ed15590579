"""Evaluation: pass@k, diversity and uplift of stored samples, with intervals over prompts. Pure: polars and numpy."""

from curate.evaluating.agreement import Agreement, agreement, disagreements
from curate.evaluating.calibration import Calibration, Judged, calibrate, calibrate_by_generator
from curate.evaluating.correlation import Matrix, correlations, pair_sums
from curate.evaluating.intervals import Estimate, mean_over_prompts
from curate.evaluating.pairs import Pair, compare_pair
from curate.evaluating.passk import chunked_pass_at_k, pass_at_k
from curate.evaluating.strategies import effective_by_group, effective_number
from curate.evaluating.summary import INFERENCE, Evaluation, Point, evaluate_frame
from curate.evaluating.uplift import Place, Uplift, uplift_by_rank
from curate.evaluating.votes import maj_at_k

__all__ = [
    "INFERENCE",
    "Agreement",
    "Calibration",
    "Estimate",
    "Evaluation",
    "Judged",
    "Matrix",
    "Pair",
    "Place",
    "Point",
    "Uplift",
    "agreement",
    "calibrate",
    "calibrate_by_generator",
    "chunked_pass_at_k",
    "compare_pair",
    "correlations",
    "disagreements",
    "effective_by_group",
    "effective_number",
    "evaluate_frame",
    "maj_at_k",
    "mean_over_prompts",
    "pair_sums",
    "pass_at_k",
    "uplift_by_rank",
]
