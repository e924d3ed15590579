"""Lean through a Kimina Lean Server (github.com/project-numina/kimina-lean-server): ``POST /verify``, versions 1 and 2.

The server runs a pool of REPLs, keeps one for each header, and restarts those that grow or hang.
"""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from typing import Any

import orjson

from curate.verifying.provers.lean_reply import Failure, Reply, of_repl, one_line

BUSY = (429, 503)
PATIENCE_S = 60.0  # that a busy server is asked again
HEADER_S = 300  # that a first import of Mathlib, or a place in the server's queue, may take
MOST_BYTES = 1 << 26

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Kimina:
    """A backend: one request a proof."""

    def __init__(self, url: str, time_limit: int) -> None:
        self.url, self.time_limit = url.rstrip("/").removesuffix("/verify") + "/verify", time_limit

    def __call__(self, header: str, body: str) -> Reply:
        """Ask the server; what is wrong with server or connection is an ``error``, never a verdict on the proof."""
        codes = [{"custom_id": "proof", "proof": f"{header}\n{body}"}]
        request = orjson.dumps({"codes": codes, "timeout": self.time_limit, "disable_cache": False})
        deadline, pause = time.monotonic() + PATIENCE_S, 0.5
        while True:
            try:
                return read_reply(self._post(request))
            except urllib.error.HTTPError as error:
                if error.code not in BUSY or time.monotonic() + pause > deadline:
                    return Failure("error", f"lean server: HTTP status {error.code}")
            except (OSError, http.client.HTTPException, ValueError) as error:
                reason = error.reason if isinstance(error, urllib.error.URLError) else error
                return Failure("error", f"lean server: {one_line(str(reason) or type(error).__name__)}")
            time.sleep(pause)
            pause *= 2

    def _post(self, content: bytes) -> Any:
        request = urllib.request.Request(self.url, content, {"Content-Type": "application/json"})
        with _OPENER.open(request, timeout=self.time_limit + HEADER_S) as response:
            return orjson.loads(response.read(MOST_BYTES))


def read_reply(reply: Any) -> Reply:
    """Read ``{"results": [{"custom_id", "error", "response": a reply of the REPL}]}`` for the one proof that was asked."""
    results = reply.get("results") if isinstance(reply, dict) else None
    if not isinstance(results, list) or len(results) != 1 or not isinstance(results[0], dict):
        return Failure("error", "lean server: its reply could not be read")
    error = results[0].get("error")
    return of_repl(results[0].get("response")) if not error else _failure(one_line(str(error)))


def _failure(error: str) -> Failure:
    said = error.lower()
    if "timed out" in said or "timeout" in said:
        return Failure("error", f"lean server: {error}") if "header" in said else Failure("incorrect", "time_limit")
    if "memory" in said:
        return Failure("incorrect", "memory_limit")
    return Failure("error", f"lean server: {error}")
