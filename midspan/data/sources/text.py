"""Natural language as a source: plain text, Wikipedia dumps, JSONL and Parquet with a column of text.

Documents are of the language `text`. They have no projects of their own, so they are divided among a few by the hash of
their names: a split by project then holds some documents out, and a cap on projects leaves a sample. The licence is the
one the recipe states, with the evidence `recipe`: whoever writes it answers for it.

Dumps and JSONL are converted once into a Parquet file in Midspan's cache, which is then read like any other; memory
stays at one row group. Cost: a dump about 8 MB/s of wikitext on one core, JSONL about 40 MB/s.
"""

import bz2
import gzip
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, NamedTuple, cast

import pyarrow as pa
import pyarrow.parquet as pq

from midspan.context.store import default_cache
from midspan.data.corpus import TEXT
from midspan.data.sources.folder import stamp_of, walk
from midspan.data.sources.parquet import DAMAGE, text_rows
from midspan.data.sources.paths import files_at, suffix_of
from midspan.data.sources.project import Broken, Declaration, Location, SourceFile, SourceProject, is_utf8
from midspan.data.sources.wikitext import articles
from midspan.errors import MidspanError
from midspan.recipe.sources import TextSource

PLAIN = (".txt", ".text", ".md", ".rst")
MAX_LINE = 16_000_000
"""Bytes of a line of JSONL; longer ones are left out."""
CONVERSION = 1
"""Number of the way documents are made from dumps and JSONL; another one makes them anew."""
ROW_GROUP_BYTES = 8_000_000


class Document(NamedTuple):
    """What a conversion yields."""

    name: str
    text: str


def text_projects(source: TextSource) -> Iterator[SourceProject | Broken]:
    """The documents of a source in `source.projects` projects. Raises MidspanError if there is none."""
    skipped: Counter[str] = Counter()
    declared = Declaration(expression=source.licence, origin="recipe")
    files: dict[str, SourceFile] = {}
    for path in _files(source):
        try:
            for name, location, size in _documents(path, source, skipped):
                if name in files:
                    skipped["same_path_again"] += 1
                else:
                    files[name] = SourceFile(name, location, TEXT, size, declared)
        except MidspanError as error:
            yield Broken(f"text:{path.name}", error.message, error.hint)
        except (*DAMAGE, EOFError) as error:
            yield Broken(f"text:{path.name}", f"damaged: {' '.join(str(error).split())}")
    if not files:
        raise MidspanError(f"{source.path} holds no text", f"known are {', '.join([*PLAIN, *CONVERTERS, '.parquet'])}")
    shares: dict[int, list[SourceFile]] = {}
    for _, file in sorted(files.items()):
        shares.setdefault(_share(file.path, source.projects), []).append(file)
    name = source.name or Path(source.path).expanduser().resolve().name.partition(".")[0]
    for share, members in sorted(shares.items()):
        project = f"{name}-{share:0{len(str(source.projects - 1))}}" if source.projects > 1 else name
        yield SourceProject(project, f"text:{source.path}", "", tuple(members), url=source.url, skipped=skipped)
        skipped = Counter()


def text_identity(source: TextSource) -> Iterator[str]:
    """Name, size and time of each file."""
    for path in _files(source):
        yield f"{path}\0{stamp_of(path.stat())}"


def _files(source: TextSource) -> list[Path]:
    suffixes = [*PLAIN, *CONVERTERS, ".parquet"]
    root = Path(source.path).expanduser()
    if not root.is_dir():
        return files_at(source.path, suffixes)
    listed = walk(root.resolve(), Counter(), lambda path: is_utf8(path) and bool(suffix_of(path, suffixes)))
    return sorted(Path(found.location.container) for found in listed)


def _documents(path: Path, source: TextSource, skipped: Counter[str]) -> Iterator[tuple[str, Location, int]]:
    """(Name, location, bytes) of each document in a file."""
    if suffix_of(path.name, PLAIN):
        root = Path(source.path).expanduser().resolve()
        name = path.relative_to(root).as_posix() if root.is_dir() else path.name
        status = path.lstat()
        yield name, Location(str(path), stamp=stamp_of(status)), status.st_size
    elif path.name.lower().endswith(".parquet"):
        for number, (_, location, size) in enumerate(text_rows(path, source.column)):
            yield f"{path.name}/{number}", location, size
    else:
        for name, location, size in text_rows(_converted(path, source.column, skipped), "text", "name"):
            yield name, location, size


def _share(name: str, shares: int) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % shares


def _converted(path: Path, column: str, skipped: Counter[str]) -> Path:
    """The Parquet file in the cache with the documents of a dump or of JSONL, made now if it is not there."""
    folder = default_cache() / "text"
    place = hashlib.sha256(f"{path.resolve()}\0{column}".encode()).hexdigest()[:32]
    state = hashlib.sha256(f"{CONVERSION} {stamp_of(path.stat())}".encode()).hexdigest()[:16]
    final = folder / f"{place}-{state}.parquet"
    if not final.exists():
        folder.mkdir(parents=True, exist_ok=True)
        convert = CONVERTERS[suffix_of(path.name, CONVERTERS)]
        aside = final.with_suffix(f".{os.getpid()}.tmp")
        try:
            with _decompressed(path) as stream:
                counts = _write(convert(stream, column), aside)
            aside.replace(final)
        finally:
            aside.unlink(missing_ok=True)
        for old in folder.glob(f"{place}-*.parquet"):
            if old != final:
                old.unlink(missing_ok=True)
    else:
        counts = json.loads(pq.read_metadata(final).metadata[b"skipped"])
    skipped.update(counts)
    return final


def _decompressed(path: Path) -> IO[bytes]:
    if path.name.lower().endswith(".gz"):
        return cast(IO[bytes], gzip.open(path))
    return cast(IO[bytes], bz2.open(path)) if path.name.lower().endswith(".bz2") else path.open("rb")


def _write(documents: Iterator[Document | str], path: Path) -> Mapping[str, int]:
    """Write documents, streaming; a string among them is the reason why one was left out. The counts of reasons."""
    skipped: Counter[str] = Counter()
    schema = pa.schema([("name", pa.string()), ("text", pa.string()), ("bytes", pa.int64())])
    rows: list[dict[str, str | int]] = []
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        size = 0
        for document in documents:
            if isinstance(document, str):
                skipped[document] += 1
                continue
            data = document.text.encode()
            rows.append({"name": document.name, "text": document.text, "bytes": len(data)})
            size += len(data)
            if size > ROW_GROUP_BYTES:
                writer.write_table(pa.Table.from_pylist(rows, schema=schema))
                rows, size = [], 0
        writer.write_table(pa.Table.from_pylist(rows, schema=schema))
        writer.add_key_value_metadata({"skipped": json.dumps(skipped, sort_keys=True)})
    return skipped


def _from_dump(stream: IO[bytes], column: str) -> Iterator[Document | str]:
    for title, text in articles(stream):
        yield Document(title, text)


def _from_lines(stream: IO[bytes], column: str) -> Iterator[Document | str]:
    number = 0
    while line := stream.readline(MAX_LINE):
        number += 1
        if not line.endswith(b"\n") and len(line) == MAX_LINE:
            while (rest := stream.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                pass
            yield "too_large"
            continue
        try:
            row = json.loads(line)
            text = row[column]
            text.encode()
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
            yield "not_json_with_text"
            continue
        yield Document(str(number), text)


CONVERTERS: dict[str, Callable[[IO[bytes], str], Iterator[Document | str]]] = {
    ".xml.bz2": _from_dump,
    ".xml": _from_dump,
    ".jsonl": _from_lines,
    ".jsonl.gz": _from_lines,
}
