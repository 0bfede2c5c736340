"""Duplicates: how many of the pairs that exact Jaccard similarity finds, and how fast?

Quality: 20,000 files of the Python environments given, chosen by hash. The peer is the definition itself: all pairs
with a similarity of at least the threshold, computed exactly over the sets of word runs with a sparse matrix (scipy).
*Recall* is the share of those pairs that we put into one group. *Precision* is the share of the files we drop that an
exact search drops as well: all but one of each connected component. The last lines compare the components themselves.

Speed: the whole search (exact, near, groups) over all files, in MB of text per second of wall clock, and per second of
processor time and core, which other work on the machine changes less.

    python benchmarks/data_duplicates.py [SITE_PACKAGES ...] [--files 20000]
"""

import argparse
import hashlib
import os
import re
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import sparse

from midspan.data.duplicates import UnionFind, find_clusters
from midspan.data.entries import Entry
from midspan.recipe.schema import DuplicateConfig
from midspan.syntax.languages import language_of

CONFIG = DuplicateConfig()
PART_FILES = 2_000
MAX_BYTES = 1_000_000
MIN_BYTES = 64
BLOCK = 500


def main() -> None:
    """Collect, search, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("roots", nargs="*", type=Path, default=[Path(sysconfig.get_paths()["purelib"])])
    parser.add_argument("--files", type=int, default=20_000, help="files for the comparison with exact Jaccard")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        everything = sorted(collect(options.roots), key=lambda path: hashlib.sha256(str(path).encode()).digest())
        parts, entries = write_parts(everything, folder)
        started, used = time.perf_counter(), time.process_time()
        clusters = find_clusters(parts, entries, CONFIG, folder)
        seconds, used = time.perf_counter() - started, time.process_time() - used
        size = sum(entry.bytes for entry in entries) / 1e6
        chosen = entries[: options.files]
        parts, chosen = parts[: -(-len(chosen) // PART_FILES)], chosen
        ours = [[entry.row for entry in cluster] for cluster in find_clusters(parts, chosen, CONFIG, folder)]
        texts = [text for part in parts for text in pq.read_table(part, columns=["text"])["text"].to_pylist()]
        started = time.perf_counter()
        exact = exact_pairs(texts[: len(chosen)])
        exact_seconds = time.perf_counter() - started
    speed = Table("files", "MB", "wall s", "MB/s", "cpu s", "MB/s of cpu x cores", "groups", title="Speed")
    per_cpu = size / used * (os.cpu_count() or 1)
    figures = (size, seconds, size / seconds, used, per_cpu)
    speed.add_row(f"{len(entries):,}", *(f"{figure:.1f}" for figure in figures), f"{len(clusters):,}")
    Console().print(f"load {os.getloadavg()[0]:.1f}")
    Console().print(speed)
    Console().print(quality(ours, exact, len(chosen), exact_seconds))


def quality(ours: Sequence[Sequence[int]], exact: Sequence[tuple[int, int]], files: int, seconds: float) -> Table:
    """Our groups against the connected components of the exact pairs."""
    sets = UnionFind(files)
    for left, right in exact:
        sets.union(left, right)
    group = {row: number for number, members in enumerate(ours) for row in members}
    reference = {row: number for number, members in enumerate(sets.groups()) for row in members}
    both = Counter((group[row], reference[row]) for row in group if row in reference)
    common = sum(pairs(count) for count in both.values())
    found = sum(left in group and group[left] == group.get(right) for left, right in exact)
    table = Table("over pairs", "value", title=f"Quality over {files:,} files, threshold {CONFIG.threshold}")
    table.add_row("exact pairs, computed in", f"{len(exact):,} in {seconds:.0f} s")
    wrongly = sum(len({reference.get(row, -1 - row) for row in members}) - 1 for members in ours)
    dropped, wanted = files_dropped(ours), files_dropped(sets.groups())
    table.add_row("recall", f"{found / len(exact):.4f}")
    table.add_row("precision", f"{1 - wrongly / dropped:.4f}")
    table.add_row("files dropped: exact, ours", f"{wanted:,}, {dropped:,}")
    ours_pairs, exact_count = (pairs_within(groups.values()) for groups in (group, reference))
    table.add_row("pairs within components: recall", f"{common / exact_count:.4f}")
    table.add_row("pairs within components: precision", f"{common / ours_pairs:.4f}")
    return table


def pairs(count: int) -> int:
    """How many pairs so many things make."""
    return count * (count - 1) // 2


def pairs_within(numbers: Iterable[int]) -> int:
    """Pairs of files that have the same number of a component."""
    return sum(pairs(count) for count in Counter(numbers).values())


def files_dropped(groups: Sequence[Sequence[int]]) -> int:
    """All but one of each group."""
    return sum(len(group) - 1 for group in groups)


def exact_pairs(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Every pair of texts with a Jaccard similarity at or above the threshold.

    The product of the matrix (texts x word runs) with its transpose counts the common runs of all pairs. A run that no
    other text has adds nothing to it and is left out; texts that are the same are one row.
    """
    places: dict[bytes, list[int]] = {}
    sets = []
    for number, text in enumerate(texts):
        hashes = runs_of(text)
        same = places.setdefault(hashes.tobytes(), [])
        if not same:
            sets.append(hashes)
        same.append(number)
    copies = list(places.values())
    sizes = np.array([len(hashes) for hashes in sets])
    runs, columns, counts = np.unique(np.concatenate(sets), return_inverse=True, return_counts=True)
    rows = np.repeat(np.arange(len(sets)), sizes)
    shared = counts[columns] > 1
    ones = np.ones(int(shared.sum()), np.int32)
    matrix = sparse.csr_matrix((ones, (rows[shared], columns[shared])), (len(sets), len(runs)))
    transposed = matrix.T.tocsr()
    found = [pair for group in copies for pair in combinations(group, 2)]
    for start in range(0, len(sets), BLOCK):
        product = (matrix[start : start + BLOCK] @ transposed).tocoo()
        left, right, common = product.row + start, product.col, product.data
        similar = (left < right) & (common >= CONFIG.threshold * (sizes[left] + sizes[right] - common))
        for one, other in zip(left[similar].tolist(), right[similar].tolist(), strict=True):
            found += [(min(a, b), max(a, b)) for a in copies[one] for b in copies[other]]
    return found


def runs_of(text: str) -> NDArray[np.int64]:
    """The word runs as Python's hashes of tuples of words: nothing of the code that is measured."""
    words = re.sub(r"\W+", " ", text.lower()).split()
    size = CONFIG.ngram_size
    found = {hash(tuple(words[start : start + size])) for start in range(max(1, len(words) - size + 1))}
    return np.sort(np.fromiter(found, np.int64, len(found)))


def collect(roots: Sequence[Path]) -> Iterator[Path]:
    """Files in a known language, neither tiny nor huge."""
    for root in roots:
        for path in root.rglob("*"):
            if path.is_file() and language_of(path.name) and MIN_BYTES <= path.stat().st_size <= MAX_BYTES:
                yield path


def write_parts(paths: Sequence[Path], folder: Path) -> tuple[list[Path], list[Entry]]:
    """The files as parts of a data stage: the columns that the search reads."""
    parts: list[Path] = []
    entries: list[Entry] = []
    texts: list[str] = []
    hashes: list[str] = []

    def flush() -> None:
        parts.append(folder / f"{len(parts):05}.parquet")
        pq.write_table(pa.table({"text": texts, "normal_sha256": hashes}), parts[-1], compression="zstd")
        texts.clear()
        hashes.clear()

    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        texts.append(text)
        hashes.append(hashlib.sha256(" ".join(text.split()).encode()).hexdigest())
        unknown = dict.fromkeys(
            ("language", "source", "revision", "licence", "licence_evidence", "sha256", "source_sha256", "unusable"), ""
        )
        entries.append(
            Entry(
                row=len(entries),
                project="",
                path=str(path),
                bytes=len(text.encode()),
                normal_sha256=hashes[-1],
                licence_confidence=1.0,
                **unknown,
            )
        )
        if len(texts) == PART_FILES:
            flush()
    if texts:
        flush()
    return parts, entries


if __name__ == "__main__":
    main()
