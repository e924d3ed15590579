from curate.tasks.countdown import parse
from curate.tasks.generate import problems
from curate.tasks.prompts import countdown_prompts
from curate.tasks.verify import compare, extract


def test_a_countdown_prompt_carries_problem_reference_and_domain() -> None:
    prompts = countdown_prompts(50, seed=3)
    drawn = problems(50, seed=3)
    assert [prompt.answer for prompt in prompts] == [problem.text for problem in drawn]
    for prompt in prompts:
        assert prompt.prompt == f"{prompt.answer}>"
        assert parse(prompt.prompt) is not None
        assert compare(extract(prompt.reference), prompt.answer).outcome == "correct"
    assert {prompt.domain for prompt in prompts} == {"countdown-3"}


def test_splits_and_sizes_are_those_of_the_generator() -> None:
    four = countdown_prompts(5, 0, "heldout", numbers=4, highest=5)
    assert {prompt.domain for prompt in four} == {"countdown-4"}
    assert countdown_prompts(3, 0, "heldout", 4, 5) == four[:3]
    assert not {p.prompt for p in countdown_prompts(300, 0, "heldout")} & {p.prompt for p in countdown_prompts(300, 0)}
