"""The command line: ``curate VERB ...``, made from the verbs' signatures."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import typer

from curate.errors import CurateError
from curate.verbs import VERBS

app = typer.Typer(
    help="Turn stored groups of LLM samples into the dataset an offline GRPO trainer should learn from.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    add_completion=False,
)


def main() -> None:
    """Run the command line."""
    app()


def _version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        print(f"curate {version('curate')}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    pass


def guarded(verb: Callable[..., Any]) -> Callable[..., None]:
    """Return ``verb`` with every error a user can cause turned into a sentence and an exit code."""

    @functools.wraps(verb)
    def run(*args: Any, **kwargs: Any) -> None:
        from curate.console import say

        try:
            verb(*args, **kwargs)
        except CurateError as error:
            say(f"error: {error}")
            raise typer.Exit(error.exit_code) from None
        except BrokenPipeError:  # the reader of our output has enough (`| head`)
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OSError as error:
            say(f"error: {disk_message(error)}")
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            say("stopped: what was finished is kept, and the same command goes on from there")
            raise typer.Exit(130) from None

    return run


def disk_message(error: OSError) -> str:
    """Return what the system refused, where, and what to do."""
    where = f" {error.filename}" if error.filename else ""
    return (
        f"the system refused{where}: {error.strerror or error}. Nothing unfinished was left in a table; "
        "make room or choose a folder that can be written, then run the same command again."
    )


for _name, _verb in VERBS.items():
    app.command(_name)(guarded(_verb))
