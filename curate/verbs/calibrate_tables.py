"""Calibrations as people read them."""

from __future__ import annotations

from typing import Any

Figures = dict[str, Any]


def print_calibration(found: dict[str, Any]) -> None:
    """Print the figures of one calibration, by generator too where several are named, and what they mean."""
    from curate.console import print_table, say
    from curate.summary import by_reason

    figures = found["figures"]
    judge = found["judge"].get("rule") or found["judge"].get("model")
    rows = [
        ("first wrong step named, of wrong solutions", *_interval(figures["first_error_accuracy"])),
        ("no error found, of right solutions", *_interval(figures["right_accuracy"])),
        ("F1, harmonic mean of the two", _share(figures["f1"]), None, None),
        ("missed: no error found, of wrong ones", *_interval(figures["missed_share"])),
        ("false alarm: an error named, of right ones", *_interval(figures["false_alarm_share"])),
        ("no judgment, a failure in both of the first", *_interval(figures["abstained_share"])),
    ]
    print_table(("figure", "share", "95 % interval", "solutions"), rows, title=f"{judge} on {found['file']}")
    if found["by_generator"]:
        heads = ("generator", "wrong", "found", "missed", "right", "cleared", "false alarm", "no judgment", "F1")
        generators = [_generator(name, each) for name, each in found["by_generator"].items()]
        print_table(heads, generators, title="by generator")
    if found["abstentions"]:
        say(by_reason("without a judgment", found["abstentions"]))
    say("stored: `curate reweight` no longer warns of feedback made by this very judge (same prompt, votes and split)")


def told(found: dict[str, Any]) -> str:
    """Return what one calibration says, to go after the name of a variant."""
    figures = found["figures"]
    named = {
        "first wrong step named": figures["first_error_accuracy"]["value"],
        "missed": figures["missed_share"]["value"],
        "false alarms": figures["false_alarm_share"]["value"],
        "F1": figures["f1"],
    }
    shares = ", ".join(f"{name} {_share(value) or '-'}" for name, value in named.items())
    return f"was calibrated on {found['file']} ({figures['n_wrong']:,} wrong, {figures['n_right']:,} right): {shares}"


def _generator(name: str, figures: Figures) -> list[Any]:
    return [
        name,
        figures["n_wrong"],
        _share(figures["first_error_accuracy"]["value"]),
        _share(figures["missed_share"]["value"]),
        figures["n_right"],
        _share(figures["right_accuracy"]["value"]),
        _share(figures["false_alarm_share"]["value"]),
        figures["n_abstained_wrong"] + figures["n_abstained_right"],
        _share(figures["f1"]),
    ]


def _interval(share: Figures) -> tuple[str | None, str | None, int]:
    bounds = None if share["value"] is None else f"{share['low']:.1%} to {share['high']:.1%}"
    return _share(share["value"]), bounds, share["n"]


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.1%}"
