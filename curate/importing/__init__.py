"""Stored rollouts of other trainers -> prompts, samples, verdicts and advantages."""

from curate.importing.files import fingerprint
from curate.importing.formats import FORMATS, choose, detect_format
from curate.importing.load import Loaded, load
from curate.importing.report import Report, sentences
from curate.importing.rollout import MAPPABLE, Options, Rollout, parse_map

__all__ = [
    "FORMATS",
    "MAPPABLE",
    "Loaded",
    "Options",
    "Report",
    "Rollout",
    "choose",
    "detect_format",
    "fingerprint",
    "load",
    "parse_map",
    "sentences",
]
