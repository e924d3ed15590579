"""Whether prompts went through a chat template once, and whether ids are those of the text beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.dataset import Dataset, TableRef

if TYPE_CHECKING:
    import polars as pl

    from curate.checking import Finding

SAMPLES, PROMPTS = TableRef("samples"), TableRef("prompts")
N_PROMPTS = 4_096
N_DECODED = 1_024
FEW_SHARE = 0.05  # of prompts: below it they may speak of templates
ODD_SHARE = 0.01  # of samples: below it a tokenizer's oddities


def find_tokenizer(data: Dataset, given: Path | None, model: Path | None) -> Any:
    """Return the tokenizer that is given, else the model's, else the one the samples were made with; null for none.

    Raises ConfigError where the one that is given does not load.
    """
    from curate.errors import ConfigError
    from curate.models.tokenizer import load_tokenizer
    from curate.verbs.lookup import POLICIES, find_checkpoint

    if given is not None:
        return load_tokenizer(find_checkpoint(given))
    names = [*([model] if model else []), *_sampled_with(data), *(POLICIES / name for name in _policies(data))]
    for folder in names:
        try:
            return load_tokenizer(find_checkpoint(folder))
        except ConfigError:
            continue
    return None


def _sampled_with(data: Dataset) -> list[Path]:
    import shlex
    from itertools import pairwise

    from curate.jobrecord import read_record

    record = read_record(data, SAMPLES)
    words = shlex.split(record.command) if record else []
    return [Path(value) for option, value in pairwise(words) if option in ("--local", "--tokenizer")]


def _policies(data: Dataset) -> list[str]:
    """Return the name of the one policy that sampled, where it is that of a shipped one."""
    from curate.verbs.lookup import POLICIES

    names = data.scan("samples").select("policy").unique().collect()["policy"].to_list()
    is_shipped = len(names) == 1 and names[0] is not None and Path(names[0]).name == names[0]
    return names if is_shipped and (POLICIES / names[0]).is_dir() else []


def template_twice(data: Dataset, tokenizer: Any) -> Iterator[Finding]:
    """Yield the prompts that hold a chat template inside a chat template, in their text or in their ids."""
    from curate.checking import Finding

    columns = ["prompt_id", "prompt", "prompt_format", "prompt_ids"]
    prompts = data.scan("prompts").select(columns).head(N_PROMPTS).collect()
    seen = [(row["prompt_id"], why) for row in prompts.iter_rows(named=True) if (why := _twice(row, tokenizer))]
    seen = seen or _around_all(prompts, tokenizer)
    if seen:
        yield Finding(
            "template_twice",
            "prompts",
            f"the chat template was applied twice: {seen[0][1]}",
            len(seen),
            len(prompts),
            "prompts looked at",
            f"prompt_id={seen[0][0]}",
            "Give the messages without a template (prompt_format chat), or text that went through it once, and sample again.",
            is_note=len(seen) < FEW_SHARE * len(prompts),
        )


def _twice(row: dict[str, Any], tokenizer: Any) -> str | None:
    from curate.checking import template

    text = row["prompt"] or ""
    if row["prompt_format"] == "chat":
        marker = template.twice_in_messages(text)
        if marker:
            return f"a message begins with {marker}"
    elif marker := template.twice_in_text(text):
        return f"{marker} opens again before it was closed"
    ids = _unpadded(row["prompt_ids"], tokenizer)
    if not ids:
        return None
    if template.twice_in_ids(ids, frozenset(tokenizer.all_special_ids)):
        return f"the ids begin with {tokenizer.decode(ids[:1])!r} twice"
    marker = template.twice_in_text(tokenizer.decode(ids))
    return f"the ids read so that {marker} opens again before it was closed" if marker else None


def _around_all(prompts: pl.DataFrame, tokenizer: Any) -> list[tuple[str, str]]:
    """Return every prompt, where all went through one template twice, in their texts or in their ids."""
    import polars as pl

    from curate.checking import template

    texts = prompts.filter(pl.col("prompt_format") != "chat")["prompt"].drop_nulls().to_list()
    if len(texts) == len(prompts) and (marker := template.twice_around_all(texts)):
        return [(each, f"all prompts begin with {marker!r} twice, and end so") for each in prompts["prompt_id"]]
    ids = [left for each in prompts["prompt_ids"] if (left := _unpadded(each, tokenizer))]
    if len(ids) == len(prompts) and (marker := template.twice_around_all(map(tokenizer.decode, ids))):
        return [
            (each, f"all ids read so that they begin with {marker!r} twice, and end so")
            for each in prompts["prompt_id"]
        ]
    return []


def _unpadded(ids: Sequence[int] | None, tokenizer: Any) -> list[int]:
    """Return prompt ids without what filled them up on the left; none without a tokenizer, which knows what that is."""
    from itertools import dropwhile

    if tokenizer is None or ids is None:
        return []
    end, begin, pad = tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id
    fills = {tokenizer.unk_token_id, end} - {begin} | {end if pad is None else pad}
    return list(dropwhile(lambda token: token in fills, ids))


def ids_not_text(data: Dataset, tokenizer: Any, not_looked_at: list[str]) -> Iterator[Finding]:
    """Yield the samples whose ids do not decode to their text, and the ids that stand beside several texts."""
    from curate.checking import Finding
    from curate.checking.decoding import SAME_IDS_OTHER_TEXT
    from curate.query import group_violations
    from curate.verbs.check_rows import looked_at

    columns = ["group_id", "sample_index", "completion", "completion_ids", "token_exact"]
    rows = looked_at(data, SAMPLES, columns, N_DECODED).drop_nulls(["completion", "completion_ids"])
    do = "Import again with the ids that were sampled, or sample again: a trainer reads the ids, a verifier the text."
    if bad := [] if tokenizer is None else _misread(rows, tokenizer):
        where, text, decoded = bad[0]
        said = f"ids do not decode to the text: {text[:40]!r} has ids that read {decoded[:40]!r}"
        is_note = len(bad) < ODD_SHARE * len(rows)
        yield Finding("ids_not_text", "samples", said, len(bad), len(rows), "samples looked at", where, do, is_note)
        return
    several: list[Any] = group_violations(data, SAMPLES, SAME_IDS_OTHER_TEXT)
    if several:
        said = "the same ids stand beside several texts"
        n = sum(row[1] for row in several)
        total = data.status([SAMPLES])[0]["rows"]
        yield Finding("ids_not_text", "samples", said, n, total, "samples", f"group_id={several[0][0]}", do)
    elif tokenizer is None and len(rows):
        not_looked_at.append("ids: whether they decode to the text beside them: give --tokenizer PATH, the policy's")


def _misread(rows: pl.DataFrame, tokenizer: Any) -> list[tuple[str, str, str]]:
    """Return key, text and what the ids read, of the rows where these differ."""
    from curate.checking.decoding import reads_alike
    from curate.checking.finding import key

    ids = rows["completion_ids"].to_list()
    texts = tokenizer.batch_decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False) if ids else []
    return [
        (key(row["group_id"], row["sample_index"]), row["completion"], decoded)
        for row, decoded in zip(rows.iter_rows(named=True), texts, strict=True)
        if not reads_alike(decoded, row["completion"])
    ]
