"""The index against the disk: what it says must be what is there, whatever happens to files, caches and processes."""

import json
import os
import random
import shutil
import signal
import sqlite3
import stat
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from index_samples import (
    FILES,
    LINES,
    SETTLED,
    SIZES,
    dies_in_workers,
    lines_of,
    never,
    on_disk,
    only_in_workers,
    opened,
    program,
    result_of,
    sizes_of,
    texts,
    write,
)

from midspan.context import prepare
from midspan.context.index import Index
from midspan.context.plain_file import read_plain_file
from midspan.context.project import File
from midspan.context.sets import Feature
from midspan.context.store import KEEP_SECONDS, database_of
from midspan.errors import MidspanError


def test_texts_are_the_bytes_on_disk_and_outlive_the_process(root: Path) -> None:
    with closing(Index.open(root)) as index:
        assert index.project.name == "shop"
        assert texts(index.project) == FILES
        assert index.project.files["a.py"] == File("a.py", FILES["a.py"].decode())
        assert [file.size for file in index.project.files.values()] == [len(text.decode()) for text in FILES.values()]
        assert index.read_files == len(FILES)
        assert index.total_bytes == sum(map(len, FILES.values()))
    time.sleep(SETTLED)
    opened(root)
    assert opened(root) == (FILES, 0)
    shutil.rmtree(database_of(root).parent)
    assert opened(root) == (FILES, len(FILES))


def test_what_cannot_be_context_is_counted_and_not_read_again(root: Path) -> None:
    write(root, {"image.png": b"\x89PNG\0\0", "latin.py": "é".encode("latin-1"), "large.py": b"x" * 7001})
    (root / "link.py").symlink_to(root / "a.py")
    skipped = {"binary": 1, "link": 1, "not UTF-8": 1, "too large": 1}
    time.sleep(SETTLED)
    for read in (len(FILES) + 2, 0):
        with closing(Index.open(root, max_bytes=7000)) as index:
            assert texts(index.project) == FILES
            assert index.project.skipped == skipped
            assert index.read_files == read
            write(root, {"image.png": b"text now"})
            assert texts(index.refresh(["image.png"]))["image.png"] == b"text now"
            assert "binary" not in index.project.skipped
            write(root, {"image.png": b"\0"})
            assert index.refresh(["image.png"]).skipped == skipped
            time.sleep(SETTLED)
            index.refresh()


def test_of_too_many_files_the_rest_is_counted(root: Path) -> None:
    with closing(Index.open(root, max_files=3)) as index:
        assert list(index.project.files) == ["a.py", "b/bom.py", "z.md"]
        assert index.project.skipped == {"too many files": 3}
        (root / "z.md").unlink()
        assert list(index.refresh(["z.md"]).files) == ["a.py", "b/bom.py", "b/emoji.py"]


AUDIT = """
import json, os, sys
from pathlib import Path
from midspan.context.index import Index
root, actions = Path(sys.argv[1]), sys.argv[2:]
names = {path.name for path in root.rglob("*") if path.is_file()}
opened = []
def note(event, arguments):
    if event == "open" and not isinstance(arguments[0], int):
        opened.append(os.path.basename(os.fsdecode(arguments[0])))
sys.addaudithook(note)
def since():
    seen = sorted(name for name in opened if name in names)
    opened.clear()
    return seen
index = Index.open(root)
seen = [since()]
for path in actions:
    (root / path).write_text("changed")
    since()
    index.refresh()
    seen.append(since())
    (root / path).write_text("changed again")
    since()
    index.refresh([path])
    seen.append(since())
print(json.dumps(seen))
"""


def test_only_changed_files_are_opened(root: Path) -> None:
    time.sleep(SETTLED)
    first, *changed = json.loads(result_of(program(AUDIT, root, "a.py"))[0])
    assert first == sorted(Path(path).name for path in FILES)
    assert changed == [["a.py"], ["a.py"]]
    time.sleep(SETTLED)
    opened(root)
    os.utime(root / "b/bom.py")
    time.sleep(SETTLED)
    assert json.loads(result_of(program(AUDIT, root, "z.md"))[0]) == [["bom.py"], ["z.md"], ["z.md"]]


def test_a_change_within_a_tick_of_the_clock_is_seen(root: Path) -> None:
    with closing(Index.open(root)) as index:
        for number in range(300):
            content = b"x = %04d\n" % number
            with (root / "a.py").open("r+b") as file:
                file.write(content)
                file.truncate()
            project = index.refresh(["a.py"] if number % 2 else None)
            assert project.files["a.py"].text.encode() == content


def test_a_file_just_written_is_read_again_until_its_clock_has_ticked(root: Path) -> None:
    time.sleep(SETTLED)
    with closing(Index.open(root)) as index:
        write(root, {"a.py": b"new"})
        reads = []
        for pause in (0, 0, SETTLED, 0):
            time.sleep(pause)
            index.refresh()
            reads.append(index.read_files)
        assert reads == [1, 1, 1, 0]


def test_a_change_behind_an_old_date_is_seen(root: Path) -> None:
    time.sleep(SETTLED)
    with closing(Index.open(root)) as index:
        before = (root / "a.py").stat()
        content = FILES["a.py"].replace(b"name", b"path")
        (root / "a.py").write_bytes(content)
        os.utime(root / "a.py", ns=(before.st_atime_ns, before.st_mtime_ns))
        assert texts(index.refresh())["a.py"] == content
        for date in (0, -10, 2**33, 2**40):
            try:
                os.utime(root / "a.py", (date, date))
            except (OSError, OverflowError):
                continue
            assert texts(index.refresh())["a.py"] == content


def test_a_snapshot_stays_what_it_was(root: Path) -> None:
    with closing(Index.open(root)) as index:
        old = index.project
        assert (
            index.refresh() is old
            and index.refresh(["a.py", "no.py", "../x", "/a.py", "", "\ud800", "a.py/b", "x\0y"]) is old
        )
        write(root, {"a.py": b"new\n"})
        new = index.refresh(["a.py"])
        assert new is index.project is not old
        assert new.layout is old.layout and new.memory is old.memory
        assert new.files["z.md"] is old.files["z.md"]
        (root / "b/bom.py").unlink()
        index.refresh()
        assert texts(old) == FILES
        assert texts(index.project) == on_disk(root)


PATHS = ["a.py", "b.py", "d/a.py", "d/e/a.py", "d/e/b.py", "d/.gitignore", ".gitignore", "d", "d/e", "x"]
STEPS = st.tuples(
    st.sampled_from(["write", "remove", "link", "rename"]),
    st.sampled_from(PATHS),
    st.sampled_from([b"1\n", b"22\n", b"a.py\n", b"e/\n", b"\0", b"\xff", b"x" * 200]),
    st.sampled_from(PATHS),
)


def take(root: Path, step: tuple[str, str, bytes, str]) -> list[str]:
    """Change the tree; the paths an editor would tell of, those behind links too."""
    action, path, content, other = step
    file = root / path
    told = [path, other, *behind_links(root, path), *behind_links(root, other)]
    try:
        if action == "rename":
            file.rename(root / other)
            return told
        if file.is_dir() and not file.is_symlink():
            shutil.rmtree(file)
        else:
            file.unlink(missing_ok=True)
        if action == "write":
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        elif action == "link":
            file.symlink_to(root / other)
    except OSError:
        pass
    return told


def behind_links(root: Path, path: str) -> list[str]:
    try:
        real = (root / path).parent.resolve() / (root / path).name
    except RuntimeError:  # links in a circle
        return []
    return [real.relative_to(root).as_posix()] if real.is_relative_to(root) else []


@settings(max_examples=60)
@given(st.lists(STEPS, max_size=12))
def test_looking_at_the_changed_paths_is_as_good_as_beginning_anew(steps: list[tuple[str, str, bytes, str]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        root, caches = Path(place) / "root", Path(place) / "caches"
        write(root, {"a.py": b"1\n", "d/a.py": b"2\n", "d/e/b.py": b"3\n"})
        with closing(Index.open(root, cache=caches, max_bytes=100)) as index:
            for step in steps:
                index.refresh(take(root, step))
                with closing(Index.open(root, cache=caches / "new", max_bytes=100)) as fresh:
                    assert texts(index.project) == texts(fresh.project)
                    assert list(index.project.files) == list(fresh.project.files)
                    assert index.project.skipped == fresh.project.skipped
                fresh.store.database.renew()


def test_a_deleted_root_leaves_an_empty_project_until_it_is_back(root: Path) -> None:
    with closing(Index.open(root)) as index:
        shutil.rmtree(root)
        assert not index.refresh(["a.py"]).files
        assert not index.refresh().files
        write(root, FILES)
        assert texts(index.refresh(["a.py"])) == FILES or texts(index.refresh()) == FILES
    for missing in (root / "nowhere", root / "a.py"):
        with pytest.raises(MidspanError, match="no such directory"):
            Index.open(missing)


def test_a_root_behind_a_link_is_the_same_index(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    time.sleep(SETTLED)
    opened(root)
    assert opened(tmp_path / "link") == (FILES, 0)


def test_the_cache_is_for_the_user_alone(root: Path, cache: Path) -> None:
    umask = os.umask(0)
    try:
        (cache / "index").mkdir()
        with closing(Index.open(root)) as index:
            files = list((cache / "index").iterdir())
            assert len(files) == 3
            assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
            assert stat.S_IMODE((cache / "index").stat().st_mode) == 0o700
            assert index.store.database.disk_bytes == sum(file.stat().st_size for file in files)
    finally:
        os.umask(umask)


def test_no_part_of_a_path_is_followed_when_it_is_read(root: Path, tmp_path: Path) -> None:
    """Between the walk and the reading a folder may become a link."""
    write(tmp_path / "outside", {"a.py": b"outside"})
    (root / "d").symlink_to(tmp_path / "outside")
    (root / "link.py").symlink_to(root / "a.py")
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "pipe")
    top = os.fsencode(root)
    assert read_plain_file(top, b"b/c/last.py", 100)[1] == FILES["b/c/last.py"]
    assert read_plain_file(top, b"z.md", 10)[1] == FILES["z.md"][:10]
    for path in (b"d/a.py", b"link.py", b"loop/a.py", b"pipe", b"b", b"nothing"):
        with pytest.raises(OSError):
            read_plain_file(top, path, 100)


# Several processes.

BUSY = """
import random, sys
from pathlib import Path
from index_samples import LINES, SIZES
from midspan.context.index import Index
root, seconds = Path(sys.argv[1]), float(sys.argv[2])
import time
end = time.monotonic() + seconds
while time.monotonic() < end:
    index = Index.open(root)
    for _ in range(10):
        name = f"{random.randrange(40)}.py"
        aside = root / f".{random.random()}"
        aside.write_text(f"x = {random.random()}\\n" * 50)
        aside.rename(root / name)
        project = index.refresh([name] if random.random() < 0.5 else None)
        for file in project.files.values():
            assert file.text.startswith("x = "), file
        project.features(LINES, list(project.files.values()))
    index.prepare([LINES, SIZES])
    assert index.store.database.path is not None and not index.store.database.damaged
    index.close()
"""


def test_processes_share_an_index(tmp_path: Path) -> None:
    root = write(tmp_path / "busy", {f"{number}.py": b"x = 0\n" for number in range(40)})
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    for process in [program(BUSY, root, 4, env=environment) for _ in range(3)]:
        _, err = result_of(process)
        assert err == ""
    with closing(sqlite3.connect(database_of(root))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with closing(Index.open(root)) as index:
        assert texts(index.project) == on_disk(root)
        for file, value in zip(
            index.project.files.values(), index.project.features(LINES, list(index.project.files.values())), strict=True
        ):
            assert value.to_bytes() == lines_of(file.text).to_bytes()


FIRST = """
import sys
from pathlib import Path
from midspan.context import index
index.BATCH_FILES = 5
class Telling(index.Index):
    def _keep(self, batch):
        super()._keep(batch)
        print("batch", flush=True)
Telling.open(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("batches", [1, 7, 20])
def test_a_killed_first_index_keeps_what_it_had(tmp_path: Path, batches: int) -> None:
    root = write(tmp_path / "big", {f"{number:03}.py": b"x = %d\n" % number * 200 for number in range(200)})
    time.sleep(SETTLED)
    process = program(FIRST, root)
    assert process.stdout is not None
    for _ in range(batches):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    found, read = opened(root)
    assert found == on_disk(root)
    assert read <= 200 - 5 * batches
    assert opened(root) == (found, 0)


# Features.


def test_features_outlive_the_process(root: Path) -> None:
    with closing(Index.open(root)) as index:
        index.prepare([LINES, SIZES])
    with closing(Index.open(root)) as index:
        files = list(index.project.files.values())
        values = index.project.features(Feature("lines", never), files)
        assert [value.to_bytes() for value in values] == [lines_of(file.text).to_bytes() for file in files]
        assert [int(value.items[0]) for value in index.project.features(Feature("sizes", never), files)] == [
            file.size for file in files
        ]
        index.prepare([Feature("lines", never)])
        unsaved = index.project.replace("a.py", "unsaved")
        unsaved.features(SIZES, [unsaved.files["a.py"]])
        assert index.store.load("sizes", [unsaved.files["a.py"].digest]) == {}


def features_of(index: Index, name: str) -> list[bytes]:
    files = list(index.project.files.values())
    return [value.to_bytes() for value in index.project.features(Feature(name, never), files)]


def test_workers_give_what_this_process_gives(root: Path, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(prepare, "MANY_CHARS", 1)
    monkeypatch.setattr(prepare, "BATCH_CHARS", 20)
    monkeypatch.setattr(prepare, "_cores", lambda: 2)
    hostile = write(tmp_path / "hostile", dict.fromkeys(("numpy.py", "pickle.py", "zlib.py"), b"raise SystemExit(1)"))
    monkeypatch.chdir(hostile)
    with closing(Index.open(root)) as index:
        expected = [sizes_of(text.decode()).to_bytes() for text in FILES.values()]
        index.prepare([Feature("apart", only_in_workers), LINES])
        assert features_of(index, "apart") == expected
        assert features_of(index, "lines") == [lines_of(text.decode()).to_bytes() for text in FILES.values()]
        index.prepare([Feature("unpicklable", lambda text: sizes_of(text))])
        assert features_of(index, "unpicklable") == expected
        index.prepare([Feature("deadly", dies_in_workers)])
        assert features_of(index, "deadly") == expected
        with pytest.raises(AssertionError, match="computed again"):
            index.prepare([Feature("broken", never)])


PREPARE = """
import sys, time
from pathlib import Path
from midspan.context import prepare
from midspan.context.index import Index
from midspan.context.sets import Feature
from index_samples import sizes_of
prepare.BATCH_CHARS = 1
prepare.MANY_CHARS = int(sys.argv[2])
computed = 0
def slow(text):
    global computed
    computed += 1
    if computed > 100 and len(sys.argv) > 3:
        print("far enough", flush=True)
        time.sleep(600)
    time.sleep(0.02)
    return sizes_of(text)
index = Index.open(Path(sys.argv[1]))
print("ready", flush=True)
index.prepare([Feature("slow", slow)])
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_interrupted_preparation_goes_on_where_it_was(tmp_path: Path, end: signal.Signals) -> None:
    root = write(tmp_path / "many", {f"{number}.py": b"%d" % number for number in range(300)})
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    process = program(PREPARE, root, 10**9, "wait", env=environment)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.readline()  # it has computed a third, and waits
    process.send_signal(end)
    process.communicate()
    with closing(Index.open(root)) as index:
        assert 5 < len(index.store.having("slow")) < 300
        index.prepare([Feature("slow", sizes_of)])
        assert len(index.store.having("slow")) == 300


def test_closing_ends_preparation(root: Path) -> None:
    write(root, {f"{number}.py": b"%d" % number for number in range(100)})
    index = Index.open(root)
    computed: list[str] = []

    def closes(text: str):
        computed.append(text)
        index.close()
        return sizes_of(text)

    index.prepare([Feature("closes", closes)])
    assert len(computed) > 0


# Room on disk.


def test_what_no_file_needs_is_removed_after_a_while(root: Path) -> None:
    noise = random.Random(0).randbytes(200_000).hex().encode()
    write(root, {"noise.txt": noise, "copy.md": FILES["z.md"]})
    with closing(Index.open(root)) as index:
        index.prepare([LINES, SIZES])
        old = index.project
        (root / "noise.txt").unlink()
        (root / "copy.md").unlink()
        index.refresh()
        index.store.database.read("PRAGMA wal_checkpoint(TRUNCATE)")
        before = index.store.database.disk_bytes
        index.store.remove_unused(int(time.time()) + KEEP_SECONDS - 60)
        assert old.files["noise.txt"].text.encode() == noise
        index.store.remove_unused(int(time.time()) + KEEP_SECONDS + 60)
        with pytest.raises(KeyError):
            assert old.files["noise.txt"].text
        assert texts(index.project) == FILES
        assert index.store.having("lines") == {file.digest for file in index.project.files.values()}
        index.store.database.read("PRAGMA wal_checkpoint(TRUNCATE)")
        assert index.store.database.disk_bytes < before - 150_000
        index.store.remove_unused(int(time.time()) + 40 * 24 * 3600)
        assert index.store.having("lines") == set()
        assert texts(index.project) == FILES


def test_what_was_in_use_until_now_is_kept_for_a_while(root: Path) -> None:
    with closing(Index.open(root)) as index:
        old = index.project
        index.store.database.write(lambda connection: connection.execute("UPDATE texts SET used = 0"))
        (root / "a.py").unlink()
        write(root, {"b/bom.py": b"changed"})
        index.refresh()
        index.store.remove_unused(int(time.time()))
        assert texts(old) == FILES


def test_databases_that_nobody_opens_are_removed(root: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", FILES)
    opened(other)
    opened(root)
    assert database_of(other).exists()
    os.utime(database_of(other), (time.time() - 61 * 24 * 3600,) * 2)
    opened(root)
    assert not database_of(other).exists()
    assert database_of(root).exists()


def test_threads_may_read_while_files_change(root: Path) -> None:
    errors: list[BaseException] = []
    done = threading.Event()
    with closing(Index.open(root)) as index:

        def read() -> None:
            try:
                while not done.is_set():
                    project = index.project
                    assert set(FILES) <= set(project.files)
                    assert texts(project)["z.md"] == FILES["z.md"]
                    project.features(SIZES, list(project.files.values()))
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(100):
            write(root, {"a.py": b"%d\n" % number})
            index.refresh(["a.py"])
        done.set()
        for thread in threads:
            thread.join()
    assert not errors
