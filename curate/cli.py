"""The command line: ``curate VERB ...``, made from the verbs' signatures."""

from __future__ import annotations

import errno
import functools
import os
import sys
from collections.abc import Callable, Iterable
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import typer

from curate.errors import ConfigError, CurateError
from curate.verbs import VERBS

# torch's CPU threads spin at every barrier unless told to sleep, before torch is loaded. Where two of them land on one core,
# or other work wants the cores, a step then takes 10 to 50 times as long; sleeping costs about a tenth on an idle machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

NO_ROOM_OR_NO_RIGHT = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
SETTINGS = {"show": {"ignore_unknown_options": True}}  # half of all group ids begin with "-"

app = typer.Typer(
    help="Turn stored groups of LLM samples into the dataset an offline GRPO trainer should learn from.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    add_completion=False,
)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a character that a terminal's encoding lacks is no reason to die
            stream.reconfigure(errors="backslashreplace")
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
            refuse_other_bytes([Path.cwd(), *kwargs.values()])
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
            say("stopped: what was finished is kept; run the same command again, without --overwrite, to go on")
            raise typer.Exit(130) from None

    return run


def disk_message(error: OSError) -> str:
    """Return what the system refused, where, and what to do."""
    where = f" {error.filename}" if error.filename else ""
    refused = f"the system refused{where}: {error.strerror or error}. Finished parts are kept"
    if error.errno not in NO_ROOM_OR_NO_RIGHT:
        return f"{refused}, and nothing unfinished was left in a table."
    return f"{refused}; make room or choose a folder that can be written, then run the same command again."


def refuse_other_bytes(values: Iterable[object]) -> None:
    """Raise ConfigError for a path or word, alone or in a list, that is not valid UTF-8: no table can hold it."""
    for value in values:
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, str | Path) and any("\ud800" <= letter <= "\udfff" for letter in str(each)):
                shown = os.fsencode(each).decode(errors="backslashreplace")
                what = "path" if os.sep in shown or isinstance(each, Path) else "argument"
                raise ConfigError(f"{what} {shown} is not valid UTF-8: rename it, or run in another folder")


for _name, _verb in VERBS.items():
    app.command(_name, context_settings=SETTINGS.get(_name))(guarded(_verb))
