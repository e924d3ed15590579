"""The stage runner: pending, done, stale, refused, locked, failed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from curate.contracts import contract
from curate.dataset import Dataset, TableRef
from curate.errors import ConfigError, ContractError, ShareError
from curate.jobrecord import DATASET, read_record
from curate.parts import read_footer
from curate.stage import Made, Stage, journaled, read, run_stage, variant_lock
from stored import PROMPTS, SAMPLES, VERDICTS, small_dataset, write_rows


def judge_all(data: Dataset, made: list[str] | None = None, outcome: str = "correct", **parameters: Any) -> Stage:
    """A stage that gives every sample one outcome and notes which parts it made."""

    def make(name: str, _: Path) -> Made:
        if made is not None:
            made.append(name)
        rows = read(data, SAMPLES, name, ["group_id", "sample_index"])
        n = rows.num_rows
        reward = {"correct": 1.0, "incorrect": 0.0}.get(outcome)
        columns = {c: rows[c] for c in rows.column_names} | {"outcome": [outcome] * n, "reward": [reward] * n}
        return Made(contract("verdicts").rows(columns), failed={outcome: n} if reward is None else {})

    return Stage(
        verb="verify",
        ref=VERDICTS,
        inputs=[SAMPLES],
        lookups=[PROMPTS],
        make=make,
        parameters=parameters,
        command=f"curate verify {DATASET} --verifier exact",
    )


def count_correct(data: Dataset) -> Stage:
    """A stage below verdicts."""

    def make(name: str, _: Path) -> Made:
        rows = read(data, VERDICTS, name, ["group_id", "sample_index"])
        columns = {c: rows[c] for c in rows.column_names} | {"n_tokens": [1] * rows.num_rows}
        return Made(contract("likelihoods").rows(columns))

    ref = TableRef("likelihoods", "count")
    return Stage("logprob", ref, [SAMPLES, VERDICTS], make, {}, f"curate logprob {DATASET} --as count")


def states(data: Dataset) -> dict[str, tuple[int, int, int, int]]:
    return {s["table"]: (s["done"], s["pending"], s["waiting"], s["stale"]) for s in data.status()}


def test_a_second_run_makes_nothing(tmp_path: Path) -> None:
    data, made = small_dataset(tmp_path), []
    summary = run_stage(data, judge_all(data, made))
    assert (summary.rows_in, summary.rows_out, summary.parts_made) == (16, 16, 2)
    again = run_stage(data, judge_all(data, made))
    assert again.parts_made == 0
    assert made == ["part-00000.parquet", "part-00001.parquet"]
    assert str(again) == "verdicts/verifier=exact: nothing to do, 2 part(s) are done"


def test_only_missing_parts_are_made(tmp_path: Path) -> None:
    data, made = small_dataset(tmp_path), []
    run_stage(data, judge_all(data))
    data.part(VERDICTS, "part-00000.parquet").unlink()
    run_stage(data, judge_all(data, made))
    assert made == ["part-00000.parquet"]


def test_a_failure_keeps_the_parts_before_it(tmp_path: Path) -> None:
    data = small_dataset(tmp_path)
    good = judge_all(data)

    def make(name: str, journal: Path) -> Made:
        if name == "part-00001.parquet":
            raise ContractError("bad part")
        return good.make(name, journal)

    stage = Stage(good.verb, good.ref, good.inputs, make, good.parameters, good.command, good.lookups)
    with pytest.raises(ContractError, match="bad part"):
        run_stage(data, stage)
    assert data.parts(VERDICTS) == ["part-00000.parquet"]
    assert run_stage(data, good).parts_made == 1


def test_other_parameters_are_refused_with_the_difference(tmp_path: Path) -> None:
    data = small_dataset(tmp_path)
    run_stage(data, judge_all(data, beta_rank=0.25, recipe="unlikely_grpo"))
    with pytest.raises(ConfigError) as caught:
        run_stage(data, judge_all(data, beta_rank=0.5, recipe="unlikely_grpo"))
    assert "beta_rank: 0.25 then, 0.5 now" in str(caught.value)
    assert "recipe" not in str(caught.value)
    assert "--overwrite" in str(caught.value)
    assert "--as NAME" in str(caught.value)


def test_overwrite_keeps_the_old_variant_aside(tmp_path: Path) -> None:
    data = small_dataset(tmp_path)
    run_stage(data, judge_all(data, beta_rank=0.25))
    summary = run_stage(data, judge_all(data, beta_rank=0.5, outcome="incorrect"), overwrite=True)
    assert summary.parts_made == 2
    old = list((tmp_path / ".curate" / "replaced").glob("*/parts/*.parquet"))
    assert len(old) == 2
    record = read_record(data, VERDICTS)
    assert record is not None
    assert record.parameters == {"beta_rank": 0.5}


def test_overwrite_touches_nothing_until_all_is_prepared(tmp_path: Path) -> None:
    data = small_dataset(tmp_path)
    run_stage(data, judge_all(data))
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.parquet")}

    def refuse() -> None:
        raise ConfigError("no such model")

    broken = replace(judge_all(data, beta=2), prepare=refuse)
    with pytest.raises(ConfigError, match="no such model"):
        run_stage(data, broken, overwrite=True)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.parquet")} == before
    assert run_stage(data, judge_all(data)).parts_made == 0


def test_replaced_variants_are_numbered_on_after_one_was_deleted(tmp_path: Path) -> None:
    data = small_dataset(tmp_path)
    for _ in range(3):
        run_stage(data, judge_all(data), overwrite=True)
    replaced = tmp_path / ".curate" / "replaced"
    shutil.rmtree(min(replaced.iterdir()))
    run_stage(data, judge_all(data), overwrite=True)
    assert [p.name[:4] for p in sorted(replaced.iterdir())] == ["0002", "0003"]


def test_a_refused_stage_leaves_no_variant(tmp_path: Path) -> None:
    data = small_dataset(tmp_path)
    good = judge_all(data)

    def refuse(name: str, journal: Path) -> Made:
        raise ConfigError("outcome is null")

    with pytest.raises(ConfigError):
        run_stage(data, replace(good, make=refuse))
    assert data.variants("verdicts") == []


def test_a_copied_dataset_is_named_in_its_own_commands(tmp_path: Path) -> None:
    data = small_dataset(tmp_path / "one")
    run_stage(data, judge_all(data))
    shutil.copytree(tmp_path / "one", tmp_path / "the other")
    copy = Dataset(tmp_path / "the other")
    command = next(s["command"] for s in copy.status() if s["table"] == str(VERDICTS))
    assert command == f"curate verify '{tmp_path}/the other' --verifier exact"


def test_a_changed_input_makes_a_variant_stale_and_says_what_to_run(tmp_path: Path) -> None:
    data = small_dataset(tmp_path)
    run_stage(data, judge_all(data))
    run_stage(data, count_correct(data))
    run_stage(data, judge_all(data, outcome="incorrect"), overwrite=True)
    assert states(data)["likelihoods/scorer=count"] == (0, 0, 0, 2)
    with pytest.raises(ConfigError) as caught:
        run_stage(data, count_correct(data))
    assert "likelihoods/scorer=count is stale: 2 part(s), first part-00000.parquet" in str(caught.value)
    assert "made from verdicts/verifier=exact, which changed since" in str(caught.value)
    assert f"Run `curate logprob {tmp_path} --as count --overwrite`" in str(caught.value)
    assert run_stage(data, count_correct(data), overwrite=True).parts_made == 2


def test_the_same_rows_again_make_nothing_stale(tmp_path: Path) -> None:
    data = small_dataset(tmp_path)
    run_stage(data, judge_all(data))
    run_stage(data, count_correct(data))
    run_stage(data, judge_all(data), overwrite=True)
    assert states(data)["likelihoods/scorer=count"] == (2, 0, 0, 0)


def test_a_stale_input_is_refused_too(tmp_path: Path) -> None:
    data = small_dataset(tmp_path)
    run_stage(data, judge_all(data))
    sample = {
        "group_id": 1000,
        "sample_index": 0,
        "prompt_id": "p0",
        "completion": "x",
        "token_exact": False,
        "hinted": False,
    }
    write_rows(data, SAMPLES, "part-00000.parquet", [sample])
    with pytest.raises(
        ConfigError,
        match=r"verdicts/verifier=exact is stale: 1 part.*Run `curate verify .* --verifier exact --overwrite`, then this",
    ):
        run_stage(data, count_correct(data))


def test_a_missing_input_part_waits(tmp_path: Path) -> None:
    data = small_dataset(tmp_path)
    run_stage(data, judge_all(data))
    data.part(VERDICTS, "part-00001.parquet").unlink()
    summary = run_stage(data, count_correct(data))
    assert (summary.parts_made, summary.parts_waiting) == (1, 1)
    assert states(data)["likelihoods/scorer=count"] == (1, 0, 1, 0)
    assert states(data)["verdicts/verifier=exact"] == (1, 1, 0, 0)


def test_prompts_added_later_make_nothing_stale_and_changed_ones_do(tmp_path: Path) -> None:
    data = small_dataset(tmp_path)
    run_stage(data, judge_all(data))
    prompt = {"prompt_id": "new", "prompt": "?", "prompt_format": "text", "source": "test"}
    write_rows(data, PROMPTS, "part-00002.parquet", [prompt])
    assert states(data)["verdicts/verifier=exact"] == (2, 0, 0, 0)
    write_rows(data, PROMPTS, "part-00000.parquet", [prompt])
    assert states(data)["verdicts/verifier=exact"] == (0, 0, 0, 2)


def test_two_writers_of_one_variant_are_refused(tmp_path: Path) -> None:
    data = small_dataset(tmp_path)
    with variant_lock(data, VERDICTS), pytest.raises(ConfigError, match="another process is writing"):
        run_stage(data, judge_all(data))


def test_too_many_failures_raise_and_keep_the_rows(tmp_path: Path) -> None:
    data = small_dataset(tmp_path)
    with pytest.raises(ShareError, match=r"100.0% of 16 rows failed \(16 failed \(timeout 16\)\)"):
        run_stage(data, judge_all(data, outcome="timeout"))
    assert len(data.parts(VERDICTS)) == 2
    with pytest.raises(ShareError, match="--max-failed-share"):
        run_stage(data, judge_all(data, outcome="timeout"))  # not forgotten because the parts are there
    assert run_stage(data, judge_all(data, outcome="timeout"), max_failed_share=1.0).parts_made == 0


def test_leftovers_of_a_killed_run_are_swept(tmp_path: Path) -> None:
    data = small_dataset(tmp_path)
    leftover = tmp_path / ".curate" / "tmp" / "verdicts" / "verifier=exact" / "part-00000.parquet.12345"
    other = tmp_path / ".curate" / "tmp" / "verdicts" / "verifier=exact-too" / "part-00000.parquet.12345"
    for path in (leftover, other):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"torn")
    run_stage(data, judge_all(data))
    assert not leftover.exists()
    assert other.exists()


def test_parts_without_a_job_record_are_not_built_upon(tmp_path: Path) -> None:
    data = small_dataset(tmp_path)
    write_rows(data, VERDICTS, "part-00000.parquet", [])
    with pytest.raises(ConfigError, match="no job record"):
        run_stage(data, judge_all(data))


def test_the_footer_counts_and_names_its_inputs(tmp_path: Path) -> None:
    data = small_dataset(tmp_path)
    run_stage(data, judge_all(data))
    footer = read_footer(data.part(VERDICTS, "part-00000.parquet"))
    assert footer.about["counts"] == {"rows_in": 8, "dropped": {}, "failed": {}}
    assert footer.inputs["samples"] == read_footer(data.part(SAMPLES, "part-00000.parquet")).content_id
    assert footer.inputs["prompts"].startswith("2:")
    assert set(footer.versions) >= {"curate", "polars", "pyarrow", "duckdb"}


def test_journals_of_inputs_that_changed_are_removed_with_the_last_part(tmp_path: Path) -> None:
    data = small_dataset(tmp_path)
    old = tmp_path / ".curate" / "journal" / "verdicts" / "verifier=exact" / "part-00000.parquet.0123.arrows"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"of other inputs")
    run_stage(data, judge_all(data), overwrite=True)
    old.parent.mkdir(parents=True, exist_ok=True)
    data.part(VERDICTS, "part-00000.parquet").unlink()
    old.write_bytes(b"of other inputs")
    run_stage(data, judge_all(data))
    assert not old.exists()


def test_a_journaled_stage_goes_on_after_its_last_finished_group(tmp_path: Path) -> None:
    journal, asked = tmp_path / "part.arrows", []
    groups = [[{"group_id": g, "sample_index": 0}] for g in range(5)]

    def work(group: list[dict[str, Any]]) -> Any:
        if group[0]["group_id"] == 3 and len(asked) < 4:
            asked.append(3)
            raise ContractError("killed here")
        asked.append(group[0]["group_id"])
        return contract("verdicts").rows({c: [row[c] for row in group] for c in ("group_id", "sample_index")})

    with pytest.raises(ContractError):
        journaled(journal, "verdicts", groups, work)
    rows = journaled(journal, "verdicts", groups, work)
    assert rows["group_id"].to_pylist() == [0, 1, 2, 3, 4]
    assert asked == [0, 1, 2, 3, 3, 4]


@pytest.mark.parametrize("name", ["../evil", "Upper", "a/b", "", "a b", "x" * 101, "1st"])
def test_variant_names_are_safe(tmp_path: Path, name: str) -> None:
    from curate.dataset import variant_name

    with pytest.raises(ConfigError, match="cannot name a variant"):
        variant_name(name)


def test_choosing_a_variant(tmp_path: Path) -> None:
    data = small_dataset(tmp_path)
    with pytest.raises(ConfigError, match=r"has no verdicts: run `curate verify .* --verifier NAME`"):
        data.choose("verdicts")
    write_rows(data, VERDICTS, "part-00000.parquet", [])
    assert data.choose("verdicts") == VERDICTS
    write_rows(data, TableRef("verdicts", "numeric"), "part-00000.parquet", [])
    with pytest.raises(ConfigError, match=r"several verdicts \(exact, numeric\): choose one with --verifier NAME"):
        data.choose("verdicts")
    with pytest.raises(ConfigError, match="no verdicts of verifier 'nope'; it has exact, numeric"):
        data.choose("verdicts", "nope")


def test_opening_what_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a folder"):
        Dataset(tmp_path / "missing")
    with pytest.raises(ConfigError, match="holds no table"):
        Dataset(tmp_path)
