"""The mechanism of a report: the diagnostics of every recipe, and the uplift of every trained policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

    from curate.dataset import Dataset
    from curate.evaluating import Place
    from curate.reporting import Mechanism
    from curate.verbs.report_folders import Folders
    from curate.verbs.report_passk import Evaluated

SAMPLER = "sampler"
ZERO = "advantages all 0"


def read_mechanisms(folders: Folders, verifier: str | None) -> list[Mechanism]:
    """Return what the recipes of every dataset did, and what training from it lifted."""
    return [_mechanism(label, data, verifier) for label, data in folders.datasets.items() if _has_mechanism(data)]


def mechanism_section(folders: Folders, found: list[Mechanism], evaluated: Evaluated) -> str:
    """Return the section on mechanism, as HTML; what is missing is a sentence with the command that makes it."""
    from curate.reporting import mechanism

    some = next(iter(folders.datasets.values()), None)
    notes = []
    if some and not any(each.recipes.height for each in found):
        notes.append(f"No dataset here has advantages made by a recipe: `{some.maker('advantages')}` makes them.")
    if some and not any(each.uplift.height for each in found):
        notes.append(
            "No dataset here has likelihoods of a trained policy, so there is no uplift by rank: "
            "`curate evaluate --uplift DIR --model CHECKPOINT` makes them."
        )
    return mechanism(found, _strategies(evaluated), notes)


def _has_mechanism(data: Dataset) -> bool:
    return bool(data.variants("advantages")) or len(data.variants("likelihoods")) > 1


def _mechanism(label: str, data: Dataset, verifier: str | None) -> Mechanism:
    import polars as pl

    from curate.reporting import Mechanism
    from curate.verbs.figures import stored_statistics

    names = data.variants("advantages")
    stored = {name: stored_statistics(data, data.choose("advantages", name)) for name in names}
    stats = {name: each for name, each in stored.items() if each}
    notes = [
        f"advantages/recipe={name} were not made by a recipe here and carry no diagnostics"
        for name in names
        if not stored[name]
    ]
    uplift, lifted, more = _uplift(data, verifier)
    text, real, whole = pl.String, pl.Float64, pl.Int64
    return Mechanism(
        label,
        by_rank=pl.DataFrame(_by_rank(stats), {"name": text, "x": text, "y": real}, orient="row"),
        groups=pl.DataFrame(_groups(stats), {"name": text, "kind": text, "n": whole}, orient="row"),
        recipes=pl.DataFrame([_recipe(name, each) for name, each in stats.items()], infer_schema_length=None),
        dropped=pl.DataFrame(_dropped(stats), {"name": text, "reason": text, "n": whole}, orient="row"),
        uplift=uplift,
        lifted=lifted,
        notes=[*notes, *more],
    )


def _by_rank(stats: dict[str, Any]) -> list[tuple[str, str, float | None]]:
    from curate.verbs.figures import mean_by_rank

    return [
        (name, ranks, mean) for name, each in stats.items() for ranks, mean in mean_by_rank(each["advantage_by_rank"])
    ]


def _groups(stats: dict[str, Any]) -> list[tuple[str, str, int]]:
    from curate.reporting import TRAINS

    rows = []
    for name, each in stats.items():
        dropped = each["groups_dropped"]
        kinds = {TRAINS: _signal(each), "all_wrong": dropped["all_wrong"], **dropped}
        rows += [(name, kind, n) for kind, n in kinds.items()]
        rows.append((name, ZERO, each["groups_kept"] - _signal(each)))
    return rows


def _signal(each: dict[str, Any]) -> int:
    """Return the number of groups that train: kept, and not with every advantage 0."""
    return int(each["groups_kept"] - (each["groups_degenerate"] - each["groups_dropped"]["degenerate"]))


def _recipe(name: str, each: dict[str, Any]) -> dict[str, Any]:
    from curate.reweighting import summarize

    figures = summarize(each)
    likeliest, rarest = _thirds(each)
    return {
        "name": name,
        "groups": each["groups"],
        "signal": _signal(each),
        "rows": each["rows"],
        "rows_kept": each["rows_kept"],
        "correct_negative": figures["share_correct_negative"],
        "wrong_positive": figures["share_wrong_positive"],
        "max_abs_advantage": figures["max_abs_advantage"],
        "likeliest": likeliest,
        "rarest": rarest,
    }


def _thirds(each: dict[str, Any]) -> tuple[float | None, float | None]:
    """Return the mean advantage of correct samples at the likeliest and at the rarest third of the ranks.

    Ranks are those of a group of the mean size, also where nothing correct was found at the last of them; samples that
    a group was not drawn down to have none.
    """
    from curate.reporting import outer_thirds

    ranks = each["advantage_by_rank"]
    if not ranks or not each["groups"]:
        return None, None
    n_ranked = each["rows"] - each["rows_dropped"].get("surplus", 0)
    padding = [0] * (round(n_ranked / each["groups"]) - len(ranks["n"]))
    return outer_thirds([*ranks["n"], *padding], [*ranks["sum"], *padding])


def _dropped(stats: dict[str, Any]) -> list[tuple[str, str, int]]:
    return [(name, reason, n) for name, each in stats.items() for reason, n in each["rows_dropped"].items()]


def _uplift(data: Dataset, verifier: str | None) -> tuple[pl.DataFrame, pl.DataFrame, list[str]]:
    """Return the uplift of every scorer beside the sampler itself: by rank, at the outer thirds; and why one is left out."""
    import polars as pl

    from curate.errors import ConfigError
    from curate.evaluating import uplift_by_rank
    from curate.verbs.evaluate_uplift import uplift_rows
    from curate.verbs.report_passk import chosen

    scorers = data.variants("likelihoods")
    trained = [name for name in scorers if name != SAMPLER] if len(scorers) > 1 else []
    places: list[tuple[str, str, float | None, int]] = []
    lifted: list[tuple[str, int, float | None, float | None]] = []
    notes = []
    for name in trained:
        try:
            initial, other = (data.choose("likelihoods", each) for each in (SAMPLER, name))
            rows = uplift_rows(data, initial, other, chosen(data, verifier))
        except ConfigError as error:
            notes.append(f"no uplift of {name}: {error}")
            continue
        uplift = uplift_by_rank(rows)
        places += [(name, place.ranks, place.rate, place.n) for place in uplift.bins]
        lifted.append((name, uplift.n_correct, *_lifted_thirds(uplift.by_rank or uplift_by_rank(rows, 3).bins)))
    text, real, whole = pl.String, pl.Float64, pl.Int64
    return (
        pl.DataFrame(places, {"name": text, "x": text, "y": real, "n": whole}, orient="row"),
        pl.DataFrame(lifted, {"name": text, "n": whole, "likeliest": real, "rarest": real}, orient="row"),
        notes,
    )


def _lifted_thirds(places: list[Place]) -> tuple[float | None, float | None]:
    from curate.reporting import outer_thirds

    return outer_thirds([place.n for place in places], [place.n * (place.rate or 0.0) for place in places])


def _strategies(evaluated: Evaluated) -> pl.DataFrame:
    import polars as pl

    rows = []
    for label, each in evaluated.evaluations.items():
        estimate = each.figures["strategies"]
        if estimate.value is not None:
            distinct = each.figures["distinct"].value
            bounds = (estimate.low, estimate.high, estimate.n_prompts)
            rows.append((label, estimate.value, *bounds, distinct, each.strategies_from))
    columns = ("y", "low", "high")
    schema = {"name": pl.String, **dict.fromkeys(columns, pl.Float64), "n_prompts": pl.Int64, "distinct": pl.Float64}
    return pl.DataFrame(rows, {**schema, "source": pl.String}, orient="row")
