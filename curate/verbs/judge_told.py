"""What a run of a served judge tells its user."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from curate.console import dollars

if TYPE_CHECKING:
    import pyarrow as pa

    from curate.judging.served import Asked
    from curate.serving import Client, Usage
    from curate.verbs.connect import Connection


def asked_told(asked: Asked, usage: Usage, connection: Connection) -> str:
    """Return what was asked in this run as a sentence: asked again, and its cost where there are prices."""
    from curate.verbs.sample_progress import trouble_told

    prompts, answers = asked.n_prompt_tokens, asked.n_reply_tokens
    cost = connection.cost(prompts, answers)
    said = f"{asked.n_requests:,} requests answered: {prompts:,} tokens of prompts, {answers:,} of replies{trouble_told(usage)}"
    return said if cost is None else f"{said}, {dollars(cost)}"


@dataclass
class Asking:
    """What the bar of a judge shows; ``n_failed`` counts completions."""

    client: Client
    asked: Asked
    n_failed: int = 0
    _started: float = field(default_factory=time.monotonic)

    @property
    def tokens(self) -> tuple[int, int]:
        """Tokens of prompts and of replies, as the server counts them."""
        return self.asked.n_prompt_tokens, self.asked.n_reply_tokens

    @property
    def seconds(self) -> float:
        return max(time.monotonic() - self._started, 1e-9)


@dataclass
class Told:
    """What a run's judgments say; ``str()`` is the line a user reads."""

    n_judged: int = 0
    n_none_found: int = 0
    failed: Counter[str] = field(default_factory=Counter)

    def add(self, rows: pa.Table, failed: Mapping[str, int]) -> None:
        """Count the rows of one part."""
        n_judged = rows.num_rows - rows["n_steps"].null_count
        self.n_judged += n_judged
        self.n_none_found += n_judged - (rows.num_rows - rows["first_error_step"].null_count)
        self.failed.update(failed)

    def __str__(self) -> str:
        from curate.summary import by_reason

        return (
            f"judged {self.n_judged:,} completions, no error found in {self.n_none_found:,} of them; "
            f"{by_reason('failed', dict(self.failed))}"
        )
