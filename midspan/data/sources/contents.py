"""The bytes of listed files, read for many at a time so that each container is opened once.

A file is read only as it was listed: if its container has another stamp by then, before or after the reading, it is
`changed_while_reading` and left out, so that the name of a part, which holds the stamps, says what is in the part. The
next build lists the file anew.
"""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from midspan.data.sources.folder import stamp_of
from midspan.data.sources.git import read_blobs
from midspan.data.sources.members import read_tar, read_zip
from midspan.data.sources.parquet import read_rows
from midspan.data.sources.project import Location, Unread


def read_contents(wanted: Sequence[tuple[Location, int]]) -> Iterator[bytes | Unread]:
    """The bytes at each location, in their order, unless there are more of them than the number beside it.

    Neighbours in the same container are read together.
    """
    for (kind, container), group in groupby(wanted, key=lambda each: (each[0].kind, each[0].container)):
        if kind == "file":
            yield from (_read_file(location, limit) for location, limit in group)
        else:
            yield from _READERS[kind](container, list(group))


def _read_file(location: Location, limit: int) -> bytes | Unread:
    try:
        descriptor = os.open(location.container, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return Unread("unreadable")
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return Unread("unreadable")
        if _changed(location, status):
            return Unread("changed_while_reading")
        with open(descriptor, "rb", buffering=0, closefd=False) as stream:
            content = stream.read(limit + 1)
        if _changed(location, os.fstat(descriptor)):
            return Unread("changed_while_reading")
    except OSError:
        return Unread("unreadable")
    finally:
        os.close(descriptor)
    return Unread("too_large") if len(content) > limit else content


def _changed(location: Location, status: os.stat_result) -> bool:
    return bool(location.stamp) and stamp_of(status) != location.stamp


Wanted = list[tuple[Location, int]]

_READERS: dict[str, Callable[[str, Wanted], Iterator[bytes | Unread]]] = {
    "git": read_blobs,
    "parquet": read_rows,
    "tar": read_tar,
    "zip": read_zip,
}
