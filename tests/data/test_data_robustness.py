"""The stage as a real command over every kind of source: killed, out of disk, over strange files."""

import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from git_repository import commit, repository
from test_data_licence import MIT
from test_data_source_archive import METADATA, write_tar, write_zip
from test_data_source_parquet import row
from test_data_stage import build, code, write

from midspan.data import read, stage
from midspan.data.corpus import documents

RECIPE = """
extends = "nano"

[data]
languages = []

[[data.sources]]
kind = "folder"
path = "code"
split = true

[[data.sources]]
kind = "git"
url = "repository"

[[data.sources]]
kind = "archive"
path = "archives"

[[data.sources]]
kind = "parquet"
path = "stack.parquet"
format = "the-stack"

[[data.sources]]
kind = "text"
path = "notes"
licence = "CC0-1.0"
projects = 2

[[data.sources]]
kind = "folder"
path = "nowhere"
"""
SMALL_PARTS = "from midspan.data import read; read.PART_FILES = 20; from midspan.cli.main import main; main()"
PROSE = "Whoever reads this sentence number {} has read more about {} than was ever meant to be written down.\n\n"


def prose(seed):
    words = random.Random(seed)
    return "".join(PROSE.format(n, words.getrandbits(60)) for n in range(8))


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with a recipe that names every kind of source, and one that is broken."""
    root = tmp_path_factory.mktemp("workplace")
    for project in "abc":
        write(
            root / "code",
            {f"{project}/LICENSE": MIT} | {f"{project}/m{n}.py": code(f"{project}{n}") for n in range(30)},
        )
    commit(repository(root / "repository"), {"LICENSE": MIT} | {f"g{n}.py": code(f"git{n}") for n in range(30)})
    (root / "archives").mkdir()
    sdist = [("t-1/PKG-INFO", METADATA), *((f"t-1/s{n}.py", code(f"sdist{n}")) for n in range(30))]
    write_tar(root / "archives" / "t-1.tar.gz", sdist)
    write_zip(root / "archives" / "z.zip", [("z/LICENSE", MIT), *((f"z/z{n}.py", code(f"zip{n}")) for n in range(30))])
    (root / "archives" / "cut.zip").write_bytes(b"PK")
    rows = [row(f"owner/r{n % 3}", f"p{n}.py", code(f"parquet{n}")) for n in range(30)]
    pq.write_table(pa.Table.from_pylist(rows), root / "stack.parquet", row_group_size=4)
    write(root / "notes", {f"n{n}.txt": prose(n) for n in range(20)})
    (root / "recipe.toml").write_text(RECIPE)
    return root


def command(workplace, runs):
    return {
        "args": [sys.executable, "-c", SMALL_PARTS, "data", "recipe.toml", "--runs", str(runs)],
        "cwd": workplace,
        "env": {**os.environ, "MIDSPAN_CACHE": str(runs / "cache")},
    }


@pytest.fixture(scope="module")
def whole(workplace, tmp_path_factory):
    runs = tmp_path_factory.mktemp("whole")
    answer = subprocess.run(**command(workplace, runs), capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    return runs, answer.stderr


def outputs(runs):
    folder = runs / "recipe" / "data"
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}


def test_every_kind_of_source_in_one_corpus(whole):
    runs, log = whole
    corpus = runs / "recipe" / "data"
    rows = pq.read_table(corpus / "corpus.parquet").to_pylist()
    projects = {(row["project"], row["source"], row["language"]) for row in rows}
    assert projects == {
        *((name, "folder:code", "python") for name in "abc"),
        ("repository", "git:repository", "python"),
        ("some-thing", "archive:t-1.tar.gz", "python"),
        ("z", "archive:z.zip", "python"),
        *((f"owner/r{n}", "parquet:stack.parquet", "python") for n in range(3)),
        *((f"notes-{n}", "text:notes", "text") for n in range(2)),
    }
    assert len(rows) == 6 * 30 + 30 + 20
    assert all(row["revision"] for row in rows if row["source"].startswith(("git:", "archive:t", "parquet:")))
    assert {row["url"] for row in rows if row["source"].startswith("parquet:")} == {
        f"https://github.com/owner/r{n}" for n in range(3)
    }
    keys = [(row["split"], row["project"], row["path"]) for row in rows]
    assert keys == sorted(keys)
    assert "left out folder:nowhere: there is no folder nowhere" in log
    assert "left out archive:cut.zip: damaged" in log
    assert (
        sum(
            document.language == "text" for split in ("train", "valid", "test") for document in documents(corpus, split)
        )
        == 20
    )


def kept(corpus):
    return [document for split in ("train", "valid", "test") for document in documents(corpus, split)]


def texts(corpus):
    return {f"{document.project}/{document.path}": document.text for document in kept(corpus)}


def killed_when(workplace, runs, happened):
    """Run the command and kill -9 all of it as soon as `happened()`; whether it was still running."""
    process = subprocess.Popen(
        **command(workplace, runs), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    while process.poll() is None and not happened():
        time.sleep(0.002)
    running = process.poll() is None
    if running:
        os.killpg(process.pid, 9)
    process.wait()
    return running


@pytest.mark.slow
def test_killed_at_any_point_and_resumed_gives_the_same_bytes(workplace, whole, tmp_path):
    work = tmp_path / "recipe"
    points = {
        "one part half written": lambda: any((work / ".parts").glob("*.tmp")),
        "some parts": lambda: len(list((work / ".parts").glob("*.parquet"))) >= 3,
        "some parts measured": lambda: any((work / ".parts").glob("*.parsed")),
        "corpus begun": lambda: (work / ".data.work" / "corpus.parquet").exists(),
    }
    killed = [name for name, happened in points.items() if killed_when(workplace, tmp_path, happened)]
    assert len(killed) >= 2
    assert subprocess.run(**command(workplace, tmp_path), capture_output=True).returncode == 0
    assert outputs(tmp_path) == outputs(whole[0])
    assert {path.suffix for path in (work / ".parts").iterdir()} == {".parquet", ".parsed"}


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_the_same_command_goes_on(workplace, whole, tmp_path):
    full = subprocess.run(
        **command(workplace, tmp_path),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    assert full.returncode == 2, full.stderr
    (line,) = [line for line in full.stderr.splitlines() if not line.startswith("data:")]
    assert line.startswith("midspan: the disk is full") and "free space" in line
    assert subprocess.run(**command(workplace, tmp_path), capture_output=True).returncode == 0
    assert outputs(tmp_path) == outputs(whole[0])


def test_files_that_cannot_be_code(tmp_path):
    root = tmp_path / "sources"
    for project in "abc":
        write(root, {f"{project}/LICENSE": MIT, f"{project}/good.py": code(project)})
    text = code("wide")
    write(
        root,
        {
            "a/wide.py": b"\xff\xfe" + text.encode("utf-16-le"),
            "a/marked.py": b"\xef\xbb\xbf" + code("marked").encode(),
            "a/declared.py": b"# -*- coding: latin-1 -*-\n# caf\xe9\n" + code("declared").encode(),
            "a/latin.py": b"# caf\xe9\n" + code("latin").encode(),
            "a/nul.py": b"x = 1\0\n",
            "a/picture.py": b"\x89PNG\r\n\0\0",
            "a/pointer.py": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        },
    )
    with (root / "a" / "huge.py").open("wb") as stream:
        stream.truncate(1_000_000_000)
    (root / "a" / "loop").symlink_to(root / "a")
    (root / "b" / "self.py").symlink_to("self.py")
    os.mkfifo(root / "b" / "pipe.py")
    build(root, tmp_path / "data")
    found = texts(tmp_path / "data")
    assert found["a/wide.py"] == text and found["a/marked.py"] == code("marked")
    assert "caf\u00e9" in found["a/declared.py"]
    report = json.loads((tmp_path / "data" / "report.json").read_text())
    dropped = {reason: counts["files"] for reason, counts in report["dropped"].items()}
    assert dropped == {"too_large": 1, "not_utf8": 1, "binary": 2, "lfs_pointer": 1}
    assert report["skipped"]["link"] == 2


def test_a_file_that_changes_while_it_is_read_is_left_out_and_read_anew_the_next_time(tmp_path, monkeypatch):
    root = tmp_path / "sources"
    for project in "abc":
        write(root, {f"{project}/LICENSE": MIT, f"{project}/a.py": code(project), f"{project}/b.py": code(project * 2)})

    def change_then_read(*arguments):
        write(root, {"a/a.py": code("changed")})
        (root / "b" / "b.py").unlink()
        return read.read_parts(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(stage, "read_parts", change_then_read)
        build(root, tmp_path / "data")

    assert sorted(texts(tmp_path / "data")) == ["a/b.py", "b/a.py", "c/a.py", "c/b.py"]
    shutil.rmtree(tmp_path / "data")
    build(root, tmp_path / "data")
    assert texts(tmp_path / "data")["a/a.py"] == code("changed")
