"""What ruins training quietly: rules are kept, nothing crashes, and the policy learns the wrong thing. One fault a file."""

from curate.checking.finding import FAULTS, Finding

__all__ = ["FAULTS", "Finding"]
