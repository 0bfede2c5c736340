"""Going over the files of finished parts: what is known of each, and the texts of some.

A file's `row` is its place in the parts laid end to end; it lives as long as one run of the stage.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from midspan.data.filters.signals import Signals, cheap_columns


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
Places = npt.NDArray[np.int64]
"""Rows of a part, ascending."""


def entries(parts: Sequence[Path]) -> Iterator[tuple[Entry, Signals]]:
    """Every file with its cheap signals (which mean nothing where it is unusable), one part in memory at a time."""
    row = 0
    names = list(cheap_columns())
    for part in parts:
        table = pq.read_table(part, columns=[*ENTRY_COLUMNS, *names])
        known = zip(*(table[name].to_pylist() for name in ENTRY_COLUMNS), strict=True)
        sizes, measured = table["bytes"].to_pylist(), zip(*(table[name].to_pylist() for name in names), strict=True)
        for about, size, values in zip(known, sizes, measured, strict=True):
            yield Entry(row, *about), {"bytes": size, **dict(zip(names, values, strict=True))}
            row += 1


def tables(parts: Sequence[Path], rows: Iterable[int], columns: Sequence[str]) -> Iterator[pa.Table]:
    """Of each part that has any of the files in these rows the columns of those, and `row`, in the order of rows."""
    first = 0
    for part, places in zip(parts, places_by_part(parts, rows), strict=True):
        if len(places):
            table = pq.read_table(part, columns=list(columns)).take(places)
            yield table.append_column("row", pa.array(places + first))
        first += pq.read_metadata(part).num_rows


def places_by_part(parts: Sequence[Path], rows: Iterable[int]) -> Iterator[Places]:
    """For each part the places that these rows have in it."""
    ordered = np.sort(np.fromiter(rows, np.int64))
    first = 0
    for part in parts:
        end = first + pq.read_metadata(part).num_rows
        yield ordered[slice(*np.searchsorted(ordered, [first, end]))] - first
        first = end
