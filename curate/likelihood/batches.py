"""Groups rows of like length into batches of bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def token_batches(lengths: Sequence[int], max_tokens: int) -> Iterator[list[int]]:
    """Yield batches of row indices, longest rows first, each of at most ``max_tokens`` with its padding.

    A batch takes (longest row) x (rows) tokens. A row longer than the budget is a batch of its own. Longest first: a
    batch that does not fit the device shows at once.
    """
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        if batch and lengths[batch[0]] * (len(batch) + 1) > max_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
