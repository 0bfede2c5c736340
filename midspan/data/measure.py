"""What takes long to measure, measured last: code, repetition and parse errors of the files that nothing else dropped.

The measures of a part stand beside it in a table of their own, a row for each file that was ever asked for, and stay as
long as the part: a threshold that changes measures only files that were dropped before. Texts are taken from the parts;
no source is read. A table is written aside and renamed, so that after a kill only what is missing is measured.
"""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from midspan.data.dataframe import each_done
from midspan.data.entries import Entry, Places, places_by_part
from midspan.data.filters.signals import Signals, dear_columns, dear_signals
from midspan.data.read import write_whole
from midspan.recipe.progress import Progress

PLACE = "place"
"""The column that says which row of the part is measured."""
MEASURED_SCHEMA = pa.schema([pa.field(PLACE, pa.int64()), *(pa.field(*each) for each in dear_columns().items())])


def measure(
    parts: Sequence[Path], entries: Sequence[Entry], parse: bool, processes: int, progress: Progress
) -> list[Path]:
    """Measure `entries`, whose texts are in `parts`, in so many processes; for each part the table of its measures.

    The table of a part of which nothing was ever asked for is not there.
    """
    tables: list[Path] = []
    tasks: list[str] = []
    for part, places in zip(parts, places_by_part(parts, [entry.row for entry in entries]), strict=True):
        table = part.with_suffix(".parsed" if parse else ".measured")
        tables.append(table)
        if len(np.setdiff1d(places, _measured(table))):
            tasks.append(json.dumps([str(part), str(table), places.tolist()]))
    with progress.task("measure", total=len(parts), done=len(parts) - len(tasks)) as bar:
        for _ in each_done(partial(measure_part, parse), tasks, processes):
            bar.advance()
    return tables


def measure_part(parse: bool, task: str) -> None:
    """Measure what is missing of the places of one part, given as JSON: part, table, places."""
    part, table, wanted = json.loads(task)
    known = _measured(Path(table))
    places = np.setdiff1d(np.array(wanted, np.int64), known)
    files = pq.read_table(part, columns=["text", "language"]).take(places)
    texts, languages = (files[name].to_pylist() for name in ("text", "language"))
    measured = dear_signals(texts, languages, parse)
    rows = [{PLACE: place} | signals for place, signals in zip(places.tolist(), measured, strict=True)]
    found = pa.Table.from_pylist(rows, schema=MEASURED_SCHEMA)
    if len(known):
        found = pa.concat_tables([pq.read_table(table), found]).sort_by(PLACE)
    write_whole(found, Path(table))


def _measured(table: Path) -> Places:
    if not table.is_file():
        return np.zeros(0, np.int64)
    known: Places = pq.read_table(table, columns=[PLACE])[PLACE].to_numpy()
    return known


def measures(
    parts: Sequence[Path], tables: Sequence[Path], rows: Sequence[int], columns: Sequence[str]
) -> Iterator[pa.Table]:
    """Part by part the measures of the files in these rows, in the order of rows."""
    for table, places in zip(tables, places_by_part(parts, rows), strict=True):
        if len(places):
            found = pq.read_table(table, columns=[PLACE, *columns])
            at = np.searchsorted(found[PLACE].to_numpy(), places)
            yield found.take(at).drop_columns([PLACE])


def signals_of(parts: Sequence[Path], tables: Sequence[Path], entries: Sequence[Entry]) -> Iterator[Signals]:
    """The measures of each of `entries`, which are in the order of rows."""
    for table in measures(parts, tables, [entry.row for entry in entries], list(dear_columns())):
        yield from table.to_pylist()
