"""The recipes: each a function of its parameters that returns a ``Recipe``. A family a file, one import line here.

They share the rules of ``apply``: a null reward is not judged and leaves the group; a group of one is dropped as
``singleton``, but not by recipes without group statistics (raft); a group whose shaped rewards are uniform is dropped
as ``degenerate`` (kept at advantage exactly 0 by ``keep_groups="all"``); a wrong parameter raises ConfigError.
"Correct" comes from the outcome alone.
"""

from curate.reweighting.recipes.baselines import gpg as gpg
from curate.reweighting.recipes.baselines import opo as opo
from curate.reweighting.recipes.consistency import grpo_care as grpo_care
from curate.reweighting.recipes.correct_only import raft as raft
from curate.reweighting.recipes.difficulty import f_grpo as f_grpo
from curate.reweighting.recipes.difficulty import maxrl as maxrl
from curate.reweighting.recipes.diversity import diverse_grpo as diverse_grpo
from curate.reweighting.recipes.failures import lens as lens
from curate.reweighting.recipes.failures import ngrpo as ngrpo
from curate.reweighting.recipes.filters import dapo as dapo
from curate.reweighting.recipes.filters import srpo as srpo
from curate.reweighting.recipes.frameworks import openrlhf_grpo as openrlhf_grpo
from curate.reweighting.recipes.frameworks import trl_grpo as trl_grpo
from curate.reweighting.recipes.frameworks import trl_rloo as trl_rloo
from curate.reweighting.recipes.frameworks import verl_grpo as verl_grpo
from curate.reweighting.recipes.group_relative import dr_grpo as dr_grpo
from curate.reweighting.recipes.group_relative import grpo as grpo
from curate.reweighting.recipes.group_relative import rloo as rloo
from curate.reweighting.recipes.likelihood import he2025_release as he2025_release
from curate.reweighting.recipes.likelihood import unlikely_grpo as unlikely_grpo
from curate.reweighting.recipes.objectives import gdpo as gdpo
from curate.reweighting.recipes.objectives import multi_objective as multi_objective
from curate.reweighting.recipes.options import multi_choice_grpo as multi_choice_grpo
from curate.reweighting.recipes.pass_at_k import grpo_passk as grpo_passk
from curate.reweighting.recipes.pass_at_k import passk as passk
from curate.reweighting.recipes.robust import chi2_dro as chi2_dro
from curate.reweighting.recipes.robust import cvar_dro as cvar_dro
from curate.reweighting.recipes.robust import group_dro as group_dro
from curate.reweighting.recipes.robust import group_invariant as group_invariant
from curate.reweighting.recipes.robust import kl_ball_dro as kl_ball_dro
from curate.reweighting.recipes.signs import nsr as nsr
from curate.reweighting.recipes.signs import psr as psr
from curate.reweighting.recipes.signs import reinforce_rej as reinforce_rej
from curate.reweighting.recipes.signs import w_reinforce as w_reinforce
from curate.reweighting.recipes.steps import spectral_grpo as spectral_grpo
from curate.reweighting.recipes.steps import unlikely_spectral as unlikely_spectral
from curate.reweighting.recipes.supervised import best_of_n as best_of_n
from curate.reweighting.recipes.supervised import expo as expo
from curate.reweighting.recipes.supervised import rwr as rwr
from curate.reweighting.recipes.supervised import top_k as top_k
from curate.reweighting.recipes.tokens import q_star as q_star
from curate.reweighting.recipes.tokens import trepo as trepo
from curate.reweighting.recipes.tokens import tw_grpo as tw_grpo
from curate.reweighting.recipes.tokens import vineppo as vineppo
from curate.reweighting.recipes.variance import grpovi as grpovi
from curate.reweighting.recipes.whitened import reinforce_pp as reinforce_pp
from curate.reweighting.recipes.whitened import reinforce_pp_baseline as reinforce_pp_baseline
