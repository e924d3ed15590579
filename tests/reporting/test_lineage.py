"""Which evaluation each one is compared with."""

from __future__ import annotations

import pytest

from curate.reporting.lineage import Lineage, Policy, trace


def traced(evaluated: str, *trained: str) -> Lineage:
    """Trace evaluations, one word each, of the policy that its first letter names; ``?`` is one of unknown version."""
    policies = {label: Policy(None if label[0] == "?" else label[0]) for label in evaluated.split()}
    return trace(policies, [(run[0], run[1]) for run in trained])


@pytest.mark.parametrize(
    ("evaluated", "trained", "baselines"),
    [
        # two starts, two policies from each
        (
            "s g u e h p",
            ("sg", "su", "eh", "ep"),
            {"s": [], "g": ["s"], "u": ["s", "g"], "e": [], "h": ["e"], "p": ["e", "h"]},
        ),
        # without manifests, everything against the first
        ("s g u", (), {"s": [], "g": ["s"], "u": ["s"]}),
        # versions that nobody knows
        ("?1 ?2 ?3", (), {"?1": [], "?2": ["?1"], "?3": ["?1"]}),
        # the start comes last
        ("g u s", ("sg", "su"), {"g": ["s"], "u": ["s", "g"], "s": []}),
        # a chain, every link evaluated, and one that was not
        ("s g h", ("sg", "gh"), {"s": [], "g": ["s"], "h": ["g"]}),
        ("s h", ("sg", "gh"), {"s": [], "h": ["s"]}),
        # siblings whose start was not evaluated: not with the first, which is of another lineage
        ("s g h p", ("sg", "eh", "ep"), {"s": [], "g": ["s"], "h": [], "p": ["h"]}),
        # the start was sampled elsewhere, so that its fingerprint is not known
        ("?base g u", ("sg", "su"), {"?base": [], "g": ["?base"], "u": ["g"]}),
        # one policy evaluated twice
        ("s1 s2 g", ("sg",), {"s1": [], "s2": [], "g": ["s1"]}),
    ],
)
def test_a_policy_is_compared_with_the_one_it_was_trained_from(
    evaluated: str, trained: tuple[str, ...], baselines: dict[str, list[str]]
) -> None:
    assert traced(evaluated, *trained).baselines == baselines


def test_families_are_a_start_and_what_came_of_it() -> None:
    assert traced("g s e h p u", "sg", "su", "eh", "ep").families == [["s", "g", "u"], ["e", "h", "p"]]
    assert traced("s g h x", "sg", "gh").families == [["s", "g", "h", "x"]]
    assert traced("?1 ?2").families == [["?1", "?2"]]
    assert traced("").families == []


def test_of_several_evaluations_of_the_start_that_of_the_same_prompts_counts() -> None:
    sums, proofs = frozenset({"a", "b"}), frozenset({"c"})
    policies = {
        "sums": Policy("s", sums),
        "proofs": Policy("s", proofs),
        "grpo-proofs": Policy("g", proofs),
        "grpo-sums": Policy("g", sums),
        "other-proofs": Policy("u", proofs),
    }
    lineage = trace(policies, [("s", "g"), ("s", "u")])
    assert lineage.baselines["grpo-proofs"] == ["proofs"]
    assert lineage.baselines["grpo-sums"] == ["sums"]
    assert lineage.baselines["other-proofs"] == ["proofs", "grpo-proofs"]
    assert lineage.families == [["sums", "grpo-sums"], ["proofs", "grpo-proofs", "other-proofs"]]


def test_manifests_that_go_round_end() -> None:
    assert traced("a b", "aa", "bb").baselines == {"a": [], "b": ["a"]}
    assert traced("a b", "ab", "ba").baselines == {"a": ["b"], "b": ["a"]}
    assert traced("a b c", "ab", "bc", "ca").baselines == {"a": ["c"], "b": ["a"], "c": ["b"]}
