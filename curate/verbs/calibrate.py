"""``curate judge --calibrate FILE``: a step judge on solutions whose first wrong step is known, and what is kept of it.

A calibration belongs to what the judge is (rule, or model, prompt, votes, split and so on), not to a variant's name: it
is in ``.curate/calibrations``, one file for each judge and labelled file.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate.dataset import Dataset, TableRef
    from curate.importing.step_labels import LabelledSolution
    from curate.records import Judgment

MAX_BAD_SHARE = 0.01
NOT_THE_JUDGE = ("task", "scope")  # parameters of a variant that say what is judged, not who judges
EXACT_RULES = ("countdown",)  # by exhaustive search: there is nothing to calibrate


def refuse_calibration(file: Path, rule: str | None, task: str = "steps") -> None:
    """Raise ConfigError, before any work, for a file that is not there and a judge that names no wrong step."""
    from curate.errors import ConfigError
    from curate.verbs.lookup import CLUSTERING

    if rule == CLUSTERING or task != "steps":
        raise ConfigError(
            "--calibrate is for judges that name the first wrong step; strategies are compared with `curate compare DIR`"
        )
    if not file.is_file():
        raise ConfigError(f"{file} is not a file: give a file of labelled solutions, .jsonl or .parquet")


def read_solutions(file: Path) -> tuple[list[LabelledSolution], int]:
    """Return the labelled solutions of a file and the number of its rows that are none, which are said.

    Raises ConfigError, before anything is judged, where more than 1 % of the rows are none.
    """
    from curate.console import say
    from curate.errors import ConfigError
    from curate.importing.step_labels import read_labels

    solutions, rejects = read_labels(file)
    shown = "; ".join(f"line {reject.line} {reject.reason}" for reject in rejects[:5])
    n = len(solutions) + len(rejects)
    if len(rejects) > MAX_BAD_SHARE * n:
        raise ConfigError(
            f"{len(rejects):,} of {n:,} rows of {file} are no labelled solutions ({shown}): mend the file"
        )
    if rejects:
        say(f"{len(rejects):,} of {n:,} rows of {file} are left out: {shown}")
    return solutions, len(rejects)


def calibrate_rule(data: Dataset, rule: str, file: Path, *, json: bool) -> None:
    """Calibrate a rule on the labelled solutions of a file; prints the figures and stores them in the dataset."""
    from curate.verbs.lookup import find_rule

    judge, _ = find_rule(rule)
    solutions, n_rejected = read_solutions(file)
    judgments = [judge(each.problem, None, each.steps) for each in solutions]
    keep(data, {"rule": rule}, file, solutions, n_rejected, judgments, json=json)


def keep(
    data: Dataset,
    parameters: dict[str, Any],
    file: Path,
    solutions: Sequence[LabelledSolution],
    n_rejected: int,
    judgments: Sequence[Judgment],
    *,
    json: bool,
) -> None:
    """Work out the figures of a judge of these ``parameters``, store them, and print them."""
    import orjson

    from curate.console import print_json
    from curate.evaluating import Judged, calibrate, calibrate_by_generator
    from curate.jobrecord import versions, write_durably
    from curate.stage import variant_lock
    from curate.verbs.calibrate_tables import print_calibration

    judged = [
        Judged(each.first_error_step, judgment, each.generator)
        for each, judgment in zip(solutions, judgments, strict=True)
    ]
    found = {
        "judge": identity(parameters),
        "file": file.name,
        "content_id": content_id(file),
        "n_rejected": n_rejected,
        "figures": calibrate(judged).as_json(),
        "by_generator": {name: each.as_json() for name, each in calibrate_by_generator(judged).items()},
        "abstentions": _by_reason(judgments),
        "versions": versions(),
    }
    path = calibration_path(data, parameters, file)
    with variant_lock(data, f"calibrations/{path.stem}"):
        write_durably(path, orjson.dumps(found, option=orjson.OPT_INDENT_2))
    if json:
        print_json(found)
    else:
        print_calibration(found)


def identity(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a variant of feedback that say who judges and how, so what a calibration holds for."""
    return {name: value for name, value in parameters.items() if name not in NOT_THE_JUDGE}


def calibration_path(data: Dataset, parameters: dict[str, Any], file: Path) -> Path:
    """Return where the calibration of a judge on a file is kept."""
    return _folder(data) / f"{_key(parameters)}-{content_id(file)}.json"


def content_id(file: Path) -> str:
    """Return 16 hex digits of BLAKE2b over the bytes of a file."""
    import hashlib

    with file.open("rb") as source:
        return hashlib.file_digest(source, lambda: hashlib.blake2b(digest_size=8)).hexdigest()


def calibrations(data: Dataset, ref: TableRef) -> list[dict[str, Any]]:
    """Return the calibrations of the judge that made a variant of feedback, by file; [] where it has none."""
    import orjson

    from curate.jobrecord import read_record

    record = read_record(data, ref)
    if record is None:
        return []
    found = sorted(_folder(data).glob(f"{_key(record.parameters)}-*.json"))
    return [orjson.loads(path.read_bytes()) for path in found]


def warn_uncalibrated(data: Dataset, ref: TableRef) -> None:
    """Say, with the command, that nobody has measured how well the judge of a variant of feedback finds wrong steps.

    Nothing is said of strategies, which name no wrong step, of rules that are exact by construction, and of feedback
    that was not judged here. A calibration of other parameters, such as another prompt, does not count.
    """
    from curate.console import say
    from curate.jobrecord import read_record
    from curate.verbs.lookup import CLUSTERING

    record = read_record(data, ref)
    if record is None or record.verb != "judge" or calibrations(data, ref):
        return
    if record.parameters.get("rule") in (CLUSTERING, *EXACT_RULES) or record.parameters.get("task") == "strategies":
        return
    say(
        f"{ref} was never calibrated: how often its judge misses a wrong step or sees one where there is none is unknown. "
        f"Run `{record.command_for(data)} --calibrate FILE` on a file of labelled solutions."
    )


def calibrations_told(data: Dataset) -> list[str]:
    """Return one sentence a calibration of the judges of a dataset's feedback."""
    from curate.dataset import TableRef
    from curate.verbs.calibrate_tables import told

    refs = [TableRef("feedback", name) for name in data.variants("feedback")]
    return [f"{ref} {told(each)}" for ref in refs for each in calibrations(data, ref)]


def _folder(data: Dataset) -> Path:
    return data.private / "calibrations"


def _key(parameters: dict[str, Any]) -> str:
    import hashlib

    import orjson

    text = orjson.dumps(identity(parameters), option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def _by_reason(judgments: Sequence[Judgment]) -> dict[str, int]:
    from collections import Counter

    return dict(sorted(Counter(judgment.error for judgment in judgments if judgment.error is not None).items()))
