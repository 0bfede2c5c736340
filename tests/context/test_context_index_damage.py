"""Torn and foreign databases, full disks, missing permissions: the index stays right through all of them."""

import os
import random
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from index_samples import FILES, LINES, SETTLED, SIZES, lines_of, on_disk, opened, program, result_of, texts, write

from midspan.context.index import Index
from midspan.context.store import database_of


@pytest.fixture
def pristine(root: Path, tmp_path: Path) -> Path:
    """A copy of the database's files as a kill leaves them: with a log that is not yet in the database."""
    index = Index.open(root)
    index.prepare([LINES])
    index.store.database.read("PRAGMA wal_checkpoint(TRUNCATE)")
    write(root, {"a.py": b"changed\n" * 500, "new.py": b"new\n" * 500})
    index.refresh()
    shutil.copytree(database_of(root).parent, tmp_path / "pristine")
    index.close()
    assert sorted(path.suffix for path in (tmp_path / "pristine").iterdir()) == [
        ".sqlite",
        ".sqlite-shm",
        ".sqlite-wal",
    ]
    return tmp_path / "pristine"


def put_back(pristine: Path, root: Path) -> Path:
    place = database_of(root).parent
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(pristine, place)
    return database_of(root)


def check_usable(root: Path) -> None:
    """The index is right, its features too, and the next start finds it sound."""
    expected = on_disk(root)
    with closing(Index.open(root)) as index:
        assert texts(index.project) == expected
        index.prepare([LINES, SIZES])
        files = list(index.project.files.values())
        for file, value in zip(files, index.project.features(LINES, files), strict=True):
            assert value.to_bytes() == lines_of(file.text).to_bytes()
        write(root, {"a.py": b"%d\n" % time.time_ns()})
        assert texts(index.refresh(["a.py"])) == on_disk(root)
    assert opened(root)[0] == on_disk(root)


def test_a_log_left_by_a_kill_is_read(root: Path, pristine: Path) -> None:
    put_back(pristine, root)
    with closing(Index.open(root)) as index:
        assert index.read_files < len(FILES) or index.project.files
    check_usable(root)


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
@pytest.mark.parametrize("kind", ["cut", "zeros", "garbage"])
def test_a_torn_database_is_replaced(root: Path, pristine: Path, suffix: str, kind: str) -> None:
    size = (pristine / (database_of(root).name + suffix)).stat().st_size
    seeded = random.Random(f"{suffix}{kind}")
    offsets = {0, 1, 15, 16, 18, 24, 28, 40, 60, 99, 100, 105, size - 1, *range(0, size, max(size // 24, 512))}
    for offset in sorted(offsets):
        file = Path(str(put_back(pristine, root)) + suffix)
        with file.open("r+b") as stream:
            if kind == "cut":
                stream.truncate(offset)
            else:
                stream.seek(offset)
                length = min(seeded.choice([1, 30, 5000]), size - offset)
                stream.write(bytes(length) if kind == "zeros" else seeded.randbytes(length))
        check_usable(root)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=20))
def test_flipped_bytes_never_reach_a_text(flips: list[tuple[int, int]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        root, caches = write(Path(place) / "root", FILES), Path(place)
        with closing(Index.open(root, cache=caches)) as index:
            index.prepare([LINES])
        database = database_of(root.resolve(), caches)
        data = bytearray(database.read_bytes())
        for offset, byte in flips:
            data[offset % len(data)] = byte
        database.write_bytes(data)
        with closing(Index.open(root, cache=caches)) as index:
            assert texts(index.project) == FILES
            index.prepare([LINES])
            assert texts(index.refresh()) == FILES


def test_another_schema_and_other_files_in_its_place_are_replaced(root: Path) -> None:
    opened(root)
    database = database_of(root)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA user_version = 99")
    check_usable(root)
    for statement in ("DROP TABLE texts", "DROP TABLE features", "ALTER TABLE files RENAME COLUMN path TO place"):
        with closing(sqlite3.connect(database)) as connection:
            connection.execute(statement)
        check_usable(root)
    database.unlink()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE texts (something)")
    check_usable(root)
    for content in (b"", b"not a database at all, but a long enough text to look at" * 100, b"SQLite format 3\0"):
        database.write_bytes(content)
        check_usable(root)
        assert database.stat().st_size > 4096


def test_damage_while_it_is_open_is_survived_and_mended(root: Path) -> None:
    time.sleep(SETTLED)
    with closing(Index.open(root)) as index:
        index.store.database.read("PRAGMA wal_checkpoint(TRUNCATE)")
        old = index.project
        database = database_of(root)
        with database.open("r+b") as stream:
            stream.write(random.Random(1).randbytes(database.stat().st_size))
        index.store.database.read("PRAGMA shrink_memory")
        assert texts(old) == FILES
        index.prepare([LINES])
        write(root, {"a.py": b"changed\n"})
        assert texts(index.refresh(["a.py"])) == on_disk(root)
    check_usable(root)


def test_a_text_is_what_its_digest_says(root: Path) -> None:
    with closing(Index.open(root)) as index:
        query = "UPDATE texts SET data = (SELECT data FROM texts WHERE chars = 7000)"
        index.store.database.write(lambda connection: connection.execute(query))
        assert texts(index.project) == FILES
        assert texts(index.refresh()) == FILES
    assert opened(root)[0] == FILES


def test_a_damaged_feature_is_computed_again(root: Path) -> None:
    with closing(Index.open(root)) as index:
        index.prepare([LINES])
        query = "UPDATE features SET data = CAST(substr(data, 1, length(data) - 1) || x'5a' AS BLOB)"
        index.store.database.write(lambda connection: connection.execute(query))
        files = list(index.project.files.values())
        for file, value in zip(files, index.project.features(LINES, files), strict=True):
            assert value.to_bytes() == lines_of(file.text).to_bytes()


# No room, no permission.

LIMITED = """
import os, resource, sys
from pathlib import Path
from index_samples import LINES
from midspan.context.index import Index
root, cache, limit, late = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "late"
def no_room():
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
if not late:
    no_room()
index = Index.open(root, cache=cache)
if late:
    no_room()
index.prepare([LINES])
content = "".join(chr(97 + number * number % 26) for number in range(4000))
for number in range(60):
    with open(root / f"{number}.py", "w") as file:
        file.write((f"{number}" + content[number * 11:])[:limit])
project = index.refresh()
for path, file in project.files.items():
    assert file.text.encode() == (root / path).read_bytes(), path
project.features(LINES, list(project.files.values()))
assert len(project.files) == int(sys.argv[5]) + 60
print(index.store.database.path)
index.close()
"""


@pytest.mark.parametrize("moment", ["early", "late"])
@pytest.mark.parametrize("limit", [0, 20_000, 70_000])
def test_a_full_disk_leaves_the_index_in_memory(root: Path, cache: Path, limit: int, moment: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    out, err = result_of(program(LIMITED, root, cache, limit, moment, len(FILES), env=environment))
    assert out == "None\n"
    assert err.count("\n") == 1 and "the project index cannot be kept in" in err
    check_usable(root)


WITHOUT_RIGHTS = """
import os, sys
from pathlib import Path
from midspan.context.index import Index
if os.getuid() == 0:
    os.setuid(65534)
index = Index.open(Path(sys.argv[1]), cache=Path(sys.argv[2]))
print(len(index.project.files), sum(len(file.text) for file in index.project.files.values()))
index.close()
"""


@pytest.mark.parametrize("state", ["no directory yet", "a database is there"])
def test_a_cache_that_cannot_be_written_leaves_the_index_in_memory(state: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        root, cache = write(Path(place) / "root", FILES), Path(place) / "cache"
        cache.mkdir()
        if state != "no directory yet":
            Index.open(root, cache=cache).close()
            (cache / "index").chmod(0o555)
        cache.chmod(0o555)
        out, err = result_of(program(WITHOUT_RIGHTS, root, cache))
        cache.chmod(0o755)
    assert out == f"{len(FILES)} {sum(len(text.decode()) for text in FILES.values())}\n"
    assert err.count("\n") == 1 and "it stays in memory" in err


def test_a_file_or_a_folder_in_the_way_leaves_the_index_in_memory(root: Path, cache: Path, caplog) -> None:
    (cache / "index").write_text("in the way")
    assert opened(root)[0] == FILES
    (cache / "index").unlink()
    database_of(root).mkdir(parents=True)
    assert opened(root)[0] == FILES
    assert caplog.text.count("it stays in memory") == 2


def test_a_lock_that_never_ends_leaves_the_index_in_memory(root: Path, caplog, monkeypatch) -> None:
    monkeypatch.setattr("midspan.context.database.BUSY_SECONDS", 0.2)
    opened(root)
    with closing(sqlite3.connect(database_of(root), isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        write(root, {"a.py": b"changed\n"})
        assert opened(root)[0] == on_disk(root)
        assert "locked" in caplog.text
