"""Where the files of public benchmarks are: they are not ours to hand out, and no network is used to find them.

A file is named once; a copy stays in Midspan's cache for later.
"""

import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from midspan.context.store import default_cache
from midspan.errors import MidspanError

PARQUET = b"PAR1"
ROWS = 256


def benchmark_file(benchmark: str, name: str, origin: str, given: Path | None) -> Path:
    """The file `name` of a benchmark: `given` (the file, or the folder it is in), else the copy in the cache.

    A given file is copied into the cache. Raises MidspanError if there is none; it says that `origin` has it.
    """
    kept = default_cache() / "benchmarks" / benchmark / name
    if given is None:
        if not kept.is_file():
            raise MidspanError(
                f"{benchmark}: there is no {name} in {kept.parent}", f"get it from {origin} and name it with --data"
            )
        return kept
    found = given / name if given.is_dir() else given
    if not found.is_file():
        raise MidspanError(f"{benchmark}: there is no file {found}", f"get {name} from {origin}")
    if found.resolve() != kept.resolve():
        kept.parent.mkdir(parents=True, exist_ok=True)
        aside = kept.with_name(f"{kept.name}.partial")
        shutil.copyfile(found, aside)
        aside.replace(kept)
    return found


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file, told by its beginning, or of one of JSON lines. Raises MidspanError for others."""
    try:
        with path.open("rb") as file:
            is_parquet = file.read(len(PARQUET)) == PARQUET
        if is_parquet:
            with pq.ParquetFile(path) as table:
                for batch in table.iter_batches(ROWS):
                    yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise MidspanError(f"cannot read {path}: {error}", "get the file again") from None
    if not is_parquet:
        yield from json_lines(path)


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines, packed by gzip or not. Raises MidspanError for a line that is none."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _object(path, number, line)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise MidspanError(f"cannot read {path}: {error}", "get the file again") from None


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise MidspanError(f"{path}:{number} is not JSON: {error}", "get the file again") from None
    if not isinstance(value, dict):
        raise MidspanError(f"{path}:{number} is no JSON object", "get the file again")
    return value
