from test_data_duplicates import entry

from midspan.data.drops import Drops
from midspan.data.duplicates import rank
from midspan.data.forks import Kinship, families, related_projects
from midspan.data.split import split_projects
from midspan.data.stage import drop_duplicates
from midspan.recipe.schema import DuplicateConfig


def made(projects):
    """Entries of {project: names of texts}, and the clusters of texts with the same name."""
    entries = [
        entry(number, path, project=project, normal=f"{path}{project}")
        for number, (project, path) in enumerate((p, path) for p, paths in projects.items() for path in paths)
    ]
    by_name = {}
    for each in entries:
        by_name.setdefault(each.path.rpartition("/")[2], []).append(each)
    return entries, [sorted(cluster, key=rank) for cluster in by_name.values() if len(cluster) > 1]


PROJECTS = {
    "origin": ["a", "b", "c", "d", "e", "f"],
    "fork": ["a", "b", "c", "d", "own"],
    "cousin": ["own", "a", "x1", "x2"],
    "user": ["_vendor/a", "_vendor/b", "_vendor/c", "_vendor/d", "main"],
    "small": ["a", "b"],
}


def test_projects_that_share_most_of_their_files_are_related():
    entries, clusters = made(PROJECTS)
    assert related_projects(entries, clusters, 0.5) == [Kinship("fork", "origin", 4, 5)]
    assert related_projects(entries, clusters, 0.9) == []
    assert families([Kinship("b", "a", 4, 5), Kinship("c", "b", 4, 5), Kinship("y", "x", 4, 5)]) == [
        ["a", "b", "c"],
        ["x", "y"],
    ]


def test_what_everybody_has_makes_no_relatives():
    names = [f"project{number}" for number in range(60)]
    entries, clusters = made({name: ["a", "b", "c", name] for name in names})
    assert related_projects(entries, clusters, 0.5) == []


def test_forks_are_dropped_before_the_best_of_a_cluster_is_chosen():
    entries, clusters = made(PROJECTS)
    kinships = related_projects(entries, clusters, 0.5)

    def kept(forks):
        drops = Drops()
        left = drop_duplicates(entries, clusters, kinships, DuplicateConfig(forks=forks), drops)
        return {f"{each.project}/{each.path}" for each in left}, drops.files

    together, _ = kept("together")
    assert "fork/own" not in together and "cousin/own" in together and "fork/a" not in together
    dropped, reasons = kept("drop")
    assert not any(name.startswith("fork/") for name in dropped)
    assert reasons["fork"] == 5
    assert {name.rpartition("/")[2] for name in dropped} == {path for p in PROJECTS.values() for path in p} - {
        f"_vendor/{name}" for name in "abcd"
    }


def test_a_family_is_never_divided():
    sizes = {f"project{number}": 1000 for number in range(40)}
    groups = [["project1", "project7", "project30"], ["project2", "project3"], ["gone", "project4"]]
    for seed in range(20):
        splits = split_projects(sizes, seed, 0.3, 0.3, groups)
        assert set(splits) == set(sizes)
        for group in groups:
            assert len({splits[name] for name in group if name in splits}) == 1
        assert set(splits.values()) == {"train", "valid", "test"}
