"""The service over a completer that takes as long as it is told to."""

import asyncio
import time
from types import SimpleNamespace

import pytest

from midspan.complete.in_flight import REPLACED, nothing
from midspan.complete.request import CompletionRequest
from midspan.engine.protocol import EngineError
from midspan.serve.caller import LOCAL_USER, Caller, Overloaded
from midspan.serve.config import Limits
from midspan.serve.service import Service


class Slow:
    """Completes when `done` is set; `began` are the documents that got as far as the engine."""

    def __init__(self) -> None:
        self.completer = SimpleNamespace(engine=SimpleNamespace(name="slow", restarts=0))
        self.began: list[str] = []
        self.known: set[str] = set()
        self.done = asyncio.Event()
        self.fails = False

    def remembers(self, request: CompletionRequest) -> bool:
        return request.document in self.known

    async def stream(self, request: CompletionRequest):
        self.began.append(request.document)
        if not self.remembers(request):
            await self.done.wait()
        if self.fails:
            raise EngineError("broken")
        yield nothing(f"done {request.document}")


def request(document: str) -> CompletionRequest:
    return CompletionRequest("a.py", "", "", document=document)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def metric(service: Service, name: str, **labels: str) -> float:
    return service.metrics.registry.get_sample_value(name, labels) or 0.0


def test_replaced_requests_answer_nothing_and_crowds_are_sent_away():
    async def scene() -> None:
        slow = Slow()
        service = Service(slow, parallel=1, limits=Limits(waiting=1))
        ask = lambda document: asyncio.create_task(service.complete(request(document), Caller()))  # noqa: E731
        first, old = ask("a"), ask("b")
        await settle()
        new = ask("b")
        await settle()
        assert (await old).dropped == REPLACED
        other = ask("c")
        await settle()
        with pytest.raises(Overloaded) as raised:
            await new
        assert raised.value.status == 503
        slow.done.set()
        assert ((await first).dropped, (await other).dropped) == ("done a", "done c")
        assert slow.began == ["a", "c"]
        for reason in ("superseded", "crowded"):
            assert metric(service, "midspan_shed_total", reason=reason) == 1

    asyncio.run(scene())


def test_what_is_remembered_needs_no_turn():
    async def scene() -> None:
        slow = Slow()
        slow.known = {"b"}
        service = Service(slow, parallel=1)
        first = asyncio.create_task(service.complete(request("a"), Caller()))
        await settle()
        assert (await service.complete(request("b"), Caller())).dropped == "done b"
        slow.done.set()
        await first

    asyncio.run(scene())


def test_no_request_is_computed_past_its_deadline():
    async def scene() -> None:
        slow = Slow()
        service = Service(slow, parallel=1, limits=Limits(timeout_ms=20))
        with pytest.raises(Overloaded):
            await service.complete(request("in work"), Caller())
        late = Caller(arrived=time.monotonic() - 1.0)
        with pytest.raises(Overloaded):
            await service.complete(request("late"), late)
        assert slow.began == ["in work"]
        patient = Caller(timeout_s=60.0)
        held = asyncio.create_task(service.complete(request("patient"), patient))
        await settle()
        with pytest.raises(Overloaded):
            await service.complete(request("waits in vain"), Caller())
        slow.done.set()
        await held
        assert slow.began == ["in work", "patient"]
        assert metric(service, "midspan_shed_total", reason="late") == 3

    asyncio.run(scene())


def test_users_have_limits_of_their_own_and_without_tokens_there_are_none():
    async def scene() -> None:
        slow = Slow()
        slow.done.set()
        service = Service(slow, limits=Limits(burst=1, requests_per_minute=1))
        await service.complete(request("a"), Caller("ann"))
        with pytest.raises(Overloaded) as raised:
            await service.complete(request("a"), Caller("ann"))
        assert raised.value.status == 429
        await service.complete(request("a"), Caller("bob"))
        for _ in range(3):
            await service.complete(request("a"), Caller(LOCAL_USER))
        service.limit(Limits(requests_per_minute=600_000))
        while True:
            try:
                await service.complete(request("a"), Caller("ann"))
                break
            except Overloaded:
                await asyncio.sleep(0.001)
        assert metric(service, "midspan_shed_total", reason="user") >= 1

    asyncio.run(scene())


def test_the_engines_failure_shows_in_the_metrics():
    async def scene() -> None:
        slow = Slow()
        slow.done.set()
        slow.fails = True
        service = Service(slow)
        assert metric(service, "midspan_engine_up") == 1
        with pytest.raises(EngineError):
            await service.complete(request("a"), Caller())
        assert metric(service, "midspan_engine_up") == 0
        slow.fails, slow.completer.engine.restarts = False, 2
        await service.complete(request("a"), Caller())
        assert metric(service, "midspan_engine_up") == 1
        assert metric(service, "midspan_engine_restarts_total") == 2

    asyncio.run(scene())
