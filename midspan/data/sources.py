"""Where code comes from: sources listed as projects with their files, by `stat` alone, before anything is read.

Two kinds of source:

- `environment`: the distributions installed in a Python environment; each is a project, its version the revision, its
  RECORD the list of files, its metadata and the licence files of its `.dist-info` the declared licence.
- `folder`: a folder as one project or, with `split`, each direct subfolder as one; the revision is the commit that
  `.git/HEAD` points at, if there is one.

Symbolic links are never followed and nothing outside a source's root is listed. Cost: one `lstat` per file.
"""

import os
import re
import stat
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path, PurePosixPath

from midspan.errors import MidspanError
from midspan.recipe.schema import EnvironmentSource, FolderSource, Source
from midspan.syntax.languages import language_of

SKIPPED_DIRECTORIES = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})
"""Directories of a folder source that hold installed or built things; those with a leading dot are skipped as well."""

_LICENCE_NAME = re.compile(r"((un)?licen[cs]es?|copying)([-_.][\w+-]+(\.[0-9]+)*)?(\.(txt|md|rst))?", re.IGNORECASE)
_NAME_BREAKS = re.compile(r"[-_.]+")


@dataclass(frozen=True)
class SourceFile:
    """One file in a known language: `path` is posix and relative to the project; size and time are from `lstat`."""

    path: str
    location: Path
    language: str
    bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class Declaration:
    """What a package's metadata says about its licence, as written there."""

    expression: str = ""
    name: str = ""
    classifiers: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class SourceProject:
    """A project before reading. `licence_files` maps a directory of the project to the licence files in it."""

    name: str
    source: str
    revision: str
    files: tuple[SourceFile, ...]
    licence_files: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    declared: Declaration = Declaration()
    skipped: Counter[str] = field(default_factory=Counter)
    """Not candidates, by reason: `unknown_language`, `link`, `missing`, `unreadable`, `name_not_utf8`,
    `package_without_file_list`."""


def list_projects(sources: Sequence[Source]) -> Iterator[SourceProject]:
    """List the projects of all sources, each name once (a second project of the same name becomes `name#2`).

    Raises MidspanError for a folder that is missing or holds no file in a known language.
    """
    seen: Counter[str] = Counter()
    for source in sources:
        projects = _environment(source) if isinstance(source, EnvironmentSource) else _folder(source)
        for project in projects:
            seen[project.name] += 1
            if seen[project.name] > 1:
                name = f"{project.name}#{seen[project.name]}"
                project = SourceProject(**{**vars(project), "name": name})
            yield project


def distributions(source: EnvironmentSource) -> list[tuple[str, str, metadata.Distribution]]:
    """(name, version, distribution) of the packages of an environment, sorted; names are normalised (PEP 503)."""
    if source.path is None:
        paths = sysconfig.get_paths()
        roots = sorted({paths["purelib"], paths["platlib"]})
    else:
        root = Path(source.path).expanduser()
        if not root.is_dir():
            raise MidspanError(
                f"data source: there is no folder {source.path}", "give the path of a site-packages folder"
            )
        roots = [str(root)]
    found: dict[str, tuple[str, str, metadata.Distribution]] = {}
    for distribution in metadata.distributions(path=roots):
        name = _NAME_BREAKS.sub("-", distribution.metadata["Name"] or "").lower()
        if name:
            found.setdefault(name, (name, distribution.version, distribution))
    wanted = {_NAME_BREAKS.sub("-", name).lower() for name in source.packages}
    if missing := sorted(wanted - found.keys()):
        raise MidspanError(
            f"data source: {', '.join(missing)} not installed in {', '.join(roots)}", "check packages of the source"
        )
    if wanted:
        found = {name: found[name] for name in wanted}
    if not found:
        raise MidspanError(
            f"data source: no package is installed in {', '.join(roots)}", "check the path of the source"
        )
    return [found[name] for name in sorted(found)]


def _environment(source: EnvironmentSource) -> Iterator[SourceProject]:
    for name, version, distribution in distributions(source):
        root = Path(str(distribution.locate_file("")))
        inside: dict[Path, bool] = {}
        paths: list[str] = []
        notices: list[PurePosixPath] = []
        skipped: Counter[str] = Counter()
        if distribution.files is None:
            skipped["package_without_file_list"] += 1
        for file in sorted(distribution.files or (), key=str):
            if ".." in file.parts or PurePosixPath(file).is_absolute():
                continue
            if file.parts[0].endswith(".dist-info"):
                if is_licence_file(file.name):
                    notices.append(PurePosixPath(file))
                continue
            folder = (root / file).parent
            if folder not in inside:
                inside[folder] = folder.resolve().is_relative_to(root.resolve())
            if inside[folder]:
                paths.append(file.as_posix())
            else:
                skipped["link"] += 1
        declared = Declaration(
            expression=_first(distribution, "License-Expression"),
            name=_first(distribution, "License"),
            classifiers=tuple(
                c for c in distribution.metadata.get_all("Classifier") or () if c.startswith("License ::")
            ),
            files=tuple(root / notice for notice in notices if len(notice.parts) <= 3),
        )
        project = _project(name, f"environment:{name}", version, root, paths, declared, skipped)
        _place_notices(project, root, notices)
        yield project


def _first(distribution: metadata.Distribution, field: str) -> str:
    return next(iter(distribution.metadata.get_all(field) or ()), "")


def _place_notices(project: SourceProject, root: Path, notices: Sequence[PurePosixPath]) -> None:
    """Give the texts in `x.dist-info/licenses/[src/]a/b` (PEP 639 keeps source paths) to the directory a/b.

    All of them: where there are two, both hold. A directory that has licence files of its own keeps those.
    """
    directories = {str(parent) for file in project.files for parent in PurePosixPath(file.path).parents}
    placed: dict[str, tuple[Path, ...]] = {}
    for notice in notices:
        parts = notice.parts[2:-1]
        directory = "/".join(parts[1:] if parts[:1] == ("src",) else parts)
        if directory in directories and directory not in project.licence_files:
            placed[directory] = (*placed.get(directory, ()), root / notice)
    project.licence_files.update(placed)


def _folder(source: FolderSource) -> Iterator[SourceProject]:
    root = Path(source.path).expanduser()
    if not root.is_dir():
        raise MidspanError(f"data source: there is no folder {source.path}", "correct the path in [[data.sources]]")
    roots = [root]
    if source.split:
        roots = sorted(
            child for child in root.iterdir() if child.is_dir() and not child.is_symlink() and not _hidden(child.name)
        )
    empty = True
    for folder in roots:
        skipped: Counter[str] = Counter()
        paths = list(_walk(folder, skipped))
        project = _project(
            folder.resolve().name, f"folder:{source.path}", _head(folder), folder, paths, Declaration(), skipped
        )
        empty = empty and not project.files
        yield project
    if empty:
        what = "subfolder with a file" if source.split else "file"
        raise MidspanError(
            f"data source: {source.path} holds no {what} in a known language",
            "point the source at a folder of code",
        )


def _hidden(name: str) -> bool:
    return name.startswith(".") or name in SKIPPED_DIRECTORIES


def _walk(root: Path, skipped: Counter[str]) -> Iterator[str]:
    """Posix paths below `root`, sorted; links are counted in `skipped`, never followed."""
    pending = [""]
    while pending:
        relative = pending.pop()
        try:
            entries = sorted(os.scandir(root / relative), key=lambda entry: entry.name)
        except OSError:
            skipped["unreadable"] += 1
            continue
        for entry in entries:
            path = f"{relative}/{entry.name}" if relative else entry.name
            if entry.is_symlink():
                skipped["link"] += 1
            elif entry.is_dir():
                if not _hidden(entry.name):
                    pending.append(path)
            elif entry.is_file():
                yield path


def _project(
    name: str,
    source: str,
    revision: str,
    root: Path,
    paths: Iterable[str],
    declared: Declaration,
    skipped: Counter[str],
) -> SourceProject:
    files: list[SourceFile] = []
    licence_files: dict[str, tuple[Path, ...]] = {}
    for path in sorted(paths):
        if not _is_utf8(path):
            skipped["name_not_utf8"] += 1
            continue
        location = root / path
        folder, _, basename = path.rpartition("/")
        language = language_of(path)
        licence_file = is_licence_file(basename)
        if language is None and not licence_file:
            skipped["unknown_language"] += 1
            continue
        try:
            status = location.lstat()
        except OSError:
            skipped["missing"] += 1
            continue
        if not stat.S_ISREG(status.st_mode):
            skipped["link"] += 1
        elif licence_file:
            licence_files[folder] = (*licence_files.get(folder, ()), location)
        elif language is not None:
            files.append(SourceFile(path, location, language.name, status.st_size, status.st_mtime_ns))
    return SourceProject(name, source, revision, tuple(files), licence_files, declared, skipped)


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_licence_file(name: str) -> bool:
    """Whether a name is that of a licence text: `LICENSE`, `LICENCE-MIT.txt`, `COPYING.LESSER`, not `license.py`."""
    if not _LICENCE_NAME.fullmatch(name):
        return False
    language = language_of(name)
    return language is None or language.name == "markdown"


def _head(folder: Path) -> str:
    """The commit checked out in `folder`, read from `.git` as plain files; "" if there is none."""
    git = folder / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref: "):
            return head
        reference = head.removeprefix("ref: ")
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
