import pytest

from curate.reweighting import recipes, reweight
from curate.reweighting.shaping import multi_choice
from group_case import group, outcomes, reasons, shaped


@pytest.mark.parametrize(
    ("given", "right", "reward"),
    [
        ("A,C", "A,C", 1.0),
        (" C , A\n", "A,C", 1.0),
        ("A", "A,C", 0.5),
        ("A,A", "A,C", 0.5),
        ("B,D", "A,B,C,D", 0.5),
        ("A,B", "A,C", 0.0),
        ("A,B,C", "A,C", 0.0),
        ("a", "A,C", 0.0),
        ("A", "A", 1.0),
        (None, "A,C", 0.0),
        ("", "A,C", 0.0),
        (",,", "A,C", 0.0),
        ("AC", "A,C", 0.0),
    ],
)
def test_a_part_of_the_right_options_pays_a_share(given: str | None, right: str, reward: float) -> None:
    frame = group([0.0, 0.0], extracted=[given, "no"], answer=[right, right])
    assert shaped(frame, multi_choice()) == [reward, 0.0]


def test_a_correct_outcome_is_1_whatever_its_text() -> None:
    frame = group([1.0, 0.0], extracted=["both", "A"], answer=["A,C"] * 2)
    assert shaped(frame, multi_choice()) == [1.0, 0.5]


def test_a_prompt_without_an_answer_is_not_judged() -> None:
    frame = group([0.0, 0.0], extracted=["A", "B"], answer=[None, " , "])
    assert reasons(frame, multi_choice()) == ["unjudged"] * 2


def test_a_group_trains_where_its_soft_rewards_differ() -> None:
    recipe = recipes.multi_choice_grpo(eps=0)
    part = group([0.0, 0.0], outcome=outcomes("ii"), extracted=["A", "B"], answer=["A,C"] * 2)
    assert reweight(part, recipe)["advantage"].to_list() == pytest.approx([0.5**0.5, -(0.5**0.5)])
    wrong = group([0.0, 0.0], extracted=["D", "B"], answer=["A,C"] * 2)
    assert reweight(wrong, recipe)["drop_reason"].to_list() == ["all_wrong"] * 2
    right = group([1.0, 1.0], extracted=["A,C", "C,A"], answer=["A,C"] * 2)
    assert reweight(right, recipe)["drop_reason"].to_list() == ["all_correct"] * 2
