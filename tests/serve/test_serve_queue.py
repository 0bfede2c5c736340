"""The line before the engine."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan.serve.caller import Overloaded
from midspan.serve.queue import Queue, Superseded

FAR = 1000.0


class Desk:
    """A queue of which every turn is written down and lasts until it is let go."""

    def __init__(self, parallel: int = 1, limit: int = 3) -> None:
        self.shed: list[str] = []
        self.queue = Queue(parallel, limit, self.shed.append)
        self.served: list[str] = []
        self.holding: dict[str, asyncio.Event] = {}

    def ask(self, name: str, document: str = "", seconds: float = FAR) -> "asyncio.Task[None]":
        async def serve() -> None:
            async with self.queue.turn(document, asyncio.get_running_loop().time() + seconds):
                self.served.append(name)
                self.holding[name] = asyncio.Event()
                await self.holding[name].wait()

        return asyncio.create_task(serve())

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def let_go(self, name: str) -> None:
        self.holding[name].set()
        await self.settle()


def refusal(task: "asyncio.Task[None]") -> type[BaseException] | None:
    return type(task.exception()) if task.done() and task.exception() else None


def test_the_newest_is_served_first_and_the_oldest_goes_when_the_line_is_full():
    async def scene() -> None:
        desk = Desk(limit=2)
        first, second, third = desk.ask("first"), desk.ask("second"), desk.ask("third")
        await desk.settle()
        assert desk.served == ["first"]
        fourth = desk.ask("fourth")
        await desk.settle()
        assert refusal(second) is Overloaded
        assert second.exception().status == 503
        await desk.let_go("first")
        assert desk.served == ["first", "fourth"]
        await desk.let_go("fourth")
        await desk.let_go("third")
        await asyncio.gather(first, third, fourth)
        assert (desk.queue.running, desk.queue.waiting, desk.shed) == (0, 0, ["crowded"])

    asyncio.run(scene())


def test_a_newer_request_of_a_document_replaces_the_one_that_waits():
    async def scene() -> None:
        desk = Desk()
        running, old = desk.ask("running"), desk.ask("old", "a.py")
        await desk.settle()
        new, other = desk.ask("new", "a.py"), desk.ask("other", "b.py")
        await desk.settle()
        assert refusal(old) is Superseded
        await desk.let_go("running")
        await desk.let_go("other")
        await desk.let_go("new")
        await asyncio.gather(running, new, other)
        assert desk.served == ["running", "other", "new"]
        assert desk.shed == ["superseded"]

    asyncio.run(scene())


def test_a_document_in_work_needs_no_second_turn():
    async def scene() -> None:
        desk = Desk()
        old = desk.ask("old", "a.py")
        await desk.settle()
        new, other = desk.ask("new", "a.py"), desk.ask("other", "b.py")
        await desk.settle()
        assert desk.served == ["old", "new"]
        await desk.let_go("old")
        assert desk.served == ["old", "new"]
        await desk.let_go("new")
        assert desk.served == ["old", "new", "other"]
        await desk.let_go("other")
        await asyncio.gather(old, new, other)

    asyncio.run(scene())


def test_past_the_deadline_nothing_is_served():
    async def scene() -> None:
        desk = Desk()
        running, late = desk.ask("running"), desk.ask("late", seconds=0.01)
        await asyncio.wait({late})
        assert refusal(late) is Overloaded
        assert desk.queue.waiting == 0
        at_once = desk.ask("at once", seconds=-1)
        await desk.settle()
        assert refusal(at_once) is Overloaded
        await desk.let_go("running")
        await running
        assert (desk.served, desk.shed) == (["running"], ["late", "late"])

    asyncio.run(scene())


def test_the_late_go_before_the_oldest():
    async def scene() -> None:
        desk = Desk(limit=2)
        running, oldest = desk.ask("running"), desk.ask("oldest")
        await desk.settle()
        late = desk.ask("late", seconds=0.001)
        await desk.settle()
        blocked = asyncio.get_running_loop().time() + 0.002
        while asyncio.get_running_loop().time() < blocked:
            pass  # the loop is busy, so that nobody noticed yet
        async with asyncio.timeout(0):  # no turn of the loop in between
            newest = asyncio.ensure_future(desk.queue._enter("", blocked + FAR))
        await desk.settle()
        assert refusal(late) is Overloaded
        assert not oldest.done()
        newest.cancel()
        await desk.let_go("running")
        await desk.let_go("oldest")
        await asyncio.gather(running, oldest)

    asyncio.run(scene())


def test_whoever_gives_up_leaves_the_line():
    async def scene() -> None:
        desk = Desk()
        running, gone, other = desk.ask("running"), desk.ask("gone"), desk.ask("other")
        await desk.settle()
        gone.cancel()
        await desk.settle()
        assert desk.queue.waiting == 1
        desk.holding["running"].set()
        other.cancel()  # as its turn comes
        await desk.settle()
        assert (desk.queue.running, desk.queue.waiting, desk.shed) == (0, 0, [])
        with pytest.raises(asyncio.CancelledError):
            await other
        await running

    asyncio.run(scene())


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "done", "cancel", "pass"]), st.integers(0, 5), st.sampled_from(["", "a", "b"])
    ),
    max_size=60,
)


@given(ACTIONS, st.integers(1, 3), st.integers(1, 4))
def test_turns_never_exceed_the_limit_and_none_is_lost(actions, parallel, limit):
    async def scene() -> None:
        desk = Desk(parallel, limit)
        tasks: dict[str, asyncio.Task[None]] = {}
        documents: dict[str, str] = {}
        for number, (action, choice, document) in enumerate(actions):
            held = [name for name, event in desk.holding.items() if not event.is_set() and not tasks[name].done()]
            if action == "ask":
                documents[str(number)] = document
                tasks[str(number)] = desk.ask(str(number), document, FAR if choice else -1.0)
            elif action == "done" and held:
                desk.holding[held[choice % len(held)]].set()
            elif action == "cancel" and tasks:
                list(tasks.values())[choice % len(tasks)].cancel()
            else:
                await desk.settle()
            in_work = Counter(documents[name] for name in desk.holding if not tasks[name].done())
            turns = in_work[""] + sum(1 for document in in_work if document)
            assert turns <= parallel
            assert desk.queue.waiting <= limit
        while not all(task.done() for task in tasks.values()):
            for event in desk.holding.values():
                event.set()
            await desk.settle()
        assert (desk.queue.running, desk.queue.waiting) == (0, 0)
        await asyncio.gather(*tasks.values(), return_exceptions=True)

    asyncio.run(scene())
