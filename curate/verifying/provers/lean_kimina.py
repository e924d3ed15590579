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

from curate.verifying.provers.lean_reply import Reply, of_repl, one_line
from curate.verifying.provers.prover import Failure

BUSY = (429, 503)
PATIENCE_S = 60.0  # that a busy server is asked again
HEADER_S = 300  # that a first import of Mathlib, or a place in the server's queue, may take
MOST_BYTES = 1 << 26
# of a proof or of the import before it: version 1, and version 2 for a Lean that ended without a word
DOUBTFUL = ("Lean process timed out", "Lean REPL out of memory")

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Kimina:
    """A backend: one request a proof."""

    def __init__(self, url: str, time_limit: int) -> None:
        self.url, self.time_limit = url.rstrip("/").removesuffix("/verify") + "/verify", time_limit

    def __call__(self, header: str, body: str) -> Reply:
        """Ask the server, twice where it leaves open what was too dear.

        What is wrong with server or connection is an ``error``, never a verdict on the proof.
        """
        codes = [{"custom_id": "proof", "proof": f"{header}\n{body}"}]
        # without a header, version 2 would go on from the environment that some other proof has left in a cached REPL
        settings = {"timeout": self.time_limit, "disable_cache": not header.strip()}
        request = orjson.dumps({"codes": codes, **settings})
        replied = self._replied(request)
        if _is_doubtful(replied):
            replied = self._replied(request)
        return replied if isinstance(replied, Failure) else read_reply(replied)

    def _replied(self, request: bytes) -> Any:
        """Return the server's JSON, or a failure."""
        deadline, pause = time.monotonic() + PATIENCE_S, 0.5
        while True:
            try:
                return self._post(request)
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
            content = response.read(MOST_BYTES + 1)
        return orjson.loads(content) if len(content) <= MOST_BYTES else Failure("incorrect", "output_limit")


def read_reply(reply: Any) -> Reply:
    """Read ``{"results": [{"custom_id", "error", "response": a reply of the REPL}]}`` for the one proof that was asked."""
    result = _result(reply)
    if result is None:
        return Failure("error", "lean server: its reply could not be read")
    if error := result.get("error"):
        return _failure(one_line(str(error)))
    found = of_repl(result.get("response"))
    return found if isinstance(found, Failure) else _own_error(result["response"].get("messages")) or found


def _result(reply: Any) -> dict[str, Any] | None:
    results = reply.get("results") if isinstance(reply, dict) else None
    return results[0] if isinstance(results, list) and len(results) == 1 and isinstance(results[0], dict) else None


def _is_doubtful(reply: Any) -> bool:
    result = _result(reply)
    return result is not None and one_line(str(result.get("error"))) in DOUBTFUL


def _own_error(messages: list[dict[str, Any]] | None) -> Failure | None:
    """Return what version 1 says itself where its REPL has died: an error like those of Lean, but of no place in the text."""
    for message in messages or []:
        if message["severity"] == "error" and "pos" not in message:
            return Failure("error", f"lean server: {one_line(message['data'])}")
    return None


def _failure(error: str) -> Failure:
    said = error.lower()
    if "timed out" in said or "timeout" in said:
        return Failure("error", f"lean server: {error}") if "header" in said else Failure("incorrect", "time_limit")
    if "memory" in said:
        return Failure("incorrect", "memory_limit")
    return Failure("error", f"lean server: {error}")
