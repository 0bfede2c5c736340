"""The account of what was dropped: files and bytes by reason, and for each reason some files to look at.

The sample is the files with the smallest hashes, so it is the same whatever order the files come in. It is written with
the beginning of the (redacted) text where the text is what the reason speaks of; where a file must not be kept, as
without a licence, its name has to do.
"""

import hashlib
import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from midspan.data.entries import Entry, tables

DROPPED_FILE = "dropped.parquet"
SAMPLE = 20
EXCERPT = 2_000
"""Characters of a text that are shown."""
WITHOUT_TEXT = ("licence_", "opt_out", "exact_duplicate", "near_duplicate")
"""Beginnings of the reasons whose sample holds no text: it may not be kept, or it stands in the corpus anyway."""
WITHOUT_SAMPLE = ("opt_out",)
"""Beginnings of the reasons of which only numbers are kept."""

DROPPED_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("reason", "detail", "project", "path", "language", "licence", "source")]
    + [("bytes", pa.int64()), ("excerpt", pa.string())]
)


@dataclass(frozen=True, order=True)
class Drop:
    """One dropped file; `detail` is what exactly the rule found, such as a value and its threshold."""

    order: str
    reason: str
    detail: str
    entry: Entry = field(compare=False)


class Drops:
    """The account. `files` and `bytes` hold every reason; the sample holds files that were read, `SAMPLE` a reason."""

    def __init__(self) -> None:
        self.files: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.refused_licences: Counter[str] = Counter()
        self.unread: set[str] = set()
        """The reasons that files were not read for."""
        self._samples: dict[str, list[tuple[int, int, Drop]]] = {}

    def count(self, reason: str, size: int) -> None:
        """Count a file that was dropped unread."""
        self.unread.add(reason)
        self._count(reason, size)

    def _count(self, reason: str, size: int) -> None:
        self.files[reason] += 1
        self.bytes[reason] += size

    def add(self, entry: Entry, reason: str, detail: str = "") -> None:
        """Count a file, and keep it if it belongs to the sample."""
        self._count(reason, entry.bytes)
        if entry.unusable:
            self.unread.add(reason)
        if reason.startswith("licence_"):
            self.refused_licences[entry.licence or f"unknown: {entry.licence_evidence}"] += 1
        if reason.startswith(WITHOUT_SAMPLE):
            return
        order = hashlib.sha256(f"{entry.project}\0{entry.path}".encode()).hexdigest()
        sample = self._samples.setdefault(reason, [])
        item = (-int(order, 16), entry.row, Drop(order, reason, detail, entry))
        if len(sample) < SAMPLE:
            heapq.heappush(sample, item)
        else:
            heapq.heappushpop(sample, item)

    def sample(self) -> list[Drop]:
        """The files to look at, by reason and hash."""
        drops = (drop for kept in self._samples.values() for _, _, drop in kept)
        return sorted(drops, key=lambda drop: (drop.reason, drop.order))


def write_drops(drops: Drops, parts: Sequence[Path], path: Path) -> list[dict[str, str | int]]:
    """Write the sample to `path`; its rows."""
    sample = drops.sample()
    shown = [drop.entry.row for drop in sample if not drop.reason.startswith(WITHOUT_TEXT)]
    texts: dict[int, str] = {}
    for table in tables(parts, shown, ["text"]):
        for row, text in zip(table["row"].to_pylist(), table["text"].to_pylist(), strict=True):
            texts[row] = (text or "")[:EXCERPT]
    rows: list[dict[str, str | int]] = []
    for drop in sample:
        known = {name: getattr(drop.entry, name) for name in DROPPED_SCHEMA.names if hasattr(drop.entry, name)}
        rows.append({**known, "reason": drop.reason, "detail": drop.detail, "excerpt": texts.get(drop.entry.row, "")})
    pq.write_table(pa.Table.from_pylist(rows, schema=DROPPED_SCHEMA), path, compression="zstd")
    return rows
