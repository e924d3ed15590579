"""Weightings: what a group weighs among all groups of the dataset. One idea a file, one import line a piece here."""

from curate.reweighting.weightings.robust import chi_square as chi_square
from curate.reweighting.weightings.robust import cvar as cvar
from curate.reweighting.weightings.robust import group_dro as group_dro
from curate.reweighting.weightings.robust import group_invariant as group_invariant
from curate.reweighting.weightings.robust import kl_ball as kl_ball
