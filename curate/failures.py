"""Groups that a served stage could not make: counted by reason, listed, and asked again where that may help."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import orjson

from curate.dataset import Dataset, TableRef
from curate.fanout import GroupFailed
from curate.jobrecord import write_durably
from curate.stage import Unfinished


def settle(
    dataset: Dataset,
    ref: TableRef,
    part: str,
    failed: Mapping[int, GroupFailed],
    prompts: Mapping[int, str],
    max_failed_share: float,
) -> dict[str, int]:
    """List the failed groups of a part in ``.curate/rejects/<ref>/<part>.jsonl`` and return how many failed by reason.

    ``prompts`` maps every group_id of the part to its prompt_id. Raises Unfinished where more than
    ``max_failed_share`` of the part's groups failed in a way that may pass, so that the part is not written without
    them.
    """
    path = dataset.private / "rejects" / str(ref) / f"{part.removesuffix('.parquet')}.jsonl"
    if failed:
        lines = [_line(group, prompts[group], why) for group, why in sorted(failed.items())]
        write_durably(path, b"".join(lines))
    else:
        path.unlink(missing_ok=True)
    passing = Counter(why.reason for why in failed.values() if not why.is_final)
    if passing.total() > max_failed_share * len(prompts):
        raise Unfinished(dict(passing), len(prompts))
    return dict(Counter(why.reason for why in failed.values()))


def _line(group: int, prompt_id: str, why: GroupFailed) -> bytes:
    row = {"group_id": str(group), "prompt_id": prompt_id, "reason": why.reason, "detail": why.detail}
    return orjson.dumps(row | {"is_final": why.is_final}, option=orjson.OPT_APPEND_NEWLINE)
