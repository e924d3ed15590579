"""Which evaluation each one is compared with: that of the policy it was trained from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Policy:
    """The policy that an evaluation measured: its fingerprint (null: unknown, or several) and the prompts it was asked."""

    version: str | None
    prompts: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Lineage:
    """``baselines``: what each evaluation is compared with, in order; ``families``: the members of each, start first."""

    baselines: dict[str, list[str]] = field(default_factory=dict)
    families: list[list[str]] = field(default_factory=list)


def trace(policies: Mapping[str, Policy], trained: Sequence[tuple[str, str]]) -> Lineage:
    """Return the baselines of every evaluation, by label, from (before, after) fingerprints of training runs.

    A trained policy's baseline is the evaluation of the policy it was trained from, over the runs between where that
    one was not evaluated itself; of several evaluations of it, the one that shares most prompts. Policies trained from
    one start are compared with the first of them too. A policy that no run made, nor began with, is compared with the
    first evaluation; one whose start has no evaluation here too, unless the first is known to be of another lineage.
    """
    parents = {after: before for before, after in reversed(trained) if before != after}
    known = {*parents, *parents.values()}
    lineage = Lineage()
    firsts: dict[str, str] = {}  # start, or the fingerprint of one that was not evaluated -> its first trained policy
    for label, policy in policies.items():
        start = _start(label, policies, parents)
        lineage.baselines[label] = [start] if start else []
        if policy.version in parents:
            sibling = firsts.setdefault(start or parents[policy.version], label)
            if sibling != label:
                lineage.baselines[label].append(sibling)
    first = next(iter(policies), None)
    for label, policy in policies.items():
        is_lost = policy.version in parents and first is not None and policies[first].version not in known
        if first != label and not lineage.baselines[label] and (policy.version not in known or is_lost):
            lineage.baselines[label].append(str(first))
    lineage.families.extend(_families(lineage.baselines))
    return lineage


def _start(label: str, policies: Mapping[str, Policy], parents: Mapping[str, str]) -> str | None:
    """Return the evaluation of the nearest policy that this one was trained from; null where there is none."""
    seen = {policies[label].version}
    version = parents.get(policies[label].version or "")
    while version is not None and version not in seen:
        found = [name for name, policy in policies.items() if policy.version == version]
        if found:
            return max(found, key=lambda name: len(policies[name].prompts & policies[label].prompts))
        seen.add(version)
        version = parents.get(version)
    return None


def _families(baselines: Mapping[str, Sequence[str]]) -> list[list[str]]:
    families: dict[str, list[str]] = {}
    for label in baselines:
        root, path = label, {label}
        while baselines[root] and baselines[root][0] not in path:
            root = baselines[root][0]
            path.add(root)
        families.setdefault(root, []).append(label)
    return [[root, *(label for label in members if label != root)] for root, members in families.items()]
