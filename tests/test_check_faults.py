"""``curate check`` names each of ten planted faults, and none on the dataset they were planted in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from curate.checking import FAULTS
from curate.cli import app
from curate.contracts import contract
from curate.dataset import Dataset, TableRef
from curate.parts import FOOTER_KEY
from stored import PROMPTS, SAMPLES

Row = dict[str, Any]
VERDICTS, FEEDBACK = TableRef("verdicts", "countdown"), TableRef("feedback", "countdown")
END = 1


def run(*arguments: object, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what the shipped policy sampled, verified, scored by its model and by itself, judged and weighed."""
    root = tmp_path_factory.mktemp("check") / "clean"
    run("prompts", "countdown", "--to", root, "--n", 16, "--seed", 3)
    run("sample", root, "--local", "countdown-strong", "--group-size", 16, "--max-new-tokens", 15)
    run("verify", root, "--verifier", "countdown")
    run("logprob", root, "--from-sampler")
    run("logprob", root, "--model", "countdown-strong")
    run("judge", root, "--rule", "countdown", "--scope", "all")
    run("reweight", root, "--recipe", "grpo")
    return root


@pytest.fixture
def copy(clean: Path, tmp_path: Path) -> Dataset:
    return Dataset(shutil.copytree(clean, tmp_path / "copy"))


def plant(data: Dataset, ref: TableRef, change: Callable[[list[Row]], object]) -> None:
    """Change the rows of a table where they lie, under the footers that they had: nothing is stale, every rule is kept."""
    for name in data.parts(ref):
        path = data.part(ref, name)
        footer = pq.read_metadata(path).metadata[FOOTER_KEY]
        rows = pq.read_table(path, partitioning=None).to_pylist()
        change(rows)
        table = pa.Table.from_pylist(rows, schema=contract(ref.table).schema)
        with pq.ParquetWriter(path, table.schema) as writer:
            writer.write_table(table)
            writer.add_key_value_metadata({FOOTER_KEY: footer})


def each(column: str, change: Callable[[Row], object]) -> Callable[[list[Row]], None]:
    """Return a change of one column of every row."""

    def apply(rows: list[Row]) -> None:
        for row in rows:
            row[column] = change(row)

    return apply


def found(root: Path, *options: object) -> dict[str, Any]:
    """Return what check finds, with the exit code that goes with it."""
    result = CliRunner().invoke(app, ["check", str(root), "--json", *map(str, options)])
    said: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == (1 if said["problems"] or said["faults"] else 0), result.output
    assert all(fault["fault"] in result.stderr for fault in [*said["faults"], *said["notes"]])
    return said


def two_policies(data: Dataset) -> None:
    plant(data, SAMPLES, each("policy", lambda row: "other" if row["sample_index"] % 4 == 0 else row["policy"]))


def shifted(data: Dataset) -> None:
    plant(data, SAMPLES, each("logprobs", lambda row: [*row["logprobs"][1:], 0.0]))


def signed_rewards(data: Dataset) -> None:
    plant(data, VERDICTS, each("reward", lambda row: 1.0 if row["outcome"] == "correct" else -1.0))


def other_recorded_temperature(data: Dataset) -> None:
    plant(data, SAMPLES, each("temperature", lambda row: 0.7))


def template_in_template(data: Dataset) -> None:
    turn = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
    plant(data, PROMPTS, each("prompt", lambda row: turn.format(turn.format(row["prompt"]))))


def ids_of_another_tokenizer(data: Dataset) -> None:
    def other(row: Row) -> list[int]:
        return [END if token == END else 2 + (token - 1) % 20 for token in row["completion_ids"]]

    plant(data, SAMPLES, each("completion_ids", other))


def group_twice(data: Dataset) -> None:
    first, second = sorted({row["group_id"] for row in rows_of(data, SAMPLES)})[:2]

    def repeat(rows: list[Row]) -> None:
        known = {row["sample_index"]: row for row in rows if row["group_id"] == first}
        for row in rows:
            if row["group_id"] == second:
                row |= known[row["sample_index"]] | {"group_id": second}

    for ref in data.refs():
        if ref != PROMPTS:
            plant(data, ref, repeat)


def truncation_unflagged(data: Dataset) -> None:
    plant(data, SAMPLES, each("finish_reason", lambda row: "stop"))


def steps_from_zero(data: Dataset) -> None:
    def from_zero(rows: list[Row]) -> None:
        for row in rows:
            if row["first_error_step"] and row["first_error_step"] > 1 and row["sample_index"] % 2:
                row["first_error_step"] -= 1
                row["rts"] = (row["first_error_step"] - 1) / row["n_steps"]

    plant(data, FEEDBACK, from_zero)


def wrong_answers(data: Dataset) -> None:
    plant(data, PROMPTS, each("answer", lambda row: row["answer"].partition(":")[0] + ":9999"))


PLANTED = {
    "mixed_policies": two_policies,
    "shifted_logprobs": shifted,
    "misread_rewards": signed_rewards,
    "wrong_temperature": other_recorded_temperature,
    "template_twice": template_in_template,
    "ids_not_text": ids_of_another_tokenizer,
    "duplicated_groups": group_twice,
    "unflagged_truncation": truncation_unflagged,
    "mixed_step_base": steps_from_zero,
    "failing_gold": wrong_answers,
}


def rows_of(data: Dataset, ref: TableRef) -> list[Row]:
    rows: list[Row] = data.scan(ref.table, ref.variant).collect().to_dicts()
    return rows


def test_a_clean_dataset_has_no_fault_and_all_was_looked_at(clean: Path) -> None:
    assert found(clean) == {"problems": [], "faults": [], "notes": [], "not_looked_at": []}
    assert "keep every rule" in run("check", clean).stderr


@pytest.mark.parametrize("fault", FAULTS)
def test_each_planted_fault_is_named_alone(copy: Dataset, fault: str) -> None:
    PLANTED[fault](copy)
    said = found(copy.root)
    assert said["problems"] == []
    assert [each["fault"] for each in said["faults"]] == [fault]
    assert said["notes"] == []
    (told,) = said["faults"]
    assert 0 < told["n"] <= told["of"]
    assert "_id=" in told["first"]
    assert told["do"].endswith(".")


def test_log_probs_of_another_temperature_show_beside_the_policy_s_own_likelihoods(copy: Dataset) -> None:
    colder(copy, 0.7)
    (told,) = found(copy.root)["faults"]
    assert told["fault"] == "wrong_temperature"
    assert "of a lower temperature than the recorded 1.0: scorer countdown-strong" in told["evidence"]


def colder(data: Dataset, temperature: float, of_rows: int = 1) -> None:
    """Store the log-probs of another temperature, in every ``of_rows``-th sample."""
    from curate.likelihood.model import Scorer
    from curate.verbs.lookup import find_checkpoint

    scorer = Scorer(find_checkpoint(Path("countdown-strong")))
    prompts = {row["prompt_id"]: row["prompt_ids"] for row in rows_of(data, PROMPTS)}

    def change(rows: list[Row]) -> None:
        asked = [prompts[row["prompt_id"]] for row in rows]
        scores = scorer.score(asked, [row["completion_ids"] for row in rows], temperature)
        for row, score in zip(rows, scores, strict=True):
            if row["sample_index"] % of_rows == 0:
                row["logprobs"] = score.logprobs

    plant(data, SAMPLES, change)


def without_likelihoods(data: Dataset) -> None:
    shutil.rmtree(data.root / "likelihoods")


@pytest.mark.slow
def test_the_model_tells_what_temperature_log_probs_are_of(copy: Dataset) -> None:
    without_likelihoods(copy)
    colder(copy, 0.65, of_rows=2)
    (sentence,) = found(copy.root)["not_looked_at"]
    assert "of the recorded temperature: give --model PATH" in sentence
    (told,) = found(copy.root, "--model", "countdown-strong")["faults"]
    assert told["fault"] == "wrong_temperature"
    assert "log-probs are those of temperature 0.65" in told["evidence"]
    assert told["of"] == 256
    assert 20 < told["n"] <= 128  # the others are so sure that no temperature shows


@pytest.mark.parametrize(
    ("side", "change"), [("next", lambda own: [*own[1:], 0.0]), ("previous", lambda own: [0.0, *own[:-1]])]
)
def test_shifted_log_probs_show_by_completions_that_begin_alike(copy: Dataset, side: str, change: Any) -> None:
    without_likelihoods(copy)
    plant(copy, SAMPLES, each("logprobs", lambda row: change(row["logprobs"])))
    (told,) = found(copy.root)["faults"]
    assert told["fault"] == "shifted_logprobs"
    assert f"of the {side} token" in told["evidence"]


@pytest.mark.slow
def test_some_shifted_rows_show_by_the_model_and_another_model_s_show_nothing(copy: Dataset) -> None:
    without_likelihoods(copy)
    plant(
        copy,
        SAMPLES,
        each("logprobs", lambda row: [*row["logprobs"][1:], 0.0] if row["sample_index"] == 3 else row["logprobs"]),
    )
    (told,) = found(copy.root, "--model", "countdown-strong")["faults"]
    assert told["fault"] == "shifted_logprobs"
    assert 8 <= told["n"] <= 16
    other = found(copy.root, "--model", "countdown-early")
    assert other["faults"] == []
    assert "nats a token from the model's, at any temperature" in other["not_looked_at"][0]


def test_without_a_tokenizer_check_says_so_and_takes_the_one_that_is_given(copy: Dataset) -> None:
    (copy.private / "jobs" / "samples.json").unlink()
    plant(copy, SAMPLES, each("policy", lambda row: "mine"))
    ids_of_another_tokenizer(copy)
    said = found(copy.root)
    assert [each["fault"] for each in said["faults"]] == []
    assert any("give --tokenizer PATH" in sentence for sentence in said["not_looked_at"])
    assert [each["fault"] for each in found(copy.root, "--tokenizer", "countdown-strong")["faults"]] == ["ids_not_text"]


def test_the_same_ids_beside_several_texts_show_without_a_tokenizer(copy: Dataset) -> None:
    (copy.private / "jobs" / "samples.json").unlink()
    plant(copy, SAMPLES, each("policy", lambda row: "mine"))
    plant(copy, SAMPLES, each("completion", lambda row: f"{row['completion']} {row['sample_index']}"))
    assert "ids_not_text" in [each["fault"] for each in found(copy.root)["faults"]]


PAD = 0


def test_prompt_ids_that_are_filled_up_on_the_left_begin_with_no_token_twice(copy: Dataset) -> None:
    plant(copy, PROMPTS, each("prompt_ids", lambda row: [PAD] * 3 + row["prompt_ids"]))
    assert [each["fault"] for each in found(copy.root)["faults"]] == []
    plant(copy, PROMPTS, each("prompt_ids", lambda row: [END, END, *row["prompt_ids"]]))
    assert [each["fault"] for each in found(copy.root)["faults"]] == []  # of many a model the end fills up


@pytest.mark.parametrize("as_ids", [False, True])
def test_a_template_of_an_unknown_family_shows_by_what_all_prompts_have_in_common(copy: Dataset, as_ids: bool) -> None:
    class Tokenizer:
        """Letters for ids."""

        pad_token_id, bos_token_id, eos_token_id, unk_token_id = PAD, None, END, 2
        all_special_ids = (PAD, END, 2)

        def decode(self, ids: list[int]) -> str:
            return "".join(map(chr, ids))

    from curate.verbs.check_texts import template_twice

    def once(row: Row) -> object:
        text = f"USER: {row['prompt']} ASSISTANT:"
        return [PAD, PAD, *map(ord, text)] if as_ids else text

    def twice(row: Row) -> object:
        text = f"USER: USER: {row['prompt']} ASSISTANT: ASSISTANT:"
        return [PAD, PAD, *map(ord, text)] if as_ids else text

    plain = {row["prompt_id"]: row for row in rows_of(copy, PROMPTS)}
    column = "prompt_ids" if as_ids else "prompt"
    plant(copy, PROMPTS, each(column, lambda row: once(plain[row["prompt_id"]])))
    assert list(template_twice(copy, Tokenizer() if as_ids else None)) == []
    plant(copy, PROMPTS, each(column, lambda row: twice(plain[row["prompt_id"]])))
    (told,) = template_twice(copy, Tokenizer() if as_ids else None)
    assert (told.n, told.of, told.is_note) == (16, 16, False)
    assert "begin with 'USER:' twice" in told.evidence


def test_references_that_a_verifier_misreads_in_part_are_a_note(copy: Dataset) -> None:
    (copy.private / "jobs" / "samples.json").unlink()
    numbers = {row["prompt_id"]: place + 200 for place, row in enumerate(rows_of(copy, PROMPTS))}

    def prose(rows: list[Row]) -> None:
        for place, row in enumerate(rows):
            n = numbers[row["prompt_id"]]
            tail = ", enough for 3 days" if place % 3 == 0 else ""
            row |= {"answer": str(n), "reference": f"So she has {n} eggs{tail}."}

    plant(copy, PROMPTS, prose)
    record = copy.private / "jobs" / "verdicts.verifier=countdown.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"parameters": {"verifier": "numeric"}}))
    said = found(copy.root)
    assert [each["fault"] for each in said["faults"]] == []
    assert [(each["fault"], each["n"]) for each in said["notes"]] == [("failing_gold", 6)]


def test_a_stale_table_does_not_stop_the_search(copy: Dataset) -> None:
    rows = rows_of(copy, SAMPLES)
    for row in rows:
        row["finish_reason"] = "stop"
    pq.write_table(
        pa.Table.from_pylist(rows, schema=contract("samples").schema), copy.part(SAMPLES, "part-00000.parquet")
    )
    said = found(copy.root)
    assert any("is stale" in problem for problem in said["problems"])
    assert [each["fault"] for each in said["faults"]] == ["unflagged_truncation"]


def test_greedy_groups_that_differ_were_not_greedy(copy: Dataset) -> None:
    (copy.private / "jobs" / "samples.json").unlink()
    without_likelihoods(copy)
    plant(copy, SAMPLES, each("temperature", lambda row: 0.0))
    (told,) = found(copy.root)["faults"]
    assert told["fault"] == "wrong_temperature"
    assert "most completions of a group differ" in told["evidence"]


def test_what_a_self_test_found_is_told_for_prompts_that_were_sampled(copy: Dataset) -> None:
    wrong_answers(copy)
    record = copy.private / "jobs" / "verdicts.verifier=countdown.json"
    kept = json.loads(record.read_text())
    kept["parameters"] = {"verifier": "python", "settings": {"entry_point": "os:abort"}}
    record.write_text(json.dumps(kept))
    said = found(copy.root)  # no program is run for the record that came with the dataset
    assert said["faults"] == []
    assert any("--self-test" in sentence for sentence in said["not_looked_at"])
    run("verify", copy.root, "--verifier", "countdown", "--self-test", code=1)
    said = found(copy.root)
    assert [(each["fault"], each["where"], each["n"]) for each in said["faults"]] == [("failing_gold", "prompts", 16)]
    assert said["not_looked_at"] == []


@pytest.mark.slow
def test_a_model_without_a_tokenizer_still_scores_ids_and_prompts_that_are_gone_are_said(
    copy: Dataset, tmp_path: Path
) -> None:
    from curate.verbs.lookup import POLICIES

    bare = tmp_path / "bare"
    shutil.copytree(POLICIES / "countdown-strong", bare, ignore=shutil.ignore_patterns("tokenizer*"))
    shifted(copy)
    assert [each["fault"] for each in found(copy.root, "--model", bare)["faults"]] == ["shifted_logprobs"]
    shutil.rmtree(copy.root / "prompts")
    assert any("has no prompts" in sentence for sentence in found(copy.root, "--model", bare)["not_looked_at"])
