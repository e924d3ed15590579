"""The evaluations of a report: pass@k, pairs and diversity of the datasets that have verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

    from curate.dataset import Dataset
    from curate.evaluating import Evaluation, Pair
    from curate.reporting import Lineage
    from curate.verbs.report_folders import Folders


@dataclass(frozen=True)
class Evaluated:
    """Evaluations by label, their families, pairs by (label, baseline, k), and what must be said of them."""

    evaluations: dict[str, Evaluation]
    families: list[list[str]]
    pairs: dict[tuple[str, str, int], Pair]
    notes: list[str]


def evaluate_folders(folders: Folders, ks: list[int], verifier: str | None) -> Evaluated:
    """Evaluate the datasets with verdicts and no advantages, or, where there are none, all with verdicts.

    pass@k is taken at ``ks`` and at the powers of 2 up to the most samples of a prompt. A dataset that cannot be
    evaluated is left out with a note.
    """
    from curate.errors import ConfigError

    judged = {label: data for label, data in folders.datasets.items() if data.variants("verdicts")}
    held_out = {label: data for label, data in judged.items() if not data.variants("advantages")}
    found = Evaluated({}, [], {}, [])
    if held_out and len(held_out) < len(judged):
        left = ", ".join(label for label in judged if label not in held_out)
        found.notes.append(f"Not here, as they have advantages and so are taken for training data: {left}.")
    if not judged and (some := next(iter(folders.datasets.values()), None)):
        found.notes.append(f"No dataset here has verdicts: `{some.maker('verdicts')}` makes them.")
    for label, data in (held_out or judged).items():
        try:
            found.evaluations[label] = _evaluation(data, ks, chosen(data, verifier))
        except ConfigError as error:
            found.notes.append(f"{label} is left out: {error}")
        else:
            found.notes.extend(f"{label}: {note}" for note in _notes(found.evaluations[label]))
    _compare(found, folders, ks)
    return found


def chosen(data: Dataset, verifier: str | None) -> str | None:
    """Return the verifier asked for where the dataset has it, else null: the only one there is."""
    return verifier if verifier in data.variants("verdicts") else None


def _evaluation(data: Dataset, ks: list[int], verifier: str | None) -> Evaluation:
    from curate.evaluating import evaluate_frame
    from curate.verbs.outcomes import read_outcomes

    rows = read_outcomes(data, verifier)
    most: Any = rows.group_by("prompt_id").len()["len"].max() or 0
    powers = takewhile(lambda k: k <= most, (2**power for power in range(64)))
    # Without the extracted answers no maj@k is counted, which the report does not show.
    return evaluate_frame(rows.drop("extracted"), sorted({*ks, *powers}))


def _notes(evaluation: Evaluation) -> list[str]:
    left_out = evaluation.counts["left_out"]
    reasons = ", ".join(f"{reason} {n:,}" for reason, n in left_out.items())
    short = {k: point.n_short for k, point in evaluation.pass_at.items() if point.n_short and point.m is not None}
    notes = [f"samples left out: {reasons}"] if left_out else []
    if short:
        k, n = next(iter(short.items()))
        notes.append(f"from k = {k} on, {n:,} or more prompts with fewer than k judged samples are not counted")
    return notes


def _compare(found: Evaluated, folders: Folders, ks: list[int]) -> None:
    from curate.errors import ConfigError
    from curate.evaluating import compare_pair

    lineage = _lineage(found, folders)
    found.families.extend(lineage.families)
    for label, baseline in ((label, each) for label, several in lineage.baselines.items() for each in several):
        one, other = found.evaluations[baseline], found.evaluations[label]
        try:
            _refuse_other_prompts(folders.datasets[baseline], folders.datasets[label])
            pairs = {(label, baseline, k): compare_pair(one, other, k) for k in ks}
        except ConfigError as error:
            found.notes.append(f"{label} is not compared with {baseline}: {error}")
        else:
            found.pairs.update(pairs)


def _lineage(found: Evaluated, folders: Folders) -> Lineage:
    from curate.reporting import Policy, trace
    from curate.verbs.report_folders import trained_policies

    policies = {
        label: Policy(_version(folders.datasets[label]), frozenset(evaluation.prompts["prompt_id"]))
        for label, evaluation in found.evaluations.items()
    }
    return trace(policies, trained_policies(folders))


def _version(data: Dataset) -> str | None:
    """Return the fingerprint of the one policy that all samples are from; null where it is not known or not one."""
    versions = data.scan("samples").select("policy_version").unique().collect()["policy_version"].to_list()
    return versions[0] if len(versions) == 1 else None


def _refuse_other_prompts(one: Dataset, other: Dataset) -> None:
    """Raise ConfigError where the two mean different prompts by one prompt_id."""
    from curate.errors import ConfigError
    from curate.verbs.outcomes import differing_prompt

    if differing_prompt(one, other) is not None:
        raise ConfigError("one prompt_id stands for different prompts in them")


def pass_section(evaluated: Evaluated, ks: list[int]) -> str:
    """Return the section on pass@k, as HTML."""
    from curate.evaluating import INFERENCE
    from curate.reporting import pass_at_k

    curve, pairs, diversity = _curve(evaluated), _pairs(evaluated), _diversity(evaluated)
    return pass_at_k(curve, ks, evaluated.families, pairs, diversity, inference=INFERENCE, notes=evaluated.notes)


def _curve(evaluated: Evaluated) -> pl.DataFrame:
    import polars as pl

    rows = [
        (label, k, e.value, e.low, e.high, point.m, e.n_prompts, point.is_flagged)
        for label, each in evaluated.evaluations.items()
        for k, point in each.pass_at.items()
        if (e := point.estimate).value is not None
    ]
    real = dict.fromkeys(("y", "low", "high"), pl.Float64)
    schema = {"name": pl.String, "x": pl.Int64, **real, "m": pl.Int64, "n_prompts": pl.Int64, "is_flagged": pl.Boolean}
    return pl.DataFrame(rows, schema, orient="row")


def _pairs(evaluated: Evaluated) -> pl.DataFrame:
    import polars as pl

    rows = [
        (label, baseline, k, e.value, e.low, e.high, pair.n_wins, pair.n_ties, pair.n_losses)
        for (label, baseline, k), pair in evaluated.pairs.items()
        if (e := pair.difference).value is not None
    ]
    real = dict.fromkeys(("y", "low", "high"), pl.Float64)
    whole = dict.fromkeys(("n_wins", "n_ties", "n_losses"), pl.Int64)
    text = dict.fromkeys(("name", "baseline"), pl.String)
    return pl.DataFrame(rows, {**text, "k": pl.Int64, **real, **whole}, orient="row")


def _diversity(evaluated: Evaluated) -> pl.DataFrame:
    import polars as pl

    from curate.reporting.mechanism import percent
    from curate.reporting.passk import interval

    rows = []
    for label, each in evaluated.evaluations.items():
        shown = {name: interval(e.value, e.low, e.high) for name, e in each.figures.items()}
        rows.append(
            {
                "dataset": label,
                "different correct solutions": shown["distinct"],
                "strategies": shown["strategies"],
                "entropy, nats a token": shown["entropy"],
                "tokens": each.figures["n_tokens"].value,
                "all-wrong groups": percent(each.share_all_wrong),
                "cut off": percent(each.figures["share_truncated"].value),
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)
