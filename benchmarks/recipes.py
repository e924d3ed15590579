"""Claim: no sequence-level recipe of the catalogue re-weights fewer than 1 M rows/s on two cores.

    python benchmarks/recipes.py --rows 10_000_000 [--only NAME ...]

Every registered recipe, with the parameters of its example in the catalogue, on groups of 32 with pass rates from Beta(0.5, 0.8), in
memory and part by part as `curate reweight` does it: ``apply`` on each part, after a first pass over all parts where a recipe reads the
whole dataset. Only the columns that a recipe reads are made, and making them is left out of the time. Recipes that spread advantages
over tokens run on a fiftieth of the rows, each of 64 tokens, and are held to nothing.

The rival is the bare arithmetic of GRPO in polars, two ``over("group_id")``, without drops, reasons, order or checks; the ratio is
its time over ours. Each contender has a process of its own with two polars threads; CPU seconds are of all its threads, and
resident memory is its peak.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import polars as pl

G = 32
T = 64
TOP_K = 8
REACH = 1_000_000
TOKEN_SHARE = 50
RIVAL = "polars grpo"

Rng = np.random.Generator
Result = dict[str, Any]


def lists(values: np.ndarray) -> pl.Series:
    """Return an array of (rows, T) or (rows, T, k) as a column of lists."""
    dtype = pl.from_numpy(values.reshape(-1)[:1]).dtypes[0]
    for _ in range(values.ndim - 1):
        dtype = pl.List(dtype)
    return pl.Series(values).cast(dtype)


def one_of(rng: Rng, n: int, texts: list[str]) -> pl.Series:
    return pl.Series(texts).gather(rng.integers(0, len(texts), n))


def a_group(values: pl.Series) -> pl.Series:
    """Give all samples of a group the value of its first."""
    return values.gather(np.arange(len(values)) // G * G)


# How a column of n samples is made.
MADE: dict[str, Callable[[Rng, int], Any]] = {
    "mean_logprob": lambda rng, n: -np.abs(rng.normal(0.5, 0.2, n)),
    "sum_logprob": lambda rng, n: -np.abs(rng.normal(150.0, 60.0, n)),
    "answer_mean_logprob": lambda rng, n: -rng.exponential(0.3, n),
    "n_tokens": lambda rng, n: rng.integers(20, 600, n, dtype=np.int32),
    "rts": lambda rng, n: rng.integers(0, 8, n) / 8,
    "first_error_step": lambda rng, n: rng.integers(1, 9, n, dtype=np.int32),
    "n_steps": lambda rng, n: np.full(n, 8, dtype=np.int32),
    "diversity": lambda rng, n: rng.integers(0, G, n) / G,
    "cluster": lambda rng, n: rng.integers(0, 5, n, dtype=np.int32),
    "finish_reason": lambda rng, n: one_of(rng, n, ["stop", "stop", "stop", "length"]),
    "extracted": lambda rng, n: one_of(rng, n, ["A", "B", "A,B", "C"]),
    "answer": lambda rng, n: a_group(one_of(rng, n, ["A,B", "C"])),
    "domain": lambda rng, n: a_group(one_of(rng, n, ["algebra", "geometry", "logic", "numbers"])),
    "prompt_id": lambda rng, n: a_group(pl.select(pl.format("p{}", pl.int_range(n) // (2 * G))).to_series()),
    "n_ids": lambda rng, n: np.full(n, T, dtype=np.int32),
    "logprobs": lambda rng, n: lists(-rng.exponential(0.5, (n, T))),
    "ref_logprobs": lambda rng, n: lists(-rng.exponential(0.5, (n, T))),
    "topk_ids": lambda rng, n: lists(rng.integers(0, 40, (n, T, 1)) + np.arange(TOP_K)),
    "topk_logprobs": lambda rng, n: lists(-2.5 - np.sort(rng.exponential(1.0, (n, T, TOP_K)), axis=2)),
    "branch_kept": lambda rng, n: lists(np.tile(np.array([0, 16, 32, 48], dtype=np.int32), (n, 1))),
    "branch_rewards": lambda rng, n: lists((rng.random((n, 4, 9)) < 0.4).astype(float)),
}


def make_part(rng: Rng, n: int, columns: list[str]) -> pl.DataFrame:
    """Make n rows of whole groups with these columns beside key, reward and outcome."""
    correct = (rng.random((n // G, G)) < rng.beta(0.5, 0.8, (n // G, 1))).ravel()
    return pl.DataFrame(
        {
            "group_id": np.repeat(rng.permutation(n // G), G),
            "sample_index": np.tile(np.arange(G, dtype=np.int32), n // G),
            "reward": correct.astype(float),
            "outcome": pl.Series(["incorrect", "correct"]).gather(correct.astype(np.uint32)),
            **{name: MADE.get(name, score)(rng, n) for name in columns},
        }
    )


def score(rng: Rng, n: int) -> np.ndarray:
    return rng.integers(0, 11, n) / 10


def one(name: str, rows: int, rows_a_part: int) -> Result:
    """Run one contender over ``rows`` rows, part by part."""
    from curate.reweighting import needed_columns
    from curate.reweighting.registry import entry

    row = None if name == RIVAL else entry("recipe", name)
    recipe = row.make(**row.example) if row else None
    columns = [c for c in needed_columns(recipe) if c not in ("reward", "outcome", "n_initial")] if recipe else []
    is_of_tokens = recipe is not None and recipe.estimator.credit is not None
    rows = rows // TOKEN_SHARE if is_of_tokens else rows
    size = max(G, min(rows, rows_a_part // TOKEN_SHARE if is_of_tokens else rows_a_part) // G * G)
    made, n_parts = make_part(np.random.default_rng(32), size, columns), max(1, rows // size)
    parts = (made.with_columns(pl.col("group_id") + number * (size // G)) for number in range(n_parts))
    made_in = time.process_time()
    seconds = by_polars(parts) if recipe is None else by_recipe(parts, recipe)
    return {
        "name": name,
        "of_tokens": is_of_tokens,
        "rows": size * n_parts,
        "seconds": seconds,
        "cpu_seconds": time.process_time() - made_in,
        "resident": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "columns": columns,
    }


def by_recipe(parts: Any, recipe: Any) -> float:
    """Return the seconds of surveying, where it is needed, and of re-weighting all parts."""
    from curate.reweighting import apply, conclude, survey

    if not recipe.reads_dataset:
        return sum(timed(lambda part=part: apply(part, recipe))[0] for part in parts)
    kept = list(parts)
    surveyed, found = zip(*(timed(lambda part=part: survey(part, recipe)) for part in kept), strict=True)
    concluded, whole = timed(lambda: conclude(pl.concat(found), recipe))
    return (
        sum(surveyed) + concluded + sum(timed(lambda part=part: apply(part, recipe, whole=whole))[0] for part in kept)
    )


def by_polars(parts: Any) -> float:
    reward = pl.col("reward")
    advantage = ((reward - reward.mean().over("group_id")) / (reward.std().over("group_id") + 1e-6)).alias("advantage")
    return sum(timed(lambda part=part: part.with_columns(advantage))[0] for part in parts)


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    made = run()
    return time.perf_counter() - started, made


def in_its_own_process(name: str, rows: int, rows_a_part: int) -> Result:
    command = [sys.executable, __file__, "--one", name, "--rows", str(rows), "--rows-per-part", str(rows_a_part)]
    done = subprocess.run(command, env=os.environ | {"POLARS_MAX_THREADS": "2"}, capture_output=True, text=True)
    if done.returncode:
        return {"name": name, "failed": done.stderr.strip().splitlines()[-1]}
    found: Result = json.loads(done.stdout.splitlines()[-1])
    return found


def line(found: Result, rival: Result) -> str:
    if "failed" in found:
        return f"{found['name']:24} failed: {found['failed']}"
    rate = found["rows"] / found["seconds"]
    ratio = rate / (rival["rows"] / rival["seconds"])
    note = f"{', '.join(found['columns'])}{' (token level)' if found['of_tokens'] else ''}"
    return (
        f"{found['name']:24} {found['rows']:>12,} {found['seconds']:>8.2f} {rate / 1e6:>9.2f} "
        f"{found['rows'] / found['cpu_seconds'] / 1e6:>9.2f} {ratio:>7.2f} {found['resident'] / 1e9:>6.2f}  {note}"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rows-per-part", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="*", help="recipes; all of the catalogue unless given")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments.one, arguments.rows, arguments.rows_per_part)))
        return
    from curate.reweighting import names

    rival = in_its_own_process(RIVAL, arguments.rows, arguments.rows_per_part)
    print(f"{'recipe':24} {'rows':>12} {'seconds':>8} {'M rows/s':>9} {'M / CPU s':>9} {'ratio':>7} {'GB':>6}  reads")
    print(line(rival, rival), flush=True)
    slow, failed = [], []
    for name in arguments.only or names():
        found = in_its_own_process(name, arguments.rows, arguments.rows_per_part)
        print(line(found, rival), flush=True)
        if "failed" in found:
            failed.append(name)
        elif not found["of_tokens"] and found["rows"] < REACH * found["seconds"]:
            slow.append(f"{name} ({found['rows'] / found['seconds'] / 1e6:.2f} M)")
    print(f"sequence-level recipes below {REACH:,} rows/s: {', '.join(slow) or 'none'}")
    load = os.getloadavg()[0]
    print(f"polars {version('polars')}, {os.cpu_count()} cores, load {load:.1f}, {platform.platform()}")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
