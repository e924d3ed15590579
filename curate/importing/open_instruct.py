"""open-instruct's rollout traces (``--save_traces``): ``{run}_rollouts_{shard:06d}.jsonl``, ``{run}_metadata.jsonl``.

Fields: step, sample_idx (in the step's batch), prompt_idx (of the prompt in it), prompt_tokens, response_tokens,
reward, advantage, finish_reason, dataset, ground_truth, request_info, logprobs (allenai/open-instruct,
open_instruct/rl_utils.py, RolloutRecord). The tokens are the sampled ones and there is no text: prompt and completion
stay null unless the user names a tokenizer. A group is (run, step, prompt_idx); a resumed run writes steps again,
and those samples are rejected as duplicates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from curate.importing import rows
from curate.importing.convert import BadValueError, key, rollout
from curate.importing.files import JSONL, Source, numbers_report
from curate.importing.record import Record
from curate.importing.rollout import Item, Note, Options, refuse_columns

NAME = "open-instruct"
# Filtered groups lie beside these as {run}_filtered_rollouts_*, with a prompt_idx that means something else.
FILES = re.compile(r"^(?!.*_filtered_rollouts_)(.*)_rollouts_(\d{1,18})\.jsonl$")
FIELDS = ("step", "sample_idx", "prompt_idx", "prompt_tokens", "response_tokens", "reward", "advantage")


def detect(path: Path) -> str | None:
    """Say why a file looks like open-instruct's rollout traces, or None."""
    if path.suffix.lower() not in JSONL or not set(FIELDS) <= set(rows.peek(path)):
        return None
    return f"fields {', '.join(FIELDS)}: open-instruct rollout traces"


def read(sources: Sequence[Source], options: Options) -> Iterator[Item]:
    """Read one token-exact sample a line; the metadata file beside it names the policy, null where there is none."""
    refuse_columns(options, NAME)
    shards = [int(found[2]) for source in sources if (found := FILES.search(source.path.name))]
    if shards:
        yield Note(numbers_report(shards, "shards"))
    for source in sources:
        found = FILES.search(source.path.name)
        run = found[1] if found else source.path.name
        policy = _model_name(source.path.with_name(f"{run}_metadata.jsonl"))
        if policy is None:
            yield Note(f"no {run}_metadata.jsonl with a model_name: the policy of {source.name} is unknown")
        yield from rows.each(source, partial(_sample, source, options, run, policy))


def _model_name(path: Path) -> str | None:
    if not path.is_file():
        return None
    for record in rows.records(Source(path, path.name, True)):
        if isinstance(record, Record):
            name = record.values.get("model_name")
            return name if isinstance(name, str) and name != "unknown" else None
    return None


def _sample(source: Source, options: Options, run: str, policy: str | None, record: Record) -> Iterator[Item]:
    values = record.values
    info = values.get("request_info")
    if isinstance(info, dict) and info.get("tool_calleds"):
        raise BadValueError("tools were called: their output is among response_tokens, and no mask says where")
    raw = {
        "prompt_ids": values.get("prompt_tokens"),
        "completion_ids": values.get("response_tokens"),
        "prompt": _decode(options, values.get("prompt_tokens")),
        "completion": _decode(options, values.get("response_tokens")),
        "logprobs": values.get("logprobs"),
        "answer": values.get("ground_truth"),
        "domain": values.get("dataset"),
        "finish_reason": values.get("finish_reason"),
        "reward": values.get("reward"),
        "advantage": values.get("advantage"),
        "step": values.get("step"),
        "policy_version": values.get("step"),
        "policy": policy,
        "sample_index": values.get("sample_idx"),
    }
    missing = [name for name in ("step", "prompt_idx", "sample_idx") if values.get(name) is None]
    if missing:
        raise BadValueError(f"{missing[0]} is missing: the sample's group is unknown")
    yield rollout(source.name, record.row, raw, [run, key(values["step"]), key(values["prompt_idx"])])


def _decode(options: Options, ids: Any) -> str | None:
    is_ids = isinstance(ids, list) and all(type(token) is int for token in ids)
    return str(options.decode(ids)) if options.decode and is_ids else None
