"""Exact and near duplicates: which files to drop so that each text stays once.

Exact: the sha256 of the text with every run of white space read as one space. Near: MinHash with locality-sensitive
hashing (Broder 1997; settings of The Stack v2, arXiv 2402.19173, section 3.2): word 5-grams over `\\W`, lower case, 250
hashes in 25 bands of 10 rows. Files that share a band are candidates; their true Jaccard similarity is computed, and
pairs at or above the threshold are joined by union-find. Of each group the best file stays: one outside vendored
directories before one inside, then the larger, then the first by (project, path).

Cost: signatures about 50 MB/s on two cores, in Daft; verification is linear in the pairs that are not joined already,
and holds the texts of all candidates but the word runs of only `SHINGLED_FILES`, which are a hundred times as large.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import combinations
from pathlib import Path

import pyarrow as pa

from midspan.data.dataframe import daft
from midspan.data.entries import Entry, tables
from midspan.recipe.schema import DuplicateConfig

MINHASH_SEED = 1
SHINGLED_FILES = 1_024
VENDORED = re.compile(r"(^|/)_?(vendor|vendored|third_?party|extern|external|bundled)/", re.IGNORECASE)

_BREAK = re.compile(r"\W+")


def rank(entry: Entry) -> tuple[bool, int, str, str]:
    """The order among duplicates: lower is better."""
    return (VENDORED.search(entry.path) is not None, -entry.bytes, entry.project, entry.path)


class UnionFind:
    """Disjoint sets of integers, with path halving; the smallest member stands for its set."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}

    def find(self, item: int) -> int:
        """The smallest member of the item's set."""
        parent = self._parent
        parent.setdefault(item, item)
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    def union(self, left: int, right: int) -> None:
        """Join the sets of two items."""
        low, high = sorted((self.find(left), self.find(right)))
        self._parent[high] = low

    def groups(self) -> list[list[int]]:
        """Sets with more than one member, each sorted, in the order of their smallest members."""
        members: dict[int, list[int]] = {}
        for item in sorted(self._parent):
            members.setdefault(self.find(item), []).append(item)
        return [members[root] for root in sorted(members) if len(members[root]) > 1]


def exact_duplicates(entries: Iterable[Entry]) -> set[int]:
    """Rows to drop: all but the best of each group with the same normalised hash."""
    best: dict[str, Entry] = {}
    dropped: set[int] = set()
    for entry in entries:
        other = best.setdefault(entry.normal_sha256, entry)
        if other is not entry:
            keep, drop = sorted((other, entry), key=rank)
            best[entry.normal_sha256] = keep
            dropped.add(drop.row)
    return dropped


def near_duplicates(parts: Sequence[Path], entries: Sequence[Entry], config: DuplicateConfig) -> set[int]:
    """Rows to drop among `entries` (the files that exact deduplication left), whose texts are in `parts`."""
    if len(entries) < 2:
        return set()
    buckets = candidate_groups(parts, {entry.row for entry in entries}, config)
    texts = _texts(parts, {row for bucket in buckets for row in bucket})
    joined = verified_groups(buckets, texts, config)
    by_row = {entry.row: entry for entry in entries}
    dropped: set[int] = set()
    for group in joined:
        ordered = sorted((by_row[row] for row in group), key=rank)
        dropped.update(entry.row for entry in ordered[1:])
    return dropped


def candidate_groups(parts: Sequence[Path], rows: set[int], config: DuplicateConfig) -> list[tuple[int, ...]]:
    """Groups of rows that share at least one band of their MinHash signatures, each once, sorted."""
    functions = daft.functions
    col = daft.col
    wanted = pa.array(sorted(rows), pa.int64())
    frame = daft.from_arrow(pa.concat_tables(tables(parts, wanted, ["text"])))
    words = functions.regexp_replace(functions.lower(col("text")), r"\W+", " ")
    signature = functions.minhash(
        words, num_hashes=config.bands * config.rows, ngram_size=config.ngram_size, seed=MINHASH_SEED
    )
    frame = frame.select("row", signature.cast(daft.DataType.list(daft.DataType.uint32())).alias("signature"))
    bands = [
        functions.hash(functions.slice(col("signature"), band * config.rows, (band + 1) * config.rows), daft.lit(band))
        for band in range(config.bands)
    ]
    frame = frame.select("row", functions.to_list(*bands).alias("band")).explode("band")
    frame = frame.groupby("band").agg(col("row").list_agg(), col("row").count().alias("files"))
    groups = frame.where(col("files") > daft.lit(1)).select("row").to_pydict()["row"]
    return sorted({tuple(sorted(group)) for group in groups})


def verified_groups(
    buckets: Sequence[tuple[int, ...]], texts: dict[int, str], config: DuplicateConfig
) -> list[list[int]]:
    """Connected components of the pairs within buckets whose Jaccard similarity reaches the threshold."""
    sets = UnionFind()

    @lru_cache(maxsize=SHINGLED_FILES)
    def shingled(row: int) -> set[tuple[str, ...]]:
        return shingles(texts[row], config.ngram_size)

    for bucket in buckets:
        for left, right in combinations(bucket, 2):
            if sets.find(left) == sets.find(right):
                continue
            if jaccard(shingled(left), shingled(right)) >= config.threshold:
                sets.union(left, right)
    return sets.groups()


def shingles(text: str, size: int) -> set[tuple[str, ...]]:
    """The distinct runs of `size` lower-case words of a text; a shorter text is one run."""
    words = _BREAK.sub(" ", text.lower()).split()
    return {tuple(words[start : start + size]) for start in range(max(1, len(words) - size + 1))}


def jaccard(left: set[tuple[str, ...]], right: set[tuple[str, ...]]) -> float:
    """Size of the intersection over size of the union."""
    common = len(left & right)
    return common / (len(left) + len(right) - common)


def _texts(parts: Sequence[Path], rows: set[int]) -> dict[int, str]:
    texts: dict[int, str] = {}
    for table in tables(parts, pa.array(sorted(rows), pa.int64()), ["text"]):
        texts.update(zip(table["row"].to_pylist(), table["text"].to_pylist(), strict=True))
    return texts
