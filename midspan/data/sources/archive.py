"""Archives as sources: sdists, wheels, npm tarballs, zips and tarballs of any project, each one project.

Nothing is ever extracted: members are read into memory, one at a time and only those that are wanted. A package tells
its name, version and licence in its metadata (`PKG-INFO`, `METADATA`, `package.json`); another archive is called by its
file name. Where everything lies in one folder, as in an sdist, paths begin below it.

An archive that is damaged or could be a bomb is broken as a whole; `members` says what is left out of others.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from email.parser import BytesHeaderParser
from pathlib import Path, PurePosixPath

from midspan.context.ignore import always_ignored
from midspan.data.sources.environment import declaration_of, normal_name, package_texts, place_notices
from midspan.data.sources.folder import stamp_of
from midspan.data.sources.members import DAMAGE, Refused, list_members
from midspan.data.sources.paths import files_at, suffix_of
from midspan.data.sources.project import (
    Broken,
    Container,
    Declaration,
    Listed,
    Location,
    SourceProject,
    is_licence_file,
    sort_files,
)
from midspan.recipe.sources import ArchiveSource

_SUFFIXES: dict[str, Container] = {
    ".zip": "zip",
    ".whl": "zip",
    ".tar": "tar",
    ".tar.gz": "tar",
    ".tgz": "tar",
    ".tar.bz2": "tar",
    ".tbz2": "tar",
    ".tar.xz": "tar",
    ".txz": "tar",
}


def archive_projects(source: ArchiveSource) -> Iterator[SourceProject | Broken]:
    """The archives at a path, in a folder, or of a glob. Raises MidspanError if there is none."""
    for path in files_at(source.path, _SUFFIXES):
        try:
            yield archive_project(path)
        except (Refused, *DAMAGE) as error:
            yield Broken(f"archive:{path.name}", unreadable(error))


def unreadable(error: Exception) -> str:
    """Why an archive cannot be read, in words."""
    return str(error) if isinstance(error, Refused) else f"damaged: {error or type(error).__name__}"


def archive_identity(source: ArchiveSource) -> Iterator[str]:
    """Name, size and time of each archive."""
    for path in files_at(source.path, _SUFFIXES):
        yield f"{path}\0{stamp_of(path.stat())}"


def archive_project(path: Path) -> SourceProject:
    """The project in an archive. Raises `Refused`, or one of `DAMAGE`, for an archive that cannot be read."""
    stamp = stamp_of(path.stat())
    skipped: Counter[str] = Counter()
    kind = _SUFFIXES[suffix_of(path.name, _SUFFIXES)]
    listed, metadata = list_members(path, kind, skipped)
    located = [each._replace(location=Location(str(path), each.path, kind, stamp)) for each in listed]
    if path.suffix == ".whl":
        return _wheel(path, located, metadata, skipped)
    root = _common_folder([*(each.path for each in listed), *metadata])
    inside = [each._replace(path=each.path.removeprefix(root)) for each in located]
    name, version, declared = _declared(path, {name.removeprefix(root): text for name, text in metadata.items()})
    files, texts = sort_files(_shown(inside), skipped)
    return SourceProject(name, f"archive:{path.name}", version, files, texts, declared, skipped=skipped)


def _wheel(path: Path, listed: Sequence[Listed], metadata: dict[str, bytes], skipped: Counter[str]) -> SourceProject:
    """A wheel is what would be installed: its `.dist-info` describes it and is no part of the code."""
    code = [each for each in listed if not _of_wheel(each.path)]
    notices = {
        PurePosixPath(each.path): each.location
        for each in sorted(listed)
        if ".dist-info" in each.path.partition("/")[0] and is_licence_file(PurePosixPath(each.path).name)
    }
    files, texts = sort_files(_shown(code), skipped)
    about = next((text for name, text in metadata.items() if name.endswith(".dist-info/METADATA")), b"")
    name, version, declared = _python_package(path, about)
    declared = Declaration(declared.expression, declared.name, declared.classifiers, tuple(package_texts(notices)))
    project = SourceProject(name, f"archive:{path.name}", version, files, texts, declared, skipped=skipped)
    place_notices(project, notices)
    return project


def _of_wheel(path: str) -> bool:
    return path.partition("/")[0].endswith((".dist-info", ".data"))


def _shown(listed: Sequence[Listed]) -> Iterator[Listed]:
    """The files that are not hidden and not in the folder of a tool, as in a folder source."""
    for each in listed:
        *folders, name = os.fsencode(each.path).split(b"/")
        if not any(always_ignored(folder, True) for folder in folders) and not always_ignored(name, False):
            yield each


def _common_folder(names: Sequence[str]) -> str:
    """The folder, with its slash, that all names lie in; "" if there is none."""
    first = names[0].partition("/")[0] + "/" if names and "/" in names[0] else ""
    return first if first and all(name.startswith(first) for name in names) else ""


def _declared(path: Path, metadata: dict[str, bytes]) -> tuple[str, str, Declaration]:
    """(Name, version, what is declared about the licence) of an archive that is no wheel."""
    if "PKG-INFO" in metadata:
        return _python_package(path, metadata["PKG-INFO"])
    if "package.json" in metadata:
        return _npm_package(path, metadata["package.json"])
    return _stem(path), "", Declaration()


def _python_package(path: Path, text: bytes) -> tuple[str, str, Declaration]:
    fields = BytesHeaderParser().parsebytes(text)

    def values(name: str) -> list[str]:
        return [str(value) for value in fields.get_all(name) or ()]

    name = normal_name(next(iter(values("Name")), ""))
    version = next(iter(values("Version")), "")
    return name or _stem(path), version, declaration_of(values, ())


def _npm_package(path: Path, text: bytes) -> tuple[str, str, Declaration]:
    """package.json; before SPDX expressions `license` was an object, or `licenses` a list of them."""
    try:
        about = json.loads(text)
    except (ValueError, RecursionError):
        about = {}
    if not isinstance(about, dict):
        about = {}
    stated = about.get("license", about.get("licenses"))
    entries = [each.get("type") if isinstance(each, dict) else each for each in _as_list(stated)]
    licence = " AND ".join(f"({each})" if len(entries) > 1 else each for each in entries if isinstance(each, str))
    name, version = about.get("name"), about.get("version")
    return (
        name if isinstance(name, str) and name else _stem(path),
        version if isinstance(version, str) else "",
        Declaration(name=licence, origin="package.json license"),
    )


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _stem(path: Path) -> str:
    return path.name[: -len(suffix_of(path.name, _SUFFIXES))]
