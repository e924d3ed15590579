"""The same group under two ids: it counts twice in training, and in every rate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from curate.checking.finding import Finding

ENOUGH = 8  # samples: of two letters, four come back in the same order by chance
SMALL = 32  # characters, or tokens where there is no text, of a whole group: a few letters
LARGE = 512  # so long that the same texts by chance would have had copies inside the group too

# What repeats a group by chance is a policy that gives one of few texts: most of a group's texts must differ. Then large
# groups tell in any order, small ones of 8 samples in the same. Else only the same seed of each sample tells: log-probs do
# not, as they are a function of the text.
SIGNATURES = f"""
SELECT signature, group_id, prompt_id FROM (
    SELECT group_id, prompt_id, n,
        CASE WHEN 2 * n_texts > n AND size >= {LARGE} THEN hash('any order', list_sort(texts))
            WHEN 2 * n_texts > n AND size >= {SMALL} AND n >= {ENOUGH} THEN hash('in order', texts)
            WHEN n_texts > 1 AND n_seeds = n THEN hash('seeds', texts, seeds) END AS signature
    FROM (
        SELECT *, list_unique(texts) AS n_texts, list_unique(seeds) AS n_seeds FROM (
            SELECT group_id, any_value(prompt_id) AS prompt_id, count(*) AS n,
                list(hash(completion, completion_ids) ORDER BY sample_index) AS texts,
                list(seed ORDER BY sample_index) AS seeds,
                sum(coalesce(length(completion), len(completion_ids))) AS size
            FROM part GROUP BY group_id
        )
    )
)
WHERE signature IS NOT NULL QUALIFY count(*) OVER (PARTITION BY signature, n) > 1 ORDER BY signature, group_id
"""


def duplicated_groups(
    rows: Iterable[tuple[int, int, str]], texts: Mapping[str, object], n_groups: int
) -> Finding | None:
    """Return the groups that hold the completions of another one of the same prompt; null for none.

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
        "groups that repeat another group's completions of the same prompt",
        sum(len(groups) - 1 for groups in twins),
        n_groups,
        "groups",
        f"group_id={first[1]} repeats {first[0]}",
        "Take the repeated source out and import or sample again: they count twice in training.",
    )
