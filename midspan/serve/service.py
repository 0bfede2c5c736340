"""What stands between the HTTP dialects and the completion logic: who may ask, when, and what is counted of it.

A request passes its user's limits, waits for its turn in the queue, and has until its deadline; where one of them says
no it costs the engine nothing.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, ExitStack, aclosing, asynccontextmanager, contextmanager, suppress

from midspan.complete.in_flight import REPLACED, nothing
from midspan.complete.request import CompletionRequest, Suggestion
from midspan.complete.warm import Warm
from midspan.engine.protocol import EngineError
from midspan.serve.caller import ID, LOCAL_USER, Caller, Overloaded
from midspan.serve.config import Limits
from midspan.serve.limits import UserLimits
from midspan.serve.metrics import EventKind, Metrics
from midspan.serve.queue import RETRY_SECONDS, Queue, Superseded
from midspan.syntax.languages import language_of

__all__ = ["Caller", "Overloaded", "Service"]


class Service:
    """Serves completions over one `warm` completer, `parallel` of them side by side. Lives in one event loop."""

    def __init__(
        self,
        warm: Warm,
        *,
        parallel: int = 1,
        limits: Limits = Limits(),
        metrics: Metrics | None = None,
    ) -> None:
        self.warm, self.completer = warm, warm.completer
        self.limits, self.metrics = limits, metrics or Metrics()
        self._users = UserLimits(limits)
        self._queue = Queue(parallel, limits.waiting, self.metrics.shed)
        self._note_engine(up=True)

    @property
    def model(self) -> str:
        """The engine's name."""
        return self.completer.engine.name

    def limit(self, limits: Limits) -> None:
        """Other limits from now on; requests in work keep what they have."""
        self.limits = self._users.limits = limits
        self._queue.limit = limits.waiting

    async def complete(self, request: CompletionRequest, caller: Caller) -> Suggestion:
        """The suggestion; see `Warm.complete`. Raises Overloaded, and MidspanError like `Completer.complete`."""
        async with aclosing(self.stream(request, caller)) as items:
            async for item in items:
                if isinstance(item, Suggestion):
                    return item
        raise AssertionError("a stream ends with its suggestion")

    async def stream(self, request: CompletionRequest, caller: Caller) -> AsyncGenerator[str | Suggestion, None]:
        """Text as it is generated, then the Suggestion. Raises like `complete`, nearly always before the first item."""
        deadline = self._deadline(caller)
        language = language_of(request.path)
        caller.figures["language"] = language.name if language else "none"
        try:
            async with self._turn(request, caller, deadline), aclosing(self.warm.stream(request)) as items:
                while (item := await self._next(items, deadline)) is not None:
                    if isinstance(item, Suggestion):
                        self._note_engine(up=True)
                        self.metrics.suggestion(item, caller)
                    yield item
        except Superseded:
            yield nothing(REPLACED)

    async def prefill(self, request: CompletionRequest, caller: Caller) -> None:
        """Read the prompt of a caret where a completion will be asked for soon, when the engine has nothing else to do.

        Needs no turn, since any completion interrupts it, and returns at the deadline at the latest. Raises like
        `complete`.
        """
        with self._user(caller), suppress(TimeoutError):
            async with asyncio.timeout_at(self._deadline(caller)):
                await self.warm.prefill(request)

    def event(self, kind: EventKind, id: str, caller: Caller) -> None:
        """Count what became of the suggestion that the request `id` was answered with."""
        self.metrics.event(kind)
        # Anything else is the client's own text, and not for the log.
        caller.figures |= {"event": kind, "of": id if ID.fullmatch(id) else None}

    def _note_engine(self, up: bool) -> None:
        self.metrics.engine(up, self.completer.engine.restarts)

    def _deadline(self, caller: Caller) -> float:
        """When the caller's request has to be done, as a time of the event loop."""
        timeout = self.limits.timeout_ms / 1000 if caller.timeout_s is None else caller.timeout_s
        return asyncio.get_running_loop().time() + timeout - (time.monotonic() - caller.arrived)

    async def _next(self, items: AsyncGenerator[str | Suggestion, None], deadline: float) -> str | Suggestion | None:
        """The next item, None at the end. Raises Overloaded at the deadline.

        A timeout belongs to one task, and who reads a stream may go on in another: hence one for each item.
        """
        try:
            async with asyncio.timeout_at(deadline) as timeout:
                item = await anext(items, None)
        except TimeoutError:
            if not timeout.expired():
                raise
            self.metrics.shed("late")
            raise Overloaded(
                "there was no answer before the deadline of this request",
                "send it again, or give it more time: X-Request-Timeout-Ms",
                status=503,
                retry_after_s=RETRY_SECONDS,
            ) from None
        except EngineError:
            self._note_engine(up=False)
            raise
        return item

    @asynccontextmanager
    async def _turn(self, request: CompletionRequest, caller: Caller, deadline: float) -> AsyncGenerator[None, None]:
        """The caller's turn at the engine. Raises Overloaded or Superseded."""
        with self._user(caller):
            if self.warm.remembers(request):
                yield  # the answer is there already
                return
            async with AsyncExitStack() as stack:
                since = time.monotonic()
                with self.metrics.waiting.track_inprogress():
                    await stack.enter_async_context(self._queue.turn(request.document, deadline))
                waited = time.monotonic() - since
                self.metrics.queued(waited)
                caller.figures["queue_ms"] = round(waited * 1000, 1)
                stack.enter_context(self.metrics.running.track_inprogress())
                yield

    @contextmanager
    def _user(self, caller: Caller) -> Iterator[None]:
        """Within it a request of the caller's user is in work. Raises Overloaded."""
        with ExitStack() as stack:
            # Without tokens all are one user, whom the queue alone limits.
            if caller.user != LOCAL_USER:
                try:
                    stack.enter_context(self._users.admitted(caller.user))
                except Overloaded:
                    self.metrics.shed("user")
                    raise
            yield
