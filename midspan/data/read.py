"""From listed files to rows of a corpus: read, find the licence, measure, filter, redact.

Work is cut into parts of a few megabytes. A part is one Parquet file named by the hash of everything it depends on
(the files with sizes and times, the settings), written aside and renamed, so that after a kill only the parts that are
missing are read. Daft hands the parts to one process per core (or to the workers of a Ray cluster).

Cost: about 20 MB/s per core of source text; memory is that of a part (16 MB) times a small factor.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from midspan.data.dataframe import daft
from midspan.data.filters import drop_reason, signals
from midspan.data.licence import header_licence, is_permissive
from midspan.data.redact import redact
from midspan.recipe.progress import Progress
from midspan.recipe.schema import FilterConfig

PART_BYTES = 16_000_000
PART_FILES = 2_000
METADATA_KEY = b"midspan"

SIGNAL_FIELDS = [
    pa.field("mean_line_length", pa.float64()),
    pa.field("max_line_length", pa.int64()),
    pa.field("alphabetic_share", pa.float64()),
    pa.field("encoded_share", pa.float64()),
    pa.field("longest_encoded", pa.int64()),
    pa.field("generated", pa.bool_()),
]
ROW_FIELDS = [
    pa.field("project", pa.string()),
    pa.field("path", pa.string()),
    pa.field("language", pa.string()),
    pa.field("text", pa.string()),
    pa.field("licence", pa.string()),
    pa.field("licence_evidence", pa.string()),
    pa.field("source", pa.string()),
    pa.field("revision", pa.string()),
    pa.field("sha256", pa.string()),
    pa.field("source_sha256", pa.string()),
    pa.field("bytes", pa.int64()),
    pa.field("lines", pa.int64()),
    *SIGNAL_FIELDS,
    pa.field("redactions", pa.int64()),
]
PART_SCHEMA = pa.schema([*ROW_FIELDS, pa.field("normal_sha256", pa.string()), pa.field("row", pa.int64())])


@dataclass(frozen=True)
class Candidate:
    """A listed file with the licence that holds for it unless its header says otherwise; `row` numbers all of them."""

    row: int
    project: str
    path: str
    location: str
    language: str
    bytes: int
    mtime_ns: int
    source: str
    revision: str
    licence: str
    licence_evidence: str


@dataclass(frozen=True)
class Tally:
    """What happened to the files of one or more parts: (reason or name) -> files or bytes."""

    dropped_files: Counter[str]
    dropped_bytes: Counter[str]
    refused_licences: Counter[str]
    redactions: Counter[str]

    @staticmethod
    def empty() -> "Tally":
        """No file seen yet."""
        return Tally(Counter(), Counter(), Counter(), Counter())

    def drop(self, reason: str, size: int) -> None:
        """Count one dropped file."""
        self.dropped_files[reason] += 1
        self.dropped_bytes[reason] += size

    def add(self, other: "Tally") -> None:
        """Count what `other` counted as well."""
        for name, counter in vars(self).items():
            counter.update(getattr(other, name))


def read_parts(
    candidates: Sequence[Candidate], filters: FilterConfig, tier: str, folder: Path, progress: Progress
) -> tuple[list[Path], Tally]:
    """Read and filter all candidates into Parquet parts in `folder`; parts that are there already are kept.

    Returns the parts in the order of their rows, and the tally over all of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    missing: list[dict[str, str]] = []
    for part in _parts(candidates):
        task = json.dumps(
            {"candidates": [asdict(candidate) for candidate in part], "filters": filters.model_dump(), "tier": tier},
            sort_keys=True,
        )
        path = folder / f"{hashlib.sha256(task.encode()).hexdigest()}.parquet"
        paths.append(path)
        if not path.is_file():
            missing.append({"task": task, "path": str(path)})
    with progress.task("read and filter", total=len(paths)) as bar:
        bar.advance(len(paths) - len(missing))
        if missing:
            workers = max(1, min(len(missing), os.cpu_count() or 1))
            reader = daft.cls(_PartReader, use_process=workers > 1, max_concurrency=workers)()
            frame = daft.from_pylist(missing).into_batches(1)
            for _ in frame.select(reader.read(daft.col("task"), daft.col("path")).alias("rows")).iter_rows():
                bar.advance()
    total = Tally.empty()
    for path in paths:
        kept = json.loads(pq.read_metadata(path).metadata[METADATA_KEY])
        total.add(Tally(**{name: Counter(counts) for name, counts in kept.items()}))
    return paths, total


def _parts(candidates: Sequence[Candidate]) -> Iterator[list[Candidate]]:
    part: list[Candidate] = []
    size = 0
    for candidate in candidates:
        if part and (size + candidate.bytes > PART_BYTES or len(part) == PART_FILES):
            yield part
            part, size = [], 0
        part.append(candidate)
        size += candidate.bytes
    if part:
        yield part


class _PartReader:
    """The function that runs in Daft's worker processes."""

    @daft.method(return_dtype=daft.DataType.int64())
    def read(self, task: str, path: str) -> int:
        return read_part(task, Path(path))


def read_part(task: str, path: Path) -> int:
    """Read one part and write it to `path`, with its tally in the file's metadata. Returns the number of rows."""
    work = json.loads(task)
    filters = FilterConfig(**work["filters"])
    tally = Tally.empty()
    rows = []
    for fields in work["candidates"]:
        row = _row(Candidate(**fields), filters, work["tier"], tally)
        if row is not None:
            rows.append(row)
    metadata = {METADATA_KEY: json.dumps(vars(tally), sort_keys=True)}
    table = pa.Table.from_pylist(rows, schema=PART_SCHEMA.with_metadata(metadata))
    aside = path.with_suffix(f".{os.getpid()}.tmp")
    with aside.open("wb") as stream:
        pq.write_table(table, stream, compression="zstd")
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(path)
    return len(rows)


def _row(candidate: Candidate, filters: FilterConfig, tier: str, tally: Tally) -> dict[str, Any] | None:
    try:
        content = Path(candidate.location).read_bytes()
    except OSError:
        tally.drop("unreadable", candidate.bytes)
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        tally.drop("not_utf8", candidate.bytes)
        return None
    if "\0" in text:
        tally.drop("binary", candidate.bytes)
        return None
    stated = header_licence(text)
    licence = stated.expression if stated else candidate.licence
    evidence = stated.evidence if stated else candidate.licence_evidence
    if not is_permissive(licence, tier):
        tally.drop("licence_not_permissive" if licence else "licence_unknown", candidate.bytes)
        tally.refused_licences[licence or f"unknown: {evidence}"] += 1
        return None
    measured = signals(text, candidate.path)
    reason = drop_reason(measured, candidate.language, filters)
    if reason:
        tally.drop(reason, candidate.bytes)
        return None
    text, redactions = redact(text)
    tally.redactions.update(redactions)
    data = text.encode()
    return {
        **{name: getattr(candidate, name) for name in ("row", "project", "path", "language", "source", "revision")},
        **asdict(measured),
        "text": text,
        "licence": licence,
        "licence_evidence": evidence,
        "sha256": hashlib.sha256(data).hexdigest(),
        "source_sha256": hashlib.sha256(content).hexdigest(),
        "normal_sha256": hashlib.sha256(" ".join(text.split()).encode()).hexdigest(),
        "bytes": len(data),
        "redactions": sum(redactions.values()),
    }
