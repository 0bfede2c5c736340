"""Exact and near duplicates: clusters of files with the same or nearly the same text, the best of each first.

Exact: the same text when every run of white space is read as one space. Near: MinHash with locality-sensitive hashing
(Broder 1997; settings of The Stack v2, arXiv 2402.19173, section 3.2): word 5-grams over `\\W`, lower case, 250 hashes
in 25 bands of 10 rows. Files that share a band are candidates; the Jaccard similarity of a candidate pair is then
computed from its word runs, and pairs at or above the threshold are joined by union-find.

A bucket of more than `FULL_BUCKET` files, which boilerplate makes, is not compared pair by pair but each file with the
bucket's first and its `NEIGHBOURS` next: members of one bucket are alike, so that a chain holds them together.

Cost: 50 MB/s on two cores for the signatures, in Daft (on a Ray cluster: on all its cores), 60 MB/s on one for the word
runs of candidates, which lie in a file, 15 microseconds for a pair that is not joined already. In memory are a
few hundred bytes for each file and the buckets that hold more than one, never all texts.
"""

from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from midspan.data.dataframe import daft
from midspan.data.entries import Entry, tables
from midspan.data.filters.origin import is_vendored
from midspan.data.shingles import Hashes, jaccard, shingle_sets
from midspan.recipe.schema import DuplicateConfig

MINHASH_SEED = 1
FULL_BUCKET = 64
NEIGHBOURS = 8
CERTAIN = 0.9
"""Confidence from which on a licence counts as certain."""
PENDING_PAIRS = 10_000_000

Pairs = NDArray[np.int64]
"""[N, 2], each row ascending, no row twice."""


def rank(entry: Entry) -> tuple[bool, bool, float, int, str, str]:
    """The order among duplicates, best first.

    A licence that is certain goes before one that is not, then a file outside vendored directories before one inside,
    the clearer licence before the less clear, the larger file before the smaller; then (project, path) decides.
    The Stack v2 goes by licence, then by stars and forks, which not every source knows.
    """
    certain = entry.licence_confidence >= CERTAIN
    return not certain, is_vendored(entry.path), -entry.licence_confidence, -entry.bytes, entry.project, entry.path


class UnionFind:
    """Disjoint sets of the numbers below `size`, with path halving; the smallest member stands for its set."""

    def __init__(self, size: int) -> None:
        self._parent = array("q", range(size))

    def find(self, item: int) -> int:
        """The smallest member of the item's set."""
        parent = self._parent
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
        for item in range(len(self._parent)):
            root = self.find(item)
            if root != item:
                members.setdefault(root, [root]).append(item)
        return [members[root] for root in sorted(members)]


def find_clusters(
    parts: Sequence[Path], entries: Sequence[Entry], config: DuplicateConfig, scratch: Path
) -> list[list[Entry]]:
    """The clusters of more than one among `entries`, whose texts are in `parts`, each sorted by `rank`.

    `scratch` is a folder for what does not need to be in memory; it is left as it was.
    """
    copies: dict[str, list[Entry]] = {}
    for entry in entries:
        copies.setdefault(entry.normal_sha256, []).append(entry)
    texts = [group[0] for group in copies.values()]
    similar = near_groups(parts, texts, config, scratch)
    clusters = [[entry for number in group for entry in copies[texts[number].normal_sha256]] for group in similar]
    joined = {number for group in similar for number in group}
    clusters += [group for number, group in enumerate(copies.values()) if len(group) > 1 and number not in joined]
    return sorted((sorted(cluster, key=rank) for cluster in clusters), key=lambda cluster: rank(cluster[0]))


def near_groups(
    parts: Sequence[Path], texts: Sequence[Entry], config: DuplicateConfig, scratch: Path
) -> list[list[int]]:
    """Connected components of the pairs at or above the threshold, as places in `texts`: different, in order of row."""
    pairs = candidate_pairs(parts, texts, config)
    members = np.unique(pairs)
    sets = UnionFind(len(texts))
    if len(members):
        wanted = [texts[member].row for member in members]
        stored = StoredSets(scratch / "shingles.u32")
        try:
            for table in tables(parts, wanted, ["text"]):
                stored.extend(shingle_sets(table["text"].to_pylist(), config.ngram_size))
            place = dict(zip(members.tolist(), range(len(members)), strict=True))
            for left, right in pairs.tolist():
                if sets.find(left) != sets.find(right) and stored.similar(place[left], place[right], config.threshold):
                    sets.union(left, right)
        finally:
            stored.remove()
    return sets.groups()


def candidate_pairs(parts: Sequence[Path], texts: Sequence[Entry], config: DuplicateConfig) -> Pairs:
    """Pairs of places in `texts` whose MinHash signatures share a band."""
    if len(texts) < 2:
        return np.empty((0, 2), np.int64)
    functions, col = daft.functions, daft.col
    words = functions.regexp_replace(functions.lower(col("text")), r"\W+", " ")
    signature = functions.minhash(
        words, num_hashes=config.bands * config.rows, ngram_size=config.ngram_size, seed=MINHASH_SEED
    )
    bands = [
        functions.hash(functions.slice(col("signature"), band * config.rows, (band + 1) * config.rows), daft.lit(band))
        for band in range(config.bands)
    ]
    frame = _texts(parts, texts).select(
        "place", signature.cast(daft.DataType.list(daft.DataType.uint32())).alias("signature")
    )
    frame = frame.select("place", functions.to_list(*bands).alias("band")).explode("band")
    frame = frame.groupby("band").agg(col("place").list_agg(), col("place").count().alias("files"))
    frame = frame.where(col("files") > daft.lit(1)).select(functions.list_sort(col("place"))).distinct()
    buckets = frame.to_arrow()["place"]
    return pairs_of_buckets(bucket.values.to_numpy() for bucket in buckets)


def pairs_of_buckets(buckets: Iterable[NDArray[np.int64]]) -> Pairs:
    """The pairs to compare: all of a bucket, of a bucket beyond `FULL_BUCKET` only a chain that holds it together."""
    found = np.empty(0, np.int64)
    pending: list[NDArray[np.int64]] = []
    held = 0
    for bucket in buckets:
        members = np.unique(bucket)
        size = len(members)
        if size <= FULL_BUCKET:
            left, right = np.triu_indices(size, 1)
        else:
            steps = range(1, NEIGHBOURS + 1)
            left = np.concatenate([np.zeros(size - 1, int), *(np.arange(size - step) for step in steps)])
            right = np.concatenate([np.arange(1, size), *(np.arange(step, size) for step in steps)])
        pending.append(members[left] << 32 | members[right])
        held += len(left)
        if held > PENDING_PAIRS:
            found, pending, held = np.unique(np.concatenate([found, *pending])), [], 0
    found = np.unique(np.concatenate([found, *pending]))
    return np.stack([found >> 32, found & 0xFFFFFFFF], axis=1)


class StoredSets:
    """Sets of word runs, one after the other in a file, read through the system's page cache."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")
        self._ends = array("q", [0])
        self._mapped: NDArray[np.uint32] | None = None

    def extend(self, sets: Iterable[Hashes]) -> None:
        """Add sets at the end; not after the first comparison."""
        for each in sets:
            each.tofile(self._file)
            self._ends.append(self._ends[-1] + len(each))

    def similar(self, left: int, right: int, threshold: float) -> bool:
        """Whether the Jaccard similarity of the sets with these numbers reaches the threshold."""
        first, second = self._get(left), self._get(right)
        small, large = sorted((len(first), len(second)))
        return small >= threshold * large and jaccard(first, second) >= threshold

    def _get(self, number: int) -> Hashes:
        if self._mapped is None:
            self._file.flush()
            self._mapped = np.memmap(self._path, np.uint32, "r")
        return self._mapped[self._ends[number] : self._ends[number + 1]]

    def remove(self) -> None:
        """Close and delete the file."""
        self._mapped = None
        self._file.close()
        self._path.unlink()


def _texts(parts: Sequence[Path], texts: Sequence[Entry]) -> daft.DataFrame:
    """(place among `texts`, text), read where it is needed; a text that stands in several files comes as often."""
    columns = {"normal_sha256": [entry.normal_sha256 for entry in texts], "place": list(range(len(texts)))}
    frame = daft.read_parquet([str(part) for part in parts]).select("normal_sha256", "text")
    return frame.join(daft.from_arrow(pa.table(columns)), on="normal_sha256")
