"""What every kind of source lists: projects with their files, and for each file where its bytes are.

Listing reads no content: names, sizes and whatever decides on licences. The bytes are read later, part by part, by
`contents.read_contents`.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from midspan.syntax.languages import language_of

_LICENCE_NAME = re.compile(r"((un)?licen[cs]es?|copying)([-_.][\w+-]+(\.[0-9]+)*)?(\.(txt|md|rst))?", re.IGNORECASE)

Container = Literal["file", "git", "zip", "tar", "parquet"]


class Location(NamedTuple):
    """Where bytes are: a plain file, or a member of a container that is opened once for many members.

    `stamp` is what the container was like when it was listed, "" for one whose members never change. Bytes that are
    read under another stamp are not those that were listed.
    """

    container: str
    member: str = ""
    kind: Container = "file"
    stamp: str = ""


@dataclass(frozen=True)
class SourceFile:
    """One file in a known language: `path` is posix and relative to the project, `bytes` its size as it is stored.

    `declared` is what the source says about the licence of this file alone, None if it says nothing.
    """

    path: str
    location: Location
    language: str
    bytes: int
    declared: "Declaration | None" = None


@dataclass(frozen=True)
class LicenceText:
    """A file whose name says that it holds a licence."""

    name: str
    location: Location


@dataclass(frozen=True)
class Declaration:
    """What a source's metadata says about the licence, as written there.

    `origin` names that metadata as evidence, "" for the fields of a Python package.
    """

    expression: str = ""
    name: str = ""
    classifiers: tuple[str, ...] = ()
    files: tuple[LicenceText, ...] = ()
    origin: str = ""


@dataclass(frozen=True)
class SourceProject:
    """A project before reading. `licence_files` maps a directory of the project to the licence texts in it."""

    name: str
    source: str
    revision: str
    files: tuple[SourceFile, ...]
    licence_files: dict[str, tuple[LicenceText, ...]] = field(default_factory=dict)
    declared: Declaration = Declaration()
    url: str = ""
    skipped: Counter[str] = field(default_factory=Counter)
    """Not candidates, by reason: `unknown_language`, `link`, `missing`, `unreadable`, `name_not_utf8`, and others that
    a kind of source has of its own."""


@dataclass(frozen=True)
class Broken:
    """A source, or a part of one, that could not be listed: the others go on, and the report says so."""

    source: str
    reason: str
    hint: str = ""


@dataclass(frozen=True)
class Unread:
    """Why there are no bytes where a file was listed: `unreadable`, `changed_while_reading`, `too_large`."""

    reason: str


class Listed(NamedTuple):
    """A file as a kind of source finds it, before anyone asked for its language."""

    path: str
    location: Location
    bytes: int


def project_identity(project: SourceProject | Broken) -> str:
    """A hash over everything that was listed: names, stamps, revision, declarations."""
    if isinstance(project, Broken):
        return f"broken {project.source}: {project.reason}"
    digest = hashlib.sha256(repr((project.name, project.revision, project.url, project.declared)).encode())
    for file in project.files:
        digest.update(repr((file.path, file.location, file.bytes, file.declared)).encode())
    digest.update(repr(project.licence_files).encode())
    return digest.hexdigest()


def sort_files(
    listed: Iterable[Listed], skipped: Counter[str]
) -> tuple[tuple[SourceFile, ...], dict[str, tuple[LicenceText, ...]]]:
    """Files in known languages, and licence texts by directory, both in the order of paths; the rest is counted."""
    files: list[SourceFile] = []
    texts: dict[str, tuple[LicenceText, ...]] = {}
    for path, location, size in sorted(listed):
        folder, _, name = path.rpartition("/")
        if is_licence_file(name):
            texts[folder] = (*texts.get(folder, ()), LicenceText(name, location))
        elif language := language_of(path):
            files.append(SourceFile(path, location, language.name, size))
        else:
            skipped["unknown_language"] += 1
    return tuple(files), texts


def is_utf8(path: str) -> bool:
    """Whether a name, decoded by the file system's rules, can be written as text."""
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


def relevant(path: str) -> bool:
    """Whether a file of this name is a candidate or a licence text."""
    return language_of(path) is not None or is_licence_file(path.rpartition("/")[2])
