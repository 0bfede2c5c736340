"""Finding the files of a source tree that may belong to the project, without reading them.

Links are never followed, so nothing outside the root is found and there are no cycles. What is left out for another
reason than an ignore rule is kept with its reason, so that a caller can say what it did not see. Where there are more
files, or bytes, than a project may have, those nearest the root stay: levels of the tree one after the other, each by
path.
"""

import os
import stat
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from midspan.context.ignore import IGNORE_FILES, IgnoreRules, always_ignored, rules_above
from midspan.errors import MidspanError

MAX_BYTES = 1_000_000
MAX_FILES = 50_000
MAX_TOTAL_BYTES = 1_000_000_000
"""Of all files together: a directory of data must not fill the disk with its index."""
PATIENCE = 10
"""A walk ends after this many times the files a project may have; what lies beyond is not even counted."""
_INT64 = 2**63 - 1


class Stamp(NamedTuple):
    """What tells whether a file has changed since it was read: bytes, nanoseconds since 1970, the file's number."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Stamp":
        """The stamp of a stat; numbers are cut to what a database can hold."""
        return cls(
            status.st_size,
            status.st_mtime_ns & _INT64,
            status.st_ctime_ns & _INT64,
            status.st_ino & _INT64,
        )


@dataclass
class Tree:
    """Files found, by posix path, and their bytes; entries skipped, each with its reason; how many were too many."""

    files: dict[str, Stamp] = field(default_factory=dict)
    bytes: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    beyond: int = 0


class Absent(Enum):
    """What can be at a path instead of a file of the project."""

    NOTHING = "nothing that belongs to the project"
    FOLDER = "a folder"


def walk(root: Path, max_bytes: int = MAX_BYTES, max_files: int = MAX_FILES) -> Tree:
    """Every file below `root` (absolute, free of links) that no rule ignores.

    Reasons for skipping: "link", "too large" (above `max_bytes`), "not UTF-8" (the name), "unreadable".
    MidspanError if `root` is no directory.
    """
    if not root.is_dir():
        raise MidspanError(f"no such directory: {root}", "give the root folder of a project")
    lead, rules = rules_above(root)
    top = os.fsencode(root)
    tree = Tree()
    # Each entry: a directory's path with "/" at its end ("" for the root), and the rules that hold above it.
    level: list[tuple[bytes, IgnoreRules]] = [(b"", rules)]
    while level and tree.beyond <= PATIENCE * max_files:
        following: list[tuple[bytes, IgnoreRules]] = []
        for base, above in level:
            _scan(top, lead, base, above, tree, following, max_bytes, max_files)
        level = sorted(following, key=lambda entry: entry[0])
    return tree


def _scan(
    top: bytes,
    lead: bytes,
    base: bytes,
    rules: IgnoreRules,
    tree: Tree,
    following: list[tuple[bytes, IgnoreRules]],
    max_bytes: int,
    max_files: int,
) -> None:
    """Sort the entries of one directory into `tree` and `following`."""
    directory = (top.rstrip(b"/") + b"/" + base).rstrip(b"/") or b"/"
    try:
        with os.scandir(directory) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError:
        tree.skipped[base.decode().rstrip("/")] = "unreadable"
        return
    present = tuple(entry.name for entry in entries if entry.name in IGNORE_FILES)
    if present:
        rules = rules.enter(directory, lead + base, present)
    for entry in entries:
        name, path = entry.name, base + entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        if always_ignored(name, is_folder) or rules.ignores(lead + path, name, is_folder):
            continue
        reason = _reason(entry)
        if not reason and is_folder:
            following.append((path + b"/", rules))
        elif reason:
            tree.skipped[path.decode(errors="backslashreplace")] = reason
        elif entry.is_file(follow_symlinks=False):
            found = _judge(directory + b"/" + name, max_bytes)
            if isinstance(found, str):
                tree.skipped[path.decode()] = found
            elif len(tree.files) < max_files and tree.bytes + found.size <= MAX_TOTAL_BYTES:
                tree.files[path.decode()] = found
                tree.bytes += found.size
            else:
                tree.beyond += 1


def _reason(entry: "os.DirEntry[bytes]") -> str:
    """Why an entry cannot belong to a project, whatever it is; "" if it can."""
    # Junctions are Windows' links between directories.
    if entry.is_symlink() or (hasattr(entry, "is_junction") and entry.is_junction()):
        return "link"
    return "" if _is_text(entry.name) else "not UTF-8"


def _is_text(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _judge(file: bytes, max_bytes: int) -> Stamp | str:
    """The stamp of a plain file, or why it is skipped."""
    try:
        status = os.lstat(file)
    except OSError:
        return "unreadable"
    return "too large" if status.st_size > max_bytes else Stamp.of(status)


def look(root: Path, path: str, max_bytes: int = MAX_BYTES) -> Stamp | str | Absent:
    """What `walk` would find at `path`: a file's stamp, the reason why it is skipped, or that there is no file."""
    if os.sep != "/" and os.sep in path:
        return Absent.NOTHING
    lead, rules = rules_above(root)
    directory, base = os.fsencode(root).rstrip(b"/"), b""
    try:
        *folders, name = [part.encode() for part in path.split("/")]
    except UnicodeEncodeError:
        return Absent.NOTHING
    for folder in folders:
        rules = rules.enter(directory, lead + base)
        directory, base = directory + b"/" + folder, base + folder
        if _hidden(rules, lead + base, folder, is_folder=True) or _kind(directory) != stat.S_IFDIR:
            return Absent.NOTHING
        base += b"/"
    rules = rules.enter(directory, lead + base)
    kind = _kind(directory + b"/" + name)
    if kind is None or _hidden(rules, lead + base + name, name, kind == stat.S_IFDIR):
        return Absent.NOTHING
    if kind == stat.S_IFDIR:
        return Absent.FOLDER
    if kind == stat.S_IFLNK:
        return "link"
    return _judge(directory + b"/" + name, max_bytes) if kind == stat.S_IFREG else Absent.NOTHING


def _hidden(rules: IgnoreRules, path: bytes, name: bytes, is_folder: bool) -> bool:
    # "", "." and ".." are no names of entries.
    return not name or always_ignored(name, is_folder) or rules.ignores(path, name, is_folder)


def _kind(path: bytes) -> int | None:
    """The type bits of what is at `path`, links not followed."""
    try:
        return stat.S_IFMT(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return None
