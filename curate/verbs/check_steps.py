"""What a judgment's own evidence says of the first wrong step: its votes, its reply, or the rule that made it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.verbs.judge_rows import Known

# a feedback row beside its sample -> the first wrong step, 0 for none found, null where nothing tells
Evidence = Callable[[dict[str, Any]], int | None]


def by_rule(rule: str, known: Mapping[str, Known]) -> Evidence:
    """Judge by the rule again; nothing tells where it is not known any more, or cannot judge."""
    from curate.errors import ConfigError
    from curate.verbs.lookup import find_clusters, find_rule

    try:
        if find_clusters(rule):
            return lambda row: None
        judge, split = find_rule(rule)
    except ConfigError:
        return lambda row: None

    def says(row: dict[str, Any]) -> int | None:
        about = known.get(row["prompt_id"])
        if about is None or row["completion"] is None:
            return None
        judgment = judge(about.prompt or "", about.reference, split(row["completion"]))
        return None if judgment.error else judgment.first_error_step or 0

    return says


def by_reply(parameters: Mapping[str, Any]) -> Evidence:
    """Count the votes and read the reply again, as today's parser does."""
    from curate.judging.replies import judgment, majority, unpack
    from curate.judging.verdict import verdicts_in

    n_votes, names = parameters.get("votes", 1), parameters.get("scores", [])

    def says(row: dict[str, Any]) -> int | None:
        if row["votes"] is not None:
            return majority(row["votes"]) or 0
        if row["reply"] is None:
            return None
        replies, quotes = unpack(row["reply"], row["n_steps"]), verdicts_in(row["completion"] or "")
        read = judgment(replies, row["n_steps"], n_votes, names, quotes)
        return None if read.error else read.first_error_step or 0

    return says


def names_step_zero(reply: str) -> bool:
    """Say whether a reply that gave no judgment names step 0 as the first wrong one."""
    from curate.judging.replies import unpack
    from curate.judging.verdict import FIELD, MAX_REPLY_CHARS, verdicts_in, without_thoughts

    texts = [each.text for each in unpack(reply, 1) if each.text is not None]
    found = [verdicts_in(without_thoughts(text)) for text in texts if len(text) <= MAX_REPLY_CHARS]
    return any(verdicts and str(verdicts[-1][FIELD]).strip() in ("0", "0.0") for verdicts in found)
