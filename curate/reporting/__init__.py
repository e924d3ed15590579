"""The report: frames and records -> one HTML file that a person reads. Pure: it opens no table and no file."""

from curate.reporting.groups import GroupView, groups
from curate.reporting.mechanism import TRAINS, Mechanism, mechanism
from curate.reporting.overview import DatasetFacts, RunFacts, overview
from curate.reporting.page import GENERATOR, page
from curate.reporting.passk import pass_at_k
from curate.reporting.training import training

__all__ = [
    "GENERATOR",
    "TRAINS",
    "DatasetFacts",
    "GroupView",
    "Mechanism",
    "RunFacts",
    "groups",
    "mechanism",
    "overview",
    "page",
    "pass_at_k",
    "training",
]
