"""Files, features and helpers for tests of the index; workers and subprocesses import this module."""

import os
import subprocess
import sys
import zlib
from contextlib import closing
from pathlib import Path

from midspan.context.index import FINE_NS, Index
from midspan.context.project import Project
from midspan.context.sets import Feature, Sets, sets_of


def lines_of(text: str) -> Sets:
    return sets_of([[zlib.crc32(line.encode()) for line in text.split("\n")]])


def sizes_of(text: str) -> Sets:
    return sets_of([[len(text)]])


def _is_worker() -> bool:
    specification = sys.modules["__main__"].__spec__
    return specification is not None and specification.name == "midspan.context.prepare"


def dies_in_workers(text: str) -> Sets:
    if _is_worker():
        os._exit(3)
    return sizes_of(text)


def only_in_workers(text: str) -> Sets:
    if not _is_worker():
        raise AssertionError("computed in the caller's process")
    print("noise on standard output")
    return sizes_of(text)


def never(text: str) -> Sets:
    raise AssertionError("computed again")


LINES = Feature("lines", lines_of)
SIZES = Feature("sizes", sizes_of)
SETTLED = FINE_NS / 1e9 + 0.05
FILES: dict[str, bytes] = {
    "a.py": b"import os\r\n\r\nprint(os.name)\r\n",
    "b/bom.py": b"\xef\xbb\xbfx = 1\n",
    "b/c/empty.py": b"",
    "b/c/last.py": b"no newline",
    "b/emoji.py": "x = '🙂é\u2028\x0c'\r".encode(),
    "z.md": b"# text\n" * 1000,
}


def write(root: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return root


def texts(project: Project) -> dict[str, bytes]:
    return {path: file.text.encode() for path, file in project.files.items()}


def on_disk(root: Path) -> dict[str, bytes]:
    files = (path for path in sorted(root.rglob("*")) if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def opened(root: Path, **options: int) -> tuple[dict[str, bytes], int]:
    """What a new index says, and how many files it read for that."""
    with closing(Index.open(root, **options)) as index:
        return texts(index.project), index.read_files


def program(source: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", source, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def result_of(process: subprocess.Popen[str]) -> tuple[str, str]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out, err
