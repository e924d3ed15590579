"""The same group under two ids: it counts twice in training, and in every rate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from curate.checking.finding import Finding

# One completion over and over, or a few letters in all, come back by chance.
SIGNATURES = """
SELECT signature, group_id, prompt_id FROM (
    SELECT group_id, any_value(prompt_id) AS prompt_id, count(*) AS n,
        hash(list(hash(completion, completion_ids) ORDER BY sample_index)) AS signature,
        count(DISTINCT hash(completion, completion_ids)) AS texts,
        sum(coalesce(length(completion), len(completion_ids))) AS size
    FROM part GROUP BY group_id
)
WHERE texts > 1 AND size >= 32 QUALIFY count(*) OVER (PARTITION BY signature, n) > 1 ORDER BY signature, group_id
"""


def duplicated_groups(
    rows: Iterable[tuple[int, int, str]], texts: Mapping[str, object], n_groups: int
) -> Finding | None:
    """Return the groups that hold the completions of another one, in its order, of the same prompt; null for none.

    ``rows`` are (signature of the completions, group_id, prompt_id), ``texts`` what a prompt is by its id.
    """
    alike: dict[object, list[int]] = defaultdict(list)
    for signature, group_id, prompt_id in rows:
        alike[signature, texts.get(prompt_id, prompt_id)].append(group_id)
    twins = [sorted(groups) for groups in alike.values() if len(groups) > 1]
    if not twins:
        return None
    first = min(twins)
    return Finding(
        "duplicated_groups",
        "samples",
        "groups that repeat another group's completions of the same prompt, in the same order",
        sum(len(groups) - 1 for groups in twins),
        n_groups,
        "groups",
        f"group_id={first[1]} repeats {first[0]}",
        "Take the repeated source out and import or sample again: they count twice in training.",
    )
