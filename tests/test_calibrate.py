"""``curate judge --calibrate``: judges on solutions whose first wrong step is known."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset
from curate.errors import JudgeError
from curate.fanout import Fanout
from curate.serving import Client, Limits
from curate.verbs.calibrate_served import calibrate_served
from curate.verbs.judge_served import Judging
from fake_server import FakeServer
from stored import small_dataset

MODEL = "judge"
# (steps, label, what the rule "arithmetic" says: 0-based, -1 none)
SOLUTIONS: list[tuple[list[str], int, int]] = [
    (["2+3=5", "5*2=11"], 1, 1),  # found
    (["2+3=6", "6*2=12"], 0, 0),  # found
    (["add 2 and 3, which is 6", "6*2=12"], 0, -1),  # missed: words
    (["so we double", "2*3=7", "7+1=8"], 0, 1),  # misplaced: the plan was wrong
    (["2+3=5", "5*2=10"], -1, -1),  # cleared
    (["thus 4"], -1, -1),  # cleared
    (["in base 6, 3+3=10"], -1, 0),  # false alarm
]


def curate(*arguments: object, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def labelled(path: Path, generators: tuple[str, ...] = ("m",)) -> Path:
    rows = [
        {
            "id": f"s-{n}",
            "generator": generators[n % len(generators)],
            "problem": f"problem {n}",
            "steps": steps,
            "final_answer_correct": label == -1,
            "label": label,
        }
        for n, (steps, label, _) in enumerate(SOLUTIONS)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    data = small_dataset(tmp_path / "data", n_parts=1)
    curate("verify", data.root, "--verifier", "exact")
    return data


def calibrated(data: Dataset) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted((data.root / ".curate/calibrations").glob("*.json"))]


def test_a_rule_by_hand(data: Dataset, tmp_path: Path) -> None:
    file = labelled(tmp_path / "labels.jsonl")
    shown = curate("judge", data.root, "--rule", "arithmetic", "--calibrate", file).stdout
    assert "first wrong step named, of wrong solutions" in shown
    assert "50.0%" in shown
    (found,) = calibrated(data)
    figures = found["figures"]
    counts = [figures[name] for name in ("n_wrong", "n_found", "n_misplaced", "n_missed", "n_abstained_wrong")]
    assert counts == [4, 2, 1, 1, 0]
    assert [figures[name] for name in ("n_right", "n_cleared", "n_false_alarms")] == [3, 2, 1]
    assert figures["first_error_accuracy"]["value"] == 0.5
    assert figures["right_accuracy"]["value"] == pytest.approx(2 / 3)
    assert figures["f1"] == pytest.approx(4 / 7)  # 2 * 1/2 * 2/3 / (7/6)
    assert found["judge"] == {"rule": "arithmetic"}
    assert data.variants("feedback") == []


def test_a_rule_that_cannot_judge_abstains(data: Dataset, tmp_path: Path) -> None:
    file = labelled(tmp_path / "labels.jsonl")
    result = curate("judge", data.root, "--rule", "reference-values", "--calibrate", file)
    assert "7 without a judgment (no reference solution 7)" in result.stderr
    (found,) = calibrated(data)
    assert found["figures"]["f1"] == 0.0
    assert found["figures"]["abstained_share"]["value"] == 1.0


def test_by_generator(data: Dataset, tmp_path: Path) -> None:
    file = labelled(tmp_path / "labels.jsonl", generators=("m", "n"))
    shown = curate("judge", data.root, "--rule", "arithmetic", "--calibrate", file).stdout
    assert "by generator" in shown
    (found,) = calibrated(data)
    assert [found["by_generator"][name]["n_wrong"] for name in ("m", "n")] == [2, 2]


def test_reweight_warns_until_the_very_judge_was_calibrated(data: Dataset, tmp_path: Path) -> None:
    file = labelled(tmp_path / "labels.jsonl")
    curate("judge", data.root, "--rule", "arithmetic")
    line = ("reweight", data.root, "--recipe", "spectral_grpo", "--dry-run")
    said = curate(*line).stderr
    assert "feedback/judge=arithmetic was never calibrated" in said
    command = re.search(r"`curate (judge .*) --calibrate FILE`", said)
    assert command
    curate("judge", data.root, "--rule", "reference-values", "--calibrate", file)
    assert "never calibrated" in curate(*line).stderr
    curate(*command[1].split(), "--calibrate", file)
    assert "never calibrated" not in curate(*line).stderr
    assert "never calibrated" not in curate("reweight", data.root, "--recipe", "grpo", "--dry-run").stderr
    assert "was calibrated on labels.jsonl (4 wrong, 3 right)" in curate("status", data.root).stderr


def test_strategies_and_exact_rules_are_not_warned_of(data: Dataset) -> None:
    curate("judge", data.root, "--rule", "canonical")
    curate("judge", data.root, "--rule", "countdown")
    said = curate(
        "reweight", data.root, "--recipe", "diverse_grpo", "--set", "lambda_div=1", "--judge", "canonical", "--dry-run"
    )
    assert "calibrat" not in said.stderr
    said = curate("reweight", data.root, "--recipe", "spectral_grpo", "--judge", "countdown", "--dry-run")
    assert "calibrat" not in said.stderr


def test_what_cannot_be_calibrated_is_refused(data: Dataset, tmp_path: Path) -> None:
    file = labelled(tmp_path / "labels.jsonl")
    said = curate("judge", data.root, "--rule", "canonical", "--calibrate", file, code=2).stderr
    assert "strategies are compared with `curate compare DIR`" in said
    missing = curate("judge", data.root, "--rule", "arithmetic", "--calibrate", tmp_path / "none", code=2)
    assert "is not a file" in missing.stderr
    assert calibrated(data) == []


def test_rejects_are_counted_and_too_many_refused_before_anything_is_judged(data: Dataset, tmp_path: Path) -> None:
    few = labelled(tmp_path / "few.jsonl")
    few.write_text(few.read_text() * 20 + "{}\n")
    said = curate("judge", data.root, "--rule", "arithmetic", "--calibrate", few).stderr
    assert "1 of 141 rows" in said
    assert "line 141 has no problem" in said
    assert calibrated(data)[0]["n_rejected"] == 1
    many = labelled(tmp_path / "many.jsonl")
    many.write_text("{}\n" + many.read_text())
    said = curate("judge", data.root, "--rule", "arithmetic", "--calibrate", many, code=2).stderr
    assert "1 of 8 rows" in said
    assert "mend the file" in said
    assert len(calibrated(data)) == 1


def served(said: dict[str, int | str], **options: Any) -> FakeServer:
    """Answer by the number of the problem: a step, -1, or any text."""

    def chat(body: dict[str, Any]) -> str:
        number = re.search(r"problem (\d+)", body["messages"][-1]["content"])
        answer = said.get(number[1], -1) if number else -1
        return answer if isinstance(answer, str) else json.dumps({"reason": "r", "first_error_step": answer})

    return FakeServer(model=MODEL, max_model_len=32_768, chat=chat, **options)


def test_a_served_judge_1_based_against_0_based_labels(data: Dataset, tmp_path: Path) -> None:
    file = labelled(tmp_path / "labels.jsonl")
    # 0 and 1 found, 2 missed, 3 misplaced, 4 and 6 cleared, 5 unreadable
    with served({"0": 2, "1": 1, "3": 2, "5": "what?"}) as server:
        line = ("judge", data.root, "--server", server.url, "--model", MODEL, "--calibrate", file)
        curate(*line)
        assert server.n_requests >= 8
    (found,) = calibrated(data)
    figures = found["figures"]
    counts = [figures[name] for name in ("n_found", "n_misplaced", "n_missed", "n_cleared", "n_false_alarms")]
    assert counts == [2, 1, 1, 2, 0]
    assert figures["n_abstained_right"] == 1
    assert found["abstentions"] == {"unreadable_reply": 1}
    assert found["judge"]["model"] == MODEL
    assert found["judge"]["prompt_hash"]
    assert not list((data.root / ".curate/journal/calibrations").glob("*"))


def test_a_calibration_of_other_parameters_does_not_count(data: Dataset, tmp_path: Path) -> None:
    file = labelled(tmp_path / "labels.jsonl")
    dry = ("reweight", data.root, "--recipe", "spectral_grpo", "--dry-run")
    with served({}) as server:
        line = ("judge", data.root, "--server", server.url, "--model", MODEL)
        curate(*line)
        curate(*line, "--votes", 3, "--calibrate", file)
        assert "never calibrated" in curate(*dry).stderr
        curate(*line, "--calibrate", file)
    assert "never calibrated" not in curate(*dry).stderr


class OneAttempt:
    """Stands in for a Connection whose client gives up at once."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(self) -> Client:
        return Client([self.url], Limits(attempts=1))


def test_a_server_that_fails_too_often_leaves_no_calibration_and_the_next_run_goes_on(
    data: Dataset, tmp_path: Path
) -> None:
    file = labelled(tmp_path / "labels.jsonl")
    with served({}) as server, Fanout(1) as fanout:

        def run() -> None:
            connection: Any = OneAttempt(server.url)
            calibrate_served(data, Judging(MODEL), connection, fanout, file, 0.01, json=False)

        server.faults, server.spared = {"500": 1.0}, 4  # the probe and three solutions
        with pytest.raises(
            JudgeError, match=r"4 of 7 solutions got no answer \(4 failed \(server_error 4\)\).*run the same"
        ):
            run()
        assert calibrated(data) == []
        server.faults = {}
        n_before = server.n_requests
        run()
        assert server.n_requests - n_before == 1 + 4
    assert calibrated(data)[0]["figures"]["n_wrong"] == 4
