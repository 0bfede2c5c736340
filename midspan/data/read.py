"""From listed files to rows with all that is known of them: read, find the licence, measure, redact.

Work is cut into parts of a few megabytes. A part is one Parquet file named by the hash of everything it depends on
(the files with the stamps they were listed under, contents to refuse, never a threshold), written aside and renamed:
after a kill only the parts that are missing are read, and none if only thresholds changed. Where a part ends is decided
by the names of the files, so that after a change of a source few other parts are cut anew. Daft hands the parts to one
process per core (or to the workers of a Ray cluster).

Cost: about 14 MB/s per core of source text, a third of it redaction; memory is that of a part (16 MB) times a small
factor.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import midspan
from midspan.data.dataframe import each_done
from midspan.data.decode import decode
from midspan.data.filters.signals import cheap_columns, origin_signals, text_signals
from midspan.data.licence import header_licence
from midspan.data.opt_out import REASON, OptOut
from midspan.data.redact import redact
from midspan.data.sources.contents import read_contents
from midspan.data.sources.project import Location, Unread
from midspan.data.spdx import TIERS, is_permissive
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
    *(pa.field(name, kind) for name, kind in cheap_columns().items()),
    pa.field("redacted", pa.map_(pa.string(), pa.int64())),
]
"""What is known of a file before its text is looked at closely; these columns are also the corpus's."""
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
    candidates: Sequence[Candidate], refused: OptOut, folder: Path, processes: int, progress: Progress
) -> list[Path]:
    """Read all candidates into Parquet parts in `folder`, in so many processes; parts that are there already are kept.

    Of contents that are refused by their hash nothing is written but that they are.
    Of files without a permissive licence no text is kept, and nothing is measured. Returns the parts; their rows one
    after the other are the candidates in their order. Nothing here depends on a threshold: what a recipe makes of the
    files is decided later, from the stored columns.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    missing: list[str] = []
    for part in _parts(candidates):
        files = [asdict(candidate) for candidate in part]
        identity = "\n".join([midspan.__version__, *sorted(refused.hashes), json.dumps(files, sort_keys=True)])
        path = folder / f"{hashlib.sha256(identity.encode()).hexdigest()}.parquet"
        paths.append(path)
        if not path.is_file():
            missing.append(json.dumps([str(path), files]))
    with progress.task("read", total=len(paths), done=len(paths) - len(missing)) as bar:
        for _ in each_done(partial(read_part, refused), missing, processes):
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


def read_part(refused: OptOut, task: str) -> None:
    """Read one part, given as JSON: the path to write it to, the candidates."""
    path, files = json.loads(task)
    candidates = [Candidate(**each | {"location": Location(*each["location"])}) for each in files]
    contents = read_contents([(candidate.location, candidate.bytes) for candidate in candidates])
    seen: dict[str, dict[str, Any]] = {}
    rows = [_row(candidate, content, refused, seen) for candidate, content in zip(candidates, contents, strict=True)]
    write_whole(pa.Table.from_pylist(rows, schema=PART_SCHEMA), Path(path))


def write_whole(table: pa.Table, path: Path) -> None:
    """Write a table so that at `path` there is all of it or what was there before, whenever the process is killed."""
    aside = path.with_suffix(f".{os.getpid()}.tmp")
    with aside.open("wb") as stream:
        pq.write_table(table, stream, compression="zstd")
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(path)


KNOWN_BEFORE = [each.name for each in fields(Candidate) if each.name != "location"]


def _row(
    candidate: Candidate, content: bytes | Unread, refused: OptOut, seen: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """The row of one file; `seen` keeps what was found in each content, since many files are copies."""
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
    source = hashlib.sha256(content).hexdigest()
    if source not in seen:
        seen[source] = _measured(text) | {"source_sha256": source}
    found = seen[source]
    if refused.refuses_content(found["text"].encode()):
        return known | {"unusable": REASON}
    return known | origin_signals(text, candidate.path, candidate.language, found) | found


def _measured(text: str) -> dict[str, Any]:
    """What a text is once it is redacted; signals are those of the text as it was."""
    redacted, counts = redact(text)
    data = redacted.encode()
    return {
        **text_signals(text),
        "text": redacted,
        "sha256": hashlib.sha256(data).hexdigest(),
        "normal_sha256": normal_digest(redacted),
        "bytes": len(data),
        "redacted": sorted(counts.items()),
    }


def normal_digest(text: str) -> str:
    """SHA-256 of a text in which every run of white space is one space."""
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()
