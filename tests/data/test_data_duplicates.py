import random

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from midspan.data.duplicates import UnionFind, exact_duplicates, jaccard, near_duplicates, shingles
from midspan.data.entries import Entry
from midspan.recipe.schema import DuplicateConfig


def words(seed, count=300):
    rng = random.Random(seed)
    return [f"name{rng.randrange(5000)}" for _ in range(count)]


def entry(row, path, size=100, normal="", project="p"):
    unknown = dict.fromkeys(
        ("language", "source", "revision", "licence", "licence_evidence", "sha256", "source_sha256", "unusable"), ""
    )
    return Entry(row=row, project=project, path=path, bytes=size, normal_sha256=normal or str(row), **unknown)


@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)), max_size=30), st.randoms())
def test_union_find_gives_the_connected_components_in_any_order(pairs, rng):
    def components(edges):
        sets = UnionFind()
        for left, right in edges:
            sets.union(left, right)
        return sets.groups()

    expected = []
    for item in sorted({item for pair in pairs for item in pair}):
        if any(item in group for group in expected):
            continue
        group = {item}
        for _ in range(16):
            group |= {b for pair in pairs for a, b in (pair, pair[::-1]) if a in group}
        if len(group) > 1:
            expected.append(sorted(group))
    shuffled = list(pairs)
    rng.shuffle(shuffled)
    assert components(pairs) == components(shuffled) == expected


def test_exact_duplicates_keep_the_best():
    entries = [
        entry(0, "pip/_vendor/rich/a.py", normal="same", project="pip"),
        entry(1, "rich/a.py", normal="same", project="rich"),
        entry(2, "zzz/a.py", normal="same", project="zzz"),
        entry(3, "other.py"),
    ]
    assert exact_duplicates(entries) == exact_duplicates(reversed(entries)) == {0, 2}


def test_near_duplicates_are_found_and_verified(tmp_path):
    base = words(1, 400)
    texts = [
        " ".join(base),
        " ".join([*base[:200], "changed", *base[201:]]),
        " ".join([*base[:100], *words(2, 300)]),
        " ".join(words(3, 400)),
        "".join(f"{word.upper()}, " for word in base),
    ]
    part = tmp_path / "part.parquet"
    pq.write_table(pa.table({"row": pa.array(range(len(texts)), pa.int64()), "text": texts}), part)
    entries = [entry(row, f"{row}.py", size=1000 - row) for row in range(len(texts))]
    assert near_duplicates([part], entries, DuplicateConfig()) == {1, 4}
    assert near_duplicates([part], entries, DuplicateConfig(threshold=1.0)) == {4}
    assert near_duplicates([part], [entries[0], entries[2], entries[3]], DuplicateConfig()) == set()


def test_jaccard_of_shingles():
    left, right = shingles("a b c d e f", 5), shingles("A, b c; d e x", 5)
    assert len(left) == 2
    assert jaccard(left, right) == 1 / 3
    assert shingles("one two", 5) == {("one", "two")}
    assert jaccard(shingles("", 5), shingles("", 5)) == 1.0
