"""Where a piece of code stands in a corpus: an index of fingerprints beside it, and what it answers.

The index is one sorted array of numbers on disk, `HASH_BITS` of a fingerprint (`grams`) and then the document's row in
`corpus.parquet`; about 0.2 bytes for each byte of the corpus. It is made on the first query, out of the corpus alone,
and goes with the stage's directory when the corpus is built anew; it holds no text. A hit only names a document to look
at: what is reported is the longest run of characters, white space and case aside, that piece and document really share.

A query of ten lines takes a few binary searches in the mapped file and one row group per document shown.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from midspan.data.corpus import CORPUS_FILE
from midspan.data.grams import GRAM, GUARANTEE, Bytes, fingerprints, gram_hashes, normalised, places
from midspan.errors import MidspanError

INDEX_FILE = ".who.npy"
HASH_BITS = 36
ROW_BITS = 64 - HASH_BITS
LOOKED_AT = 8
"""Documents that share most fingerprints; no others are compared."""
COMMON = 10_000
"""A fingerprint of more documents than this says nothing about where a piece comes from."""


@dataclass(frozen=True)
class Origin:
    """A document and the longest run it shares with the piece: `characters` without white space, lines from 1."""

    project: str
    path: str
    first_line: int
    last_line: int
    characters: int
    share: float
    """Of the piece's characters."""
    split: str
    language: str
    licence: str
    source: str
    revision: str
    url: str


COLUMNS = ("project", "path", "split", "language", "licence", "source", "revision", "url")


def who(stage_dir: Path, piece: str) -> list[Origin]:
    """The documents of the corpus that share at least `GUARANTEE` characters with `piece`, the longest run first.

    At most `LOOKED_AT` of them. Raises MidspanError if there is no corpus, or for a piece too short to be found surely.
    """
    normal = normalised(piece)
    if len(normal) < GUARANTEE:
        raise MidspanError(
            f"the text has {len(normal)} characters besides white space; fewer than {GUARANTEE} stand in many places",
            "give more of it, five lines or so",
        )
    return who_in(stage_dir, load_index(stage_dir), normal)


def who_in(stage_dir: Path, index: npt.NDArray[np.uint64], normal: Bytes) -> list[Origin]:
    """`who` for an index that is loaded and a normalised piece of whatever length."""
    rows = _rows(index, gram_hashes(normal))
    origins = [_origin(known, text, normal) for known, text in _documents(stage_dir, rows)]
    found = [origin for origin in origins if origin.characters >= GUARANTEE]
    return sorted(found, key=lambda origin: (-origin.characters, origin.project, origin.path))


def load_index(stage_dir: Path) -> npt.NDArray[np.uint64]:
    """The index of the corpus in `stage_dir`, made now if it is not there; mapped, not read."""
    path = stage_dir / INDEX_FILE
    if not path.is_file():
        aside = path.with_suffix(".partial.npy")
        try:
            np.save(aside, build_index(stage_dir))
            aside.replace(path)
        except OSError as error:
            raise MidspanError(
                f"cannot write {path}: {error.strerror}", "the index is kept beside the corpus"
            ) from None
    index: npt.NDArray[np.uint64] = np.load(path, mmap_mode="r", allow_pickle=False)
    return index


def build_index(stage_dir: Path) -> npt.NDArray[np.uint64]:
    """Fingerprints and rows of all documents, sorted."""
    corpus = stage_dir / CORPUS_FILE
    if not corpus.is_file():
        raise MidspanError(f"there is no corpus at {corpus}", "run the `data` stage first")
    keys = [np.zeros(0, np.uint64)]
    row = 0
    with pq.ParquetFile(corpus) as file:
        for group in range(file.num_row_groups):
            for text in file.read_row_group(group, columns=["text"])["text"]:
                hashes = fingerprints(text.as_py())
                keys.append((hashes >> np.uint64(ROW_BITS) << np.uint64(ROW_BITS)) | np.uint64(row))
                row += 1
    return np.unique(np.concatenate(keys))


def _rows(index: npt.NDArray[np.uint64], hashes: npt.NDArray[np.uint64]) -> list[int]:
    """The rows of the documents that share most hashes, in the order of rows."""
    best = sorted(shared(index, hashes).items(), key=lambda each: (-each[1], each[0]))[:LOOKED_AT]
    return sorted(row for row, _ in best)


def shared(index: npt.NDArray[np.uint64], hashes: npt.NDArray[np.uint64]) -> Counter[int]:
    """How many of the hashes each document has, by its row; hashes of too many documents do not count."""
    first = np.unique(hashes >> np.uint64(ROW_BITS))
    starts = np.searchsorted(index, first << np.uint64(ROW_BITS))
    ends = np.searchsorted(index, (first << np.uint64(ROW_BITS)) | np.uint64((1 << ROW_BITS) - 1), side="right")
    found: Counter[int] = Counter()
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if end - start <= COMMON:
            found.update((index[start:end] & np.uint64((1 << ROW_BITS) - 1)).tolist())
    return found


def _documents(stage_dir: Path, rows: list[int]) -> Iterator[tuple[dict[str, str], str]]:
    """What is known of the documents in these rows, and their texts, one row group in memory at a time."""
    with pq.ParquetFile(stage_dir / CORPUS_FILE) as file:
        columns = [name for name in COLUMNS if name in file.schema_arrow.names]
        first = 0
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            wanted = [row - first for row in rows if first <= row < first + count]
            first += count
            if wanted:
                for known in file.read_row_group(group, columns=[*columns, "text"]).take(wanted).to_pylist():
                    text = known.pop("text")
                    yield dict.fromkeys(COLUMNS, "") | known, text


def _origin(known: dict[str, str], text: str, piece: npt.NDArray[np.uint8]) -> Origin:
    start, length = longest_run(piece, normalised(text))
    place = places(text)
    data = text.encode()
    first = data.count(b"\n", 0, int(place[start])) + 1 if length else 1
    last = data.count(b"\n", 0, int(place[start + length - 1])) + 1 if length else 1
    return Origin(first_line=first, last_line=last, characters=length, share=round(length / len(piece), 4), **known)


def longest_run(piece: npt.NDArray[np.uint8], document: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Where in `document` the longest run begins that it shares with `piece`, and its length; (0, 0) below `GRAM`."""
    in_piece: dict[int, list[int]] = {}
    for position, value in enumerate(gram_hashes(piece).tolist()):
        in_piece.setdefault(value, []).append(position)
    hashes = gram_hashes(document)
    hits = np.flatnonzero(np.isin(hashes, np.fromiter(in_piece, np.uint64, len(in_piece))))
    best, runs, previous = (0, 0), dict[int, int](), -1
    for position in hits.tolist():
        before = runs if position == previous + 1 else {}
        runs = {at: before.get(at - 1, 0) + 1 for at in in_piece[int(hashes[position])]}
        length = max(runs.values())
        if length > best[1]:
            best = (position - length + 1, length)
        previous = position
    return (best[0], best[1] + GRAM - 1) if best[1] else best
