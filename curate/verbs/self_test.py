"""``curate verify --self-test``: the gold answer of every prompt is judged before anything is sampled.

What was found lies in ``.curate/self-test/NAME.parquet``: prompt_id, outcome (null where no gold is known), detail. It holds
for the prompts it was made from; where their ids, answers or references have changed it is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.dataset import Dataset
    from curate.records import Verdict
    from curate.verbs.judging import Choice, Judging

SHOWN = 5
DETAIL = 100  # characters of a reason in a line


@dataclass(frozen=True)
class SelfTest:
    """What a self-test found: by prompt, the outcome (null where no gold is known) and its detail."""

    name: str
    parameters: dict[str, Any]
    prompts: str
    command: str
    outcomes: dict[str, tuple[str | None, str | None]]

    @property
    def failed(self) -> dict[str, str]:
        """Why the gold failed, by prompt."""
        return {
            prompt_id: f"{outcome}: {detail}" if detail else outcome
            for prompt_id, (outcome, detail) in self.outcomes.items()
            if outcome not in (None, "correct")
        }

    @property
    def n_known(self) -> int:
        return sum(outcome is not None for outcome, _ in self.outcomes.values())

    def __str__(self) -> str:
        counts = Counter(outcome for outcome, _ in self.outcomes.values() if outcome is not None)
        found = ", ".join(f"{n:,} {outcome}" for outcome, n in sorted(counts.items())) or "none is known"
        n_unknown = len(self.outcomes) - self.n_known
        lines = [f"  {prompt_id}: {why[:DETAIL]}" for prompt_id, why in list(self.failed.items())[:SHOWN]]
        n_more = len(self.failed) - len(lines)
        head = f"self-test {self.name}: of {len(self.outcomes):,} gold answers {found}; no gold known for {n_unknown:,}"
        listed = [f"`curate sample` leaves out {len(self.failed):,} prompt(s) whose gold fails:"] if lines else []
        return "\n".join([head, *listed, *lines, *([f"  and {n_more:,} more"] if n_more else [])])


def run_self_test(
    data: Dataset, name: str, choice: Choice, again: str, workers: int | None, max_failed_share: float
) -> None:
    """Judge every gold, keep and tell what was found; one that holds for these prompts already is told again.

    Raises ShareError, the findings kept, where more than ``max_failed_share`` of the golds fail.
    """
    from curate.console import say
    from curate.dataset import variant_name
    from curate.errors import ConfigError, ShareError
    from curate.stage import variant_lock

    if not data.parts(data.choose("prompts")):
        raise ConfigError(f"{data.root} has no prompts: run `{data.maker('prompts')}`")
    path = _folder(data) / f"{variant_name(name)}.parquet"
    with variant_lock(data, f"self-test/{name}"):
        prompts, parameters = prompts_hash(data), _plain(choice.parameters)
        found = _read(path) if path.exists() else None
        if found is None or (found.prompts, found.parameters) != (prompts, parameters):
            found = SelfTest(name, parameters, prompts, again, _judge(data, choice, workers))
            _write(path, found)
    say(found)
    for other, kept in _kept(data).items():
        if other != path and kept.failed:
            say(f"self-test {kept.name} leaves out {len(kept.failed):,} prompt(s) too: delete {other} to do without it")
    if (share := len(found.failed) / max(1, found.n_known)) > max_failed_share:
        raise ShareError(
            f"{share:.1%} of the gold answers fail, more than --max-failed-share {max_failed_share:g}. They are listed in "
            f"{path}: mend the answers or the verifier's settings and run again, or leave those prompts out with a higher "
            "--max-failed-share."
        )


def failed_golds(data: Dataset) -> dict[str, str]:
    """Return why the gold of a prompt failed in a self-test, by prompt_id; empty where no self-test was run.

    Raises ConfigError, with the command to run, where the prompts have changed since.
    """
    from curate.errors import ConfigError

    failed: dict[str, str] = {}
    kept = _kept(data)
    prompts = prompts_hash(data) if kept else ""
    for found in kept.values():
        if found.prompts != prompts:
            import shlex

            from curate.jobrecord import DATASET

            command = found.command.replace(DATASET, shlex.quote(str(data.root)))
            raise ConfigError(
                f"the self-test {found.name} of {data.root} judged other prompts than there are now: run `{command}`, "
                "then this command again"
            )
        failed |= found.failed
    return failed


def _kept(data: Dataset) -> dict[Path, SelfTest]:
    return {path: _read(path) for path in sorted(_folder(data).glob("*.parquet"))}


def prompts_hash(data: Dataset) -> str:
    """Return 16 hex digits over the ids, answers and references of all prompts, in order; token ids do not count."""
    import hashlib

    import orjson

    digest = hashlib.blake2b(digest_size=8)
    for row in _prompts(data):
        digest.update(orjson.dumps(row))
    return digest.hexdigest()


def _prompts(data: Dataset) -> Iterator[tuple[str, str | None, str | None]]:
    columns = ["prompt_id", "answer", "reference"]
    return data.scan("prompts").select(columns).collect().iter_rows()


def _judge(data: Dataset, choice: Choice, workers: int | None) -> dict[str, tuple[str | None, str | None]]:
    from curate.stage import progress
    from curate.verbs.judging import Judging

    rows = [(prompt_id, answer, _gold(choice, answer, reference)) for prompt_id, answer, reference in _prompts(data)]
    known = [(gold, answer) for _, answer, gold in rows if gold is not None]
    with Judging(choice, workers) as judging, progress(len(known), "self-test", unit="prompt") as bar:
        verdicts = _counted(judging, known, bar)
        return {prompt_id: (None, None) if gold is None else next(verdicts) for prompt_id, _, gold in rows}


def _gold(choice: Choice, answer: str | None, reference: str | None) -> str | None:
    return None if answer is None else choice.verifier.gold(answer, reference)


def _counted(judging: Judging, golds: list[tuple[str, str | None]], bar: Any) -> Iterator[tuple[str, str | None]]:
    verdict: Verdict
    for verdict, _ in judging.verdicts(golds):
        bar.update(1)
        yield verdict.outcome, verdict.detail


def _folder(data: Dataset) -> Path:
    return data.private / "self-test"


def _plain(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters as they come back from a file."""
    import orjson

    plain: dict[str, Any] = orjson.loads(orjson.dumps(parameters, default=str))
    return plain


def _write(path: Path, found: SelfTest) -> None:
    import io

    import orjson
    import pyarrow as pa
    import pyarrow.parquet as pq

    from curate.jobrecord import write_durably

    about = {"name": found.name, "parameters": found.parameters, "prompts": found.prompts, "command": found.command}
    columns = {
        "prompt_id": list(found.outcomes),
        "outcome": [outcome for outcome, _ in found.outcomes.values()],
        "detail": [detail for _, detail in found.outcomes.values()],
    }
    schema = pa.schema([(name, pa.large_string()) for name in columns], metadata={"curate": orjson.dumps(about)})
    content = io.BytesIO()
    pq.write_table(pa.table(columns, schema=schema), content)
    write_durably(path, content.getvalue())


def _read(path: Path) -> SelfTest:
    """Read a self-test; raises ConfigError for a file that is none."""
    import orjson
    import pyarrow as pa
    import pyarrow.parquet as pq

    from curate.errors import ConfigError

    try:
        table = pq.read_table(path)
        about = orjson.loads(table.schema.metadata[b"curate"])
        rows = zip(*(table[name].to_pylist() for name in ("prompt_id", "outcome", "detail")), strict=True)
        return SelfTest(outcomes={prompt_id: (outcome, detail) for prompt_id, outcome, detail in rows}, **about)
    except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{path} is no self-test ({error}): delete it, and run `curate verify --self-test` again"
        ) from None
