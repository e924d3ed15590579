"""Claim: `curate reweight`, with its checks and its durability, costs little more than the bare arithmetic.

    python benchmarks/reweight.py --rows 20_000_000 [--verl-python VENV/bin/python]
    python benchmarks/reweight.py --only-memory 100_000_000

`unlikely_grpo` (beta_rank 0.25) over groups of 32, from the stored tables samples, verdicts and likelihoods to written
`advantages` parts, side by side in one run:

- ours: the verb, with contract checks, footers, diagnostics, fsync and rename;
- unchecked: the same without the contract checks, so that the difference is what they cost;
- polars: the same joins (back in order, as a part must be) and expressions with ``over("group_id")``, read and
  written part by part by polars (zstd level 1, as ours); nothing is checked, counted or fsynced;
- numpy: the floor, ``reshape(-1, 32)`` in place of groups and joins, with polars' reads and writes; right only where
  every group has 32 samples, all judged and scored, none tied, in one order in every table, as here;
- verl: its estimators ``grpo`` and ``grpo_vectorized`` after the rank loop of "Rewarding the Unlikely" (arXiv
  2506.02355), on a slice in memory, one token a row. Skipped where verl does not import: verl 0.9.1 wants numpy
  omegaconf tensordict torch transformers ray codetiming packaging, this file polars.

Reach: ours within 1.6 x polars, checks within 0.25 of polars' time, 40 x verl's grpo a row, under 1 GB resident.

The contenders take turns, each in a process of its own, so that they share the machine's moods and the peak of
resident memory is their own. Times are medians over the rounds, imports left out.
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
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

G = 32
BETA = 0.25
EPS = 1e-6
VERL_ROWS = 65_536
KEY = ["group_id", "sample_index"]
FOLDERS = {"samples": "samples", "verdicts": "verdicts/verifier=made", "likelihoods": "likelihoods/scorer=made"}
READ = {"samples": KEY, "verdicts": [*KEY, "reward", "outcome"], "likelihoods": [*KEY, "mean_logprob"]}
WRITTEN = [*KEY, "reward", "shaped", "advantage", "weight", "drop_reason", "group_size", "n_correct"]

Result = dict[str, Any]
Paths = dict[str, Path]


def write_inputs(data: str, n_parts: int, rows_per_part: int) -> Result:
    """Write the three tables through the project's own writer; pass rates are from Beta(0.5, 0.8)."""
    from curate.contracts import contract
    from curate.parts import Footer, write_part

    rng = np.random.default_rng(32)
    for number in range(n_parts):
        for table, columns in made_columns(rng, rows_per_part // G).items():
            rules, path = contract(table), Path(data, FOLDERS[table], f"part-{number:05d}.parquet")
            # import counts mixed groups, so that the verb need not
            footer = Footer(rules.hash, "benchmark", {}, {}, {"mixed_policy_groups": 0})
            write_part(path, rules.rows(columns), rules, footer, Path(data, ".curate/tmp"))
    return {"bytes": sum(path.stat().st_size for path in Path(data).rglob("*.parquet"))}


def made_columns(rng: np.random.Generator, n_groups: int) -> dict[str, dict[str, Any]]:
    """Make the columns of one part of each table."""
    n_rows, group_id = n_groups * G, rng.integers(-(2**63), 2**63 - 1, n_groups)
    key = {"group_id": np.repeat(group_id, G), "sample_index": np.tile(np.arange(G, dtype=np.int32), n_groups)}
    correct = (rng.random((n_groups, G)) < rng.beta(0.5, 0.8, (n_groups, 1))).ravel()
    n_tokens = rng.integers(20, 600, n_rows, dtype=np.int32)
    mean = -np.abs(rng.normal(0.5, 0.2, n_rows))
    rank = G - ascending_rank(mean.reshape(-1, G)).ravel().astype(float)
    texts = pl.select(pl.format("so it is {}", rng.integers(0, 1000, n_rows))).to_series().to_arrow()
    prompts = pl.select(pl.format("p{}", key["group_id"])).to_series().to_arrow()
    outcome = pl.Series(["incorrect", "correct"]).gather(correct.astype(np.uint32)).to_arrow()
    no = np.zeros(n_rows, dtype=bool)
    scores = {"n_tokens": n_tokens, "sum_logprob": mean * n_tokens, "mean_logprob": mean, "likelihood_rank": rank}
    return {
        "samples": key | {"prompt_id": prompts, "completion": texts, "token_exact": no, "hinted": no},
        "verdicts": key | {"outcome": outcome, "reward": correct.astype(float), "seconds": rng.random(n_rows) / 100},
        "likelihoods": key | scores,
    }


def ascending_rank(values_G: np.ndarray) -> np.ndarray:
    """Rank each row of a matrix from 0 = lowest; ties are not looked at."""
    rank_G = np.empty(values_G.shape, dtype=np.int32)
    np.put_along_axis(rank_G, values_G.argsort(axis=1), np.arange(G, dtype=np.int32)[None, :], axis=1)
    return rank_G


def ours(data: str, out: str, is_checked: bool = True) -> Result:
    """Run the verb; unchecked, rows are cast to their contract's types and written without a look at its rules."""
    import curate.console
    import curate.parts
    from curate.verbs.reweight import reweight

    if not is_checked:
        curate.parts.conform = lambda rules, rows, _: rows.select(rules.schema.names).cast(rules.schema)
    started = time.perf_counter()
    reweight(Path(data), "unlikely_grpo", set_=[f"beta_rank={BETA}"])
    seconds = time.perf_counter() - started
    Path(data, "advantages/recipe=unlikely_grpo").rename(out)
    shutil.rmtree(Path(data, ".curate"))
    return {"seconds": seconds}


def rival(make: Callable[[Paths], pl.DataFrame], data: str, out: str) -> Result:
    """Make and write every part in its turn."""
    Path(out).mkdir()
    started = time.perf_counter()
    for paths in part_paths(data):
        make(paths).write_parquet(Path(out, paths["samples"].name), compression="zstd", compression_level=1)
    return {"seconds": time.perf_counter() - started}


def part_paths(data: str) -> list[Paths]:
    """Return the paths of every part, a dict of its input tables each."""
    names = sorted(path.name for path in Path(data, "samples").glob("*.parquet"))
    return [{table: Path(data, folder, name) for table, folder in FOLDERS.items()} for name in names]


def by_polars(paths: Paths) -> pl.DataFrame:
    """Re-weight one part with polars: join; gate, rank, shape and standardise over the groups."""
    samples, verdicts, likelihoods = (pl.scan_parquet(paths[table]).select(columns) for table, columns in READ.items())
    # joining in any order and sorting by place afterwards is a third faster than maintain_order
    joined = samples.with_row_index("place").join(verdicts, on=KEY).join(likelihoods, on=KEY).sort("place")
    shaped, correct = pl.col("shaped"), pl.col("outcome") == "correct"
    n, c = pl.col("group_size"), pl.col("n_correct")
    mixed = (c > 0) & (c < n)
    more_likely_than = pl.col("mean_logprob").rank("average").over("group_id") - 1
    unlikely = pl.when(correct & mixed).then(pl.col("reward") * (1 - BETA * more_likely_than / n)).otherwise("reward")
    standardized = ((shaped - shaped.mean()) / (shaped.std() + EPS)).over("group_id")
    reason = pl.when(c == 0).then(pl.lit("all_wrong")).when(c == n).then(pl.lit("all_correct"))
    sizes = {"group_size": pl.col("reward").count(), "n_correct": correct.sum()}
    shaping = joined.with_columns(**{name: size.over("group_id").cast(pl.Int32) for name, size in sizes.items()})
    shaping = shaping.with_columns(shaped=unlikely, drop_reason=reason, weight=pl.when(mixed).then(1.0))
    return shaping.with_columns(advantage=pl.when(mixed).then(standardized)).select(WRITTEN).collect()


def by_numpy(paths: Paths) -> pl.DataFrame:
    """Re-weight one part with numpy, a group a row of a matrix."""
    key, verdicts, likelihoods = (pl.read_parquet(paths[table], columns=columns) for table, columns in READ.items())
    reward_G = verdicts["reward"].to_numpy().reshape(-1, G)
    correct_G = (verdicts["outcome"] == "correct").to_numpy().reshape(-1, G)
    c = correct_G.sum(axis=1, dtype=np.int32)
    factor_G = 1 - BETA / G * ascending_rank(likelihoods["mean_logprob"].to_numpy().reshape(-1, G))
    shaped_G = np.where(correct_G & (c < G)[:, None], reward_G * factor_G, reward_G)
    advantage_G = shaped_G - shaped_G.mean(axis=1, keepdims=True)
    advantage_G /= shaped_G.std(axis=1, ddof=1, keepdims=True) + EPS
    reasons = pl.Series(["all_wrong", "all_correct", None])
    rows = key.with_columns(
        verdicts["reward"],
        shaped=shaped_G.ravel(),
        advantage=advantage_G.ravel(),
        drop_reason=reasons.gather(np.repeat(np.where(c == 0, 0, np.where(c == G, 1, 2)), G)),
        n_correct=np.repeat(c, G),
        group_size=pl.lit(G, pl.Int32),
        weight=pl.lit(1.0),
    )
    kept = pl.when(pl.col("drop_reason").is_null()).then(pl.col("advantage", "weight"))
    return rows.with_columns(kept).select(WRITTEN)


def by_verl(data: str, ours: str) -> Result:
    """Run verl's advantage functions after the rank loop, on the first rows; say how far ours is from them."""
    try:
        import torch
        from verl.trainer.ppo.core_algos import compute_grpo_outcome_advantage as looped
        from verl.trainer.ppo.core_algos import compute_grpo_vectorized_outcome_advantage as vectorized
    except ImportError as error:
        return {"skipped": f"{error} ({sys.executable})"}
    paths = part_paths(data)[0]
    verdicts, scores = (pl.read_parquet(paths[t], columns=READ[t]).head(VERL_ROWS) for t in ("verdicts", "likelihoods"))
    stored = pl.read_parquet(Path(ours, paths["samples"].name), columns=["advantage"])["advantage"]
    uid = verdicts.select("g" + pl.col("group_id").cast(pl.String)).to_series().to_numpy()
    spent: dict[str, float] = {}
    apart: dict[str, float] = {}
    for name, advantage_of in {"verl grpo": looped, "verl grpo_vectorized": vectorized}.items():
        columns = verdicts["reward"], scores["mean_logprob"]
        rewards_T, logprobs_T = (torch.tensor(column.to_numpy()).unsqueeze(1) for column in columns)
        started = time.perf_counter()
        kept = rank_loop(torch, uid, rewards_T, logprobs_T, torch.ones_like(logprobs_T))
        advantage_T, _ = advantage_of(rewards_T[kept], torch.ones_like(rewards_T[kept]), uid[kept])
        spent[name] = time.perf_counter() - started
        apart[name] = float(np.abs(stored.gather(kept).to_numpy() - advantage_T[:, 0].numpy()).max())
    return {"seconds": spent, "rows": verdicts.height, "apart": apart, "version": version("verl")}


def rank_loop(torch: Any, uid: np.ndarray, rewards_T: Any, logprobs_T: Any, mask_T: Any) -> list[int]:
    """Shape ``rewards_T`` in place as the authors' trainer does, a group at a time; return the rows of mixed groups."""
    rows_of: dict[str, list[int]] = {}
    for row, name in enumerate(uid):
        rows_of.setdefault(name, []).append(row)
    score = (logprobs_T * mask_T).sum(-1) / mask_T.sum(-1)
    mixed = [rows for rows in rows_of.values() if 0 < rewards_T[rows].sum() < len(rows)]
    for rows in mixed:
        rank = torch.argsort(torch.argsort(score[rows]))
        rewards_T[rows] *= (1 - BETA * rank / len(rows)).unsqueeze(1)
    return [row for rows in mixed for row in rows]


def compare(**outs: str) -> Result:
    """Compare the first written parts: the largest difference of advantages; all else must be equal."""
    from polars.testing import assert_frame_equal

    frames = {name: pl.read_parquet(min(Path(out).glob("*")), columns=WRITTEN) for name, out in outs.items()}
    own = frames.pop("ours")
    for other in frames.values():
        assert_frame_equal(own, other, rel_tol=0, abs_tol=1e-9)
    return {"apart": {name: (own["advantage"] - other["advantage"]).abs().max() for name, other in frames.items()}}


CONTENDERS = {
    "ours": ours,
    "unchecked": partial(ours, is_checked=False),
    "polars": partial(rival, by_polars),
    "numpy": partial(rival, by_numpy),
}
TASKS = {**CONTENDERS, "verl": by_verl, "compare": compare, "write_inputs": write_inputs}


def run(task: str, python: str = sys.executable, **arguments: Any) -> Result:
    """Run a task in a process of its own and return what it reports, with its peak of resident memory."""
    command = [python, __file__, "--task", task, "--arguments", json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{task} failed:\n{done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def race(folder: Path, args: argparse.Namespace) -> None:
    """Let the contenders take turns, compare what they wrote, and print the ratios."""
    data, n_parts = str(folder / "dataset"), args.rows // args.rows_per_part
    made = run("write_inputs", data=data, n_parts=n_parts, rows_per_part=args.rows_per_part)
    print(f"{args.rows:,} rows, {n_parts} parts, {made['bytes'] / 1e6:,.0f} MB of inputs", flush=True)
    outs = {name: str(folder / name) for name in CONTENDERS}
    found: dict[str, list[Result]] = {name: [] for name in CONTENDERS}
    verl = []
    for _ in range(args.rounds):
        for name, out in outs.items():
            shutil.rmtree(out, ignore_errors=True)
            found[name].append(run(name, data=data, out=out))
        verl.append(run("verl", args.verl_python, data=data, ours=outs["ours"]))
    apart = run("compare", **outs)["apart"] | verl[0].get("apart", {})
    report(found, verl, args.rows)
    print("largest difference of advantages from ours:", ", ".join(f"{n} {d:.1e}" for n, d in apart.items()))


def report(found: dict[str, list[Result]], verl: list[Result], n_rows: int) -> None:
    """Print seconds, rows a second, and the ratios, each taken inside its round."""
    print(f"{'':10}{'seconds':>9}{'rows/s':>13}{'x polars':>10}{'cpu s':>8}{'peak MB':>9}   each round")
    for name, runs in found.items():
        seconds, ratio = median(runs, "seconds"), paired(runs, found["polars"], lambda own, other: own / other)
        cells = f"{seconds:9.2f}{n_rows / seconds:13,.0f}{ratio:10.2f}{median(runs, 'cpu'):8.1f}"
        cells += f"{max(run['peak_mb'] for run in runs):9,.0f}   "
        print(f"{name:10}{cells}" + " ".join(f"{run['seconds']:.2f}" for run in runs))
    saved = paired(found["ours"], found["unchecked"], lambda own, other: own - other)
    print(f"checks cost {saved:.2f} s: {saved / median(found['polars'], 'seconds'):.2f} of polars' time")
    if "skipped" in verl[0]:
        print(f"verl is left out: {verl[0]['skipped']}")
        return
    for name in verl[0]["seconds"]:
        rate = verl[0]["rows"] / median([run["seconds"] for run in verl], name)
        faster = n_rows / median(found["ours"], "seconds") / rate
        print(f"{name} ({verl[0]['version']}): {rate:,.0f} rows/s; ours is {faster:.1f} x that")


def paired(runs: list[Result], others: list[Result], compared: Callable[[float, float], float]) -> float:
    """Return the median over the rounds of two contenders' seconds compared."""
    pairs = zip(runs, others, strict=True)
    return statistics.median(compared(one["seconds"], other["seconds"]) for one, other in pairs)


def median(runs: list[Result], name: str) -> float:
    """Return the median of one figure over the rounds."""
    return statistics.median(run[name] for run in runs)


def only_memory(folder: Path, args: argparse.Namespace) -> None:
    """Print the peak memory of ours over many parts, each a hard link to the first."""
    data, n_parts = folder / "dataset", args.only_memory // args.rows_per_part
    run("write_inputs", data=str(data), n_parts=1, rows_per_part=args.rows_per_part)
    for table in FOLDERS.values():
        for number in range(1, n_parts):
            (data / table / f"part-{number:05d}.parquet").hardlink_to(data / table / "part-00000.parquet")
    made = run("ours", data=str(data), out=str(folder / "out"))
    print(f"{args.only_memory:,} rows: {made['peak_mb']:,.0f} MB resident at most, {made['seconds']:.1f} s")
    print(f"({n_parts} links to one part: `curate check` would find its groups twice, re-weighting does not look)")


def main() -> None:
    """Run the whole comparison or, as a child, one task of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--rows-per-part", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--verl-python", default=sys.executable, help="a Python that has verl, polars and numpy")
    parser.add_argument("--only-memory", type=int, metavar="ROWS", help="re-weight so many rows, print peak memory")
    parser.add_argument("--task", choices=TASKS, help=argparse.SUPPRESS)
    parser.add_argument("--arguments", default="{}", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.rows_per_part % G or (args.only_memory or args.rows) % args.rows_per_part:
        parser.error(f"rows must fill whole parts, and --rows-per-part whole groups of {G}")
    if args.task:
        made = TASKS[args.task](**json.loads(args.arguments))
        used = resource.getrusage(resource.RUSAGE_SELF)
        peak = used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
        print(json.dumps({**made, "cpu": used.ru_utime + used.ru_stime, "peak_mb": peak}))
        return
    packages = ", ".join(f"{package} {version(package)}" for package in ("polars", "pyarrow", "duckdb", "numpy"))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {packages}", flush=True)
    with tempfile.TemporaryDirectory(prefix="reweight-") as folder:
        (only_memory if args.only_memory else race)(Path(folder), args)


if __name__ == "__main__":
    main()
