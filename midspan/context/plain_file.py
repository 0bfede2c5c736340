"""Reading one plain file: never through a link, never waiting for a pipe, never more than asked for."""

import os
import stat

_FILE = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)


def read_plain_file(directory: bytes, path: bytes, max_bytes: int) -> tuple[os.stat_result, bytes]:
    """What the file at `path` below `directory` was before it was read, and at most `max_bytes` of it.

    No part of `path` may be a link, even if it became one a moment ago. OSError for that and for what is no plain file.
    """
    with os.fdopen(_open(directory, path), "rb", buffering=0) as stream:
        before = os.fstat(stream.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise OSError(f"not a plain file: {path!r}")
        parts, left = [], max_bytes
        while left > 0 and (part := stream.read(min(left, max(before.st_size + 1, 4096)))):
            parts.append(part)
            left -= len(part)
        return before, b"".join(parts)


def _open(directory: bytes, path: bytes) -> int:
    if os.open not in os.supports_dir_fd:  # Windows
        return os.open(directory + b"/" + path, _FILE)
    *folders, name = path.split(b"/")
    inside = os.open(directory, _FOLDER)
    try:
        for folder in folders:
            outside, inside = inside, os.open(folder, _FOLDER | os.O_NOFOLLOW, dir_fd=inside)
            os.close(outside)
        return os.open(name, _FILE, dir_fd=inside)
    finally:
        os.close(inside)
