"""Frames that carry every column any recipe reads, and every recipe with every choice of its parameters.

A recipe that reads a new column adds a row to curate/reweighting/columns.py, and one to ``VALUES`` or ``OF_GROUP`` here where
hypothesis should draw other values than its examples.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, get_args, get_origin, get_type_hints

import polars as pl
from hypothesis import strategies as st

from curate.reweighting.columns import COLUMNS, column_of
from curate.reweighting.recipe import Recipe
from curate.reweighting.registry import entry, names

# One judge's score stands for all.
STORED = {
    name: column
    for name in (*COLUMNS, "score_clarity")
    if name not in ("reward", "outcome") and (column := column_of(name))
}

# What hypothesis draws for each column: few values, so that ties come often, and nulls.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "mean_logprob": st.sampled_from([None, -0.5, -1.0, -1.5, -2.0]),
    "likelihood_rank": st.none(),
    "sum_logprob": st.sampled_from([None, -5.0, -10.0, -20.0]),
    "answer_mean_logprob": st.sampled_from([None, -0.125, -0.25, -1.0]),
    "n_tokens": st.sampled_from([None, 1, 5, 5, 9]),
    "rts": st.sampled_from([None, 0.0, 0.25, 0.5, 0.75]),
    "first_error_step": st.sampled_from([None, 1, 2]),
    "n_steps": st.sampled_from([None, 4]),
    "cluster": st.sampled_from([None, 0, 1]),
    "diversity": st.sampled_from([None, 0.0, 0.25, 0.5]),
    "score_clarity": st.sampled_from([None, 0.0, 0.5, 1.0]),
    "finish_reason": st.sampled_from([None, "stop", "length"]),
    "extracted": st.sampled_from([None, "A", "B,A", "C", ""]),
    "n_ids": st.just(6),
    "topk_ids": st.sampled_from([None, [[1, 2]] * 3, [[2, 3], [4, 1], [5, 9]]]),
    "topk_logprobs": st.sampled_from([None, [[-0.5, -1.0]] * 3, [[-0.1, -3.0]] * 3]),
    "logprobs": st.sampled_from([None, [-0.5] * 3, [-1.0, -0.25, -4.0]]),
    "ref_logprobs": st.sampled_from([None, [-0.5] * 3, [-2.0, -0.5, -1.0]]),
    "branch_kept": st.sampled_from([None, [0, 2], [0, 5], [1, 3]]),
    "branch_rewards": st.sampled_from([None, [[0.0, 1.0, 1.0]] * 2, [[0.0, None, 1.0, 0.0], [None, 1.0]]]),
}
OF_GROUP: dict[str, st.SearchStrategy[Any]] = {
    "prompt_id": st.sampled_from(["p", "q"]),
    "domain": st.sampled_from([None, "algebra", "geometry"]),
    "answer": st.sampled_from([None, "A,B", "C"]),
    "n_initial": st.none(),
}
SCHEMA = {
    "group_id": pl.Int64,
    "sample_index": pl.Int32,
    "reward": pl.Float64,
    "outcome": pl.String,
    **{name: column.dtype for name, column in STORED.items()},
}

Group = list[dict[str, Any]]
# A column without a line above is drawn from its examples.
EXAMPLES = {
    name: st.sampled_from([None, *(column.example(i) for i in range(3))])
    for name, column in STORED.items()
    if name not in OF_GROUP
}
samples = st.fixed_dictionaries({"reward": st.sampled_from([0.0, 0.0, 1.0, 1.0, None]), **EXAMPLES, **VALUES})
groups_of = st.builds(
    lambda of_group, rows: [{**of_group, **row} for row in rows],
    st.fixed_dictionaries(OF_GROUP),
    st.lists(samples, min_size=1, max_size=7),
)
datasets = st.lists(groups_of, min_size=1, max_size=5)


def group(rewards: Sequence[float | None], group_id: int = 7, **columns: Sequence[Any]) -> pl.DataFrame:
    """Return one group of these rewards, with every column any recipe reads; without ``outcome`` rewards tell it."""
    size = len(rewards)
    correct = {None: None, 0.0: "incorrect", 1.0: "correct"}
    made: dict[str, Any] = {
        "group_id": [group_id] * size,
        "sample_index": list(range(size)),
        "reward": rewards,
        "outcome": [correct.get(reward, "correct" if (reward or 0) > 0 else "incorrect") for reward in rewards],
        **{name: [column.example(i) for i in range(size)] for name, column in STORED.items()},
        **columns,
    }
    return pl.DataFrame(made, schema_overrides={name: SCHEMA[name] for name in SCHEMA if name not in columns})


def frame_of(groups: Sequence[Group]) -> pl.DataFrame:
    """Return the groups as a frame; group ids descend, so that their order is not that of the rows."""
    rows = [
        {"group_id": -g, "sample_index": i, "outcome": _outcome(sample["reward"]), **sample}
        for g, rows in enumerate(groups)
        for i, sample in enumerate(rows)
    ]
    return pl.DataFrame(rows, schema=SCHEMA)


def _outcome(reward: float | None) -> str | None:
    return None if reward is None else "correct" if reward > 0 else "incorrect"


def every_recipe() -> dict[str, Recipe]:
    """Return every registered recipe with the catalogue's example of its parameters."""
    return {name: entry("recipe", name).make(**entry("recipe", name).example) for name in names()}


def every_choice() -> dict[str, Recipe]:
    """Return every recipe as ``every_recipe`` and once more for every other choice of one of its parameters."""
    made = every_recipe()
    for name in names():
        row = entry("recipe", name)
        for parameter, value in _choices(row.make):
            made[f"{name} {parameter}={value}"] = row.make(**{**row.example, parameter: value})
    return made


def _choices(make: Callable[..., Recipe]) -> Iterator[tuple[str, Any]]:
    hints = get_type_hints(inspect.unwrap(make))
    for parameter in inspect.signature(make).parameters.values():
        hint = hints[parameter.name]
        options = get_args(hint) if get_origin(hint) is Literal else (True, False) if hint is bool else ()
        yield from ((parameter.name, option) for option in options if option != parameter.default)
