"""Folders as sources: one project, or each direct subfolder one; the revision is the commit that is checked out.

Ignore files hold (`.gitignore`, `.midspanignore`; see `midspan.context.ignore`): what a project does not call its own
is not learnt from. Hidden entries and the folders of tools are left out, links are never followed, so nothing outside
the root is listed and there are no cycles. Cost: one `lstat` per file.
"""

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from midspan.context.ignore import IGNORE_FILES, IgnoreRules, always_ignored, rules_above
from midspan.data.sources.project import Broken, Listed, Location, SourceProject, is_utf8, relevant, sort_files
from midspan.errors import MidspanError
from midspan.recipe.sources import FolderSource

SKIPPED_DIRECTORIES = frozenset({b"site-packages"})
"""Directories that hold installed code, besides those that never belong to a project."""


def folder_projects(source: FolderSource) -> Iterator[SourceProject | Broken]:
    """The projects of a folder. Raises MidspanError if it is missing or holds no file in a known language."""
    root = Path(source.path).expanduser()
    if not root.is_dir():
        raise MidspanError(f"there is no folder {source.path}", "correct the path in [[data.sources]]")
    roots = [root]
    if source.split:
        roots = sorted(
            child
            for child in root.iterdir()
            if child.is_dir() and not child.is_symlink() and not _hidden(os.fsencode(child.name), is_folder=True)
        )
    empty = True
    for folder in roots:
        skipped: Counter[str] = Counter()
        files, texts = sort_files(walk(folder.resolve(), skipped), skipped)
        empty = empty and not files
        label = f"folder:{source.path}"
        yield SourceProject(folder.resolve().name, label, head(folder), files, texts, skipped=skipped)
    if empty:
        what = "subfolder with a file" if source.split else "file"
        raise MidspanError(f"{source.path} holds no {what} in a known language", "point the source at a folder of code")


def _hidden(name: bytes, is_folder: bool) -> bool:
    return always_ignored(name, is_folder) or (is_folder and name in SKIPPED_DIRECTORIES)


def walk(root: Path, skipped: Counter[str], is_wanted: Callable[[str], bool] = relevant) -> Iterator[Listed]:
    """Files below `root` (absolute, free of links) that no rule ignores; what is left out otherwise is counted."""
    lead, rules = rules_above(root)
    top = os.fsencode(root).rstrip(b"/")
    pending: list[tuple[bytes, IgnoreRules]] = [(b"", rules)]
    while pending:
        base, rules = pending.pop()
        try:
            entries = list(os.scandir(top + b"/" + base))
        except OSError:
            skipped["unreadable"] += 1
            continue
        present = tuple(entry.name for entry in entries if entry.name in IGNORE_FILES)
        if present:
            rules = rules.enter(top + b"/" + base, lead + base, present)
        for entry in entries:
            name, path = entry.name, base + entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            if _hidden(name, is_folder) or rules.ignores(lead + path, name, is_folder):
                continue
            if entry.is_symlink():
                skipped["link"] += 1
            elif is_folder:
                pending.append((path + b"/", rules))
            elif entry.is_file(follow_symlinks=False) and (found := look(root, os.fsdecode(path), skipped, is_wanted)):
                yield found


def look(root: Path, path: str, skipped: Counter[str], is_wanted: Callable[[str], bool] = relevant) -> Listed | None:
    """The file at `path` below `root` if it may be of use; why not is counted."""
    if not is_utf8(path):
        skipped["name_not_utf8"] += 1
        return None
    if not is_wanted(path):
        skipped["unknown_language"] += 1
        return None
    place = f"{root}/{path}"
    try:
        status = os.lstat(place)
    except OSError:
        skipped["missing"] += 1
        return None
    if not stat.S_ISREG(status.st_mode):
        skipped["link"] += 1
        return None
    return Listed(path, Location(place, stamp=stamp_of(status)), status.st_size)


def stamp_of(status: os.stat_result) -> str:
    """Size and time of change, which tell a file that was written to since."""
    return f"{status.st_size}-{status.st_mtime_ns}"


def head(folder: Path) -> str:
    """The commit checked out in `folder`, read from `.git` as plain files; "" if there is none."""
    git = folder / ".git"
    try:
        commit = (git / "HEAD").read_text(encoding="utf-8").strip()
        if not commit.startswith("ref: "):
            return commit
        reference = commit.removeprefix("ref: ")
        if ".." in reference:
            return ""
        if (git / reference).is_file():
            return (git / reference).read_text(encoding="utf-8").strip()
        for line in (git / "packed-refs").read_text(encoding="utf-8").splitlines():
            commit, _, name = line.partition(" ")
            if name == reference:
                return commit
    except (OSError, UnicodeDecodeError):
        pass
    return ""
