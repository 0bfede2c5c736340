"""The key-value part of a GGUF file, read directly: 0.1 s for a vocabulary of 49,152 (`gguf.GGUFReader`: 2.5 s)."""

import os
import struct
from pathlib import Path
from typing import Any, BinaryIO

from midspan.errors import MidspanError

STRING, ARRAY = 8, 9
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
LARGEST_STRING = 1 << 28


def read_metadata(path: Path) -> dict[str, Any]:
    """All metadata of the file: numbers, truth values, strings, and lists of them.

    Raises MidspanError if `path` cannot be read or does not begin with a whole GGUF header.
    """
    try:
        with path.open("rb") as file:
            magic, version, _, count = struct.unpack("<4sIQQ", _take(file, 24))
            if magic != b"GGUF" or version not in (2, 3):
                raise ValueError("it does not begin like one")
            return dict(_entry(file) for _ in range(count))
    except (OSError, ValueError) as error:
        raise MidspanError(f"{path} cannot be read as GGUF: {error}", "give a whole .gguf file") from None


def _entry(file: BinaryIO) -> tuple[str, Any]:
    key = _string(file)
    return key, _value(file, _number(file, "I"))


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == STRING:
        return _string(file)
    if kind == ARRAY:
        item, count = _number(file, "I"), _number(file, "Q")
        if item in SCALARS:
            size = struct.calcsize(SCALARS[item])
            return list(struct.unpack(f"<{count}{SCALARS[item]}", _take(file, count * size)))
        return [_value(file, item) for _ in range(count)]
    if kind not in SCALARS:
        raise ValueError(f"unknown type {kind}")
    return _number(file, SCALARS[kind])


def _string(file: BinaryIO) -> str:
    return _take(file, _number(file, "Q")).decode("utf-8")


def _number(file: BinaryIO, code: str) -> Any:
    return struct.unpack("<" + code, _take(file, struct.calcsize("<" + code)))[0]


def _take(file: BinaryIO, size: int) -> bytes:
    if size > min(LARGEST_STRING, os.fstat(file.fileno()).st_size):
        raise ValueError(f"a field of {size} bytes")
    content = file.read(size)
    if len(content) < size:
        raise ValueError("it ends too early")
    return content
