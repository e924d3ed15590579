"""Gates: which groups and samples train. One idea a file, one import line here."""

from curate.reweighting.gates.accuracy import accuracy_band as accuracy_band
from curate.reweighting.gates.outcomes import all_ as all_
from curate.reweighting.gates.outcomes import groups as groups
from curate.reweighting.gates.outcomes import mixed as mixed
from curate.reweighting.gates.outcomes import not_all_correct as not_all_correct
from curate.reweighting.gates.outcomes import not_all_wrong as not_all_wrong
from curate.reweighting.gates.solved import drop_solved as drop_solved
from curate.reweighting.gates.truncated import drop_truncated as drop_truncated
