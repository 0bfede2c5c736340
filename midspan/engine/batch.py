"""Long work through an engine that survives a kill: one JSON line per finished item, appended to a file.

A kill can tear the last line; reading stops at the first line that is not whole and cuts the file there, so that the
item is simply done again. Nothing is ever rewritten, so an item costs one append however many there are.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from midspan.engine.protocol import EngineError
from midspan.recipe.progress import Task

ATTEMPTS = 3

Record = dict[str, Any]
Item = TypeVar("Item")


class Journal:
    """An append-only file of JSON objects."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[Record]:
        """The whole records in the order of writing; a torn tail is removed from the file."""
        if not self._path.exists():
            return []
        records: list[Record] = []
        whole = 0
        content = self._path.read_bytes()
        for line in content.splitlines(keepends=True):
            record = _parse(line)
            if record is None:
                break
            records.append(record)
            whole += len(line)
        if whole < len(content):
            with self._path.open("r+b") as file:
                file.truncate(whole)
        return records

    def append(self, record: Record) -> None:
        """Write one record; it is with the operating system when this returns."""
        with self._path.open("ab") as file:
            file.write(json.dumps(record).encode() + b"\n")


def _parse(line: bytes) -> Record | None:
    if not line.endswith(b"\n"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


async def run_resumable(
    items: Iterable[tuple[str, Item]],
    work: Callable[[str, Item], Awaitable[Record]],
    journal: Journal,
    workers: int,
    task: Task,
) -> dict[str, Record]:
    """Do `work` for every (key, item) that the journal lacks, `workers` at a time; the records of all keys.

    `items` is read lazily, so that what an item needs (a project's files) is in memory only while it is worked on.
    An engine's failure is tried again, as hours of work should outlive one crash of a backend; any other error ends all
    workers and is raised.
    """
    done = {record["key"]: record["value"] for record in journal.read()}
    queue = iter(items)

    async def drain() -> None:
        for key, item in queue:
            if key not in done:
                value = await _persistently(work, key, item)
                journal.append({"key": key, "value": value})
                done[key] = value
            task.advance()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(drain())
    except ExceptionGroup as errors:
        raise _first(errors) from None
    return done


async def _persistently(work: Callable[[str, Item], Awaitable[Record]], key: str, item: Item) -> Record:
    for _ in range(ATTEMPTS - 1):
        try:
            return await work(key, item)
        except EngineError:
            continue
    return await work(key, item)


def _first(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
