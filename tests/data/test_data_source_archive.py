import gzip
import io
import json
import tarfile
import zipfile

import pytest
from test_data_licence import MIT

from midspan.data.licence import LicenceFinder
from midspan.data.sources import fingerprint, list_projects, members
from midspan.data.sources.contents import read_contents
from midspan.data.sources.project import Broken, Unread
from midspan.recipe.sources import ArchiveSource

METADATA = "Metadata-Version: 2.4\nName: Some_Thing\nVersion: 1.2\nLicense-Expression: MIT\n\nDescription: x\n"


def source(path):
    return ArchiveSource(kind="archive", path=str(path))


def listed(path):
    (project,) = list_projects([source(path)])
    return project


def texts(project):
    contents = read_contents([(file.location, file.bytes) for file in project.files])
    return {file.path: content for file, content in zip(project.files, contents, strict=True)}


def write_tar(path, members, mode="w:gz"):
    """`members`: pairs of name and content, or whole TarInfos."""
    with tarfile.open(path, mode) as out:
        for name, content in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content)
            out.addfile(info, io.BytesIO(content.encode() if isinstance(content, str) else content))
    return path


def write_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in members:
            out.writestr(name, content)
    return path


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_an_sdist(tmp_path, mode):
    suffix = {"w": ".tar"}.get(mode, f".tar.{mode[2:]}")
    path = write_tar(
        tmp_path / f"some_thing-1.2{suffix}",
        [
            ("some_thing-1.2/src/b.py", "b = 2\n"),
            ("some_thing-1.2/PKG-INFO", METADATA),
            ("some_thing-1.2/src/a.py", "a = 1\n"),
            ("some_thing-1.2/.ci/x.py", "x"),
            ("some_thing-1.2/src/PKG-INFO", "Name: other\n"),
            ("some_thing-1.2/data.zip", "PK"),
        ],
        mode,
    )
    project = listed(path)
    assert (project.name, project.revision, project.source) == ("some-thing", "1.2", f"archive:{path.name}")
    assert texts(project) == {"src/a.py": b"a = 1\n", "src/b.py": b"b = 2\n"}
    licence = LicenceFinder().by_directory(project)["src"]
    assert (licence.expression, licence.evidence) == ("MIT", "package metadata License-Expression")


def test_a_wheel(tmp_path):
    path = write_zip(
        tmp_path / "some_thing-1.2-py3-none-any.whl",
        [
            ("some_thing/__init__.py", "x = 1\n"),
            ("some_thing/vendored/lib/b.py", "y = 1\n"),
            ("some_thing-1.2.dist-info/METADATA", METADATA.replace("License-Expression: MIT\n", "")),
            ("some_thing-1.2.dist-info/licenses/LICENSE", MIT),
            ("some_thing-1.2.dist-info/licenses/some_thing/vendored/lib/COPYING", "all rights reserved"),
        ],
    )
    project = listed(path)
    assert (project.name, project.revision) == ("some-thing", "1.2")
    assert list(texts(project)) == ["some_thing/__init__.py", "some_thing/vendored/lib/b.py"]
    found = LicenceFinder().by_directory(project)
    assert found["some_thing"].expression == "MIT"
    assert found["some_thing/vendored/lib"].expression == ""


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ({"license": "(MIT OR Apache-2.0)"}, "MIT OR Apache-2.0"),
        ({"license": {"type": "MIT"}}, "MIT"),
        ({"licenses": [{"type": "MIT"}, {"type": "GPL-2.0"}]}, "GPL-2.0-only AND MIT"),
        ({"license": "SEE LICENSE IN eula.txt"}, ""),
        ({"license": 3}, ""),
        ({}, ""),
    ],
)
def test_an_npm_package(tmp_path, licence, expected):
    about = json.dumps({"name": "@owner/thing", "version": "3.0.0", **licence})
    path = write_tar(tmp_path / "thing.tgz", [("package/package.json", about), ("package/index.js", "x()\n")])
    project = listed(path)
    assert (project.name, project.revision) == ("@owner/thing", "3.0.0")
    assert list(texts(project)) == ["index.js", "package.json"]
    found = LicenceFinder().by_directory(project)[""].expression
    assert set(found.split(" AND ")) == set(expected.split(" AND "))


def test_a_folder_and_a_glob_of_archives_and_one_that_is_damaged(tmp_path):
    write_zip(tmp_path / "one.zip", [("repo-main/LICENSE", MIT), ("repo-main/a.py", "x")])
    write_zip(tmp_path / "two.zip", [("a.py", "x"), ("lib/b.py", "y")])
    write_tar(tmp_path / "short.tar.gz", [("p/a.py", "x = 1\n" * 20_000)])
    whole = (tmp_path / "short.tar.gz").read_bytes()
    (tmp_path / "short.tar.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "no.zip").write_bytes(b"PK nothing")
    (tmp_path / "readme.txt").write_text("no archive")
    broken, one, short, two = sorted(list_projects([source(tmp_path)]), key=lambda each: each.source)
    assert isinstance(broken, Broken) and broken.source == "archive:no.zip" and "damaged" in broken.reason
    assert isinstance(short, Broken) and short.source == "archive:short.tar.gz"
    assert (one.name, list(texts(one))) == ("one", ["a.py"])
    assert (two.name, list(texts(two))) == ("two", ["a.py", "lib/b.py"])
    assert [each.name for each in list_projects([source(tmp_path / "t*.zip")])] == ["two"]
    assert isinstance(listed(tmp_path / "none*.zip"), Broken)
    assert isinstance(listed(tmp_path / "readme.txt"), Broken)


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, ""


def test_members_that_point_elsewhere_are_left_out(tmp_path):
    path = write_tar(
        tmp_path / "evil.tar.gz",
        [
            ("good.py", "1"),
            ("../up.py", "2"),
            ("a/../../up.py", "2"),
            ("/etc/abs.py", "3"),
            ("C:\\win.py", "4"),
            special("link.py", tarfile.SYMTYPE, "/etc/passwd"),
            special("hard.py", tarfile.LNKTYPE, "good.py"),
            special("device.py", tarfile.CHRTYPE),
            special("pipe.py", tarfile.FIFOTYPE),
            ("good.py", "another"),
        ],
    )
    project = listed(path)
    assert texts(project) == {"good.py": b"1"}
    assert project.skipped == {"unsafe_path": 4, "link": 4, "same_name_again": 1}
    link = zipfile.ZipInfo("link.py")
    link.external_attr = 0o120777 << 16
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = write_zip(
            tmp_path / "evil.zip",
            [("good.py", "1"), ("../up.py", "2"), ("/abs.py", "3"), (link, "x"), ("good.py", "2")],
        )
    project = listed(path)
    assert texts(project) == {"good.py": b"1"}
    assert project.skipped == {"unsafe_path": 2, "link": 1, "same_name_again": 1}


def test_bombs_are_refused_before_they_are_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(members, "UNSUSPICIOUS", 1_000_000)
    zeros = bytes(5_000_000)
    bombs = [
        write_zip(tmp_path / "a.zip", [("a.py", zeros)]),
        write_tar(tmp_path / "b.tar.gz", [("b.py", zeros)]),
        write_tar(tmp_path / "c.tar.xz", [("c/x.bin", zeros), ("c/y.py", "y")], "w:xz"),
        tmp_path / "d.tar.gz",
    ]
    # A file that claims to be small while the stream goes on, and headers that are themselves the bomb.
    bombs[3].write_bytes(gzip.compress(bytes(5_000_000)))
    long_name = tarfile.TarInfo("n" * 3_000_000)
    bombs.append(write_tar(tmp_path / "e.tar.gz", [(long_name, "x")]))
    for bomb in bombs[:3]:
        project = listed(bomb)
        assert isinstance(project, Broken) and "unpacks to more than" in project.reason, bomb
    for bomb in bombs[3:]:
        project = listed(bomb)
        assert isinstance(project, Broken) or not project.files, bomb
    monkeypatch.setattr(members, "MAX_MEMBERS", 2)
    for path in (
        write_zip(tmp_path / "m.zip", [(f"{n}.py", "x") for n in range(3)]),
        write_tar(tmp_path / "m.tar", [(f"{n}.py", "x") for n in range(3)], "w"),
    ):
        assert "more than 2 members" in listed(path).reason


def test_a_zip_that_lies_about_a_size(tmp_path):
    path = write_zip(tmp_path / "lie.zip", [("a.py", "x = 1\n" * 1_000)])
    data = path.read_bytes()
    path.write_bytes(data.replace((6_000).to_bytes(4, "little"), (60).to_bytes(4, "little")))
    assert texts(listed(path)) == {"a.py": Unread("unreadable")}


def test_encrypted_members_are_left_out(tmp_path):
    path = write_zip(tmp_path / "x.zip", [("a.py", "x"), ("b.py", "y")])
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")
    data[entry + 8] |= 1
    path.write_bytes(bytes(data))
    project = listed(path)
    assert list(texts(project)) == ["b.py"] and project.skipped == {"encrypted": 1}


@pytest.mark.parametrize("name", ["p.zip", "p.tar.gz"])
def test_an_archive_that_is_replaced_while_it_is_read(tmp_path, name):
    write = write_zip if name.endswith("zip") else write_tar
    path = write(tmp_path / name, [("p/a.py", "x = 1\n"), ("p/b.py", "x = 2\n")])
    project, before = listed(path), fingerprint([source(path)])
    write(tmp_path / name, [("p/a.py", "something else\n")])
    assert set(texts(project).values()) == {Unread("changed_while_reading")}
    assert fingerprint([source(path)]) != before
    path.unlink()
    assert set(texts(project).values()) == {Unread("unreadable")}
