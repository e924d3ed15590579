"""``curate report``: datasets and training runs -> one HTML file that a person reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.verbs.options import Json, VerifierVariant

if TYPE_CHECKING:
    from curate.reporting import Headline
    from curate.verbs.report_folders import Folders

HEAD = 2000  # characters in which a page says what wrote it


def report(
    datasets: Annotated[
        list[Path],
        typer.Argument(metavar="DIR", help="Datasets, and output folders of `curate train`.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="HTML file to write.", show_default=False)],
    k: Annotated[
        list[str] | None, typer.Option("-k", "--k", metavar="1,8,64", help="The k of the table of pass@k.")
    ] = None,
    verifier: VerifierVariant = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE whatever wrote it.")] = False,
    json: Json = False,
) -> None:
    """Write figures and tables on datasets and training runs into one HTML file that needs no network."""
    from curate.console import print_json, say
    from curate.jobrecord import write_durably
    from curate.verbs.evaluate import parse_ks
    from curate.verbs.report_folders import open_folders
    from curate.verbs.report_headline import headline_as_json, print_headline

    ks = parse_ks(k)
    folders = open_folders(datasets)
    _refuse_place(folders, out, overwrite=overwrite)
    headline, sections = _read(folders, ks, verifier)
    write_durably(out, _page(folders, sections).encode())
    if json:
        print_json(headline_as_json(headline))
    else:
        print_headline(headline, ks)
    say(f"wrote {out}: open it in a browser")


def _read(folders: Folders, ks: list[int], verifier: str | None) -> tuple[Headline, list[str]]:
    from curate.evaluating import INFERENCE
    from curate.reporting import headline_section
    from curate.verbs.report_folders import overview_section, training_section
    from curate.verbs.report_groups import groups_section
    from curate.verbs.report_headline import make_headline
    from curate.verbs.report_mechanism import mechanism_section, read_mechanisms
    from curate.verbs.report_passk import evaluate_folders, pass_section

    evaluated = evaluate_folders(folders, ks, verifier)
    mechanisms = read_mechanisms(folders, verifier)
    headline = make_headline(mechanisms, evaluated, ks)
    return headline, [
        overview_section(folders),
        headline_section(headline, ks, INFERENCE),
        mechanism_section(folders, mechanisms, evaluated),
        pass_section(evaluated, ks),
        training_section(folders),
        groups_section(folders, verifier),
    ]


def _page(folders: Folders, sections: list[str]) -> str:
    from datetime import UTC, datetime

    from curate.jobrecord import versions
    from curate.reporting import page

    names = [*folders.datasets, *folders.runs]
    title = f"curate: {', '.join(names[:3])}" + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    written = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, curate {versions()['curate']}"
    return page(title, f"Written {written}. Nothing in this file runs or is read from elsewhere.", sections)


def _refuse_place(folders: Folders, out: Path, *, overwrite: bool) -> None:
    """Raise ConfigError where ``out`` cannot be written, lies in a table, or is a file that no report is in."""
    from curate.errors import ConfigError

    if not out.parent.is_dir():
        raise ConfigError(f"{out.parent} is not a folder: make it, or give another --out")
    if out.is_dir():
        raise ConfigError(f"{out} is a folder: give the path of a file, as in --out {out / 'report.html'}")
    if any(data.holds(out) for data in folders.datasets.values()):
        raise ConfigError(f"{out} lies in a table of the dataset, which holds its parts alone: give another --out")
    if out.exists() and not overwrite and not _is_report(out):
        raise ConfigError(
            f"{out} exists and is no report of curate: give another --out, or replace it with --overwrite"
        )


def _is_report(path: Path) -> bool:
    from curate.reporting import GENERATOR

    with path.open("rb") as file:
        return GENERATOR.encode() in file.read(HEAD)
