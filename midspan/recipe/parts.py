"""A stream of bytes as files of equal size with their hashes, and back."""

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from midspan.errors import MidspanError
from midspan.recipe.disk import sync

BLOCK = 1 << 20


@dataclass(frozen=True)
class Part:
    """One file: its name, size and hash."""

    name: str
    bytes: int
    sha256: str


class PartWriter(io.RawIOBase):
    """A stream that is written into `folder` as parts of `size` bytes; the last may be smaller."""

    def __init__(self, folder: Path, size: int) -> None:
        self._folder, self._size = folder, size
        self._parts: list[Part] = []
        self._open()

    def _open(self) -> None:
        self._path = self._folder / f"part-{len(self._parts):04}"
        self._file, self._hash, self._written = self._path.open("wb"), hashlib.sha256(), 0

    def write(self, data: Any) -> int:
        """All of `data`."""
        rest = memoryview(data)
        while rest:
            if self._written == self._size:
                self._end()
                self._open()
            piece = rest[: self._size - self._written]
            self._file.write(piece)
            self._hash.update(piece)
            self._written += len(piece)
            rest = rest[len(piece) :]
        return len(data)

    def _end(self) -> None:
        self._file.close()
        sync(self._path)
        self._parts.append(Part(self._path.name, self._written, self._hash.hexdigest()))

    def close(self) -> tuple[Part, ...]:  # type: ignore[override]
        """End the last part; all parts."""
        self._end()
        return tuple(self._parts)


def check(path: Path, part: Part) -> None:
    """Raises MidspanError if the file is missing or damaged."""
    try:
        with path.open("rb") as file:
            whole = path.stat().st_size == part.bytes
            whole = whole and hashlib.file_digest(file, "sha256").hexdigest() == part.sha256
    except FileNotFoundError:
        raise MidspanError(f"{path} is missing", "bring all parts") from None
    if not whole:
        raise MidspanError(f"{path} is damaged", "bring it again")


def joined(folder: Path, parts: Sequence[Part]) -> io.BufferedReader:
    """The parts in `folder` as the stream that was written."""
    return io.BufferedReader(cast(Any, _Joined(_blocks(folder, parts))))


def _blocks(folder: Path, parts: Sequence[Part]) -> Iterator[bytes]:
    for part in parts:
        with (folder / part.name).open("rb") as file:
            while block := file.read(BLOCK):
                yield block


class _Joined(io.RawIOBase):
    """The blocks of all parts as one stream."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._rest = blocks, b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """As much as there is of the current block."""
        self._rest = self._rest or next(self._blocks, b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size
