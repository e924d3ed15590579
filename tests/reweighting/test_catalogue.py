"""The catalogue: what is said of each recipe and piece, and what survives in three groups."""

from __future__ import annotations

import inspect
import json

import pytest

from curate.reweighting import describe, describe_piece, names
from curate.reweighting.registry import KINDS, Kind, entry
from curate.reweighting.specimen import survives
from curate.verbs.reweight import reweight

RECIPES = names()
PIECES = [(kind, name) for kind in KINDS if kind != "recipe" for name in names(kind)]

# all-wrong / all-correct / mixed, as the papers have it: dropped, kept at 0, or the sign of each sample that trains
SURVIVAL = {
    "grpo": ("dropped", "dropped", "++--"),
    "dr_grpo": ("dropped", "dropped", "++--"),
    "rloo": ("dropped", "dropped", "++--"),
    "raft": ("dropped", "++++", "++"),
    "unlikely_grpo": ("dropped", "dropped", "++--"),
    "spectral_grpo": ("---+", "dropped", "++--"),
    "unlikely_spectral": ("---+", "dropped", "++--"),
    "diverse_grpo": ("dropped", "dropped", "++--"),
    "reinforce_pp": ("----", "++++", "++--"),
    "reinforce_pp_baseline": ("dropped", "dropped", "++--"),
    "trl_grpo": ("0", "0", "++--"),
    "trl_rloo": ("0", "0", "++--"),
    "verl_grpo": ("0", "0", "++--"),
    "openrlhf_grpo": ("0", "0", "++--"),
    "kl_ball_dro": ("dropped", "dropped", "++--"),
    "cvar_dro": ("dropped", "dropped", "++--"),
    "chi2_dro": ("dropped", "dropped", "++--"),
    "group_dro": ("dropped", "dropped", "++--"),
    "group_invariant": ("dropped", "dropped", "++--"),
}


def signs(advantages: list[float | None]) -> str:
    kept = [value for value in advantages if value is not None]
    if not any(kept):
        return "0" if kept else "dropped"
    return "".join("+" if value > 0 else "-" if value < 0 else "0" for value in kept)


@pytest.mark.parametrize("name", SURVIVAL)
def test_what_survives_is_what_the_papers_say(name: str) -> None:
    found = describe(name)["survival"]
    assert tuple(signs(found[kind]["advantage"]) for kind in ("all_wrong", "all_correct", "mixed")) == SURVIVAL[name]


def test_survival_in_words() -> None:
    found = describe("raft")["survival"]
    assert survives(found["all_wrong"]) == "dropped: all_wrong"
    assert survives(found["mixed"]) == "A = 1.00, 1.00, -, - (- is dropped)"
    assert survives(describe("trl_grpo")["survival"]["all_wrong"]) == "kept at 0"


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_says_what_it_does_from_which_source_and_its_pitfalls(name: str) -> None:
    found = json.loads(json.dumps(describe(name)))
    assert found["doc"].split("\n")[0].endswith(".")
    assert found["source"]
    assert found["pitfalls"]
    assert "Pitfalls:" not in found["pitfalls"]
    required = {p["name"] for p in found["parameters"] if p["required"]}
    assert required <= set(found["example"]), "give register() an example of every parameter without a default"


@pytest.mark.parametrize(("kind", "name"), PIECES)
def test_every_piece_has_a_sentence_and_an_example_that_builds(kind: Kind, name: str) -> None:
    found = json.loads(json.dumps(describe_piece(kind, name)))
    assert found["doc"].split("\n")[0].endswith((".", ":")) or found["doc"].count("\n")
    made = entry(kind, name).make(**entry(kind, name).example)
    assert made.name == name
    assert set(made.parameters) == {p["name"] for p in found["parameters"]}


def test_pieces_have_names_of_their_own_so_that_a_table_of_parameters_has_one_owner() -> None:
    pieces = [name for _, name in PIECES]
    assert len(set(pieces)) == len(pieces)


@pytest.mark.parametrize("name", RECIPES)
def test_no_parameter_has_the_name_of_an_option_of_the_command_so_that_a_job_can_set_it(name: str) -> None:
    options = {option.rstrip("_") for option in inspect.signature(reweight).parameters}
    assert not options & {parameter["name"] for parameter in describe(name)["parameters"]}
