"""Reading a finished corpus: what every later stage uses. Needs only pyarrow.

`corpus.parquet` is sorted by (split, project, path), so one pass in file order gives whole projects; row groups are
read one at a time, and memory stays at one of them whatever the size of the corpus.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import groupby
from pathlib import Path

import pyarrow.parquet as pq

from midspan.errors import MidspanError

CORPUS_FILE = "corpus.parquet"
COMMITS_FILE = "commits.parquet"
SPLITS = ("train", "valid", "test")
TEXT = "text"
"""The language of documents in natural language, which has no syntax: only pre-training reads them."""


@dataclass(frozen=True)
class Document:
    """One file of the corpus. `path` is posix and relative to the project, `sha256` the hash of `text` as UTF-8.

    `repeats` is how many times an epoch of pre-training shows it (see `data.mix`), `revision` the version
    it was read at.
    """

    project: str
    path: str
    language: str
    text: str
    licence: str
    source: str
    sha256: str
    split: str
    repeats: float = 1.0
    revision: str = ""


def documents(stage_dir: Path, split: str) -> Iterator[Document]:
    """The documents of one split (`train`, `valid` or `test`) in the order of (project, path).

    Raises MidspanError if the stage directory holds no corpus.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}")
    path = stage_dir / CORPUS_FILE
    if not path.is_file():
        raise MidspanError(f"there is no corpus at {path}", "run the `data` stage first")
    columns = [column.name for column in fields(Document)]
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            for row in file.read_row_group(group, columns=columns).to_pylist():
                if row["split"] == split:
                    yield Document(**row)


def projects(stage_dir: Path, split: str) -> Iterator[tuple[str, list[Document]]]:
    """The projects of one split in order of name, each with its documents by path."""
    for name, group in groupby(documents(stage_dir, split), key=lambda document: document.project):
        yield name, list(group)


@dataclass(frozen=True)
class Commit:
    """A file before and after one commit (`revision`), and what its message says."""

    project: str
    path: str
    language: str
    message: str
    before: str
    after: str
    licence: str
    source: str
    revision: str
    split: str


def commits(stage_dir: Path, split: str) -> Iterator[Commit]:
    """The commits of one split in the order of sources, newest first; none if the recipe names no source of them."""
    path = stage_dir / COMMITS_FILE
    if not path.is_file():
        return
    columns = [column.name for column in fields(Commit)]
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            for row in file.read_row_group(group, columns=columns).to_pylist():
                if row["split"] == split:
                    yield Commit(**row)
