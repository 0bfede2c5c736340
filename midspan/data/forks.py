"""Projects that share most of their files: forks, mirrors, renamed copies, the same package from two sources.

Two projects are related if of the files of the smaller one, vendored ones aside, at least a given share also stands in
the other, exactly or nearly (both have a file in the same cluster of duplicates), and at least `MIN_SHARED` files do.
Related projects form families. Duplicates leave each text in the corpus once, but what a fork changed is still text
written around the same code; so a family is never divided among splits.

A cluster that stands in more than `COMMON` projects says nothing about kinship, and would cost the square of them.
Cost: linear in the files, and in the pairs of projects that share a rarer one.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from midspan.data.duplicates import UnionFind
from midspan.data.entries import Entry
from midspan.data.filters.origin import is_vendored

MIN_SHARED = 3
COMMON = 50


@dataclass(frozen=True, order=True)
class Kinship:
    """`shared` of the `files` files of `project` also stand in `other`, which is not smaller."""

    project: str
    other: str
    shared: int
    files: int


def related_projects(entries: Iterable[Entry], clusters: Iterable[Sequence[Entry]], share: float) -> list[Kinship]:
    """Every pair of related projects, the smaller one first, in order of names."""
    texts: dict[str, set[int]] = {}
    cluster_of = {entry.row: cluster[0].row for cluster in clusters for entry in cluster}
    owners: dict[int, set[str]] = {}
    for entry in entries:
        if not is_vendored(entry.path):
            text = cluster_of.get(entry.row, entry.row)
            texts.setdefault(entry.project, set()).add(text)
            if entry.row in cluster_of:
                owners.setdefault(text, set()).add(entry.project)
    shared: Counter[tuple[str, str]] = Counter()
    for projects in owners.values():
        if len(projects) <= COMMON:
            shared.update(combinations(sorted(projects), 2))
    found = []
    for pair, count in shared.items():
        project, other = sorted(pair, key=lambda name: (len(texts[name]), name))
        if count >= max(MIN_SHARED, share * len(texts[project])):
            found.append(Kinship(project, other, count, len(texts[project])))
    return sorted(found)


def families(kinships: Sequence[Kinship]) -> list[list[str]]:
    """The connected groups of related projects, each sorted."""
    names = sorted({name for kinship in kinships for name in (kinship.project, kinship.other)})
    number = {name: place for place, name in enumerate(names)}
    sets = UnionFind(len(names))
    for kinship in kinships:
        sets.union(number[kinship.project], number[kinship.other])
    return [[names[member] for member in group] for group in sets.groups()]
