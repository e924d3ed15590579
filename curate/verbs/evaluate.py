"""``curate evaluate``: samples and verdicts -> pass@k with intervals, diversity, paired comparison, uplift."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.verbs.options import Json, JudgeVariant, VerifierSettings

if TYPE_CHECKING:
    import polars as pl

    from curate.dataset import Dataset
    from curate.evaluating import Evaluation, Pair

DEFAULT_KS = "1,8,64"


def evaluate(
    datasets: Annotated[
        list[Path] | None, typer.Argument(metavar="[DIR...]", help="Datasets; the first is the baseline.")
    ] = None,
    k: Annotated[
        list[str] | None, typer.Option("-k", "--k", metavar="1,8,64", help="Samples a prompt may use: pass@k.")
    ] = None,
    model: Annotated[Path | None, typer.Option(metavar="PATH", help="Checkpoint to sample from, or to score.")] = None,
    prompts: Annotated[Path | None, typer.Option(metavar="DIR", help="Dataset whose prompts --model is asked.")] = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="New dataset for what --model answers.")
    ] = None,
    n: Annotated[
        int | None,
        typer.Option("-n", "--n", min=1, help="Samples a prompt from --model; twice the largest k if not set."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of sampling, resamples and subsets.")] = 0,
    uplift: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Dataset whose samples --model scores: uplift rate by rank.")
    ] = None,
    scorer: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Likelihoods of the initial model for --uplift; sampler if not set."),
    ] = None,
    as_: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Name of the likelihoods that --uplift writes.")
    ] = None,
    verifier: Annotated[
        str | None, typer.Option(metavar="NAME", help="Variant of verdicts to read; with --prompts, verifier to run.")
    ] = None,
    verifier_set: VerifierSettings = None,
    judge: JudgeVariant = None,
    chunked: Annotated[
        bool, typer.Option("--chunked", help="pass@k from blocks of k samples in order, not the unbiased estimate.")
    ] = False,
    json: Json = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures as JSON too.")] = None,
) -> None:
    """Measure policies by their samples: pass@k and maj@k with intervals over prompts, diversity, and pairs."""
    from curate.console import print_json, say
    from curate.evaluating import INFERENCE
    from curate.verbs.checks import evaluate as check_arguments
    from curate.verbs.evaluate_model import answer_prompts
    from curate.verbs.evaluate_tables import print_evaluations, print_uplift
    from curate.verbs.evaluate_uplift import measure_uplift

    check_arguments(datasets, k, model, prompts, to, uplift, scorer, as_, n, verifier, verifier_set)
    ks = parse_ks(k)
    folders = list(datasets or [])
    if out is not None:
        _refuse_place(out, [*folders, *(folder for folder in (prompts, to, uplift) if folder is not None)])
    found: dict[str, Any] = {}
    if model is not None and prompts is not None and to is not None:
        verifier = answer_prompts(model, prompts, to, n or 2 * ks[-1], seed, verifier, verifier_set)
        folders.append(to)
    if folders:
        evaluations = read_evaluations(folders, ks, verifier, judge, is_chunked=chunked, seed=seed)
        pairs = compare_all(evaluations, ks, seed)
        found |= evaluations_as_json(evaluations, pairs)
        if not json:
            print_evaluations(evaluations, pairs)
    if uplift is not None and model is not None:
        measured = measure_uplift(uplift, model, scorer, as_, verifier)
        found["uplift"] = measured.as_json()
        if not json:
            print_uplift(uplift, model, measured)
    found["inference"] = INFERENCE
    if json:
        print_json(found)
    if out is not None:
        write_json(out, found)
    say(INFERENCE)


def parse_ks(k: list[str] | None) -> list[int]:
    """Return the k of ``-k 1,8,64``, ascending, each once; raises ConfigError for anything but whole numbers >= 1."""
    from curate.errors import ConfigError

    words = [word.strip() for text in k or [DEFAULT_KS] for word in str(text).split(",")]
    for word in words:
        if not (word.isascii() and word.isdecimal() and len(word) <= 7 and int(word) >= 1):
            raise ConfigError(f"k is {word!r}: give whole numbers from 1, as in -k {DEFAULT_KS}")
    return sorted({int(word) for word in words})


def read_evaluations(
    folders: list[Path], ks: list[int], verifier: str | None, judge: str | None, *, is_chunked: bool, seed: int
) -> dict[str, Evaluation]:
    """Return the evaluation of every dataset by its path; raises ConfigError where one cannot be evaluated.

    Prompts with the same id must be the same prompts.
    """
    from curate.dataset import Dataset
    from curate.evaluating import evaluate_frame
    from curate.verbs.outcomes import read_outcomes

    opened = [Dataset(folder) for folder in folders]
    for data in opened:
        data.choose("verdicts", verifier)  # before anything is read
    _refuse_other_prompts(opened)
    evaluations = {}
    for data in opened:
        frame = read_outcomes(data, verifier, judge)
        _say_mixed_policy(data, frame)
        evaluation = evaluate_frame(frame, ks, is_chunked=is_chunked, seed=seed)
        _refuse_empty(data, evaluation)
        evaluations[str(data.root)] = evaluation
    return evaluations


def compare_all(evaluations: dict[str, Evaluation], ks: list[int], seed: int) -> dict[str, list[Pair]]:
    """Return the comparison of every later dataset with the first; raises ConfigError where they share no prompt."""
    from curate.errors import ConfigError
    from curate.evaluating import compare_pair

    (first, baseline), *others = evaluations.items()
    pairs = {}
    for name, evaluation in others:
        try:
            pairs[name] = [compare_pair(baseline, evaluation, k, seed=seed) for k in ks]
        except ConfigError as error:
            raise ConfigError(f"{first} and {name}: {error}") from None
    return pairs


def evaluations_as_json(evaluations: dict[str, Evaluation], pairs: dict[str, list[Pair]]) -> dict[str, Any]:
    """Return what ``--json`` prints of the datasets."""
    return {
        "datasets": {name: evaluation.as_json() for name, evaluation in evaluations.items()},
        "baseline": next(iter(evaluations)),
        "pairs": {name: {str(pair.k): pair.as_json() for pair in each} for name, each in pairs.items()},
    }


def write_json(out: Path, found: dict[str, Any]) -> None:
    """Write the figures to a file, whole or not at all."""
    import orjson

    from curate.console import jsonable, say
    from curate.jobrecord import write_durably

    write_durably(out, orjson.dumps(jsonable(found), option=orjson.OPT_INDENT_2) + b"\n")
    say(f"wrote {out}")


def _refuse_place(out: Path, folders: list[Path]) -> None:
    """Raise ConfigError, before anything is sampled, where ``out`` is a folder or lies in a table of a dataset."""
    from curate.dataset import Dataset
    from curate.errors import ConfigError

    if out.is_dir():
        raise ConfigError(f"{out} is a folder: give the path of a file, as in --out {out / 'figures.json'}")
    if any(Dataset(folder, create=True).holds(out) for folder in folders):
        raise ConfigError(f"{out} lies in a table of a dataset, which holds its parts alone: give another --out")


def _refuse_empty(data: Dataset, evaluation: Evaluation) -> None:
    from curate.errors import ConfigError

    most: Any = evaluation.prompts["m"].max() or 0
    if most == 0:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in evaluation.counts["left_out"].items())
        raise ConfigError(
            f"no sample of {data.root} was judged ({reasons or 'it has none'}): look at the verdicts with "
            f"`curate status {data.root}`, or read another variant with --verifier NAME"
        )
    if all(k > most for k in evaluation.ks):
        raise ConfigError(
            f"{data.root} has at most {most:,} judged samples a prompt, so no k of {list(evaluation.ks)} can be drawn: "
            f"ask for a smaller one, as in -k {most}, or sample more"
        )


def _refuse_other_prompts(opened: list[Dataset]) -> None:
    """Raise ConfigError where two datasets mean different prompts by the same prompt_id."""
    from itertools import combinations

    from curate.errors import ConfigError
    from curate.verbs.outcomes import differing_prompt

    for one, other in combinations(opened, 2):
        prompt_id = differing_prompt(one, other)
        if prompt_id is not None:
            raise ConfigError(
                f"prompt_id {prompt_id!r} is not the same prompt in {one.root} and {other.root}: "
                "a paired comparison needs one set of prompts; evaluate them one by one"
            )


def _say_mixed_policy(data: Dataset, frame: pl.DataFrame) -> None:
    from curate.console import say

    n = frame.select("policy", "policy_version").n_unique()
    if n > 1:
        say(f"{data.root}: samples of {n} policies are pooled, so its figures are those of their mixture")
