"""Commands that can be pasted, and text that cannot harm a terminal."""

from __future__ import annotations

import pytest

from curate.console import clean, command, dollars, jsonable, print_table


def test_a_command_is_quoted_for_the_shell() -> None:
    line = command("import", "my file.jsonl", to="runs/it's", map_=["reward=r", "prompt=p"], correct_when="reward > 0")
    assert line == (
        "curate import 'my file.jsonl' --to 'runs/it'\"'\"'s' --map reward=r --map prompt=p --correct-when 'reward > 0'"
    )
    assert command("verify", "d", as_=None, from_sampler=True, dry_run=False) == "curate verify d --from-sampler"


@pytest.mark.parametrize("text", ["\x1b[2J", "\x07", "\x9b31m", "\u202e", "\x7f", "\r"])
def test_control_characters_are_shown_not_sent(text: str) -> None:
    assert text not in clean(f"a{text}b")
    assert clean("a\n\tb") == "a\n\tb"


def test_markup_in_cells_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("[red]name", "n"), [["[bold]x[/bold]", None], ["[/]", 1234567]])
    shown = capsys.readouterr().out
    assert "[bold]x[/bold]" in shown
    assert "[/]" in shown
    assert "1,234,567" in shown


def test_json_keeps_what_readers_would_round() -> None:
    value = {"group_id": 7, "n": 2**53, "big": -(2**53) - 1, "huge": [2**70], 3: {"group_id": None}, "yes": True}
    assert jsonable(value) == {
        "group_id": "7",
        "n": 9007199254740992,
        "big": "-9007199254740993",
        "huge": ["1180591620717411303424"],
        "3": {"group_id": None},
        "yes": True,
    }


@pytest.mark.parametrize(
    ("amount", "shown"), [(0, "$0.00"), (0.000427, "$0.00043"), (0.01, "$0.01"), (1234.5, "$1,234.50")]
)
def test_small_amounts_of_money_are_not_rounded_away(amount: float, shown: str) -> None:
    assert dollars(amount) == shown
