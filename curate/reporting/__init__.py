"""The report: frames and records -> one HTML file that a person reads. Pure: it opens no table and no file."""

from curate.reporting.groups import GroupView, groups
from curate.reporting.headline import READING, Headline, headline_section, tables
from curate.reporting.lineage import Lineage, Policy, trace
from curate.reporting.mechanism import TRAINS, Mechanism, mechanism, outer_thirds
from curate.reporting.overview import DatasetFacts, RunFacts, overview
from curate.reporting.page import GENERATOR, page
from curate.reporting.passk import pass_at_k
from curate.reporting.training import training

__all__ = [
    "GENERATOR",
    "READING",
    "TRAINS",
    "DatasetFacts",
    "GroupView",
    "Headline",
    "Lineage",
    "Mechanism",
    "Policy",
    "RunFacts",
    "groups",
    "headline_section",
    "mechanism",
    "outer_thirds",
    "overview",
    "page",
    "pass_at_k",
    "tables",
    "trace",
    "training",
]
