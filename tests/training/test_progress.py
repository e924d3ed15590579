"""What a checkpoint keeps of a run, and the drift of the last steps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from curate.training.progress import LOG_FILE, Log, Progress, RecentDrift


def test_recent_drift_is_the_mean_over_the_last_tokens() -> None:
    drift = RecentDrift()
    for _ in range(4):
        drift.add(100.0, 1000)
    assert drift.value is None
    drift.add(600.0, 1000)
    assert drift.value == pytest.approx(1000 / 5000)
    for _ in range(5):
        drift.add(50.0, 1000)
    assert drift.value == pytest.approx(0.05)
    drift.add(5000.0, 50_000)
    assert drift.value == pytest.approx(0.1)


def test_progress_is_what_was_saved(tmp_path: Path) -> None:
    progress = Progress(np.array([np.nan, -1.5], np.float32), skipped=2)
    progress.add({"tokens": 10.0, "k3": 0.5, "policy": -3.0})
    progress.add({"tokens": 10.0, "k3": 0.5, "policy": -1.0})
    progress.save(tmp_path)
    loaded = Progress.load(tmp_path)
    assert loaded.tokens == 20
    assert loaded.skipped == 2
    assert loaded.epoch_sums == {"tokens": 20.0, "k3": 1.0, "policy": -4.0}
    assert loaded.recent == progress.recent
    np.testing.assert_array_equal(loaded.new, progress.new)
    loaded.begin_epoch()
    assert np.isnan(loaded.new).all()
    assert loaded.epoch_sums == {}


def test_a_log_is_cut_back_to_the_step_it_goes_on_from(tmp_path: Path) -> None:
    log = Log(tmp_path, from_step=0)
    for step in (1, 2, 3):
        log.write({"step": step, "loss": float("nan")})
    with (tmp_path / LOG_FILE).open("a") as file:
        file.write('{"step": 4, "lo')
    Log(tmp_path, from_step=2).write({"step": 3, "loss": 0.5})
    lines = [json.loads(line) for line in (tmp_path / LOG_FILE).read_text().splitlines()]
    assert lines == [{"step": 1, "loss": None}, {"step": 2, "loss": None}, {"step": 3, "loss": 0.5}]
    Log(tmp_path, from_step=0)
    assert (tmp_path / LOG_FILE).read_text() == ""
