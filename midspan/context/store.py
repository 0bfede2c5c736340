"""Where an index keeps texts and features between starts: one database per project, in the user's cache.

Texts and features go by the digest of the text, so a file that comes back, or is moved, is known. Every value read is
checked against its digest or checksum, so damage that SQLite cannot see is found too.

What no file refers to any more stays for KEEP_SECONDS, since another process may hold a snapshot with it; if there is
more than MAX_UNUSED_BYTES of it, for KEEP_AT_LEAST_SECONDS.
"""

import os
import sqlite3
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from midspan.context.database import Database
from midspan.context.project import digest_of
from midspan.context.sets import Sets
from midspan.context.walk import Stamp

SCHEMA_NUMBER = 1
SCHEMA = """
CREATE TABLE texts (digest BLOB NOT NULL UNIQUE, chars INTEGER NOT NULL, data BLOB NOT NULL, used INTEGER NOT NULL);
CREATE TABLE files (
    path TEXT NOT NULL PRIMARY KEY, size INTEGER NOT NULL, mtime INTEGER NOT NULL, ctime INTEGER NOT NULL,
    inode INTEGER NOT NULL, read INTEGER NOT NULL, digest BLOB, reason TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX files_digest ON files (digest);
CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, used INTEGER NOT NULL);
CREATE TABLE features (name INTEGER NOT NULL, digest BLOB NOT NULL, data BLOB NOT NULL, UNIQUE (name, digest));
CREATE TABLE collections (time INTEGER NOT NULL)
"""
KEEP_SECONDS = 24 * 3600
KEEP_AT_LEAST_SECONDS = 600
MAX_UNUSED_BYTES = 256_000_000
KEEP_FEATURE_SECONDS = 30 * 24 * 3600
"""Features that nobody asked for in this time are those of another model or of an older version."""
COLLECT_EVERY_SECONDS = 3600
DIGESTS_PER_QUERY = 500
COMPRESSION = 1
"""zlib's fastest level: a third to a quarter of the size, at about 100 MB/s."""
REASONS = ("binary", "not UTF-8")


class Row(NamedTuple):
    """What is known of a file since it was read at `read_ns`: the digest of its text, or why it has none."""

    stamp: Stamp
    read_ns: int
    digest: bytes | None
    chars: int
    reason: str


class Reading(NamedTuple):
    """A file just read; `data` is its text as UTF-8, empty if there is a reason to skip it."""

    path: str
    row: Row
    data: bytes


def default_cache() -> Path:
    """Midspan's cache directory: $MIDSPAN_CACHE, or a folder where the platform keeps caches of the user."""
    if chosen := os.environ.get("MIDSPAN_CACHE"):
        return Path(chosen).absolute()
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  (Path.home raises where there is none)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "midspan"


def database_of(root: Path, cache: Path | None = None) -> Path:
    """Where the index of `root` (absolute, free of links) is kept."""
    name = blake2b(os.fsencode(root), digest_size=16).hexdigest()
    return (cache or default_cache()) / "index" / f"{name}.sqlite"


class IndexStore:
    """One index's texts and features. Any thread may use it; no method but `text` raises."""

    def __init__(self, path: Path) -> None:
        self.database = Database(path, SCHEMA, SCHEMA_NUMBER)
        self.recover: Callable[[bytes], str | None] = lambda digest: None
        """Asked for a text that the database does not hold, or not whole."""
        self._asked_for: set[str] = set()
        self._next_collection = 0.0

    def text(self, digest: bytes) -> str:
        """The text of that digest; KeyError if it is nowhere to be found."""
        for (data,) in self.database.read("SELECT data FROM texts WHERE digest = ?", (digest,)):
            with suppress(zlib.error, UnicodeDecodeError, TypeError):
                text = zlib.decompress(data).decode()
                if digest_of(text) == digest:
                    return text
        recovered = self.recover(digest)
        if recovered is None:
            raise KeyError(digest.hex())
        self.database.damaged = True
        return recovered

    def load(self, feature: str, digests: Iterable[bytes]) -> dict[bytes, Sets]:
        """What is known of the given texts."""
        self._note_use(feature)
        result: dict[bytes, Sets] = {}
        wanted = iter(digests)
        while some := list(islice(wanted, DIGESTS_PER_QUERY)):
            rows = self.database.read(
                "SELECT digest, data FROM features WHERE name = (SELECT id FROM names WHERE name = ?)"
                f" AND digest IN ({', '.join('?' * len(some))})",
                (feature, *some),
            )
            for digest, data in rows:
                value = unpack(data)
                if value is not None:
                    result[digest] = value
        return result

    def save(self, feature: str, values: Mapping[bytes, Sets]) -> None:
        """Keep features of texts that the store holds; those of others, such as unsaved ones, are passed over."""
        self.save_packed({feature: {digest: pack(value) for digest, value in values.items()}})

    def save_packed(self, features: Mapping[str, Mapping[bytes, bytes]]) -> None:
        """`save` of what `pack` made, several features in one transaction."""
        now = int(time.time())

        def action(connection: sqlite3.Connection) -> None:
            for feature, values in features.items():
                connection.execute("INSERT OR IGNORE INTO names (name, used) VALUES (?, ?)", (feature, now))
                connection.executemany(
                    "INSERT OR REPLACE INTO features SELECT (SELECT id FROM names WHERE name = ?), ?, ?"
                    " WHERE EXISTS (SELECT 1 FROM texts WHERE digest = ?)",
                    [(feature, digest, data, digest) for digest, data in values.items()],
                )

        self.database.write(action)

    def having(self, feature: str) -> set[bytes]:
        """The digests of the texts whose feature is stored."""
        self._note_use(feature)
        query = "SELECT digest FROM features WHERE name = (SELECT id FROM names WHERE name = ?)"
        return {digest for (digest,) in self.database.read(query, (feature,))}

    def rows(self) -> dict[str, Row]:
        """What is known of the files, by path; files whose text is missing are left out."""
        query = (
            "SELECT path, size, mtime, ctime, inode, read, files.digest, chars, reason"
            " FROM files LEFT JOIN texts ON files.digest = texts.digest"
        )
        rows: dict[str, Row] = {}
        for path, size, mtime, ctime, inode, read, digest, chars, reason in self.database.read(query):
            skipped = digest is None and reason in REASONS
            whole = isinstance(digest, bytes) and isinstance(chars, int) and reason == ""
            if isinstance(path, str) and isinstance(read, int) and isinstance(ctime, int) and (whole or skipped):
                rows[path] = Row(Stamp(size, mtime, ctime, inode), read, digest, chars or 0, reason)
        return rows

    def put(self, readings: Sequence[Reading]) -> None:
        """Keep files just read, in one transaction."""
        now = int(time.time())
        paths = [reading.path for reading in readings]
        texts = [
            (row.digest, row.chars, zlib.compress(data, COMPRESSION), now)
            for _, row, data in readings
            if row.digest is not None
        ]
        files = [(path, *row.stamp, row.read_ns, row.digest, row.reason) for path, row, _ in readings]

        def action(connection: sqlite3.Connection) -> None:
            _release(connection, paths, now)
            connection.executemany(
                "INSERT INTO texts (digest, chars, data, used) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (digest) DO UPDATE"
                " SET chars = excluded.chars, data = excluded.data, used = excluded.used",
                texts,
            )
            connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)", files)

        self.database.write(action)

    def drop(self, paths: Sequence[str]) -> None:
        """Forget files; their texts stay for a while."""

        def action(connection: sqlite3.Connection) -> None:
            _release(connection, paths, int(time.time()))
            connection.executemany("DELETE FROM files WHERE path = ?", [(path,) for path in paths])

        self.database.write(action)

    def collect(self) -> None:
        """Remove what nobody can need any more; does nothing if this or another process did so lately."""
        if time.monotonic() < self._next_collection:
            return
        self._next_collection = time.monotonic() + COLLECT_EVERY_SECONDS
        ((last,),) = self.database.read("SELECT max(time) FROM collections") or [(None,)]
        if not (isinstance(last, int) and 0 <= time.time() - last < COLLECT_EVERY_SECONDS):
            self.remove_unused(int(time.time()))

    def remove_unused(self, now: int) -> None:
        """Remove texts that no file refers to and features that nobody asked for, by their age at `now` (seconds)."""
        unused = "digest NOT IN (SELECT digest FROM files WHERE digest IS NOT NULL)"

        def action(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM collections")
            connection.execute("INSERT INTO collections VALUES (?)", (now,))
            (size,) = connection.execute(f"SELECT total(length(data)) FROM texts WHERE {unused}").fetchone()
            keep = KEEP_AT_LEAST_SECONDS if size > MAX_UNUSED_BYTES else KEEP_SECONDS
            connection.execute(f"DELETE FROM texts WHERE used < ? AND {unused}", (now - keep,))
            connection.execute("DELETE FROM names WHERE used < ?", (now - KEEP_FEATURE_SECONDS,))
            connection.execute(
                "DELETE FROM features WHERE digest NOT IN (SELECT digest FROM texts)"
                " OR name NOT IN (SELECT id FROM names)"
            )

        self.database.write(action)
        self.database.shrink()

    def close(self) -> None:
        """Nothing is found or kept any more."""
        self.database.close()

    def _note_use(self, feature: str) -> None:
        """Features in use are not removed. Noted once per store, to leave reading free of writing."""
        if feature not in self._asked_for:
            self._asked_for.add(feature)
            query = "UPDATE names SET used = ? WHERE name = ?"
            self.database.write(lambda connection: connection.execute(query, (int(time.time()), feature)))


def pack(value: Sets) -> bytes:
    """A feature for storage, behind its CRC-32."""
    data = value.to_bytes()
    return zlib.crc32(data).to_bytes(4, "little") + data


def unpack(packed: object) -> Sets | None:
    """Read `pack`; None if it is anything else."""
    if not isinstance(packed, bytes) or zlib.crc32(packed[4:]).to_bytes(4, "little") != packed[:4]:
        return None
    try:
        return Sets.from_bytes(packed[4:])
    except ValueError:
        return None


def _release(connection: sqlite3.Connection, paths: Sequence[str], now: int) -> None:
    """From `now` on count the age of the texts that these files had."""
    query = "UPDATE texts SET used = ? WHERE digest = (SELECT digest FROM files WHERE path = ?)"
    connection.executemany(query, [(now, path) for path in paths])
