"""The seed of every sample, from the job's seed and the sample's key: the same on every machine and in every run."""

from __future__ import annotations

from hashlib import blake2b

SEEDS = 2**62  # leaves room for the sample index below the largest 64-bit integer


def sample_seeds(job_seed: int, group_id: int, n: int) -> list[int]:
    """Return the seeds of n samples of a group: a hash of job seed and group_id in 0..2**62 - 1, plus the sample index.

    A larger group starts with the seeds of a smaller one.
    """
    digest = blake2b(f"{job_seed}|{group_id}".encode(), digest_size=8, person=b"sample").digest()
    first = int.from_bytes(digest, "big") % SEEDS
    return [first + index for index in range(n)]


def branch_seeds(job_seed: int, group_id: int, sample_index: int, step: int, n: int) -> list[int]:
    """Return the seeds of n continuations of a sample after a step; hashed as ``sample_seeds``, and none of its seeds."""
    digest = blake2b(f"{job_seed}|{group_id}|{sample_index}|{step}".encode(), digest_size=8, person=b"branch").digest()
    first = int.from_bytes(digest, "big") % SEEDS
    return [first + index for index in range(n)]
