"""The line before the engine: how many requests are in work, who waits, and who is sent away.

Work that helps nobody goes first. A newer request of a document replaces the one of that document that waits; a request
past its deadline leaves the line; and where the line is full it is the oldest request that goes, since its caret is the
likeliest to have moved. For the same reason the newest is served first: in a line that is longer than the engine is
fast, first come, first served would begin each request just before its deadline, and finish none (adaptive LIFO,
Maurer, "Fail at Scale", 2015).

A document that is in work needs no second turn: its newer request goes straight in, and the completion logic ends the
older one or lets both share its generation.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from midspan.serve.caller import Overloaded

Shed = Literal["superseded", "late", "crowded"]
"""Why a request is sent away: a newer one of its document came, its deadline passed, or the line was full."""
RETRY_SECONDS = 1.0
"""What those who are sent away are told to wait: a line of requests that wait at most seconds moves in one."""


class Superseded(Exception):
    """A newer request of the same document takes the place of this one. It is not to be sent again."""


@dataclass(eq=False)
class _Waiting:
    document: str
    deadline: float
    granted: asyncio.Future[None]


@dataclass
class Queue:
    """At most `parallel` turns at a time, at most `limit` requests that wait for one. Lives in one event loop.

    `on_shed` is told of every request that is sent away.
    """

    parallel: int
    limit: int
    on_shed: Callable[[Shed], None] = lambda _: None
    _running: Counter[str] = field(default_factory=Counter)
    _free: int = field(init=False)
    _waiting: list[_Waiting] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._free = self.parallel

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """How many turns are taken."""
        return self.parallel - self._free

    @property
    def idle(self) -> bool:
        """Whether a turn is free and nobody waits for it."""
        return self._free > 0 and not self._waiting

    @asynccontextmanager
    async def turn(self, document: str, deadline: float) -> AsyncGenerator[None, None]:
        """Within it the request may use the engine; `deadline` is a time of the event loop.

        Documents are told apart by `document`; "" is one of its own. Raises Superseded or Overloaded (503).
        """
        await self._enter(document, deadline)
        try:
            if asyncio.get_running_loop().time() >= deadline:
                raise self._late()
            yield
        finally:
            self._leave(document)

    async def _enter(self, document: str, deadline: float) -> None:
        now = asyncio.get_running_loop().time()
        self._send_away([entry for entry in self._waiting if document and entry.document == document], "superseded")
        if deadline <= now:
            raise self._late()
        if self._running[document] and document:
            self._running[document] += 1
            return
        if self.idle:
            self._take(document)
            return
        if len(self._waiting) >= self.limit:
            self._make_room(now)
        entry = _Waiting(document, deadline, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        try:
            async with asyncio.timeout_at(deadline):
                await entry.granted
        except BaseException as error:
            if entry in self._waiting:
                self._waiting.remove(entry)
            elif not entry.granted.cancelled() and entry.granted.exception() is None:
                self._leave(document)  # its turn came as it gave up
            if isinstance(error, TimeoutError):
                raise self._late() from None
            raise

    def _take(self, document: str) -> None:
        self._free -= 1
        self._running[document] += 1

    def _leave(self, document: str) -> None:
        self._running[document] -= 1
        if not document or not self._running[document]:
            self._free += 1
        if not self._running[document]:
            del self._running[document]
        now = asyncio.get_running_loop().time()
        while self._free > 0 and self._waiting:
            entry = self._waiting.pop()
            if entry.granted.done():
                continue  # it gave up just now
            if entry.deadline > now:
                self._take(entry.document)
                entry.granted.set_result(None)
            else:
                self._refuse(entry, "late")

    def _make_room(self, now: float) -> None:
        """Send away those past their deadline, and if there are none the oldest."""
        late = [entry for entry in self._waiting if entry.deadline <= now]
        self._send_away(late, "late")
        if not late:
            self._send_away(self._waiting[:1], "crowded")

    def _send_away(self, entries: list[_Waiting], reason: Shed) -> None:
        for entry in entries:
            self._waiting.remove(entry)
            self._refuse(entry, reason)

    def _refuse(self, entry: _Waiting, reason: Shed) -> None:
        if not entry.granted.done():
            entry.granted.set_exception(self._refusal(reason))

    def _late(self) -> Exception:
        return self._refusal("late")

    def _refusal(self, reason: Shed) -> Exception:
        self.on_shed(reason)
        if reason == "superseded":
            return Superseded()
        what = "the deadline of this request has passed" if reason == "late" else "too many requests wait"
        return Overloaded(what, "send it again a little later", status=503, retry_after_s=RETRY_SECONDS)
