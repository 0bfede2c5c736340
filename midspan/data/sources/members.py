"""The members of zips and tarballs: listed and read in memory, never extracted.

An archive that could be a bomb is refused as a whole before it is unpacked (`MAX_*`). Members that point out of the
archive, links, devices, encrypted ones and second ones of the same name are left out and counted. Archives inside
archives are not opened.

Cost: a zip is listed from its directory. A tarball must be decompressed to be listed, and again for every part its
members are read in; `data.max_project_bytes` keeps those few.
"""

import bz2
import gzip
import lzma
import os
import re
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from midspan.data.sources.folder import stamp_of
from midspan.data.sources.project import Container, Listed, Location, Unread, is_utf8

MAX_UNPACKED = 4_000_000_000
"""Bytes all members of an archive may have together."""
MAX_RATIO = 200
"""Times the size of the archive its members may have together; source code packs about five to one."""
UNSUSPICIOUS = 64_000_000
"""Below so many bytes unpacked the ratio does not matter."""
MAX_MEMBERS = 200_000
MAX_METADATA = 2_000_000
"""Bytes of a metadata file, and of a header in a tarball."""

_OPENERS: dict[bytes, Callable[[IO[bytes]], IO[bytes]]] = {
    b"\x1f\x8b": lambda file: cast(IO[bytes], gzip.GzipFile(fileobj=file)),
    b"BZh": lambda file: cast(IO[bytes], bz2.BZ2File(file)),
    b"\xfd7zXZ": lambda file: cast(IO[bytes], lzma.LZMAFile(file)),  # noqa: SIM115
}
DAMAGE = (OSError, EOFError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, ValueError)
"""What the libraries raise on archives that are not whole."""
_UNSAFE = re.compile(r"^/|^[A-Za-z]:|\\|(^|/)\.\.(/|$)|[\0\n]")


METADATA = ("PKG-INFO", "METADATA", "package.json")
"""Names of the files, at most one folder deep, whose contents are read while listing."""


class Refused(Exception):
    """Why an archive is not read."""


def list_members(path: Path, kind: Container, skipped: Counter[str]) -> tuple[list[Listed], dict[str, bytes]]:
    """The plain files of an archive, and the contents of its metadata files by path.

    Raises Refused for what could be a bomb, one of `DAMAGE` for what is not whole.
    """
    with path.open("rb") as file:
        return (_list_zip if kind == "zip" else _list_tar)(file, skipped)


def _list_zip(file: IO[bytes], skipped: Counter[str]) -> tuple[list[Listed], dict[str, bytes]]:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        total = sum(member.file_size for member in members)
        _check_total(total, len(members), os.fstat(file.fileno()).st_size)
        listed: dict[str, Listed] = {}
        metadata: dict[str, bytes] = {}
        for member in members:
            # What the archive says, not what zipfile makes of it: that hides a NUL and what comes after it.
            name = member.orig_filename
            mode = member.external_attr >> 16
            if member.is_dir():
                continue
            if reason := _refusal(name, listed, mode & 0o170000 not in (0, 0o100000), bool(member.flag_bits & 1)):
                skipped[reason] += 1
                continue
            listed[name] = Listed(name, Location(file.name, name), member.file_size)
            if _is_metadata(name):
                content = _zip_content(archive, member, MAX_METADATA)
                metadata[name] = content if isinstance(content, bytes) else b""
    return list(listed.values()), metadata


def _list_tar(file: IO[bytes], skipped: Counter[str]) -> tuple[list[Listed], dict[str, bytes]]:
    listed: dict[str, Listed] = {}
    metadata: dict[str, bytes] = {}
    with _tar(file) as archive:
        for count, member in enumerate(archive, start=1):
            cast(Any, archive).members = []  # it would keep all of them
            if count > MAX_MEMBERS:
                raise Refused(f"it has more than {MAX_MEMBERS:,} members")
            if member.isdir():
                continue
            if reason := _refusal(member.name, listed, not member.isreg(), encrypted=False):
                skipped[reason] += 1
                continue
            listed[member.name] = Listed(member.name, Location(file.name, member.name), member.size)
            if _is_metadata(member.name):
                content = _tar_content(archive, member, MAX_METADATA)
                metadata[member.name] = content if isinstance(content, bytes) else b""
    return list(listed.values()), metadata


def _check_total(unpacked: int, members: int, packed: int) -> None:
    if members > MAX_MEMBERS:
        raise Refused(f"it has more than {MAX_MEMBERS:,} members")
    limit = min(MAX_UNPACKED, max(UNSUSPICIOUS, packed * MAX_RATIO))
    if unpacked > limit:
        raise Refused(f"it unpacks to more than {limit:,} bytes")


def _refusal(name: str, taken: dict[str, Listed], special: bool, encrypted: bool) -> str:
    """Why a member is left out, "" if it is not."""
    if special:
        return "link"
    if not is_utf8(name):
        return "name_not_utf8"
    if _UNSAFE.search(name):
        return "unsafe_path"
    if encrypted:
        return "encrypted"
    return "same_name_again" if name in taken else ""


def _is_metadata(name: str) -> bool:
    folder, _, last = name.rpartition("/")
    return "/" not in folder and last in METADATA


def read_zip(container: str, wanted: Sequence[tuple[Location, int]]) -> Iterator[bytes | Unread]:
    """Members of a zip, in the order asked for."""
    try:
        with _opened(Path(container), wanted[0][0].stamp) as file, zipfile.ZipFile(file) as archive:
            members = {member.orig_filename: member for member in reversed(archive.infolist())}
            for location, limit in wanted:
                yield _zip_content(archive, members.get(location.member), limit)
    except (Refused, *DAMAGE) as error:
        reason = "changed_while_reading" if isinstance(error, Refused) else "unreadable"
        yield from (Unread(reason) for _ in wanted)


def read_tar(container: str, wanted: Sequence[tuple[Location, int]]) -> Iterator[bytes | Unread]:
    """Members of a tarball, in the order asked for; they are held until all are found."""
    limits = {location.member: limit for location, limit in wanted}
    found: dict[str, bytes | Unread] = {}
    reason = "unreadable"
    try:
        with _opened(Path(container), wanted[0][0].stamp) as file, _tar(file) as archive:
            for member in archive:
                if member.name in limits and member.name not in found:
                    found[member.name] = _tar_content(archive, member, limits[member.name])
                    if len(found) == len(limits):
                        break
    except Refused:
        reason = "changed_while_reading"
    except DAMAGE:
        pass
    yield from (found.get(location.member, Unread(reason)) for location, _ in wanted)


@contextmanager
def _opened(path: Path, stamp: str) -> Iterator[IO[bytes]]:
    with path.open("rb") as file:
        if stamp and stamp_of(os.fstat(file.fileno())) != stamp:
            raise Refused("it has changed since it was listed")
        yield file


class _Bounded:
    """A stream of decompressed bytes that ends in `Refused` where a bomb would begin."""

    def __init__(self, stream: IO[bytes], packed: int) -> None:
        self._stream = stream
        self._limit = min(MAX_UNPACKED, max(UNSUSPICIOUS, packed * MAX_RATIO))

    def read(self, size: int) -> bytes:
        """At most `size` bytes; headers that claim to be huge are refused before they are read."""
        if size > max(MAX_METADATA, tarfile.RECORDSIZE):
            raise Refused(f"a header of {size:,} bytes")
        self._check(self._stream.tell() + size)
        return self._stream.read(size)

    def seek(self, position: int) -> int:
        """Go to a position, which reads what is passed over."""
        self._check(position)
        return self._stream.seek(position)

    def tell(self) -> int:
        """The position in the decompressed stream."""
        return self._stream.tell()

    def _check(self, position: int) -> None:
        if position > self._limit + tarfile.RECORDSIZE:
            raise Refused(f"it unpacks to more than {self._limit:,} bytes")


@contextmanager
def _tar(file: IO[bytes]) -> Iterator[tarfile.TarFile]:
    magic = file.read(6)
    file.seek(0)
    stream = next((opener(file) for mark, opener in _OPENERS.items() if magic.startswith(mark)), file)
    bounded = _Bounded(stream, os.fstat(file.fileno()).st_size)
    with tarfile.open(fileobj=cast(IO[bytes], bounded), mode="r:") as archive:
        yield archive


def _tar_content(archive: tarfile.TarFile, member: tarfile.TarInfo, limit: int) -> bytes | Unread:
    if member.size > limit:
        return Unread("too_large")
    stream = archive.extractfile(member)
    parts = []
    while stream and (part := stream.read(MAX_METADATA)):
        parts.append(part)
    content = b"".join(parts)
    return content if len(content) == member.size else Unread("unreadable")


def _zip_content(archive: zipfile.ZipFile, member: zipfile.ZipInfo | None, limit: int) -> bytes | Unread:
    if member is None:
        return Unread("unreadable")
    if member.file_size > limit:
        return Unread("too_large")
    try:
        with archive.open(member) as stream:
            content = stream.read(limit + 1)
    except (*DAMAGE, NotImplementedError, RuntimeError):  # unknown compression, encryption
        return Unread("unreadable")
    return content if len(content) == member.file_size else Unread("unreadable")
