"""The bytes of listed files, read for many at a time so that each container is opened once.

A file is read only as it was listed: if its container has another stamp by then, before or after the reading, it is
`changed_while_reading` and left out, so that the name of a part, which holds the stamps, says what is in the part. The
next build lists the file anew.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from midspan.data.sources.folder import stamp_of
from midspan.data.sources.project import Location


@dataclass(frozen=True)
class Unread:
    """Why there are no bytes: `unreadable`, `changed_while_reading`, `too_large`."""

    reason: str


def read_contents(wanted: Sequence[tuple[Location, int]]) -> Iterator[bytes | Unread]:
    """The bytes at each location, in their order, unless there are more of them than the number beside it.

    Neighbours in the same container are read together.
    """
    for _, group in groupby(wanted, key=lambda each: (each[0].kind, each[0].container)):
        for location, limit in group:
            yield _read_file(location, limit)


def _read_file(location: Location, limit: int) -> bytes | Unread:
    try:
        descriptor = os.open(location.container, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb", buffering=0) as stream:
            if _changed(location, os.fstat(descriptor)):
                return Unread("changed_while_reading")
            content = stream.read(limit + 1)
            if _changed(location, os.fstat(descriptor)):
                return Unread("changed_while_reading")
    except OSError:
        return Unread("unreadable")
    return Unread("too_large") if len(content) > limit else content


def _changed(location: Location, status: os.stat_result) -> bool:
    return bool(location.stamp) and stamp_of(status) != location.stamp
