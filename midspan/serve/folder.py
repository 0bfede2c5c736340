"""A workspace folder in the language server: its index, unsaved texts over it, and what the user did lately."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path

from midspan.context.caret import Spot
from midspan.context.index import Index
from midspan.context.project import Project, digest_of
from midspan.context.sets import Feature

MAX_RECENT = 16
MAX_EDITED = 16
NEAR_LINES = 8
"""Edits this close to each other are one place."""
INDEX_SECONDS = 2.0
"""How long a completion waits for the first index; after that it goes without context."""
REFRESH_SECONDS = 0.1
"""How long a completion waits for changed files to be read; after that it takes the older project."""
GATHER_SECONDS = 0.02
"""Changes come in swarms (a checkout, a rename of a folder); those this close together are looked at together."""
POLL_SECONDS = 30.0
"""How often all files are looked at where the editor cannot tell what changes, and only while completions are asked."""


class Folder:
    """Lives in one event loop. `recent` are paths and `edited` places, both the newest first."""

    def __init__(self, root: Path, features: Callable[[], Awaitable[Sequence[Feature]]]) -> None:
        """Begins to index `root` (absolute, free of links) in a thread, with the features that completions need."""
        self.root = root
        self.recent: list[str] = []
        self.edited: list[Spot] = []
        self.watched = False
        self._opening = asyncio.create_task(_open(root, features))
        self._opening.add_done_callback(_report)
        self._refreshing: asyncio.Task[None] | None = None
        self._looked = time.monotonic()
        self._everything = False
        self._paths: set[str] = set()
        self._saved: Project | None = None
        self._shown: Project | None = None

    async def project(self, unsaved: Mapping[str, str], current: str) -> Project | None:
        """The project with the `unsaved` texts of its files, None if it is not indexed soon.

        Files it does not hold (ignored ones) stay out. The file `current` is never its own context and keeps its older
        text: while the user types, the project stays the same and with it what was computed for it.
        """
        index = await self._index()
        if index is None:
            return None
        if not self.watched and time.monotonic() - self._looked > POLL_SECONDS:
            self.look_again()
        if self._refreshing is not None:
            await asyncio.wait({self._refreshing}, timeout=REFRESH_SECONDS)
        if self._saved is not index.project or self._shown is None:
            self._saved = self._shown = index.project
        for path, text in unsaved.items():
            file = self._shown.files.get(path)
            if file is not None and path != current and file.digest != digest_of(text):
                self._shown = self._shown.replace(path, text)
        return self._shown

    def look_again(self, paths: Iterable[str] | None = None) -> None:
        """Bring the index up to date, soon: all of it, or `paths`."""
        if paths is None:
            self._everything, self._looked = True, time.monotonic()
        else:
            self._paths.update(paths)
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh())

    def touch(self, path: str) -> None:
        """Note that a file was looked at."""
        self.recent[:] = [path, *(other for other in self.recent if other != path)][:MAX_RECENT]

    def edit(self, path: str, old: str, new: str) -> None:
        """Note where the user changed a text; places below move with their lines."""
        if old == new:
            return
        line = new.count("\n", 0, first_difference(old, new))
        added = new.count("\n") - old.count("\n")
        moved = [
            Spot(path, max(line, spot.line + added)) if spot.path == path and spot.line > line else spot
            for spot in self.edited
        ]
        apart = [spot for spot in moved if spot.path != path or abs(spot.line - line) > NEAR_LINES]
        self.edited[:] = [Spot(path, line), *apart][:MAX_EDITED]

    def forget(self, path: str) -> None:
        """A closed document counts as it is on disk again."""
        self._shown = None
        self.look_again([path])

    async def close(self) -> None:
        """Give the index back if there is one; a first index that is still being made is left as far as it came."""
        if self._refreshing is not None:
            self._refreshing.cancel()
        if self._opening.done() and not self._opening.cancelled() and self._opening.exception() is None:
            await asyncio.to_thread(self._opening.result().close)

    async def _index(self) -> Index | None:
        if not self._opening.done():
            await asyncio.wait({self._opening}, timeout=INDEX_SECONDS)
        return self._opening.result() if self._opening.done() and self._opening.exception() is None else None

    async def _refresh(self) -> None:
        await asyncio.wait({self._opening})
        if self._opening.exception() is not None:
            return
        index = self._opening.result()
        while self._everything or self._paths:
            await asyncio.sleep(GATHER_SECONDS)
            paths = None if self._everything else self._paths
            self._everything, self._paths = False, set()
            await asyncio.to_thread(index.refresh, paths)


async def _open(root: Path, features: Callable[[], Awaitable[Sequence[Feature]]]) -> Index:
    index = await asyncio.to_thread(Index.open, root)
    await asyncio.to_thread(index.prepare, await features())
    return index


def first_difference(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    same, different = 0, min(len(one), len(other)) + 1
    while different - same > 1:
        middle = (same + different) // 2
        if one[same:middle] == other[same:middle]:
            same = middle
        else:
            different = middle
    return same


def _report(opening: "asyncio.Task[Index]") -> None:
    if not opening.cancelled() and (error := opening.exception()) is not None:
        print(f"midspan: no project context: {error}", file=sys.stderr, flush=True)
