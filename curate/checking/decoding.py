"""Token ids that do not decode to the text beside them."""

from __future__ import annotations

SAME_IDS_OTHER_TEXT = """
SELECT min(group_id) AS group_id, count(*) AS n, count(DISTINCT completion) AS texts FROM part
WHERE completion IS NOT NULL AND len(completion_ids) > 0
GROUP BY policy, hash(completion_ids), len(completion_ids) HAVING count(DISTINCT completion) > 1 ORDER BY 1
"""


def reads_alike(decoded: str, stored: str) -> bool:
    """Say whether a text is what its ids decode to.

    White space at the ends, characters that a cut left broken, and a stop string that the server took off at the end
    are no difference.
    """
    ours, theirs = (text.replace("\ufffd", "").strip() for text in (decoded, stored))
    return ours == theirs or (bool(theirs) and ours.startswith(theirs) and len(ours) - len(theirs) <= 32)
