"""Going over the files of finished parts: what is known of each, and the texts of some.

A file's `row` is its place in the parts laid end to end; it lives as long as one run of the stage.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from midspan.data.filters.signals import Signals, columns


@dataclass(frozen=True)
class Entry:
    """One file as the steps after reading see it; `unusable` says why it could not be read, "" if it could."""

    row: int
    project: str
    path: str
    language: str
    source: str
    revision: str
    licence: str
    licence_evidence: str
    licence_confidence: float
    bytes: int
    sha256: str
    source_sha256: str
    normal_sha256: str
    unusable: str


ENTRY_COLUMNS = [field.name for field in fields(Entry) if field.name != "row"]


def entries(parts: Sequence[Path]) -> Iterator[tuple[Entry, Signals]]:
    """Every file with its signals (which mean nothing where it is unusable), one part in memory at a time."""
    row = 0
    for part in parts:
        table = pq.read_table(part, columns=[*ENTRY_COLUMNS, *columns()])
        for known in table.to_pylist():
            yield Entry(row=row, **{name: known[name] for name in ENTRY_COLUMNS}), known
            row += 1


def tables(parts: Sequence[Path], rows: pa.Array, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Part by part the columns, and `row`, of those of its files whose row is among `rows`."""
    first = 0
    for part in parts:
        table = pq.read_table(part, columns=list(columns))
        numbers = pa.array(range(first, first + len(table)), pa.int64())
        first += len(table)
        yield table.append_column("row", numbers).filter(pc.is_in(numbers, value_set=rows))
