"""Who may send next: bounds over all servers, first come first served, the least loaded server chosen."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from curate.serving.failures import Gone
from curate.serving.limits import Limits
from curate.serving.server import Server
from curate.serving.usage import Usage


@dataclass(slots=True, eq=False)
class _Waiter:
    future: asyncio.Future[Server]
    n_tokens: int
    avoid: Server | None


class Pool:
    """Slots for requests. ``take`` or ``wait`` gives a server, ``release`` must follow whatever happened."""

    def __init__(self, servers: Sequence[Server], limits: Limits, usage: Usage) -> None:
        self.servers = servers
        self._limits = limits
        self._usage = usage
        self._waiting: deque[_Waiter] = deque()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def take(self, n_tokens: int, avoid: Server | None = None) -> Server | None:
        """Return a server and count the request in, or None where it has to wait (always behind those that do)."""
        return None if self._waiting else self._choose(n_tokens, avoid)

    async def wait(self, n_tokens: int, avoid: Server | None = None, is_first: bool = False) -> Server:
        """Return a server once there is room; ``is_first`` puts the request before the others that wait."""
        waiter = _Waiter(self._loop.create_future(), n_tokens, avoid)
        (self._waiting.appendleft if is_first else self._waiting.append)(waiter)
        if is_first or len(self._waiting) == 1:  # else it is behind one that already has to wait
            self._wake()
        else:
            self._usage.n_waiting += 1
        try:
            return await waiter.future
        except asyncio.CancelledError:
            future = waiter.future
            if future.done() and not future.cancelled() and future.exception() is None:
                self.release(future.result(), n_tokens)
            else:
                self._wake()
            raise

    def release(self, server: Server, n_tokens: int) -> None:
        """Count a request out, and let the next one go."""
        server.n_requests -= 1
        server.n_tokens -= n_tokens
        self._usage.n_in_flight -= 1
        self._usage.n_tokens_in_flight -= n_tokens
        if self._waiting:
            self._wake()

    def silence_s(self, now: float) -> float | None:
        """Return for how many seconds no server has answered, or None where one of them is not in trouble."""
        latest = 0.0
        for server in self.servers:
            if server.down_since is None:
                return None
            latest = max(latest, server.down_since)
        return now - latest

    def forget_silence(self) -> None:
        """Start the clock of ``silence_s`` anew: nobody asked in between, so nobody can say that none answered."""
        for server in self.servers:
            server.down_since = None

    def give_up(self, message: str) -> None:
        """Fail every request that waits with ``Gone``."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.future.done():
                waiter.future.set_exception(Gone(message))
        self._usage.n_waiting = 0

    def _choose(self, n_tokens: int, avoid: Server | None) -> Server | None:
        usage = self._usage
        if usage.n_in_flight >= self._limits.max_requests:
            return None
        if usage.n_in_flight and usage.n_tokens_in_flight + n_tokens > self._limits.max_tokens:
            return None
        now = self._loop.time()
        free = [server for server in self.servers if server.has_room(now)]
        if not free:
            return None
        if len(free) > 1 and avoid is not None:
            free = [server for server in free if server is not avoid]
        server = free[0] if len(free) == 1 else min(free, key=Server.load)
        server.n_requests += 1
        server.n_tokens += n_tokens
        server.n_chosen += 1
        usage.n_in_flight += 1
        usage.n_tokens_in_flight += n_tokens
        return server

    def _wake(self) -> None:
        waiting = self._waiting
        while waiting:
            waiter = waiting[0]
            if not waiter.future.done():
                server = self._choose(waiter.n_tokens, waiter.avoid)
                if server is None:
                    break
                waiter.future.set_result(server)
            waiting.popleft()
        self._usage.n_waiting = len(waiting)
        if waiting:
            self._wake_after_the_next_pause()

    def _wake_after_the_next_pause(self) -> None:
        now = self._loop.time()
        ends = [server.paused_until for server in self.servers if server.paused_until > now]
        if not ends or (self._timer is not None and self._timer.when() <= min(ends)):
            return
        self.close()
        self._timer = self._loop.call_at(min(ends), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._wake()

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
