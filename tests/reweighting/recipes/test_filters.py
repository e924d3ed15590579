from pathlib import Path

import pytest

from curate.dataset import TableRef
from curate.reweighting import recipes, reweight
from curate.reweighting.catalogue import describe
from curate.verbs.reweight import reweight as reweight_verb
from group_case import group, outcomes
from stored import VERDICTS, small_dataset, write_rows


def test_dapo_on_0_and_1_is_the_papers_on_plus_and_minus_1() -> None:
    lengths = {"n_tokens": [10, 95, 50, 130]}
    ours = reweight(group([1.0, 1.0, 0.0, 0.0], **lengths), recipes.dapo(100, 20, eps=0))
    theirs = reweight(
        group([1.0, 1.0, -1.0, -1.0], outcome=outcomes("ccii"), **lengths), recipes.dapo(100, 20, factor=1, eps=0)
    )
    # R = 1, 1 - .5 * .75, 0, -.5
    assert ours["shaped"].to_list() == [1.0, 0.625, 0.0, -0.5]
    assert ours["advantage"].to_list() == pytest.approx(theirs["advantage"].to_list(), abs=1e-12)


def test_dapo_without_a_factor_is_grpo() -> None:
    frame = group([1.0, 0.0, 0.0], n_tokens=[1, 2, 300])
    plain = reweight(frame, recipes.grpo())["advantage"].to_list()
    assert reweight(frame, recipes.dapo(100, 20, factor=0))["advantage"].to_list() == plain


def test_the_keep_list_of_srpo_is_the_query_of_its_docs(tmp_path: Path) -> None:
    data = small_dataset(tmp_path / "data", n_parts=1, groups_a_part=3, group_size=3)
    name = "part-00000.parquet"
    outcome = {1000: "cii", 1001: "cc-", 1002: "iii"}
    rows = [
        {"group_id": g, "sample_index": i, "outcome": o or "timeout", "reward": float(o == "correct") if o else None}
        for g, letters in outcome.items()
        for i, o in enumerate(outcomes(letters))
    ]
    write_rows(data, VERDICTS, name, rows)
    reweight_verb(tmp_path / "data", recipe="srpo")
    doc = describe("srpo")["doc"]
    query = doc[doc.index("SELECT") : doc.index("\n\nThe paper's")]
    assert data.sql(query).fetchall() == [
        ("p0", 1000, True, None),
        ("p1", 1001, False, "all_correct"),
        ("p2", 1002, True, None),
    ]
    assert data.parts(TableRef("advantages", "srpo")) == [name]
