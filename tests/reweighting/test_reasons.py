import re
from pathlib import Path

from curate.reweighting.reasons import REASONS

SCHEMA = (Path(__file__).parents[2] / "schemas" / "advantages.sql").read_text()


def test_the_contract_knows_every_reason_and_no_other() -> None:
    (allowed,) = re.findall(r"drop_reason IN \(([^)]*)\)\)", SCHEMA)
    assert set(re.findall(r"'(\w+)'", allowed)) == set(REASONS)


def test_the_contract_counts_out_of_the_group_what_left_it() -> None:
    (left,) = re.findall(r"drop_reason NOT IN \(([^)]*)\)", SCHEMA)
    assert re.findall(r"'(\w+)'", left) == [reason for reason in REASONS if reason.startswith(("un", "surplus", "no_"))]
