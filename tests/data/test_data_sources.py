import os

from test_data_licence import MIT

from midspan.data.licence import LicenceFinder
from midspan.data.sources import fingerprint, list_projects
from midspan.data.sources.contents import read_contents
from midspan.data.sources.project import Broken, Unread
from midspan.recipe.sources import EnvironmentSource, FolderSource


def write(root, files):
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def install(site, name, version, files, metadata=""):
    info = f"{name}-{version}.dist-info"
    write(site, {**files, f"{info}/METADATA": f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{metadata}"})
    inside = [*sorted(files), f"{info}/METADATA", f"{info}/RECORD", f"../../bin/{name}"]
    write(site, {f"{info}/RECORD": "".join(f"{path},,\n" for path in inside)})


def test_installed_packages_are_projects(tmp_path):
    install(tmp_path, "One_Thing", "1.2", {"one/a.py": "x = 1"}, "License-Expression: MIT\n")
    install(
        tmp_path,
        "two",
        "2.0",
        {
            "two/a.py": "x",
            "two/vendored/lib/b.py": "x",
            "two/data.bin": "x",
            "two-2.0.dist-info/licenses/LICENSE": MIT,
            "two-2.0.dist-info/licenses/src/two/vendored/lib/COPYING": MIT,
            "two-2.0.dist-info/licenses/src/two/vendored/lib/LICENSE": "something else entirely",
        },
        "License: Proprietary\n",
    )
    one, two = list_projects([EnvironmentSource(kind="environment", path=str(tmp_path))])
    assert (one.name, one.revision, one.source) == ("one-thing", "1.2", "environment:one-thing")
    assert [file.path for file in one.files] == ["one/a.py"]
    finder = LicenceFinder()
    assert finder.by_directory(one)["one"].evidence == "package metadata License-Expression"
    assert [file.path for file in two.files] == ["two/a.py", "two/vendored/lib/b.py"]
    licences = finder.by_directory(two)
    assert licences["two"].expression == "MIT"
    assert licences["two/vendored/lib"].expression == ""
    assert two.skipped == {"unknown_language": 1}


def test_links_out_of_an_environment_are_not_followed(tmp_path):
    site = tmp_path / "site"
    write(tmp_path, {"outside/secret.py": "x = 1"})
    install(site, "thing", "1", {"thing/a.py": "x"})
    (site / "thing" / "link.py").symlink_to(tmp_path / "outside" / "secret.py")
    (site / "linked").symlink_to(tmp_path / "outside")
    with (site / "thing-1.dist-info" / "RECORD").open("a") as record:
        record.write("thing/link.py,,\nlinked/secret.py,,\nthing/gone.py,,\n")
    (project,) = list_projects([EnvironmentSource(kind="environment", path=str(site))])
    assert [file.path for file in project.files] == ["thing/a.py"]
    assert project.skipped == {"link": 2, "missing": 1}


def test_a_folder_is_one_project_or_many(tmp_path):
    root = tmp_path / "code"
    write(root, {"a/x.py": "1", "b/y.py": "2", ".hidden/z.py": "3", "a/node_modules/m.js": "4"})
    (whole,) = list_projects([FolderSource(kind="folder", path=str(root))])
    assert (whole.name, [file.path for file in whole.files]) == ("code", ["a/x.py", "b/y.py"])
    split = list(list_projects([FolderSource(kind="folder", path=str(root), split=True)]))
    assert [(each.name, [file.path for file in each.files]) for each in split] == [("a", ["x.py"]), ("b", ["y.py"])]


def test_a_file_name_that_is_not_utf8_is_skipped(tmp_path):
    write(tmp_path, {"p/a.py": "1"})
    (tmp_path / "p" / os.fsdecode(b"caf\xe9.py")).write_text("2")
    (project,) = list_projects([FolderSource(kind="folder", path=str(tmp_path / "p"))])
    assert [file.path for file in project.files] == ["a.py"]
    assert project.skipped == {"name_not_utf8": 1}


def test_the_same_name_twice_stays_apart(tmp_path):
    write(tmp_path, {"one/code/a.py": "1", "two/code/b.py": "2"})
    sources = [FolderSource(kind="folder", path=str(tmp_path / part / "code")) for part in ("one", "two")]
    assert [project.name for project in list_projects(sources)] == ["code", "code#2"]


def test_the_revision_is_the_commit_checked_out(tmp_path):
    def revision():
        (project,) = list_projects([FolderSource(kind="folder", path=str(tmp_path / "p"))])
        return project.revision

    write(tmp_path, {"p/a.py": "1"})
    assert revision() == ""
    write(tmp_path, {"p/.git/HEAD": "abc123\n"})
    assert revision() == "abc123"
    write(tmp_path, {"p/.git/HEAD": "ref: refs/heads/main\n", "p/.git/packed-refs": "# x\ndef456 refs/heads/main\n"})
    assert revision() == "def456"
    write(tmp_path, {"p/.git/refs/heads/main": "fed789\n"})
    assert revision() == "fed789"


def test_ignore_files_hold_in_folders(tmp_path):
    write(tmp_path, {"p/.gitignore": "build/\n*.gen.py\n", "p/a.py": "1", "p/b.gen.py": "2", "p/build/c.py": "3"})
    write(tmp_path, {"p/lib/.midspanignore": "d.py\n", "p/lib/d.py": "4", "p/lib/e.py": "5"})
    (project,) = list_projects([FolderSource(kind="folder", path=str(tmp_path / "p"))])
    assert [file.path for file in project.files] == ["a.py", "lib/e.py"]


def test_files_are_read_only_as_they_were_listed(tmp_path):
    write(tmp_path, {"p/a.py": "1", "p/b.py": "22", "p/c.py": "3", "p/d.py": "4", "p/e.py": "5"})
    (project,) = list_projects([FolderSource(kind="folder", path=str(tmp_path / "p"))])
    (tmp_path / "p" / "b.py").write_text("23")
    (tmp_path / "p" / "c.py").unlink()
    (tmp_path / "p" / "d.py").unlink()
    (tmp_path / "p" / "d.py").mkdir()
    (tmp_path / "p" / "e.py").unlink()
    (tmp_path / "p" / "e.py").symlink_to("a.py")
    contents = list(read_contents([(file.location, file.bytes) for file in project.files]))
    assert contents[0] == b"1" and contents[1] == Unread("changed_while_reading")
    assert contents[2] == contents[3] == contents[4] == Unread("unreadable")
    assert list(read_contents([(project.files[0].location, 0)])) == [Unread("too_large")]


def test_broken_sources_do_not_hold_up_the_others(tmp_path):
    write(tmp_path, {"p/a.py": "1", "empty/readme.unknown": "2"})
    sources = [FolderSource(kind="folder", path=str(tmp_path / name)) for name in ("none", "p", "empty")]
    found = list(list_projects(sources))
    assert [each.name for each in found if not isinstance(each, Broken)] == ["p", "empty"]
    broken = [each for each in found if isinstance(each, Broken)]
    assert [each.source for each in broken] == [f"folder:{tmp_path}/none", f"folder:{tmp_path}/empty"]
    assert fingerprint(sources) == fingerprint(sources)
