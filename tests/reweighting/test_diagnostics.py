import json
from itertools import pairwise

import polars as pl
import pytest

from curate.reweighting import recipes
from curate.reweighting.apply import reweight
from curate.reweighting.diagnostics import diagnose, merge, summarize

REASONS = [
    "unjudged",
    "surplus",
    "no_likelihood",
    "no_rts",
    "no_diversity",
    "no_score",
    "no_branches",
    "singleton",
    "all_wrong",
    "all_correct",
    "degenerate",
    "gated",
]


def frame(*groups: list[float | None], **columns: list[object]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "group_id": [g for g, rewards in enumerate(groups) for _ in rewards],
            "sample_index": [i for rewards in groups for i in range(len(rewards))],
            "reward": pl.Series([reward for rewards in groups for reward in rewards], dtype=pl.Float64),
            **columns,
        }
    )


def nonzero(counts: dict[str, int]) -> dict[str, int]:
    return {key: value for key, value in counts.items() if value}


GROUPS: tuple[list[float | None], ...] = (
    [1.0, 0.0, 0.0],  # mixed, one success
    [1.0, 1.0, 0.0],
    [0.0, 0.0],
    [1.0, 1.0],
    [1.0, None],
    [None, None],
    [1.0, 0.0],  # one without a likelihood
)
LOGPROBS: list[object] = [
    -1.0,
    -2.0,
    -3.0,
    -2.0,
    -1.0,
    -3.0,
    -1.0,
    -1.0,
    -1.0,
    -1.0,
    -1.0,
    -1.0,
    -1.0,
    -1.0,
    -1.0,
    None,
]


def test_rows_and_groups_by_class_and_by_reason() -> None:
    stats = diagnose(reweight(frame(*GROUPS, mean_logprob=LOGPROBS), recipes.unlikely_grpo(beta_rank=0.5)))
    assert (stats["rows"], stats["rows_kept"], stats["groups"], stats["groups_kept"]) == (16, 6, 7, 2)
    assert list(stats["rows_dropped"]) == REASONS
    assert nonzero(stats["rows_dropped"]) == {
        "unjudged": 3,
        "no_likelihood": 1,
        "singleton": 2,
        "all_wrong": 2,
        "all_correct": 2,
    }
    assert nonzero(stats["groups_dropped"]) == {"unjudged": 1, "singleton": 2, "all_wrong": 1, "all_correct": 1}
    assert stats["groups_by_class"] == {
        "unjudged": 1,
        "singleton": 1,
        "all_wrong": 1,
        "all_correct": 1,
        "mixed": 3,
    }


def test_a_group_whose_samples_all_left_is_dropped_by_what_they_lacked() -> None:
    found = reweight(frame([0.0, 0.0, None], rts=[None, None, None]), recipes.spectral_grpo())
    assert nonzero(diagnose(found)["groups_dropped"]) == {"no_rts": 1}


def test_advantage_by_rank_and_cancelled_groups_by_hand() -> None:
    found = reweight(frame(*GROUPS, mean_logprob=LOGPROBS), recipes.unlikely_grpo(beta_rank=0.5))
    stats = diagnose(found)
    # Group 0: rank 1 correct, the only one: shaped to 2/3, advantage 2/sqrt 3 as without shaping.
    assert stats["groups_cancelled"] == 1
    assert stats["max_abs_advantage"] == pytest.approx(2 / 3**0.5, abs=1e-5)
    # Group 1: R = 5/6 at rank 2, 2/3 at rank 1, 0: mean 1/2, std sqrt(7)/6
    std = 7**0.5 / 6
    assert stats["advantage_by_rank"]["n"] == [2, 1]
    expected = [2 / 3**0.5 + (1 / 6) / std, (1 / 3) / std]
    assert stats["advantage_by_rank"]["sum"] == pytest.approx(expected, abs=1e-4)
    assert summarize(stats)["mean_advantage_by_rank"] == pytest.approx([expected[0] / 2, expected[1]], abs=1e-4)


def test_a_lone_success_that_was_not_shaped_or_not_scaled_does_not_count_as_cancelled() -> None:
    lone = frame([1.0, 0.0, 0.0], mean_logprob=[-3.0, -2.0, -1.0])
    assert diagnose(reweight(lone, recipes.unlikely_grpo(beta_rank=0.5)))["groups_cancelled"] == 0
    likely = lone.with_columns(mean_logprob=pl.Series([-1.0, -2.0, -3.0]))
    unscaled = recipes.unlikely_grpo(beta_rank=0.5, scale="none")
    assert diagnose(reweight(likely, unscaled))["groups_cancelled"] == 0


def test_sign_flips_and_phantom_advantages_are_shares_of_kept_samples() -> None:
    flip = frame([1.0] * 7 + [0.0], mean_logprob=[-float(i) for i in range(8)])
    figures = summarize(diagnose(reweight(flip, recipes.unlikely_grpo(beta_rank=1))))
    # R of the seven: (i + 1)/8, mean 28/64: below it are ranks 1, 2 and 3
    assert figures["share_correct_negative"] == 3 / 7
    assert figures["share_wrong_positive"] == 0.0
    phantom = frame([0.0, 0.0, 0.0, 0.0], rts=[0.0, 0.0, 0.0, 0.6])
    figures = summarize(diagnose(reweight(phantom, recipes.spectral_grpo())))
    assert figures["share_wrong_positive"] == 0.25
    assert figures["share_correct_negative"] is None


@pytest.mark.parametrize("keep_groups", ["not_all_correct", "all"])
def test_degenerate_groups_count_whether_dropped_or_kept_at_0(keep_groups: str) -> None:
    flat = frame([0.0, 0.0], [0.0, 0.0], rts=[0.5, 0.5, 0.5, 0.25])
    recipe = recipes.spectral_grpo(keep_groups=keep_groups)  # type: ignore[arg-type]
    assert diagnose(reweight(flat, recipe))["groups_degenerate"] == 1


@pytest.mark.parametrize("keep_groups", ["not_all_correct", "all"])
def test_a_group_has_signal_where_a_kept_advantage_is_not_0(keep_groups: str) -> None:
    groups = frame([0.0, 0.0], [0.0, 0.0], [1.0, 0.0], rts=[0.5, 0.5, 0.5, 0.25, None, 0.5])
    recipe = recipes.spectral_grpo(keep_groups=keep_groups)  # type: ignore[arg-type]
    figures = summarize(diagnose(reweight(groups, recipe)))
    assert figures["groups_with_signal"] == 2
    assert figures["share_groups_with_signal"] == pytest.approx(2 / 3)
    assert summarize(diagnose(reweight(groups.clear(), recipe)))["share_groups_with_signal"] is None


def test_rank_agreement_counts_neighbouring_pairs_of_kept_samples() -> None:
    columns = {"mean_logprob": [-1.0, -2.0, -3.0, -3.0], "sum_logprob": [-1.0, -9.0, -5.0, -7.0]}
    stats = diagnose(reweight(frame([1.0, 0.0, 0.0, 0.0], **columns), recipes.grpo()))
    assert stats["rank_agreement"] == {"pairs": 3, "alike": 1, "opposite": 1}
    assert summarize(stats)["rank_agreement"] == 0.0


def test_rts_correlations_by_hand() -> None:
    columns = {"rts": [0.0, 0.5, 1.0, None], "n_steps": [1, 2, 3, 9], "n_tokens": [30, None, 10, 1]}
    figures = summarize(diagnose(reweight(frame([0.0] * 4, **columns), recipes.spectral_grpo())))
    assert figures["rts_with_n_steps"] == pytest.approx(1.0)
    assert figures["rts_with_n_tokens"] == pytest.approx(-1.0)
    constant = frame([0.0] * 3, rts=[0.0, 0.5, 1.0], n_steps=[7, 7, 7])
    assert summarize(diagnose(reweight(constant, recipes.spectral_grpo())))["rts_with_n_steps"] is None


def test_figures_without_their_columns_are_null_never_0() -> None:
    stats = diagnose(reweight(frame([0.0, 0.0]), recipes.grpo()))
    figures = summarize(stats)
    nulls = ["advantage_by_rank", "rank_agreement", "rts_with_n_steps", "rts_with_n_tokens", "max_abs_advantage"]
    assert [stats[key] for key in nulls] == [None] * 5
    assert figures["mean_advantage_by_rank"] is None
    assert figures["share_correct_negative"] is None
    assert "advantage_by_rank" not in figures


def test_a_stored_rank_is_used_and_ranks_past_the_last_are_lumped() -> None:
    size = 140
    rewards = [float(i < 135) for i in range(size)]
    many = frame(rewards, mean_logprob=[-float(i) for i in range(size)])
    recipe = recipes.unlikely_grpo(beta_rank=0.25)
    computed = diagnose(reweight(many, recipe))["advantage_by_rank"]
    assert computed["n"] == [1] * 127 + [8]
    stored = many.with_columns(likelihood_rank=pl.col("sample_index") + 1.0)
    assert diagnose(reweight(stored, recipe))["advantage_by_rank"] == computed


def whole() -> pl.DataFrame:
    size, n_groups = 6, 60
    index = pl.int_range(size * n_groups)
    made = pl.select(
        group_id=index // size,
        sample_index=index % size,
        reward=pl.when(index % 17 != 0).then(((index * index) % 7 < (index // size) % 9).cast(pl.Float64)),
        mean_logprob=pl.when(index % 23 != 0).then(-((index * 37) % 11).cast(pl.Float64)),
        rts=((index * 13) % 5) / 5,
        n_steps=index % 4 + 1,
        n_tokens=(index * 31) % 97,
    )
    return made.with_columns(sum_logprob=pl.col("mean_logprob") * pl.col("n_tokens"))


@pytest.mark.parametrize("cuts", [[0, 360], [0, 6, 360], [0, 120, 126, 240, 360], list(range(0, 361, 6))])
def test_merged_parts_are_the_whole(cuts: list[int]) -> None:
    found = reweight(whole(), recipes.unlikely_spectral(beta_rank=0.25))
    expected = diagnose(found)
    parts = [diagnose(found[a:b]) for a, b in pairwise(cuts)]
    merged = merge(json.loads(json.dumps(parts)))
    for key in ("advantage_by_rank", "rts_with_n_steps", "rts_with_n_tokens", "mass"):
        for sums, wanted in zip(merged.pop(key).values(), expected.pop(key).values(), strict=True):
            assert sums == pytest.approx(wanted, abs=1e-9)
    assert merged == expected
    assert expected["groups_by_class"]["mixed"] > 10
    assert expected["rows_dropped"]["unjudged"] > 10


def test_row_order_changes_no_count() -> None:
    found = reweight(whole(), recipes.unlikely_spectral(beta_rank=0.25))
    shuffled = diagnose(found.sample(fraction=1.0, shuffle=True, seed=1))
    expected = diagnose(found)
    assert shuffled["rank_agreement"] == expected["rank_agreement"]
    assert shuffled["groups_dropped"] == expected["groups_dropped"]
    assert shuffled["advantage_by_rank"]["sum"] == pytest.approx(expected["advantage_by_rank"]["sum"])


def test_merging_with_a_part_that_lacks_a_column_keeps_what_is_known() -> None:
    recipe = recipes.spectral_grpo()
    known = diagnose(reweight(frame([0.0, 0.0], rts=[0.0, 0.5], n_steps=[2, 2]), recipe))
    unknown = diagnose(reweight(frame([0.0, 0.0], rts=[0.0, 0.5]), recipe))
    assert merge([unknown, known])["rts_with_n_steps"] == known["rts_with_n_steps"]
    assert merge([known, unknown])["rows"] == 4
    assert merge([]) == {}


def test_an_empty_part_adds_nothing() -> None:
    empty = diagnose(reweight(frame([0.0, 0.0], rts=[0.0, 0.5]).clear(), recipes.spectral_grpo()))
    full = diagnose(reweight(frame([0.0, 0.0], rts=[0.0, 0.5]), recipes.spectral_grpo()))
    assert empty["rows"] == empty["groups"] == 0
    assert merge([empty, full]) == full


def test_the_largest_advantage_may_be_negative_and_one_zero_is_no_lack_of_signal() -> None:
    rewards = frame([0.5, 0.75, 0.25, 0.5, 0.0, 1.0], outcome=["correct", *["incorrect"] * 5])
    stats = diagnose(reweight(rewards, recipes.dr_grpo()))
    assert stats["groups_degenerate"] == 0
    assert stats["max_abs_advantage"] == 0.5
    low = frame([1.0, 1.0, 1.0, 0.0])
    assert diagnose(reweight(low, recipes.dr_grpo()))["max_abs_advantage"] == 0.75


def test_a_group_of_which_one_sample_was_judged_but_nothing_else_known_is_not_unjudged() -> None:
    found = reweight(frame([None, 0.0, 0.0], rts=[None, None, None]), recipes.spectral_grpo())
    stats = diagnose(found)
    assert nonzero(stats["rows_dropped"]) == {"unjudged": 1, "no_rts": 2}
    assert nonzero(stats["groups_dropped"]) == {"no_rts": 1}


def test_a_group_of_which_some_samples_are_gated_is_kept() -> None:
    frame = pl.DataFrame(
        {
            "group_id": [1, 1, 1, 2, 2, 3],
            "sample_index": [0, 1, 2, 0, 1, 0],
            "reward": [0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        }
    )
    stats = diagnose(reweight(frame, recipes.raft()))
    assert (stats["groups_kept"], stats["rows_kept"], stats["correct_kept"], stats["wrong_kept"]) == (2, 2, 2, 0)
    assert {reason: n for reason, n in stats["rows_dropped"].items() if n} == {"gated": 2, "all_wrong": 2}
    assert {reason: n for reason, n in stats["groups_dropped"].items() if n} == {"all_wrong": 1}
    assert stats["groups_degenerate"] == 0


def test_mass_and_effective_samples_by_hand() -> None:
    # w_reinforce: +1 at weight .1 on the three correct samples, -1 on the two wrong ones
    stats = diagnose(reweight(frame([1.0, 1.0, 0.0], [1.0, 0.0], [None]), recipes.w_reinforce()))
    assert stats["mass"]["rows"] == 6
    figures = summarize(stats)
    assert figures["mass_correct"] == pytest.approx(0.3)
    assert figures["mass_wrong"] == pytest.approx(2.0)
    assert figures["effective_samples"] == pytest.approx(2.3**2 / (3 * 0.01 + 2))
    assert "mass" not in figures


def test_a_part_made_before_there_were_mass_sums_leaves_them_unknown() -> None:
    stats = diagnose(reweight(frame([1.0, 0.0]), recipes.grpo()))
    older = {key: value for key, value in stats.items() if key != "mass"}
    for known in ([older], [stats, older], [older, stats]):
        figures = summarize(merge(known))
        assert [figures[key] for key in ("mass_correct", "mass_wrong", "effective_samples")] == [None] * 3


def test_nothing_kept_has_no_mass_and_no_effective_samples() -> None:
    figures = summarize(diagnose(reweight(frame([0.0, 0.0]), recipes.grpo())))
    assert (figures["mass_correct"], figures["mass_wrong"], figures["effective_samples"]) == (0.0, 0.0, None)
