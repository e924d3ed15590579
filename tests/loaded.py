"""What ``curate sample --server`` spends its first seconds on: loaded by tests/forks.py before it forks; starts no thread."""

import aiohttp  # noqa: F401
import duckdb  # noqa: F401
import polars  # noqa: F401
import pyarrow.parquet  # noqa: F401
import stamina  # noqa: F401

import curate.failures
import curate.fanout
import curate.sampling.probe
import curate.serving
import curate.stage
import curate.verbs.sample_served  # noqa: F401
from curate.models.tokenizer import load_tokenizer
from curate.verbs.lookup import POLICIES

load_tokenizer(POLICIES / "countdown-strong")
