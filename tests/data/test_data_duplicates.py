import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from midspan.data.duplicates import FULL_BUCKET, UnionFind, find_clusters, pairs_of_buckets
from midspan.data.entries import Entry
from midspan.recipe.schema import DuplicateConfig


def words(seed, count=300):
    rng = random.Random(seed)
    return [f"name{rng.randrange(5000)}" for _ in range(count)]


def entry(row, path, size=100, normal="", project="p", **known):
    unknown = dict.fromkeys(
        ("language", "source", "revision", "licence", "licence_evidence", "sha256", "source_sha256", "unusable"), ""
    )
    known = {"licence_confidence": 1.0, "normal_sha256": normal or str(row)} | known
    return Entry(row=row, project=project, path=path, bytes=size, **unknown, **known)


def clusters(tmp_path, texts, entries=None, **config):
    part = tmp_path / "part.parquet"
    normal = [str(row) for row in range(len(texts))]
    for each in entries or ():
        normal[each.row] = each.normal_sha256
    pq.write_table(pa.table({"normal_sha256": normal, "text": texts}), part)
    entries = entries or [entry(row, f"{row}.py", size=1000 - row) for row in range(len(texts))]
    found = find_clusters([part], entries, DuplicateConfig(**config), tmp_path)
    assert list(tmp_path.iterdir()) == [part]
    return [[each.row for each in cluster] for cluster in found]


@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)), max_size=30), st.randoms())
def test_union_find_gives_the_connected_components_in_any_order(pairs, rng):
    def components(edges):
        sets = UnionFind(16)
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


def test_the_best_of_a_cluster_comes_first(tmp_path):
    text = " ".join(words(1))
    ranked = [
        entry(4, "rich/a.py", normal="same", project="rich"),
        entry(2, "zzz/a.py", normal="same", project="zzz"),
        entry(5, "a.py", normal="same", licence_confidence=0.95),
        entry(0, "pip/_vendor/rich/a.py", normal="same", project="pip", size=500),
        entry(1, "a.py", normal="same", project="unsure", licence_confidence=0.7),
    ]
    other = entry(3, "other.py")
    texts = [text, text, text, "nothing of this kind", text, text]
    assert clusters(tmp_path, texts, sorted([*ranked, other], key=lambda each: each.row)) == [[4, 2, 5, 0, 1]]


def test_near_duplicates_are_found_and_verified(tmp_path):
    base = words(1, 400)
    texts = [
        " ".join(base),
        " ".join([*base[:200], "changed", *base[201:]]),
        " ".join([*base[:100], *words(2, 300)]),
        " ".join(words(3, 400)),
        "".join(f"{word.upper()}, " for word in base),
    ]
    assert clusters(tmp_path, texts) == [[0, 1, 4]]
    assert clusters(tmp_path, texts, threshold=1.0) == [[0, 4]]
    assert clusters(tmp_path, [texts[0], texts[2], texts[3]]) == []
    assert clusters(tmp_path, texts[:1]) == []


def test_copies_of_near_duplicates_are_in_one_cluster(tmp_path):
    base = words(1, 400)
    changed = " ".join([*base[:200], "changed", *base[201:]])
    entries = [entry(0, "a.py"), entry(1, "b.py", normal="b"), entry(2, "c.py", normal="b", size=900)]
    assert clusters(tmp_path, [" ".join(base), changed, changed.replace(" ", "  ")], entries) == [[2, 0, 1]]


@given(st.sets(st.integers(0, 1000), min_size=2, max_size=200))
def test_pairs_of_a_bucket_hold_it_together_and_stay_few(members):
    pairs = pairs_of_buckets([np.array(sorted(members)), np.array(sorted(members))])
    size = len(members)
    assert len({tuple(pair) for pair in pairs.tolist()}) == len(pairs)
    assert all(left < right and {left, right} <= members for left, right in pairs.tolist())
    assert len(pairs) == size * (size - 1) // 2 if size <= FULL_BUCKET else len(pairs) < 10 * size
    sets = UnionFind(1001)
    for left, right in pairs.tolist():
        sets.union(left, right)
    assert sets.groups() == [sorted(members)]
