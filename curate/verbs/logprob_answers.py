"""How likely each answer is: verdicts say what a completion's answer is, a tokenizer which of its tokens spell it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from curate.dataset import Dataset, TableRef
    from curate.likelihood.answer import Decode

EXTRACTED = "extracted"


@dataclass(frozen=True)
class Answers:
    """The answers that ``verdicts`` extracted, read with the tokenizer in ``tokenizer``; without verdicts there is none."""

    data: Dataset
    verdicts: TableRef | None
    tokenizer: Path | None

    @property
    def inputs(self) -> list[TableRef]:
        """The stage's input beside samples."""
        return [] if self.verdicts is None else [self.verdicts]

    @property
    def parameters(self) -> dict[str, Any]:
        """What tells one tokenizer from another, where one is read: by another the answers are not found."""
        from curate.ids import edges_hash

        if self.verdicts is None or self.tokenizer is None:
            return {}
        return {"tokenizer": {path.name: edges_hash(path) for path in sorted(self.tokenizer.glob("tokenizer*"))}}

    def prepare(self) -> None:
        """Load the tokenizer where it is needed; raises ConfigError where there is none, before any work."""
        if self.verdicts is not None:
            _ = self._decode

    def beside(self, rows: pa.Table, name: str) -> pa.Table:
        """Add column ``extracted`` to the samples of one part; raises ContractError where the verdicts are on others."""
        from curate.stage import read, same_keys

        if self.verdicts is None:
            return rows
        verdicts = read(self.data, self.verdicts, name, ["group_id", "sample_index", EXTRACTED])
        same_keys(rows, verdicts, f"{self.verdicts}/{name}")
        return rows.append_column(EXTRACTED, verdicts[EXTRACTED])

    def mean_logprob(
        self, row: dict[str, Any], ids: Sequence[int] | None, logprobs: Sequence[float] | None
    ) -> float | None:
        """Return the mean log-prob of the tokens that spell the row's answer, nats a token; ``ids`` were scored.

        Null, never 0, where there is no answer, text or score, and where ``ids`` do not decode to the text.
        """
        from curate.likelihood.answer import answer_mask, answer_mean_logprob

        answer, completion = row.get(EXTRACTED), row["completion"]
        if answer is None or completion is None or ids is None or logprobs is None:
            return None
        mask, counted = answer_mask(completion, ids, answer, self._decode), row["loss_mask"]
        is_whole = counted is None or len(counted) == len(ids)  # else the stage refuses the part, and says why
        return answer_mean_logprob(logprobs, mask, counted) if is_whole else None

    def say_found(self, ref: TableRef) -> None:
        """Say how many of the scored samples have an answer that was found, over all parts there are."""
        import polars as pl

        from curate.console import say

        if self.verdicts is None:
            return
        scored = pl.col("mean_logprob").is_not_null()
        counts = (scored.sum(), (scored & pl.col("answer_mean_logprob").is_not_null()).sum().alias("found"))
        n, found = self.data.scan(ref.table, ref.variant).select(*counts).collect().row(0)
        say(f"{ref}: the answer by {self.verdicts} was found among the tokens of {found:,} of {n:,} scored samples")
        if n and not found:
            say(
                "an answer is found where the completion has it letter by letter and its token ids decode to its text "
                f"by the tokenizer in {self.tokenizer}: name another with --verifier or --tokenizer, or import token ids"
            )

    @cached_property
    def _decode(self) -> Decode:
        from curate.models.tokenizer import load_tokenizer
        from curate.verbs.branch_job import decoder

        assert self.tokenizer is not None
        return decoder(load_tokenizer(self.tokenizer))
