"""The servers of these tests: installed where they are missing, started once a run, and ended whatever happens."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from curate.verbs.lookup import POLICIES
from vllm_server import NAME, VllmServer

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for test in items:
        if FOLDER in test.path.parents:
            test.add_marker("served")


@pytest.fixture(scope="session")
def policy() -> Path:
    """The checkpoint that the servers serve."""
    return POLICIES / NAME


@pytest.fixture(scope="session")
def environment() -> tuple[Path, Path]:
    """The script that runs vLLM, and the virtual environment it runs it in."""
    script = os.environ.get("CURATE_VLLM")
    if not script:
        pytest.skip("CURATE_VLLM is not set: it names the script that installs and serves vLLM")
    venv = Path(os.environ.get("CURATE_VLLM_VENV") or ROOT / ".vllm-venv")
    subprocess.run([script, "install", venv], check=True)
    return Path(script), venv


@pytest.fixture(scope="session")
def raw_server(
    environment: tuple[Path, Path], policy: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VllmServer]:
    """A server as it comes: its log-probs are those before the temperature."""
    yield from _served(VllmServer(*environment, policy, tmp_path_factory.mktemp("vllm") / "log"))


@pytest.fixture(scope="session")
def processed_server(
    environment: tuple[Path, Path], policy: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VllmServer]:
    """A server whose log-probs are those that it samples from."""
    log = tmp_path_factory.mktemp("vllm") / "log"
    yield from _served(VllmServer(*environment, policy, log, "--logprobs-mode", "processed_logprobs"))


def _served(server: VllmServer) -> Iterator[VllmServer]:
    try:
        server.start()
        yield server
    finally:
        server.kill()
