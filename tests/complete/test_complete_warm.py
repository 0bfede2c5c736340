"""Completions kept warm, over an engine whose every step the test lets happen."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import replace

import pytest
from gated_engine import GatedEngine

from midspan.complete import memory, warm
from midspan.complete.completer import Completer
from midspan.complete.request import CompletionRequest, Suggestion
from midspan.complete.warm import Warm
from midspan.context.project import File, Project
from midspan.engine.protocol import EngineError
from midspan.model.gguf_tokenizer import read_tokenizer

PLACE = CompletionRequest("a.py", "x = 1\ntotal = ", "\nprint(total)\n", document="a")
MIDDLE = "price(count) + tax"
WHOLE = PLACE.prefix + MIDDLE
FOLLOWING = " + rest"


def writes(prompt: str) -> str:
    """The model knows a line in two parts, wherever in it the caret is."""
    written = prompt.split("<fim_prefix>")[-1].replace("<fim_middle>", "")
    for known in (WHOLE, WHOLE + FOLLOWING):
        if known.startswith(written) and known != written:
            return known[len(written) :]
    return "other"


@pytest.fixture(scope="session")
def tokenizer(taught_gguf):
    return read_tokenizer(taught_gguf)


@pytest.fixture
def with_warm(tokenizer, monkeypatch):
    monkeypatch.setattr(warm, "REST_S", 0.0)

    def run(use: Callable[[Warm, GatedEngine], Awaitable[object]], ahead: bool = False) -> None:
        async def main() -> None:
            engine = GatedEngine(tokenizer, writes)
            kept = Warm(Completer(engine), ahead=ahead)
            try:
                await asyncio.wait_for(use(kept, engine), 60)
            finally:
                await kept.close()

        asyncio.run(main())

    return run


def typed(text: str, request: CompletionRequest = PLACE, **changes) -> CompletionRequest:
    return replace(request, prefix=request.prefix + text, **changes)


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


async def started(kept: Warm, engine: GatedEngine, request: CompletionRequest, steps: int) -> asyncio.Task:
    """A request whose generation has come `steps` characters far."""
    count = len(engine.generations)
    task = asyncio.create_task(kept.complete(request))
    await until(lambda: len(engine.generations) > count)
    for _ in range(steps + len(engine.generations[-1].request.starts_with)):
        engine.generations[-1].steps.release()
    if steps:
        await until(lambda: kept._in_flight[request.document].text)
        await until(lambda: len(kept._in_flight[request.document].text) == steps)
    return task


def test_typing_along_needs_no_engine(with_warm):
    async def use(kept: Warm, engine: GatedEngine) -> None:
        assert (await kept.complete(PLACE)).text == MIDDLE
        for size in range(len(MIDDLE)):
            left = await kept.complete(typed(MIDDLE[:size]))
            assert (left.text, left.source) == (MIDDLE[size:], "memory")
        closed = await kept.complete(typed("price(", suffix=")" + PLACE.suffix))
        assert (closed.text, closed.replace, closed.source) == ("count) + tax", 1, "memory")
        assert len(engine.generations) == 1
        assert (await kept.complete(typed("x"))).source == "engine"
        assert (await kept.complete(typed("price(count)"))).source == "memory", "typed wrong and taken back"

    with_warm(use)


def test_memory_is_of_the_same_question_about_the_same_document(with_warm):
    async def use(kept: Warm, engine: GatedEngine) -> None:
        await kept.complete(PLACE)
        for other in (
            replace(PLACE, document="b"),
            replace(PLACE, path="b.py"),
            replace(PLACE, max_new_tokens=3),
            replace(PLACE, suffix="\nprint(totals)\n"),
            replace(PLACE, prefix="y = 1\ntotal = "),
            replace(PLACE, project=Project.of("p", [File("b.py", "tax = 2\n")])),
        ):
            assert (await kept.complete(other)).source == "engine"
        same = replace(PLACE, project=Project.of("p", [File("b.py", "tax = 2\n"), File("a.py", "another text")]))
        assert (await kept.complete(same)).source == "memory"

    with_warm(use)


def test_what_asks_for_something_new_is_made_anew(with_warm):
    async def use(kept: Warm, engine: GatedEngine) -> None:
        for request in (replace(PLACE, document=""), replace(PLACE, temperature=0.5)):
            for _ in range(2):
                assert (await kept.complete(request)).source == "engine"
        assert len(engine.generations) == 4

    with_warm(use)


def test_memory_is_bounded(with_warm, monkeypatch):
    monkeypatch.setattr(memory, "CHARACTERS", 1_000)

    async def use(kept: Warm, engine: GatedEngine) -> None:
        for number in range(100):
            await kept.complete(replace(PLACE, document=str(number % 40), prefix=f"x = {number}\n"))
            assert not any(made.suggestion.prompt.ids for made in kept._memory._documents[str(number % 40)])
            kept_now = [made for documents in kept._memory._documents.values() for made in documents]
            assert kept._memory._size == sum(made.size for made in kept_now) <= 1_000
            assert all(kept._memory._documents.values())

    with_warm(use)


def test_a_request_joins_the_completion_it_types_along(with_warm):
    async def use(kept: Warm, engine: GatedEngine) -> None:
        engine.free = False
        first = await started(kept, engine, PLACE, 3)
        behind = asyncio.create_task(kept.complete(typed("pr")))
        ahead = asyncio.create_task(kept.complete(typed("price(c", suffix=")" + PLACE.suffix)))
        await asyncio.sleep(0)
        for _ in range(len(MIDDLE)):
            engine.generations[0].steps.release()
        assert (await first).text == MIDDLE
        joined = await behind
        assert (joined.text, joined.source) == (MIDDLE[2:], "in_flight")
        joined = await ahead
        assert (joined.text, joined.replace, joined.source) == (MIDDLE[7:], 1, "in_flight")
        assert len(engine.generations) == 1

    with_warm(use)


def test_a_joined_request_streams_only_what_is_new(with_warm):
    async def use(kept: Warm, engine: GatedEngine) -> None:
        engine.free = False
        first = await started(kept, engine, PLACE, 5)
        async with aclosing(kept.stream(typed("pri"))) as items:
            for _ in range(len(MIDDLE)):
                engine.generations[0].steps.release()
            *pieces, last = [item async for item in items]
        assert "".join(pieces) == last.text == MIDDLE[3:]
        await first

    with_warm(use)


def test_a_request_that_the_completion_contradicts_takes_its_place(with_warm):
    async def use(kept: Warm, engine: GatedEngine) -> None:
        engine.free = False
        first = await started(kept, engine, PLACE, 3)
        engine.free = True
        assert (await kept.complete(typed("q"))).source == "engine"
        replaced = await first
        assert (replaced.text, replaced.dropped) == ("", "a newer request of this document took its place")
        assert engine.generations[0].state == "cancelled"

    with_warm(use)


def test_a_contradiction_that_shows_later_has_its_own_completion(with_warm):
    async def use(kept: Warm, engine: GatedEngine) -> None:
        engine.free = False
        first = await started(kept, engine, PLACE, 2)
        second = asyncio.create_task(kept.complete(typed("prince")))
        await asyncio.sleep(0.01)
        assert len(engine.generations) == 1
        for _ in range(3):
            engine.generations[0].steps.release()
        await until(lambda: len(engine.generations) == 2)
        for _ in range(50):
            engine.generations[1].steps.release()
        assert (await second).source == "engine"
        assert (await first).dropped
        await until(lambda: engine.generations[0].state == "cancelled")

    with_warm(use)


def test_work_ends_when_the_last_follower_goes(with_warm):
    async def use(kept: Warm, engine: GatedEngine) -> None:
        engine.free = False
        first = await started(kept, engine, PLACE, 2)
        second = asyncio.create_task(kept.complete(typed("p")))
        await asyncio.sleep(0.01)
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first
        assert engine.generations[0].state == "running"
        second.cancel()
        with suppress(asyncio.CancelledError):
            await second
        await until(lambda: engine.generations[0].state == "cancelled")

    with_warm(use)


def test_documents_do_not_end_each_others_work(with_warm):
    async def use(kept: Warm, engine: GatedEngine) -> None:
        engine.free = False
        first = await started(kept, engine, PLACE, 2)
        engine.free = True
        await kept.complete(typed("q", document="b"))
        for _ in range(50):
            engine.generations[0].steps.release()
        assert (await first).text == MIDDLE

    with_warm(use)


def test_an_error_reaches_everyone_who_follows_and_nobody_after(with_warm):
    async def use(kept: Warm, engine: GatedEngine) -> None:
        engine.error = EngineError("broken")
        for _ in range(2):
            with pytest.raises(EngineError, match="broken"):
                await kept.complete(PLACE)
        engine.error = None
        assert (await kept.complete(PLACE)).text == MIDDLE

    with_warm(use)


def test_what_follows_a_shown_suggestion_is_made_ahead(with_warm):
    async def use(kept: Warm, engine: GatedEngine) -> None:
        await kept.complete(PLACE)
        await until(lambda: kept._memory.find(typed(MIDDLE)))
        await kept.complete(typed("pri"))
        following = await kept.complete(typed(MIDDLE))
        assert (following.text, following.source) == (FOLLOWING, "memory")

    with_warm(use, ahead=True)


def test_work_ahead_gives_way_to_any_request_and_is_joined_by_the_one_it_is_for(with_warm):
    async def use(kept: Warm, engine: GatedEngine) -> None:
        await kept.complete(PLACE)
        engine.free = False
        await until(lambda: len(engine.generations) == 2)
        wanted = asyncio.create_task(kept.complete(typed(MIDDLE)))
        await asyncio.sleep(0.01)
        assert engine.generations[1].state == "running"
        for _ in range(50):
            engine.generations[1].steps.release()
        assert (await wanted).source == "in_flight"

        engine.free = True
        await kept.complete(replace(PLACE, document="b"))
        engine.free = False
        count = len(engine.generations)
        await until(lambda: len(engine.generations) > count)
        other = asyncio.create_task(kept.complete(replace(PLACE, document="c")))
        await until(lambda: engine.generations[count].state == "cancelled")
        other.cancel()

    with_warm(use, ahead=True)


def test_a_prompt_is_read_ahead_when_nobody_waits(with_warm):
    async def use(kept: Warm, engine: GatedEngine) -> None:
        engine.free = False
        first = await started(kept, engine, PLACE, 2)
        reading = asyncio.create_task(kept.prefill(replace(PLACE, document="b")))
        await asyncio.sleep(0.01)
        assert not engine.readings
        for _ in range(50):
            engine.generations[0].steps.release()
        await first
        await until(lambda: engine.readings)
        second = await started(kept, engine, typed("q"), 0)
        await until(lambda: engine.readings[0].state == "cancelled")
        for _ in range(50):
            engine.generations[1].steps.release()
        await second
        await until(lambda: len(engine.readings) == 2)
        engine.readings[1].steps.release()
        await reading
        assert engine.readings[1].state == "done"
        gone = asyncio.create_task(kept.prefill(replace(PLACE, document="c")))
        await until(lambda: len(engine.readings) == 3)
        gone.cancel()
        await until(lambda: engine.readings[2].state == "cancelled")

    with_warm(use)


def test_suggestions_are_those_of_the_completer(with_warm):
    async def use(kept: Warm, engine: GatedEngine) -> None:
        async with aclosing(kept.stream(PLACE)) as items:
            warm_items = [item async for item in items]
        async with aclosing(kept.completer.stream(PLACE)) as items:
            cold_items = [item async for item in items]
        assert "".join(warm_items[:-1]) == "".join(cold_items[:-1])
        one, other = warm_items[-1], cold_items[-1]
        assert isinstance(one, Suggestion)
        assert (one.text, one.dropped, one.logprob) == (other.text, other.dropped, other.logprob)

    with_warm(use)
