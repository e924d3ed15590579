"""A real vLLM server that a test starts and ends: the script that CURATE_VLLM names makes its environment and runs it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

STARTS_WITHIN_S = 300
SHOWN = 3000
NAME = "countdown-strong"
MAX_MODEL_LEN = 64


class VllmServer:
    """One server of one checkpoint on a loopback port that the kernel chose; the port stays when it is started again."""

    def __init__(self, script: Path, venv: Path, model: Path, log: Path, *options: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        named = ("--served-model-name", NAME, "--max-model-len", str(MAX_MODEL_LEN))
        self._line = [str(script), "serve", str(venv), str(model), str(self.port), *named, *options]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server where it is not running, and wait until it answers."""
        if self._process:
            return
        with self.log.open("ab") as log:  # a session of its own: its engine is a process beside it, and ends with it
            self._process = subprocess.Popen(self._line, stdout=log, stderr=log, start_new_session=True)
        try:
            self._wait()
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """End the server and its engine at once, as a machine that dies would."""
        if self._process:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _wait(self) -> None:
        assert self._process
        ends = time.monotonic() + STARTS_WITHIN_S
        while not self._is_healthy():
            if self._process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(f"vLLM did not start within {STARTS_WITHIN_S} s:\n{self.log.read_text()[-SHOWN:]}")
            time.sleep(0.5)

    def _is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
