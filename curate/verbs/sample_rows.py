"""The rows of one group that a served model has sampled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from curate.sampling.dialect import Served


def served_rows(
    group_id: int,
    prompt_id: str,
    first_seed: int | None,
    completions: Sequence[Served],
    texts: Sequence[str | None],
    same: Mapping[str, Any],
) -> pa.RecordBatch:
    """Return the rows of one group; sample i has ``first_seed`` + i, or no known seed; ``same`` holds for all of them."""
    import pyarrow as pa

    from curate.contracts import contract
    from curate.verbs.hinted import is_hinted

    n = len(completions)
    shared = {**same, "group_id": group_id, "prompt_id": prompt_id, "hinted": is_hinted(prompt_id)}
    columns: dict[str, Sequence[Any]] = {key: [value] * n for key, value in shared.items()} | {
        "sample_index": list(range(n)),
        "seed": [None if first_seed is None else first_seed + index for index in range(n)],
        "completion": texts,
        "completion_ids": [completion.ids for completion in completions],
        "logprobs": [completion.logprobs for completion in completions],
        "finish_reason": [completion.finish_reason for completion in completions],
    }
    schema = contract("samples").loose_schema
    return pa.record_batch(
        [pa.array(columns[f.name], f.type) if f.name in columns else pa.nulls(n, f.type) for f in schema],
        schema=schema,
    )
