"""The calibration of a judge behind a server: many solutions at one time, each durable before it counts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from curate.verbs.judge_rows import feedback_row, feedback_table

if TYPE_CHECKING:
    import pyarrow as pa

    from curate.dataset import Dataset
    from curate.fanout import Done, Fanout
    from curate.importing.step_labels import LabelledSolution
    from curate.judging.served import ServedJudge
    from curate.records import Judgment
    from curate.verbs.connect import Connection
    from curate.verbs.judge_served import Judging


def calibrate_served(
    data: Dataset,
    judging: Judging,
    connection: Connection,
    fanout: Fanout,
    file: Path,
    max_failed_share: float,
    *,
    json: bool,
) -> None:
    """Calibrate a served judge on the labelled solutions of a file; prints the figures and stores them in the dataset.

    The steps are those of the file, whatever ``judging.split`` is. Solutions that a stopped run has finished are not
    asked about again. Raises JudgeError where more than ``max_failed_share`` got no answer in a way that may pass:
    then nothing is stored; a few of them count as no judgment.
    """
    from curate.stage import progress, variant_lock
    from curate.verbs.calibrate import calibration_path, keep, read_solutions
    from curate.verbs.judge_served import open_judge

    solutions, n_rejected = read_solutions(file)
    parameters = judging.parameters("all")
    kept = calibration_path(data, parameters, file)
    journal = data.private / "journal" / "calibrations" / f"{kept.stem}.arrows"
    with variant_lock(data, f"calibrations/{kept.stem}.journal"):
        judge = open_judge(fanout, fanout.open(connection.client()), judging)
        with progress(len(solutions), "calibrate") as bar:
            done = fanout.groups(
                journal,
                "feedback",
                solutions,
                lambda each: each.row,
                lambda each: _asked(judge, each),
                lambda _: bar.update(),
            )
        _refuse_failures(done, len(solutions), max_failed_share)
        keep(data, parameters, file, solutions, n_rejected, _judgments(done, solutions), json=json)
        journal.unlink(missing_ok=True)


async def _asked(judge: ServedJudge, solution: LabelledSolution) -> pa.RecordBatch:
    from curate.fanout import GroupFailed
    from curate.judging.served import TRANSIENT

    judgment = await judge.judge(solution.problem, None, solution.steps)
    if judgment.error in TRANSIENT:
        raise GroupFailed(judgment.error or "", f"line {solution.row} got no answer")
    row = feedback_row({"group_id": solution.row, "sample_index": 0}, judgment, solution.steps, judge.prompt_hash)
    return feedback_table([row]).combine_chunks().to_batches()[0]


def _judgments(done: Done, solutions: list[LabelledSolution]) -> list[Judgment]:
    from curate.records import Judgment

    columns = (done.rows[name].to_pylist() for name in ("group_id", "first_error_step", "error"))
    found = {key: Judgment(first_error_step=step, error=error) for key, step, error in zip(*columns, strict=True)}
    return [found.get(each.row) or Judgment(error=done.failed[each.row].reason) for each in solutions]


def _refuse_failures(done: Done, n: int, max_failed_share: float) -> None:
    from collections import Counter

    from curate.errors import JudgeError
    from curate.summary import by_reason

    if len(done.failed) > max_failed_share * n:
        reasons = dict(Counter(each.reason for each in done.failed.values()))
        raise JudgeError(
            f"{len(done.failed):,} of {n:,} solutions got no answer ({by_reason('failed', reasons)}), more than "
            f"--max-failed-share {max_failed_share:g}: run the same command again, it asks about those alone"
        )
