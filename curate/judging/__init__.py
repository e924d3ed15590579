"""Step judges: rules that name the first wrong step of a completion. They know records and errors, never tables."""

from curate.judging.rts import rts
from curate.judging.rules import RULES, Rule, get
from curate.judging.splitter import split

__all__ = ["RULES", "Rule", "get", "rts", "split"]
