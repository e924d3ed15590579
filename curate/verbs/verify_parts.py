"""How ``curate verify`` makes a part: at once where the verifier is bounded, resumable where worker processes judge."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

if TYPE_CHECKING:
    import pyarrow as pa

    from curate.dataset import Dataset, TableRef
    from curate.records import Verdict
    from curate.stage import Made
    from curate.verbs.judging import Judging

COLUMNS = ["group_id", "sample_index", "prompt_id", "completion"]
Judged = tuple["Verdict", float]


@dataclass
class Verification:
    """One job; ``str()`` says what the verdicts of this run are."""

    data: Dataset
    samples: TableRef
    judging: Judging
    outcomes: Counter[str] = field(default_factory=Counter)
    answers: dict[str, str | None] = field(default_factory=dict)

    def prepare(self, opened: ExitStack) -> None:
        """Read the answers, and start the worker processes where some are needed."""
        frame = self.data.scan("prompts").select("prompt_id", "answer").collect()
        self.answers.update(zip(frame["prompt_id"], frame["answer"], strict=True))
        opened.enter_context(self.judging)

    def make(self, name: str, journal: Path) -> Made:
        """Judge one part."""
        from curate.stage import Made, read

        rows = read(self.data, self.samples, name, COLUMNS)
        verdicts = self._journaled(rows, journal) if self.judging.is_pooled else self._rows(rows, self._judged(rows))
        found = Counter[str](verdicts["outcome"].to_pylist())
        self.outcomes += found
        return Made(verdicts, failed={each: found[each] for each in ("timeout", "error") if found[each]})

    def _judged(self, rows: pa.Table) -> Iterator[Judged]:
        answers = map(self.answers.get, rows["prompt_id"].to_pylist())
        return self.judging.verdicts(zip(rows["completion"].to_pylist(), answers, strict=True))

    def _journaled(self, rows: pa.Table, path: Path) -> pa.Table:
        """Judge the groups that are not in the journal yet; what is judged in 100 ms is made durable together.

        Workers judge the groups that follow meanwhile. A kill loses no group that the bar has counted.
        """
        import pyarrow as pa

        from curate.contracts import contract
        from curate.journal import SYNC_INTERVAL_S, Journal
        from curate.stage import progress

        with Journal(path, contract("verdicts").loose_schema) as kept, progress(rows.num_rows, "verify") as bar:
            n_kept = sum(batch.num_rows for batch in kept.batches())
            bar.update(n_kept)
            rest = rows.slice(n_kept)
            judged, waiting, since = self._judged(rest), list[Judged](), time.monotonic()
            for is_last_of_group, each in zip(last_of_groups(rest["group_id"]), judged, strict=True):
                waiting.append(each)
                if is_last_of_group and time.monotonic() - since > SYNC_INTERVAL_S:
                    n_kept += self._keep(kept, rows, n_kept, waiting, bar)
                    waiting, since = [], time.monotonic()
            if waiting:
                self._keep(kept, rows, n_kept, waiting, bar)
            return pa.Table.from_batches(kept.batches(), schema=kept.schema).combine_chunks()

    def _keep(self, kept: Any, rows: pa.Table, n_kept: int, judged: Sequence[Judged], bar: Any) -> int:
        table = self._rows(rows.slice(n_kept, len(judged)), judged)
        kept.extend(table.combine_chunks().to_batches())
        bar.update(len(judged))
        return len(judged)

    def _rows(self, rows: pa.Table, judged: Iterator[Judged] | Sequence[Judged]) -> pa.Table:
        from curate.contracts import contract

        verdicts, seconds = zip(*judged, strict=True) if rows.num_rows else ((), ())
        columns = {
            "group_id": rows["group_id"],
            "sample_index": rows["sample_index"],
            "outcome": [verdict.outcome for verdict in verdicts],
            "reward": [verdict.reward for verdict in verdicts],
            "extracted": [verdict.extracted for verdict in verdicts],
            "detail": [verdict.detail for verdict in verdicts],
            "seconds": seconds,
        }
        return contract("verdicts").rows(columns)

    def __str__(self) -> str:
        return f"outcomes: {counted(self.outcomes)}"


def last_of_groups(group_ids: pa.ChunkedArray) -> list[bool]:
    """Return, for every row, whether the next one is of another group."""
    ids = group_ids.to_pylist()
    return [here != after for here, after in zip_longest(ids, ids[1:])]


def counted(outcomes: Counter[str]) -> str:
    """Return how many there are of each outcome, with their shares."""
    from curate.records import Outcome

    n = outcomes.total()
    return ", ".join(
        f"{outcomes[each]:,} {each} ({outcomes[each] / n:.1%})" for each in get_args(Outcome) if outcomes[each]
    )
