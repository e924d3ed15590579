"""Shapings: what the reward of a sample becomes before the estimator sees it. One idea a file, one import line here."""

from curate.reweighting.shaping.care import care as care
from curate.reweighting.shaping.confidence import confidence as confidence
from curate.reweighting.shaping.diversity import diversity as diversity
from curate.reweighting.shaping.focal import focal as focal
from curate.reweighting.shaping.graded import graded as graded
from curate.reweighting.shaping.lengths import cosine_length as cosine_length
from curate.reweighting.shaping.lengths import kimi_length as kimi_length
from curate.reweighting.shaping.lengths import lead_length as lead_length
from curate.reweighting.shaping.multi_choice import multi_choice as multi_choice
from curate.reweighting.shaping.objectives import normalise_then_sum as normalise_then_sum
from curate.reweighting.shaping.objectives import sum_then_normalise as sum_then_normalise
from curate.reweighting.shaping.overlong import overlong as overlong
from curate.reweighting.shaping.positive import positive as positive
from curate.reweighting.shaping.unlikeliness import unlikeliness as unlikeliness
from curate.reweighting.shaping.variance import variance_increase as variance_increase
