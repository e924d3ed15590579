"""Groups that repeat another one, and groups that do so by chance."""

from __future__ import annotations

import random
from pathlib import Path

from curate.checking import Finding
from curate.dataset import Dataset
from curate.verbs.check_tables import duplicated_groups
from stored import PROMPTS, SAMPLES, write_rows

LONG = " ".join(["so it follows that"] * 6)  # 113 characters
ASKED = {"prompt_id": "p", "prompt": "?", "prompt_format": "text", "source": "t"}


def find(root: Path, groups: list[list[str]], seeds: list[int] | None = None) -> Finding | None:
    """Return what is found where all groups answer the same prompt; ``seeds`` are those of each group's samples."""
    data = Dataset(root, create=True)
    write_rows(data, PROMPTS, "part-00000.parquet", [ASKED])
    rows = [
        {
            "group_id": group_id,
            "sample_index": place,
            "prompt_id": "p",
            "completion": text,
            "seed": seeds[place] if seeds else None,
            "token_exact": False,
            "hinted": False,
        }
        for group_id, texts in enumerate(groups)
        for place, text in enumerate(texts)
    ]
    write_rows(data, SAMPLES, "part-00000.parquet", rows)
    return next(duplicated_groups(data), None)


def test_long_texts_that_differ_show_in_any_order(tmp_path: Path) -> None:
    own = [f"{place} {LONG}" for place in range(8)]
    other = [f"{place + 1} {LONG}" for place in range(8)]
    found = find(tmp_path / "twice", [own, other, own, own[3:] + own[:3]])
    assert found is not None
    assert (found.n, found.of, found.first, found.is_note) == (2, 4, "group_id=2 repeats 0", False)
    assert find(tmp_path / "others", [own, other]) is None
    assert find(tmp_path / "fewer", [own, own[:7]]) is None


def test_eight_short_texts_that_differ_show_in_the_same_order(tmp_path: Path) -> None:
    own = [f"{place}+9={place + 9}" for place in range(8)]
    assert find(tmp_path / "twice", [own, own]) is not None
    assert find(tmp_path / "turned", [own, own[1:] + own[:1]]) is None
    assert find(tmp_path / "four", [["The answer is " + each for each in "ABCD"]] * 2) is None


def test_a_policy_that_gives_one_of_few_texts_repeats_groups_by_chance(tmp_path: Path) -> None:
    rng = random.Random(3)
    sure = [
        ["The answer is (A)." if rng.random() < 0.95 else "The answer is (B)." for _ in range(8)] for _ in range(40)
    ]
    assert len({tuple(texts) for texts in sure}) < 20
    assert find(tmp_path / "short", sure) is None
    assert find(tmp_path / "long", [[text + LONG for text in texts] for texts in sure]) is None


def test_few_texts_of_the_same_seeds_are_one_group(tmp_path: Path) -> None:
    own = ["The answer is (A)."] * 7 + ["The answer is (B)."]
    assert find(tmp_path / "seeds", [own, own], seeds=list(range(8))) is not None
    assert find(tmp_path / "one seed", [own, own], seeds=[42] * 8) is None
    assert find(tmp_path / "turned", [own, own[::-1]], seeds=list(range(8))) is None
