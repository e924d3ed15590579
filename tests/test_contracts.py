"""Every rule of every contract has a row here that breaks it, and a table that keeps them all."""

from __future__ import annotations

import copy
from typing import Any

import pyarrow as pa
import pytest

from curate.contracts import TABLES, VIEW_PREFIX, arrow_type, conform, contract, violations
from curate.errors import ConfigError, ContractError

Row = dict[str, Any]
NAN, INF = float("nan"), float("inf")

KEY: Row = {"group_id": 7, "sample_index": 0}
GOOD: dict[str, Row] = {
    "prompts": {
        "prompt_id": "p1",
        "prompt": "2+2?",
        "prompt_format": "text",
        "prompt_ids": [1, 2],
        "answer": "4",
        "source": "test",
        "source_row": 1,
    },
    "samples": {
        **KEY,
        "prompt_id": "p1",
        "completion": "4",
        "completion_ids": [5, 6],
        "logprobs": [-0.5, 0.0],
        "loss_mask": [True, False],
        "finish_reason": "stop",
        "temperature": 1.0,
        "top_p": 1.0,
        "token_exact": True,
        "logprob_semantics": "raw",
        "hinted": False,
        "topk_ids": [[5], [6]],
        "topk_logprobs": [[-0.5], [0.0]],
        "n_initial": 4,
        "stopping_rule": "mixed, at most 8",
    },
    "verdicts": {**KEY, "outcome": "correct", "reward": 1.0, "seconds": 0.1},
    "likelihoods": {
        **KEY,
        "n_tokens": 2,
        "logprobs": [-0.5, 0.0],
        "sum_logprob": -0.5,
        "mean_logprob": -0.25,
        "answer_mean_logprob": -0.1,
        "likelihood_rank": 1.0,
        "logprob_semantics": "processed",
    },
    "feedback": {
        **KEY,
        "n_steps": 5,
        "first_error_step": 4,
        "rts": 0.6,
        "cluster": 0,
        "diversity": 0.5,
        "judge_scores": {"rigour": 0.5, "clarity": None},
        "votes": [4, None],
        "step_offsets": [0, 3, 6, 9, 12],
    },
    "branches": {**KEY, "step": 0, "n_kept": 0, "n": 2, "rewards": [1.0, None]},
    "advantages": {
        **KEY,
        "reward": 1.0,
        "shaped": 0.9,
        "advantage": 0.5,
        "weight": 1.0,
        "kl_scale": 0.5,
        "token_advantages": [0.5, 0.1],
        "group_size": 1,
        "n_correct": 1,
    },
    "pairs": {"group_id": 7, "chosen": 0, "rejected": 1, "target": 0.1, "smoothing": 0.1},
    "train": {
        **KEY,
        "prompt": "2+2?",
        "completion": "4",
        "prompt_ids": [1],
        "completion_ids": [5, 6],
        "loss_mask": [True, True],
        "old_logprobs": [-0.5, -0.1],
        "ref_logprobs": [-0.5, -0.1],
        "advantage": 1.0,
        "token_advantages": [1.0, 0.5],
        "weight": 1.0,
    },
}

ORDER = [
    ("ascending_sample_index", [{}, {}]),
    ("contiguous_groups", [{}, {"group_id": 8}, {"sample_index": 1}]),
]
UNSCORED: Row = dict.fromkeys(("n_tokens", "logprobs", "sum_logprob", "mean_logprob", "likelihood_rank"))
LEFT: Row = {
    **dict.fromkeys(("shaped", "advantage", "weight", "token_advantages")),
    "drop_reason": "no_diversity",
}
# table -> (a piece of the rule's text, the changes that break it, row by row)
BREAKS: dict[str, list[tuple[str, list[Row]]]] = {
    "prompts": [
        ("length(prompt_id) > 0", [{"prompt_id": ""}]),
        ("prompt_format IN", [{"prompt_format": "html"}]),
        ("list_count(prompt_ids)", [{"prompt_ids": [1, None]}]),
        ("list_min(prompt_ids)", [{"prompt_ids": [-1]}]),
        ("source_row >= 0", [{"source_row": -1}]),
        ("(prompt IS NOT NULL) OR", [{"prompt": None, "prompt_ids": None}]),
        ("unique_prompt_id", [{}, {}]),
    ],
    "samples": [
        ("sample_index >= 0", [{"sample_index": -1}]),
        ("length(prompt_id) > 0", [{"prompt_id": ""}]),
        ("list_count(completion_ids)", [{"completion_ids": [1, None]}]),
        ("list_min(completion_ids)", [{"completion_ids": [-1, 2]}]),
        ("list_count(logprobs)", [{"logprobs": [-1.0, None]}]),
        ("list_max(logprobs)", [{"logprobs": [0.5, -1.0]}]),
        ("isfinite(list_min(logprobs))", [{"logprobs": [-INF, -1.0]}]),
        ("list_count(loss_mask)", [{"loss_mask": [True, None]}]),
        ("finish_reason IN", [{"finish_reason": "eos"}]),
        ("isfinite(temperature)", [{"temperature": -1.0}]),
        ("isfinite(top_p)", [{"top_p": 0.0}]),
        ("logprob_semantics IN", [{"logprob_semantics": "other"}]),
        ("list_count(topk_ids)", [{"topk_ids": [[1], None]}]),
        ("list_count(topk_logprobs)", [{"topk_logprobs": [[-1.0], None]}]),
        ("list_count(flatten(topk_ids))", [{"topk_ids": [[5], [None]]}]),
        ("list_min(flatten(topk_ids))", [{"topk_ids": [[5], [-5]]}]),
        ("list_count(flatten(topk_logprobs))", [{"topk_logprobs": [[None], [-1.0]]}]),
        ("list_max(flatten(topk_logprobs))", [{"topk_logprobs": [[-1.0], [0.5]]}]),
        ("list_max(flatten(topk_logprobs))", [{"topk_logprobs": [[NAN], [-1.0]]}]),
        ("isfinite(list_min(flatten(topk_logprobs)))", [{"topk_logprobs": [[-1.0], [-INF]]}]),
        ("one_logprob_per_topk_id", [{"topk_ids": [[5], [6, 7]], "topk_logprobs": [[-1.0, -2.0], [-1.0]]}]),
        ("n_initial >= 1", [{"n_initial": 0}]),
        ("((n_initial IS NULL) = (stopping_rule IS NULL))", [{"n_initial": None}]),
        (
            "(completion IS NOT NULL) OR",
            [{"completion": None, "completion_ids": None, "logprobs": None, "loss_mask": None, "token_exact": False}],
        ),
        ("OR (NOT token_exact)", [{"completion_ids": None, "logprobs": None, "loss_mask": None}]),
        ("((logprobs IS NULL) AND (loss_mask IS NULL))", [{"completion_ids": None, "token_exact": False}]),
        ("len(logprobs) = len(completion_ids)", [{"logprobs": [-1.0]}]),
        ("len(loss_mask) = len(completion_ids)", [{"loss_mask": [True]}]),
        ("len(topk_ids) = len(completion_ids)", [{"topk_ids": [[1]]}]),
        ("len(topk_logprobs) = len(topk_ids)", [{"topk_logprobs": [[-1.0]]}]),
        ("one_prompt_per_group", [{}, {"sample_index": 1, "prompt_id": "p2"}]),
        *ORDER,
    ],
    "verdicts": [
        ("sample_index >= 0", [{"sample_index": -1}]),
        ("outcome IN", [{"outcome": "right"}]),
        ("isfinite(reward)", [{"reward": NAN}]),
        ("isfinite(seconds)", [{"seconds": -1.0}]),
        ("(reward IS NULL) OR", [{"outcome": "timeout"}]),
        *ORDER,
    ],
    "likelihoods": [
        ("sample_index >= 0", [{"sample_index": -1}]),
        ("n_tokens >= 0", [{"n_tokens": -1}]),
        ("list_count(logprobs)", [{"logprobs": [-1.0, None]}]),
        ("list_max(logprobs)", [{"logprobs": [NAN, -1.0]}]),
        ("isfinite(list_min(logprobs))", [{"logprobs": [-INF]}]),
        ("isfinite(sum_logprob)", [{"sum_logprob": 0.5}]),
        ("isfinite(mean_logprob)", [{"mean_logprob": NAN}]),
        ("isfinite(answer_mean_logprob)", [{"answer_mean_logprob": -INF}]),
        ("isfinite(likelihood_rank)", [{"likelihood_rank": 0.0}]),
        ("logprob_semantics IN", [{"logprob_semantics": "other"}]),
        ("(n_tokens <= len(logprobs))", [{"n_tokens": 3}]),
        ("abs(", [{"mean_logprob": -0.26}]),
        ("rank_within_group", [{"likelihood_rank": 1.5}]),
        (
            "rank_within_group",
            [
                {},
                {"sample_index": 1, "likelihood_rank": 2.0},
                {"sample_index": 2, **UNSCORED},
                {"sample_index": 3, "likelihood_rank": 4.0},
            ],
        ),
        ("((sum_logprob IS NULL) = (mean_logprob IS NULL))", [{"sum_logprob": None}]),
        ("((mean_logprob IS NULL) = (likelihood_rank IS NULL))", [{"likelihood_rank": None}]),
        *ORDER,
    ],
    "feedback": [
        ("sample_index >= 0", [{"sample_index": -1}]),
        ("n_steps >= 0", [{"n_steps": -1}]),
        ("(first_error_step >= 1)", [{"first_error_step": 0, "rts": 0.0}]),
        ("isfinite(rts)", [{"rts": 1.5}]),
        ("cluster >= 0", [{"cluster": -1}]),
        ("isfinite(diversity)", [{"diversity": 1.0}]),
        ("list_min(votes)", [{"votes": [0]}]),
        ("list_max(map_values(judge_scores))", [{"judge_scores": {"rigour": 0.5, "clarity": NAN}}]),
        ("list_min(map_values(judge_scores))", [{"judge_scores": {"rigour": 0.5, "clarity": -INF}}]),
        ("list_max(votes) <= n_steps", [{"votes": [6, None]}]),
        ("one_diversity_per_cluster", [{}, {"sample_index": 1, "diversity": 0.25}]),
        ("list_count(step_offsets)", [{"step_offsets": [0, 1, 2, 3, None]}]),
        ("list_min(step_offsets)", [{"step_offsets": [-1, 1, 2, 3, 4]}]),
        ("(first_error_step <= n_steps)", [{"first_error_step": 6, "rts": 1.0}]),
        ("((rts IS NULL) = (first_error_step IS NULL))", [{"rts": None}]),
        ("abs(", [{"rts": 0.5}]),
        ("OR (rts IS NULL)", [{"error": "no reply"}]),
        ("OR (n_steps IS NULL)", [{"error": "no reply", "first_error_step": None, "rts": None}]),
        ("len(step_offsets) = n_steps", [{"step_offsets": [0]}]),
        ("((cluster IS NULL) = (diversity IS NULL))", [{"cluster": None}]),
        *ORDER,
    ],
    "branches": [
        ("sample_index >= 0", [{"sample_index": -1}]),
        ("step >= 0", [{"step": -1}]),
        ("n >= 1", [{"n": 0, "rewards": []}]),
        ("isfinite(list_min(rewards))", [{"rewards": [NAN, 1.0]}]),
        ("len(rewards) = n", [{"rewards": [1.0]}]),
        ("n_kept >= 0", [{"step": 1, "n_kept": -1}]),
        ("((step = 0) = (n_kept = 0))", [{"step": 1}]),
        ("unique_step", [{}, {}]),
        ("ascending_steps", [{"step": 1, "n_kept": 5}, {"step": 2, "n_kept": 5}]),
        ("contiguous_groups", [{}, {"group_id": 8}, {"step": 1, "n_kept": 3}]),
    ],
    "advantages": [
        ("sample_index >= 0", [{"sample_index": -1}]),
        ("isfinite(reward)", [{"reward": INF}]),
        ("isfinite(shaped)", [{"shaped": NAN}]),
        ("isfinite(advantage)", [{"advantage": NAN}]),
        ("isfinite(weight)", [{"weight": -1.0}]),
        ("isfinite(kl_scale)", [{"kl_scale": -0.5}]),
        ("list_count(token_advantages)", [{"token_advantages": [1.0, None]}]),
        ("isfinite(list_min(token_advantages))", [{"token_advantages": [NAN]}]),
        ("list_count(token_credit)", [{"token_credit": [1.0, None]}]),
        ("isfinite(list_min(token_credit))", [{"token_credit": [INF]}]),
        ("(token_credit IS NULL) OR", [{"token_credit": [1.0], **LEFT}]),
        ("drop_reason IN", [{"drop_reason": "boring"}]),
        ("group_size >= 0", [{"group_size": -1}]),
        ("n_correct >= 0", [{"n_correct": 2}]),
        ("((advantage IS NULL) = (weight IS NULL))", [{"weight": None}]),
        ("((advantage IS NULL) = (drop_reason IS NOT NULL))", [{"drop_reason": "all_wrong"}]),
        ("(reward IS NOT NULL) OR", [{"reward": None}]),
        ("(token_advantages IS NULL) OR", [{"advantage": None, "weight": None, "drop_reason": "gated"}]),
        ("one_group_size_and_n_correct", [{"group_size": 2}]),
        ("one_group_size_and_n_correct", [{"group_size": 2}, {"sample_index": 1, "group_size": 2, **LEFT}]),
        ("one_group_size_and_n_correct", [{"group_size": 2}, {"sample_index": 1, "group_size": 2, "n_correct": 2}]),
        ("one_group_size_and_n_correct", [{"group_size": 2}, {"sample_index": 1, "group_size": 2, "n_correct": None}]),
        *ORDER,
    ],
    "pairs": [
        ("chosen >= 0", [{"chosen": -1}]),
        ("rejected >= 0", [{"rejected": -1}]),
        ("isfinite(target)", [{"target": NAN}]),
        ("isfinite(smoothing)", [{"smoothing": 0.6}]),
        ("chosen != rejected", [{"rejected": 0}]),
        ("unique_pair", [{}, {}]),
    ],
    "train": [
        ("sample_index >= 0", [{"sample_index": -1}]),
        ("list_count(prompt_ids)", [{"prompt_ids": [None]}]),
        ("list_min(prompt_ids)", [{"prompt_ids": [-1]}]),
        ("list_count(completion_ids)", [{"completion_ids": [5, None]}]),
        ("list_min(completion_ids)", [{"completion_ids": [5, -1]}]),
        ("list_count(loss_mask)", [{"loss_mask": [True, None]}]),
        ("list_count(old_logprobs)", [{"old_logprobs": [-0.5, None]}]),
        ("list_max(old_logprobs)", [{"old_logprobs": [0.5, -0.1]}]),
        ("isfinite(list_min(old_logprobs))", [{"old_logprobs": [-INF, -0.1]}]),
        ("list_count(ref_logprobs)", [{"ref_logprobs": [-0.5, None]}]),
        ("list_max(ref_logprobs)", [{"ref_logprobs": [0.5, -0.1]}]),
        ("isfinite(list_min(ref_logprobs))", [{"ref_logprobs": [-INF, -0.1]}]),
        ("isfinite(advantage)", [{"advantage": INF}]),
        ("list_count(token_advantages)", [{"token_advantages": [1.0, None]}]),
        ("isfinite(list_min(token_advantages))", [{"token_advantages": [1.0, INF]}]),
        ("isfinite(weight)", [{"weight": NAN}]),
        ("((completion_ids IS NULL) = (loss_mask IS NULL))", [{"loss_mask": None}]),
        ("((completion_ids IS NULL) = (prompt_ids IS NULL))", [{"prompt_ids": None}]),
        ("(completion_ids IS NOT NULL) OR (", [{"completion_ids": None, "loss_mask": None, "prompt_ids": None}]),
        (
            "(completion IS NOT NULL) OR (completion_ids IS NOT NULL)",
            [
                {
                    "completion": None,
                    "completion_ids": None,
                    "loss_mask": None,
                    "prompt_ids": None,
                    "old_logprobs": None,
                    "ref_logprobs": None,
                    "token_advantages": None,
                }
            ],
        ),
        ("len(loss_mask) = len(completion_ids)", [{"loss_mask": [True]}]),
        ("len(old_logprobs) = len(completion_ids)", [{"old_logprobs": [-0.1]}]),
        ("len(ref_logprobs) = len(completion_ids)", [{"ref_logprobs": [-0.1]}]),
        ("len(token_advantages) = len(completion_ids)", [{"token_advantages": [1.0]}]),
        ("unique_sample", [{}, {}]),
    ],
}


def rows_of(table: str, changes: list[Row]) -> pa.Table:
    rows = [{**copy.deepcopy(GOOD[table]), **change} for change in changes]
    return contract(table).rows({name: [row.get(name) for row in rows] for name in contract(table).schema.names})


def unquoted(rule: str) -> str:
    return rule.replace('"', "")  # DuckDB quotes names that are also keywords


def rules_of(table: str) -> set[str]:
    rules = contract(table)
    not_null = {f"{c.name} IS NOT NULL" for c in rules.columns if not c.is_nullable}
    return not_null | set(rules.checks) | {name.removeprefix(VIEW_PREFIX) for name, _ in rules.views}


@pytest.mark.parametrize("table", TABLES)
def test_a_good_row_keeps_every_rule(table: str) -> None:
    rows = conform(contract(table), rows_of(table, [{}]), "here")
    assert rows.schema.equals(contract(table).schema, check_metadata=True)


@pytest.mark.parametrize(
    ("table", "rule", "changes"), [(table, rule, changes) for table, cases in BREAKS.items() for rule, changes in cases]
)
def test_the_row_that_breaks_a_rule_is_counted(table: str, rule: str, changes: list[Row]) -> None:
    broken = violations(contract(table), rows_of(table, changes))
    found = [v for v in broken if rule in unquoted(v.rule)]
    assert len(found) == 1, broken
    assert found[0].count == 1
    assert found[0].first_key


@pytest.mark.parametrize("table", TABLES)
def test_every_rule_has_a_row_that_breaks_it(table: str) -> None:
    tested = {rule for rule in rules_of(table) for piece, _ in BREAKS[table] if piece in unquoted(rule)}
    not_null = {rule for rule in rules_of(table) if rule.endswith("IS NOT NULL") and "(" not in rule}
    assert rules_of(table) - tested - not_null == set()


@pytest.mark.parametrize(
    ("table", "column"), [(t, c.name) for t in TABLES for c in contract(t).columns if not c.is_nullable]
)
def test_a_null_in_a_not_null_column_is_counted(table: str, column: str) -> None:
    broken = violations(contract(table), rows_of(table, [{column: None}]))
    assert [v.count for v in broken if v.rule == f"{column} IS NOT NULL"] == [1]


def test_columns_that_are_null_in_every_row_still_break_rules() -> None:
    """Such columns are constants in the query, so that they cost no scan."""
    unknown: Row = dict.fromkeys(
        ("completion", "completion_ids", "logprobs", "loss_mask", "topk_ids", "topk_logprobs", "hinted")
    )
    rows = rows_of("samples", [{**unknown, "sample_index": i, "token_exact": i == 2} for i in range(3)])
    assert {
        unquoted(v.rule): (v.count, v.first_key["sample_index"]) for v in violations(contract("samples"), rows)
    } == {
        "hinted IS NOT NULL": (3, 0),
        "((completion IS NOT NULL) OR (completion_ids IS NOT NULL))": (3, 0),
        "((completion_ids IS NOT NULL) OR (NOT token_exact))": (1, 2),
    }


def test_a_part_in_which_nothing_was_scored_or_judged_keeps_every_rule() -> None:
    for table in ("likelihoods", "feedback", "advantages"):
        known: Row = {c.name: None for c in contract(table).columns if c.is_nullable}
        if table == "advantages":
            known |= {"drop_reason": "unjudged", "group_size": 0}
        rows = rows_of(table, [{**known, "sample_index": i} for i in range(2)])
        assert violations(contract(table), rows) == []


@pytest.mark.parametrize(
    "reason", ["unjudged", "surplus", "no_likelihood", "no_rts", "no_diversity", "no_score", "no_branches"]
)
def test_a_sample_that_left_its_group_is_not_in_its_size(reason: str) -> None:
    left = LEFT | {"drop_reason": reason}
    assert violations(contract("advantages"), rows_of("advantages", [{}, {"sample_index": 1, **left}])) == []


@pytest.mark.parametrize("table", TABLES)
def test_every_column_says_what_it_means(table: str) -> None:
    assert contract(table).comment
    assert [c.name for c in contract(table).columns if len(c.comment) < 10] == []


def test_only_timings_are_measured() -> None:
    measured = [(t, c.name) for t in TABLES for c in contract(t).columns if c.is_measured]
    assert measured == [("verdicts", "seconds")]


def test_every_broken_rule_is_listed_with_count_and_first_key() -> None:
    rows = rows_of(
        "verdicts", [{"reward": NAN}, {"sample_index": 1, "outcome": "right"}, {"sample_index": 2, "reward": NAN}]
    )
    with pytest.raises(ContractError) as caught:
        conform(contract("verdicts"), rows, "verdicts/part-00003.parquet")
    message = str(caught.value)
    assert "verdicts/part-00003.parquet: 2 rule(s) of table verdicts are broken" in message
    assert "isfinite(reward): 2 broken, first at group_id=7, sample_index=0" in message
    assert "outcome IN" in message
    assert "first at group_id=7, sample_index=1" in message


def test_missing_and_unknown_columns_are_named() -> None:
    rows = rows_of("verdicts", [{}]).drop_columns(["reward"]).append_column("rewrad", pa.array([1.0]))
    with pytest.raises(ContractError, match=r"missing column\(s\) reward; unknown column\(s\) rewrad"):
        conform(contract("verdicts"), rows, "here")


def test_a_column_of_another_type_is_named() -> None:
    rows = rows_of("verdicts", [{}])
    rows = rows.set_column(3, "reward", pa.array(["high"]))
    with pytest.raises(ContractError, match="wrong type"):
        conform(contract("verdicts"), rows, "here")


def test_unknown_table() -> None:
    with pytest.raises(ConfigError, match="there is no table 'sample'"):
        contract("sample")


def test_arrow_types() -> None:
    assert arrow_type("INTEGER[][]") == pa.large_list(pa.large_list(pa.int32()))


def test_hostile_values_are_values_not_sql() -> None:
    rows = rows_of("prompts", [{"prompt_id": "'; DROP TABLE prompts; --"}])
    assert violations(contract("prompts"), rows) == []
