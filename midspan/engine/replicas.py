"""Several servers of one model behind one Engine.

The requests of a document go to one replica, where its prompt is in the cache: the one with the highest score for the
document by rendezvous hashing (Thaler and Ravishankar, 1998), so when a replica leaves or comes back only its own
documents move. Requests of no document go where the fewest are running.

A replica that fails is left out until it answers again; it is asked after FIRST_PAUSE seconds, then after longer and
longer ones. A request that fails before any text came goes on to the next replica.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from midspan.engine.protocol import Engine, EngineError, GenerateRequest, Generation, Stream, collect
from midspan.errors import MidspanError

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0

Connect = Callable[[], Awaitable[Engine]]
"""Opens the engine of one replica. Raises EngineError while it does not answer."""


@dataclass(eq=False)
class _Replica:
    name: str
    connect: Connect
    engine: Engine | None = None
    running: int = 0
    returning: asyncio.Task[None] | None = None

    @property
    def healthy(self) -> bool:
        return self.engine is not None and self.returning is None

    def score(self, document: str) -> bytes:
        return hashlib.blake2b(document.encode(), key=hashlib.sha256(self.name.encode()).digest()).digest()


class ReplicaEngine:
    """An Engine over replicas; see `open_replicas`."""

    restarts = 0

    def __init__(self, replicas: list[_Replica]) -> None:
        self._replicas = replicas
        first = next(replica.engine for replica in replicas if replica.engine is not None)
        self.name, self.tokenizer, self.format = first.name, first.tokenizer, first.format
        engines = [replica.engine for replica in replicas if replica.engine is not None]
        self.context_length = min(engine.context_length for engine in engines)
        self.prompt_config = min((engine.prompt_config for engine in engines), key=lambda config: config.max_tokens)
        self.complete_config, self.calibration = first.complete_config, first.calibration
        for replica in replicas:
            if replica.engine is None:
                self._leave_out(replica)

    def stream(self, request: GenerateRequest) -> Stream:
        """Generate: deltas, then one Generation; see `Engine.stream`."""
        return self._stream(request)

    async def generate(self, request: GenerateRequest) -> Generation:
        """Generate and wait for the end."""
        return await collect(self.stream(request))

    async def prefill(self, request: GenerateRequest) -> None:
        """Read the prompt where the document's requests go; see `Engine.prefill`."""
        replica = self._order(request.document)[0]
        assert replica.engine is not None
        try:
            await replica.engine.prefill(request)
        except EngineError:
            self._leave_out(replica)
            raise

    async def close(self) -> None:
        """Close the connections to all."""
        for replica in self._replicas:
            if replica.returning is not None:
                replica.returning.cancel()
                await asyncio.wait({replica.returning})
            if replica.engine is not None:
                await replica.engine.close()

    async def _stream(self, request: GenerateRequest) -> Stream:
        failure: EngineError | None = None
        for replica in self._order(request.document):
            assert replica.engine is not None
            begun = False
            replica.running += 1
            try:
                async with aclosing(replica.engine.stream(request)) as items:
                    async for item in items:
                        begun = True
                        yield item
                return
            except EngineError as error:
                self._leave_out(replica)
                if begun:
                    raise
                failure = error
            finally:
                replica.running -= 1
        assert failure is not None
        raise failure

    def _order(self, document: str) -> list[_Replica]:
        """The healthy replicas, the one for the document first. Raises EngineError if there are none."""
        healthy = [replica for replica in self._replicas if replica.healthy]
        if not healthy:
            raise EngineError(f"none of the {len(self._replicas)} servers answers", "check that they run")
        if not document:
            return sorted(healthy, key=lambda replica: replica.running)
        return sorted(healthy, key=lambda replica: replica.score(document), reverse=True)

    def _leave_out(self, replica: _Replica) -> None:
        if replica.returning is None:
            replica.returning = asyncio.create_task(self._return(replica))

    async def _return(self, replica: _Replica) -> None:
        """Wait until the replica answers again, with the same model as before."""
        pause = FIRST_PAUSE
        while True:
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)
            with contextlib.suppress(MidspanError):
                engine = await replica.connect()
                if engine.name == self.name and engine.context_length >= self.context_length:
                    break
                await engine.close()
        if replica.engine is not None:
            await replica.engine.close()
        replica.engine, replica.returning = engine, None


async def open_replicas(connects: dict[str, Connect]) -> ReplicaEngine:
    """Connect to replicas, by address; those that do not answer join when they do.

    Raises EngineError if none answers, MidspanError if one refuses or if they serve different models.
    """
    replicas = [_Replica(name, connect) for name, connect in connects.items()]
    results = await asyncio.gather(*(replica.connect() for replica in replicas), return_exceptions=True)
    for replica, result in zip(replicas, results, strict=True):
        if not isinstance(result, BaseException):
            replica.engine = result
    try:
        failures = [result for result in results if isinstance(result, BaseException)]
        refusals = [failure for failure in failures if not isinstance(failure, EngineError)]
        if refusals or len(failures) == len(results):
            raise (refusals or failures)[0]
        models = {replica.engine.name for replica in replicas if replica.engine is not None}
        if len(models) > 1:
            raise MidspanError(
                f"the servers serve different models: {', '.join(sorted(models))}", "name servers of one model"
            )
    except BaseException:
        for replica in replicas:
            if replica.engine is not None:
                await replica.engine.close()
        raise
    return ReplicaEngine(replicas)
