"""Token ids of prompts, filled in before the first sample, so that every later stage reads what the policy was fed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.dataset import TableRef

if TYPE_CHECKING:
    import pyarrow as pa

    from curate.dataset import Dataset

PROMPTS = TableRef("prompts")


def fill_prompt_ids(data: Dataset, path: Path, load: Callable[[], Any], *, is_first: bool) -> None:
    """Write token ids into every prompt that has none; each part whole or not at all.

    ``load()`` gives the tokenizer of the checkpoint in ``path``; it is called only where there is something to do.

    Before the first sample (``is_first``) ids that are stored must be the tokenizer's own: ConfigError where a prompt's
    differ, before anything is written. Later only ids that are missing matter, for a chat template may write the date.
    A prompt that the tokenizer or template cannot read keeps null.
    """
    from curate.stage import variant_lock

    parts = [name for name in data.parts(PROMPTS) if is_first or _n_null(data, name)]
    if not parts:
        return
    tokenizer = load()
    filled = {name: _ids(data, name, tokenizer, path, is_first) for name in parts}
    changed = {name: ids for name, ids in filled.items() if ids is not None}
    if changed:
        with variant_lock(data, PROMPTS):
            for name, ids in changed.items():
                _rewrite(data, name, ids)


def _n_null(data: Dataset, name: str) -> int:
    from curate.stage import read

    return int(read(data, PROMPTS, name, ["prompt_ids"])["prompt_ids"].null_count)


def _ids(data: Dataset, name: str, tokenizer: Any, path: Path, is_first: bool) -> pa.Array | None:
    """Return the ids of every prompt of a part, or null where there is nothing to fill in.

    As Arrow's integers: those of Python weigh nine times as much, and all parts are checked before one is written.
    """
    import pyarrow as pa

    from curate.stage import read

    columns = ["prompt_id", "prompt", "prompt_format", "prompt_ids"]
    prompts = read(data, PROMPTS, name, columns).to_pylist()
    ids: list[list[int] | None] = []
    for prompt in prompts:
        stored = prompt["prompt_ids"]
        asked = is_first or stored is None
        found = _encoded(prompt, tokenizer, path) if asked and prompt["prompt"] is not None else None
        if stored is not None and found is not None and stored != found:
            _refuse(data, path, prompt["prompt_id"], stored, found)
        ids.append(found if stored is None else stored)
    has_new = any(each is not None and prompt["prompt_ids"] is None for each, prompt in zip(ids, prompts, strict=True))
    return pa.array(ids, pa.list_(pa.int32())) if has_new else None


def _encoded(prompt: dict[str, Any], tokenizer: Any, path: Path) -> list[int] | None:
    from curate.console import say
    from curate.errors import ContractError
    from curate.models.encode import encode_prompt

    try:
        return encode_prompt(tokenizer, prompt["prompt"], prompt["prompt_format"], path)
    except ContractError as error:
        say(f"prompt {prompt['prompt_id']} cannot be sampled: {error}")
        return None


def _refuse(data: Dataset, path: Path, prompt_id: str, stored: list[int], found: list[int]) -> None:
    from curate.errors import ConfigError
    from curate.states import import_command

    again = import_command(data)
    way_out = f", or make the prompts again with `{again} --overwrite`" if again else ""
    raise ConfigError(
        f"the prompts of {data.root} have token ids of another tokenizer than that of {path}: prompt {prompt_id!r} "
        f"has {_start(stored)}, not {_start(found)}. Sample this policy in a folder of its own "
        f"(`curate prompts PATH --to DIR`){way_out}."
    )


def _start(ids: list[int], n: int = 8) -> str:
    return f"[{', '.join(map(str, ids[:n]))}{', ...' if len(ids) > n else ''}]"


def _rewrite(data: Dataset, name: str, ids: pa.Array) -> None:
    """Write a part again with these ids; its footer stays, so that it is still the part its own command made."""
    from dataclasses import replace

    from curate.contracts import contract
    from curate.parts import read_footer, read_part, write_part
    from curate.stage import temporary_folder

    rules, part = contract("prompts"), data.part(PROMPTS, name)
    rows = read_part(part, rules)
    place = rows.schema.get_field_index("prompt_ids")
    rows = rows.set_column(place, "prompt_ids", ids.cast(rules.loose_schema.field(place).type))
    footer = replace(read_footer(part), contract_hash=rules.hash)
    write_part(part, rows, rules, footer, temporary_folder(data, PROMPTS))
