import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from midspan.data.drops import Drops
from midspan.data.listing import list_candidates
from midspan.data.opt_out import OptOut
from midspan.data.sources import fingerprint, list_projects
from midspan.data.sources.contents import read_contents
from midspan.data.sources.project import Broken, Unread
from midspan.recipe.schema import DataConfig
from midspan.recipe.sources import ParquetSource


def source(path, format="the-stack", **settings):
    return ParquetSource(kind="parquet", path=str(path), format=format, **settings)


def row(repo, path, content, licences=("MIT",), head="c0ffee"):
    """A row with the columns of The Stack that we read, and some that we do not."""
    return {
        "hexsha": "0" * 40,
        "size": len(content.encode()),
        "ext": path.rpartition(".")[2],
        "lang": "Python",
        "max_stars_repo_path": path,
        "max_stars_repo_name": repo,
        "max_stars_repo_head_hexsha": head,
        "max_stars_repo_licenses": list(licences),
        "content": content,
        "avg_line_length": 1.0,
    }


def write(path, rows, group=2):
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=group)
    return path


def texts(project):
    contents = read_contents([(file.location, file.bytes) for file in project.files])
    return {file.path: content for file, content in zip(project.files, contents, strict=True)}


def test_rows_of_the_stack_are_files_of_projects(tmp_path):
    write(
        tmp_path / "a.parquet",
        [
            row("ann/one", "b.py", "b = 'é'\n", ["MIT", "Apache-2.0"]),
            row("bob/two", "x/y.go", "package x\n", ["GPL-3.0"]),
            row("ann/one", "a.py", "a = 1\n"),
            row("ann/one", "what.unknown", "?"),
        ],
    )
    write(tmp_path / "b.parquet", [row("ann/one", "c.py", "c\n", []), row("ann/one", "a.py", "again")])
    one, two = list_projects([source(tmp_path)])
    assert (one.name, one.revision, one.url) == ("ann/one", "c0ffee", "https://github.com/ann/one")
    assert texts(one) == {"a.py": b"a = 1\n", "b.py": "b = 'é'\n".encode(), "c.py": b"c\n"}
    assert texts(two) == {"x/y.go": b"package x\n"}
    assert one.skipped + two.skipped == {"unknown_language": 1, "same_path_again": 1}


def test_licences_are_those_of_the_row(tmp_path):
    path = write(
        tmp_path / "a.parquet",
        [row("o/r", "a.py", "x"), row("o/r", "b.py", "y", []), row("o/r", "c.py", "z", ["GPL-3.0", "MIT"])],
    )
    for licence, unknown in (("", ("", "no licence found")), ("ISC", ("ISC", "recipe"))):
        config = DataConfig(sources=(source(path, licence=licence),))
        candidates = list_candidates(config, OptOut(), Drops()).candidates
        assert [(each.licence, each.licence_evidence) for each in candidates] == [
            ("MIT", "column max_stars_repo_licenses"),
            unknown,
            ("GPL-3.0-only AND MIT", "column max_stars_repo_licenses"),
        ]


def test_columns_of_ones_own(tmp_path):
    path = write(tmp_path / "own.parquet", [{"body": b"x = 1\n", "where": "a.py"}, {"body": None, "where": "b.py"}])
    columns = {"text": "body", "path": "where"}
    (project,) = list_projects([source(path, "columns", columns=columns, name="mine", licence="MIT")])
    assert project.name == "mine" and texts(project) == {"a.py": b"x = 1\n"}
    assert project.skipped == {"missing": 1}
    (project,) = list_projects([source(path, "columns", columns={"text": "body"}, language="python")])
    assert project.name == "own" and list(texts(project)) == ["own-0"]


def test_what_is_broken_says_so_and_the_rest_goes_on(tmp_path):
    write(tmp_path / "good.parquet", [row("o/r", "a.py", "x")])
    write(tmp_path / "other.parquet", [{"text": "x"}])
    whole = (tmp_path / "good.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[:-100])
    found = list(list_projects([source(tmp_path), source(tmp_path / "none")]))
    broken = {each.source.rpartition("/")[2]: each.reason for each in found if isinstance(each, Broken)}
    assert sorted(broken) == ["none", "parquet:cut.parquet", "parquet:other.parquet"]
    assert "damaged" in broken["parquet:cut.parquet"]
    assert "has no column content" in broken["parquet:other.parquet"]
    assert [each.name for each in found if not isinstance(each, Broken)] == ["o/r"]


def test_damage_inside_and_change_are_noticed_when_rows_are_read(tmp_path):
    path = write(tmp_path / "a.parquet", [row("o/r", f"{n}.py", f"unique text {n}\n" * 50) for n in range(6)])
    (project,) = list_projects([source(path)])
    before = fingerprint([source(path)])
    assert not any(isinstance(content, Unread) for content in texts(project).values())
    write(path, [row("o/r", "0.py", "shorter")])
    assert set(texts(project).values()) == {Unread("changed_while_reading")}
    assert fingerprint([source(path)]) != before
    gone = [(file.location._replace(container=str(tmp_path / "gone")), 9) for file in project.files]
    assert set(read_contents(gone)) == {Unread("unreadable")}


@pytest.mark.parametrize("format", ["the-stack-v2", "starcoderdata"])
def test_other_published_forms(tmp_path, format):
    names = {
        "the-stack-v2": ("path", "repo_name", {"revision_id": "r", "detected_licenses": ["MIT"]}),
        "starcoderdata": ("max_stars_repo_path", "max_stars_repo_name", {}),
    }
    path_name, project_name, more = names[format]
    path = write(tmp_path / "a.parquet", [{"content": "x = 1\n", path_name: "a.py", project_name: "o/r", **more}])
    (project,) = list_projects([source(path, format)])
    assert project.name == "o/r" and texts(project) == {"a.py": b"x = 1\n"}
