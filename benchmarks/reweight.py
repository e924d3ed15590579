"""Claim: `curate reweight`, checks and durability included, costs little more than the bare arithmetic it does.

    python benchmarks/reweight.py --rows 20_000_000 [--verl-python VENV/bin/python]
    python benchmarks/reweight.py --only-memory 100_000_000

`unlikely_grpo` (beta_rank 0.25) over groups of 32, from the stored tables samples, verdicts and likelihoods to
written `advantages` parts, side by side in one run:

- ours: the verb, with contract checks, footers, diagnostics, fsync and rename;
- polars: the same two joins and expressions with ``over("group_id")``, read, joined and written part by part by
  polars itself (zstd level 1, as ours); nothing is checked, fsynced or counted;
- numpy: the floor. ``reshape(-1, 32)`` in place of groups and joins, the same reads and writes; right only because
  every group here has 32 samples, all judged and scored, none tied, in one order in every table;
- verl: ``compute_grpo_outcome_advantage`` after the rank loop of "Rewarding the Unlikely" (arXiv 2506.02355), on
  rows in memory, one token each. It runs where verl can be imported (`--verl-python`), on a slice, per row.

Reach: ours within 1.6 x polars, checks within 0.25 of polars' time, 40 x verl a row, under 1 GB resident.

The contenders take turns, each in a process of its own, so that times share the machine's moods and peak memory is
its own; times are medians over the rounds and leave out imports.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

G = 32
BETA = 0.25
EPS = 1e-6
KEY = ["group_id", "sample_index"]
INPUTS = {"samples": "samples", "verdicts": "verdicts/verifier=made", "likelihoods": "likelihoods/scorer=made"}
OURS = "advantages/recipe=unlikely_grpo"
NEEDED = {"samples": KEY, "verdicts": [*KEY, "reward", "outcome"], "likelihoods": [*KEY, "mean_logprob"]}
WRITTEN = [*KEY, "reward", "shaped", "advantage", "weight", "drop_reason", "group_size", "n_correct"]
REASONS = pl.Series(["all_wrong", "all_correct", None], dtype=pl.String)


def write_inputs(data: str, n_parts: int, rows_per_part: int) -> dict[str, Any]:
    """Write the three tables through the project's own writer, with pass rates from Beta(0.5, 0.8)."""
    from curate.contracts import contract
    from curate.parts import Footer, write_part

    rng = np.random.default_rng(32)
    for number in range(n_parts):
        for table, columns in made_columns(rng, rows_per_part // G).items():
            rules, path = contract(table), Path(data, INPUTS[table], f"part-{number:05d}.parquet")
            footer = Footer(rules.hash, "benchmark", {}, {}, {"mixed_policy_groups": 0} if table == "samples" else {})
            write_part(path, rules.rows(columns), rules, footer, Path(data, ".curate/tmp"))
    return {"bytes": sum(path.stat().st_size for path in Path(data).rglob("*.parquet"))}


def made_columns(rng: np.random.Generator, n_groups: int) -> dict[str, dict[str, Any]]:
    """Make the columns of one part of each table."""
    n_rows = n_groups * G
    group_id = rng.integers(-(2**63), 2**63 - 1, n_groups)
    key = {"group_id": np.repeat(group_id, G), "sample_index": np.tile(np.arange(G, dtype=np.int32), n_groups)}
    is_correct = (rng.random((n_groups, G)) < rng.beta(0.5, 0.8, (n_groups, 1))).ravel()
    n_tokens = rng.integers(20, 600, n_rows, dtype=np.int32)
    mean = -np.abs(rng.normal(0.5, 0.2, n_rows))
    texts = pl.Series([f"so it is {i}" for i in range(1000)]).gather(rng.integers(0, 1000, n_rows))
    prompts = pl.Series([f"{i & (2**64 - 1):016x}" for i in group_id.tolist()]).gather(
        np.repeat(np.arange(n_groups), G)
    )
    no = np.zeros(n_rows, dtype=bool)
    samples = {"prompt_id": prompts.to_arrow(), "completion": texts.to_arrow(), "token_exact": no, "hinted": no}
    outcome = pl.Series(["incorrect", "correct"]).gather(is_correct.astype(np.uint32)).to_arrow()
    verdicts = {"outcome": outcome, "reward": is_correct.astype(float), "seconds": rng.random(n_rows) / 100}
    rank = G - ascending_rank(mean.reshape(-1, G)).ravel().astype(float)
    likelihoods = {"n_tokens": n_tokens, "sum_logprob": mean * n_tokens, "mean_logprob": mean, "likelihood_rank": rank}
    return {"samples": key | samples, "verdicts": key | verdicts, "likelihoods": key | likelihoods}


def ascending_rank(values_G: np.ndarray) -> np.ndarray:
    """Rank each row from 0 = lowest; no ties."""
    rank_G = np.empty(values_G.shape, dtype=np.int32)
    np.put_along_axis(rank_G, values_G.argsort(axis=1), np.arange(G, dtype=np.int32)[None, :], axis=1)
    return rank_G


def ours(data: str, out: str) -> dict[str, Any]:
    """Run the verb, and add up what checks, diagnostics and writing take in it."""
    import curate.console
    import curate.parts
    import curate.reweighting
    import curate.stage
    from curate.verbs.reweight import reweight

    seconds = {"checks": 0.0, "diagnostics": 0.0, "checks and write": 0.0}
    curate.parts.conform = clocked(curate.parts.conform, seconds, "checks")
    curate.reweighting.diagnose = clocked(curate.reweighting.diagnose, seconds, "diagnostics")
    curate.stage.write_part = clocked(curate.stage.write_part, seconds, "checks and write")
    started = time.perf_counter()
    reweight(data, "unlikely_grpo", set_=[f"beta_rank={BETA}"])
    whole = time.perf_counter() - started
    Path(data, OURS).rename(out)
    shutil.rmtree(Path(data, ".curate"))
    return {"seconds": whole, "inside": seconds}


def clocked(function: Callable[..., Any], seconds: dict[str, float], name: str) -> Callable[..., Any]:
    """Wrap a function so that its time adds up in ``seconds[name]``."""

    def timed(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            seconds[name] += time.perf_counter() - started

    return timed


def by_polars(data: str, out: str) -> dict[str, Any]:
    """Re-weight part by part with polars alone."""
    started = time.perf_counter()
    for paths, target in parts(data, out):
        samples, verdicts, likelihoods = (pl.scan_parquet(paths[t]).select(columns) for t, columns in NEEDED.items())
        joined = samples.join(verdicts, on=KEY, how="left", maintain_order="left")
        joined = joined.join(likelihoods, on=KEY, how="left", maintain_order="left")
        polars_expression(joined).collect().write_parquet(target, compression="zstd", compression_level=1)
    return {"seconds": time.perf_counter() - started}


def polars_expression(joined: pl.LazyFrame) -> pl.LazyFrame:
    """Gate, rank, shape and standardise, each over the groups."""
    shaped, is_correct = pl.col("shaped"), pl.col("outcome") == "correct"
    n, c = pl.col("group_size"), pl.col("n_correct")
    rank = pl.col("mean_logprob").rank("average").over("group_id") - 1
    is_mixed = (c > 0) & (c < n)
    counted = joined.with_columns(
        group_size=pl.col("reward").count().over("group_id").cast(pl.Int32),
        n_correct=is_correct.sum().over("group_id").cast(pl.Int32),
    )
    shaping = pl.when(is_correct & is_mixed).then(pl.col("reward") * (1 - BETA * rank / n)).otherwise("reward")
    standardized = ((shaped - shaped.mean()) / (shaped.std() + EPS)).over("group_id")
    reason = pl.when(c == 0).then(pl.lit("all_wrong")).when(c == n).then(pl.lit("all_correct"))
    return (
        counted.with_columns(shaped=shaping)
        .with_columns(
            advantage=pl.when(is_mixed).then(standardized), weight=pl.when(is_mixed).then(1.0), drop_reason=reason
        )
        .select(WRITTEN)
    )


def by_numpy(data: str, out: str) -> dict[str, Any]:
    """Re-weight part by part with numpy, groups as rows of a matrix."""
    started = time.perf_counter()
    for paths, target in parts(data, out):
        key, verdicts, likelihoods = (pl.read_parquet(paths[t], columns=columns) for t, columns in NEEDED.items())
        reward_G = verdicts["reward"].to_numpy().reshape(-1, G)
        correct_G = (verdicts["outcome"] == "correct").to_numpy().reshape(-1, G)
        mean_G = likelihoods["mean_logprob"].to_numpy().reshape(-1, G)
        c = correct_G.sum(axis=1, dtype=np.int32)
        shaped_G = np.where((c < G)[:, None] & correct_G, reward_G * (1 - BETA / G * ascending_rank(mean_G)), reward_G)
        centred_G = shaped_G - shaped_G.mean(axis=1, keepdims=True)
        advantage_G = centred_G / (shaped_G.std(axis=1, ddof=1, keepdims=True) + EPS)
        reason = np.where(c == 0, 0, np.where(c == G, 1, 2)).astype(np.uint32)
        rows = key.with_columns(
            verdicts["reward"],
            pl.Series("shaped", shaped_G.ravel()),
            pl.Series("advantage", advantage_G.ravel()),
            REASONS.gather(np.repeat(reason, G)).alias("drop_reason"),
            pl.Series("n_correct", np.repeat(c, G)),
            group_size=pl.lit(G, pl.Int32),
            weight=pl.lit(1.0),
        )
        kept = pl.when(pl.col("drop_reason").is_null()).then(pl.col("advantage", "weight"))
        rows.with_columns(kept).select(WRITTEN).write_parquet(target, compression="zstd", compression_level=1)
    return {"seconds": time.perf_counter() - started}


def parts(data: str, out: str) -> Iterator[tuple[dict[str, Path], Path]]:
    """Yield the paths of each part in every input table, and where its advantages go."""
    Path(out).mkdir()
    for path in sorted(Path(data, "samples").glob("*.parquet")):
        yield {table: Path(data, folder, path.name) for table, folder in INPUTS.items()}, Path(out, path.name)


def by_verl(data: str, ours: str, n_rows: int) -> dict[str, Any]:
    """Run verl's advantage function behind the authors' rank loop on the first rows; say how far ours is from it."""
    try:
        import torch
        from verl.trainer.ppo.core_algos import compute_grpo_outcome_advantage
    except ImportError as error:
        return {"skipped": f"{error} ({sys.executable})"}
    paths, _ = next(parts(data, tempfile.mkdtemp() + "/out"))
    frame = pl.read_parquet(paths["verdicts"], columns=NEEDED["verdicts"]).head(n_rows)
    logprob = pl.read_parquet(paths["likelihoods"], columns=["mean_logprob"])["mean_logprob"].head(n_rows).to_torch()
    uid = frame["group_id"].cast(pl.String).to_numpy()
    rewards = frame["reward"].to_torch().unsqueeze(1)
    mask = torch.ones_like(rewards)
    started = time.perf_counter()
    kept = rank_loop(torch, uid, rewards, logprob.unsqueeze(1), mask)
    advantage, _ = compute_grpo_outcome_advantage(rewards[kept], mask[kept], uid[kept])
    seconds = time.perf_counter() - started
    stored = pl.read_parquet(Path(ours, paths["samples"].name), columns=["advantage"])["advantage"].head(n_rows)
    apart = np.abs(stored.gather(kept).to_numpy() - advantage.squeeze(1).numpy()).max()
    return {"seconds": seconds, "rows": n_rows, "apart": float(apart), "version": version("verl")}


def rank_loop(torch: Any, uid: np.ndarray, rewards: Any, logprobs: Any, mask: Any) -> list[int]:
    """Shape ``rewards`` in place as the authors' trainer does, group by group; return the rows of mixed groups."""
    rows_of: dict[str, list[int]] = {}
    for row, name in enumerate(uid):
        rows_of.setdefault(name, []).append(row)
    scores = (logprobs * mask).sum(-1) / mask.sum(-1)
    mixed = [rows for rows in rows_of.values() if 0 < rewards[rows].sum() < len(rows)]
    for rows in mixed:
        rank = torch.argsort(torch.argsort(scores[rows]))
        rewards[rows] *= (1 - BETA * rank / len(rows)).unsqueeze(1)
    return [row for rows in mixed for row in rows]


def compare(ours: str, polars: str, numpy: str) -> dict[str, Any]:
    """Compare the written parts: the largest difference of advantages, and whether all else is equal."""
    apart = {}
    for path in sorted(Path(ours).glob("*.parquet"))[:1]:
        own = pl.read_parquet(path, columns=WRITTEN)
        for name, folder in {"polars": polars, "numpy": numpy}.items():
            other = pl.read_parquet(Path(folder, path.name))
            same = [c for c in WRITTEN if c not in ("shaped", "advantage")]
            if not own.select(same).equals(other.select(same)) or not own["advantage"].is_null().equals(
                other["advantage"].is_null()
            ):
                raise SystemExit(f"{name} does not write what ours writes")
            apart[name] = float((own["advantage"] - other["advantage"]).abs().max())
    return apart


CONTENDERS = {"ours": ours, "polars": by_polars, "numpy": by_numpy}
TASKS = {**CONTENDERS, "verl": by_verl, "compare": compare, "write_inputs": write_inputs}


def run(task: str, python: str = sys.executable, **arguments: Any) -> dict[str, Any]:
    """Run a task in a process of its own and return what it reports, ``peak_mb`` of resident memory included."""
    command = [python, __file__, "--task", task, "--arguments", json.dumps(arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{task} failed")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def race(folder: Path, args: argparse.Namespace) -> None:
    """Let the contenders take turns, compare what they wrote, and print the ratios."""
    data, n_parts = str(folder / "dataset"), args.rows // args.rows_per_part
    written = run("write_inputs", data=data, n_parts=n_parts, rows_per_part=args.rows_per_part)
    print(f"{n_parts * args.rows_per_part:,} rows in {n_parts} parts, {written['bytes'] / 1e6:,.0f} MB of inputs")
    outs = {name: str(folder / name) for name in CONTENDERS}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in (*CONTENDERS, "verl")}
    for _ in range(args.rounds):
        for name, out in outs.items():
            shutil.rmtree(out, ignore_errors=True)
            found[name].append(run(name, data=data, out=out))
        found["verl"].append(run("verl", args.verl_python, data=data, ours=outs["ours"], n_rows=args.verl_rows))
    report(found, n_parts * args.rows_per_part)
    for name, apart in run("compare", **outs).items():
        print(f"largest difference of advantages, ours and {name}, one part: {apart:.1e}")


def report(found: dict[str, list[dict[str, Any]]], n_rows: int) -> None:
    """Print seconds, rows a second, ratios and what ours spends on checks, diagnostics and writing."""
    seconds = {name: statistics.median(one["seconds"] for one in found[name]) for name in CONTENDERS}
    print(f"{'':8}{'seconds':>9}{'rows/s':>13}{'x polars':>10}{'peak MB':>9}   each round")
    for name, median in seconds.items():
        peak, rounds = (
            max(one["peak_mb"] for one in found[name]),
            " ".join(f"{one['seconds']:.2f}" for one in found[name]),
        )
        print(f"{name:8}{median:9.2f}{n_rows / median:13,.0f}{median / seconds['polars']:10.2f}{peak:9,.0f}   {rounds}")
    for part in found["ours"][0]["inside"]:
        spent = statistics.median(one["inside"][part] for one in found["ours"])
        print(f"ours spends {spent:.2f} s on {part}: {spent / seconds['polars']:.3f} of polars' time")
    if "skipped" in (verl := found["verl"][0]):
        print(f"verl is left out: {verl['skipped']}")
        return
    a_row = statistics.median(one["seconds"] / one["rows"] for one in found["verl"])
    print(
        f"verl {verl['version']}: {1 / a_row:,.0f} rows/s over {verl['rows']:,} rows; ours is {a_row * n_rows / seconds['ours']:.0f} x faster a row"
    )
    print(f"largest difference of advantages, ours and verl (float32): {verl['apart']:.1e}")


def memory(folder: Path, n_rows: int, rows_per_part: int) -> None:
    """Print the peak memory of ours over many parts, all of them links to one."""
    run("write_inputs", data=str(folder / "dataset"), n_parts=1, rows_per_part=rows_per_part)
    for table in INPUTS.values():
        for number in range(1, n_rows // rows_per_part):
            (folder / "dataset" / table / f"part-{number:05d}.parquet").hardlink_to(
                folder / "dataset" / table / "part-00000.parquet"
            )
    made = run("ours", data=str(folder / "dataset"), out=str(folder / "out"))
    print(f"ours over {n_rows:,} rows: peak {made['peak_mb']:,.0f} MB resident, {made['seconds']:.1f} s")
    print(
        "(every part is a link to one part: `curate check` would call its groups twice there, re-weighting does not look)"
    )


def versions() -> str:
    found = [f"Python {platform.python_version()}"]
    for package in ("polars", "pyarrow", "duckdb", "numpy"):
        found.append(f"{package} {version(package)}")
    return ", ".join(found)


def main() -> None:
    """Run one task (a child process), or the whole comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--rows-per-part", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--verl-python", default=sys.executable, help="a Python that has verl, polars and numpy")
    parser.add_argument("--verl-rows", type=int, default=65_536)
    parser.add_argument("--only-memory", type=int, metavar="ROWS", help="re-weight so many rows, print peak memory")
    parser.add_argument("--folder", help="where the temporary folder goes (default: the system's)")
    parser.add_argument("--task", choices=TASKS, help=argparse.SUPPRESS)
    parser.add_argument("--arguments", default="{}", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.task:
        made = TASKS[args.task](**json.loads(args.arguments))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
        print(json.dumps({**made, "peak_mb": peak}))
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, {versions()}")
    with tempfile.TemporaryDirectory(dir=args.folder, prefix="reweight-") as folder:
        if args.only_memory:
            memory(Path(folder), args.only_memory, args.rows_per_part)
        else:
            race(Path(folder), args)


if __name__ == "__main__":
    main()
