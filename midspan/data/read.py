"""From listed files to rows with all that is known of them: read, find the licence, measure, redact.

Work is cut into parts of a few megabytes. A part is one Parquet file named by the hash of everything it depends on
(the files with the stamps they were listed under, contents to refuse, never a threshold), written aside and renamed:
after a kill only the parts that are missing are read, and none if only thresholds changed. Where a part ends is decided
by the names of the files, so that after a change of a source few other parts are cut anew. Daft hands the parts to one
process per core (or to the workers of a Ray cluster).

Cost: about 20 MB/s per core of source text; memory is that of a part (16 MB) times a small factor.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import midspan
from midspan.data.dataframe import daft
from midspan.data.decode import decode
from midspan.data.filters.rules import Filters
from midspan.data.filters.signals import columns, signals
from midspan.data.licence import header_licence
from midspan.data.opt_out import REASON, OptOut
from midspan.data.redact import redact
from midspan.data.sources.contents import read_contents
from midspan.data.sources.project import Location, Unread
from midspan.data.spdx import TIERS, is_permissive
from midspan.recipe.filters import FilterConfig
from midspan.recipe.progress import Progress

PART_BYTES = 16_000_000
PART_FILES = 2_000
BORDER_EVERY = 512
"""A part that is a quarter full ends before one file in so many, chosen by its name."""

FILE_FIELDS = [
    pa.field("project", pa.string()),
    pa.field("path", pa.string()),
    pa.field("language", pa.string()),
    pa.field("licence", pa.string()),
    pa.field("licence_evidence", pa.string()),
    pa.field("licence_confidence", pa.float64()),
    pa.field("source", pa.string()),
    pa.field("revision", pa.string()),
    pa.field("url", pa.string()),
    pa.field("sha256", pa.string()),
    pa.field("source_sha256", pa.string()),
    pa.field("normal_sha256", pa.string()),
    pa.field("bytes", pa.int64()),
    *(pa.field(name, kind) for name, kind in columns().items()),
    pa.field("redacted", pa.map_(pa.string(), pa.int64())),
]
"""What is known of a file beside its text; these columns are also the corpus's."""
PART_SCHEMA = pa.schema([*FILE_FIELDS, pa.field("text", pa.string()), pa.field("unusable", pa.string())])
"""One row for each file, also those that cannot be used: `unusable` says why, "" otherwise."""


@dataclass(frozen=True)
class Candidate:
    """A listed file with the licence that holds for it unless its header says otherwise."""

    project: str
    path: str
    location: Location
    language: str
    bytes: int
    source: str
    revision: str
    url: str
    licence: str
    licence_evidence: str
    licence_confidence: float


def read_parts(
    candidates: Sequence[Candidate],
    refused: OptOut,
    gate: FilterConfig,
    folder: Path,
    processes: int,
    progress: Progress,
) -> list[Path]:
    """Read all candidates into Parquet parts in `folder`, in so many processes; parts that are there already are kept.

    Of contents that are refused by their hash nothing is written but that they are.
    Of files without a permissive licence no text is kept, behind `gate` (see `filters.signals`) cheap signals have to
    do. Returns the parts; their rows one after the other are the candidates in their order. Nothing else here depends
    on a threshold: what a recipe makes of the files is decided later, from the stored columns.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    missing: list[dict[str, str]] = []
    for part in _parts(candidates):
        task = json.dumps([asdict(candidate) for candidate in part], sort_keys=True)
        identity = "\n".join([midspan.__version__, *sorted(refused.hashes), gate.model_dump_json(), task])
        path = folder / f"{hashlib.sha256(identity.encode()).hexdigest()}.parquet"
        paths.append(path)
        if not path.is_file():
            missing.append({"task": task, "path": str(path)})
    with progress.task("read", total=len(paths), done=len(paths) - len(missing)) as bar:
        if missing:
            workers = min(len(missing), processes)
            reader = daft.cls(_PartReader, use_process=workers > 1, max_concurrency=workers)(refused, gate)
            frame = daft.from_pylist(missing).into_batches(1)
            for row in frame.select(reader.read(daft.col("task"), daft.col("path")).alias("failure")).iter_rows():
                if failure := row["failure"]:
                    raise OSError(*json.loads(failure))
                bar.advance()
    return paths


def _parts(candidates: Sequence[Candidate]) -> Iterator[list[Candidate]]:
    part: list[Candidate] = []
    size = 0
    for candidate in candidates:
        full = size + candidate.bytes > PART_BYTES or len(part) == PART_FILES
        if part and (full or (4 * size > PART_BYTES and _is_border(candidate))):
            yield part
            part, size = [], 0
        part.append(candidate)
        size += candidate.bytes
    if part:
        yield part


def _is_border(candidate: Candidate) -> bool:
    digest = hashlib.sha256(f"{candidate.project}\0{candidate.path}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % BORDER_EVERY == 0


class _PartReader:
    """The function that runs in Daft's worker processes.

    It answers a failure to write, as the arguments of OSError in JSON: an exception would reach the user through Daft.
    """

    def __init__(self, refused: OptOut, gate: FilterConfig) -> None:
        self._refused = refused
        self._gate = Filters(gate)

    @daft.method(return_dtype=daft.DataType.string())
    def read(self, task: str, path: str) -> str:
        try:
            read_part(task, self._refused, self._gate, Path(path))
        except OSError as error:
            return json.dumps([error.errno, error.strerror or str(error), path])
        return ""


def read_part(task: str, refused: OptOut, gate: Filters, path: Path) -> None:
    """Read one part and write it to `path`."""
    candidates = [Candidate(**fields | {"location": Location(*fields["location"])}) for fields in json.loads(task)]
    contents = read_contents([(candidate.location, candidate.bytes) for candidate in candidates])
    rows = [_row(candidate, content, refused, gate) for candidate, content in zip(candidates, contents, strict=True)]
    table = pa.Table.from_pylist(rows, schema=PART_SCHEMA)
    aside = path.with_suffix(f".{os.getpid()}.tmp")
    with aside.open("wb") as stream:
        pq.write_table(table, stream, compression="zstd")
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(path)


KNOWN_BEFORE = [each.name for each in fields(Candidate) if each.name != "location"]


def _row(candidate: Candidate, content: bytes | Unread, refused: OptOut, gate: Filters) -> dict[str, Any]:
    known = {name: getattr(candidate, name) for name in KNOWN_BEFORE}
    known |= {"unusable": "", "sha256": "", "source_sha256": "", "normal_sha256": ""}
    if isinstance(content, Unread):
        return known | {"unusable": content.reason}
    if refused.refuses_content(content):
        return known | {"unusable": REASON}
    text, unusable = decode(content)
    if unusable:
        return known | {"unusable": unusable}
    stated = header_licence(text)
    if stated:
        known |= {"licence": stated.expression, "licence_evidence": stated.evidence}
        known["licence_confidence"] = stated.confidence
    if not is_permissive(known["licence"], TIERS[-1]):
        return known
    measured = signals(text, candidate.path, candidate.language, gate)
    text, redacted = redact(text)
    data = text.encode()
    if refused.refuses_content(data):
        return known | {"unusable": REASON}
    return {
        **known,
        **measured,
        "text": text,
        "sha256": hashlib.sha256(data).hexdigest(),
        "source_sha256": hashlib.sha256(content).hexdigest(),
        "normal_sha256": hashlib.sha256(" ".join(text.split()).encode()).hexdigest(),
        "bytes": len(data),
        "redacted": sorted(redacted.items()),
    }
