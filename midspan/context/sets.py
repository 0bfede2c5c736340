"""Sets of numbers, one per window of a file, in two flat arrays: the form in which what is computed of texts is kept.

Lines, words and tokens become numbers once per file; a query then is arithmetic over arrays. Files follow each other in
a joined array, so a scan over a thousand files is one call.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Items = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True)
class Sets:
    """Sets one after the other, the members of each distinct and ascending."""

    sizes: NDArray[np.int32]  # [sets] number of members
    items: Items  # [sum of sizes]

    @property
    def nbytes(self) -> int:
        """Bytes the arrays take."""
        return self.sizes.nbytes + self.items.nbytes

    def without(self, count: int) -> "Sets":
        """The sets behind the first `count`."""
        return Sets(self.sizes[count:], self.items[int(self.sizes[:count].sum()) :]) if count else self

    def to_bytes(self) -> bytes:
        """For storage: the number of sets and the width of a member, then both arrays, little endian."""
        head = np.array([len(self.sizes), self.items.itemsize], "<u4").tobytes()
        return head + self.sizes.astype("<i4").tobytes() + self.items.astype(f"<u{self.items.itemsize}").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Sets":
        """Read `to_bytes`; ValueError if the data is not that."""
        count, width = (int(number) for number in np.frombuffer(data, "<u4", 2))
        if width not in (4, 8):
            raise ValueError(f"members of {width} bytes")
        sizes = np.frombuffer(data, "<i4", count, 8).astype(np.int32)
        items = np.frombuffer(data, np.dtype(f"<u{width}"), offset=8 + 4 * count)
        if len(items) != int(sizes.sum()):
            raise ValueError(f"{len(items)} members instead of {int(sizes.sum())}")
        return cls(sizes, items)


@dataclass(frozen=True)
class Feature:
    """Something to compute from a text alone. `name` is its key in a store: it changes with what is computed."""

    name: str
    compute: Callable[[str], Sets]


def sets_of(members: Iterable[Iterable[int]], dtype: type[np.uint32] | type[np.uint64] = np.uint32) -> Sets:
    """Sets of the given members."""
    ordered = [sorted(set(each)) for each in members]
    flat = [item for each in ordered for item in each]
    return Sets(np.array([len(each) for each in ordered], np.int32), np.array(flat, dtype))


def join(parts: Sequence[Sets]) -> Sets:
    """The sets of all parts, one part after the other."""
    if not parts:
        return Sets(np.zeros(0, np.int32), np.zeros(0, np.uint32))
    return Sets(np.concatenate([part.sizes for part in parts]), np.concatenate([part.items for part in parts]))
