"""A SQLite database that is only a cache: whatever is wrong with it, the caller goes on.

A torn or foreign file is replaced by an empty one. A full disk, a directory without permission, or a lock that never
ends move the database into memory, with one warning. Statements never raise: a read that fails finds nothing and sets
`damaged`, upon which the owner calls `renew` when it can fill the database again.

Processes share the file through SQLite's write-ahead log: readers never wait, writers wait for each other.
"""

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import Any

BUSY_SECONDS = 5.0
UNUSED_SECONDS = 60 * 24 * 3600
"""Databases beside this one that nobody opened for this long are deleted."""
LOG_BYTES = 16_000_000
_DAMAGE = frozenset(
    {
        sqlite3.SQLITE_ERROR,  # for example a missing table: the statements themselves are right
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_SCHEMA,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_FORMAT,
        sqlite3.SQLITE_TOOBIG,
    }
)
_FAILURES = (sqlite3.Error, UnicodeDecodeError)
"""What statements raise; the second where a damaged schema is quoted in the message of the first."""
_log = logging.getLogger(__name__)


class Database:
    """Any thread may use it, each statement by itself. `path` is None once it is in memory."""

    def __init__(self, path: Path, schema: str, number: int) -> None:
        """`schema` is for an empty database; one with another `number` is replaced."""
        self.path: Path | None = path
        self.damaged = False
        self._schema, self._number = schema, number
        self._inode = 0
        self._lock = RLock()
        self._connection = self._open()

    def read(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query; none if that fails."""
        with self._lock:
            try:
                return self._connection.execute(query, values).fetchall()
            except _FAILURES as error:
                self.damaged = self.damaged or _is_damage(error)
                return []

    def write(self, action: Callable[[sqlite3.Connection], object]) -> None:
        """Run `action` in one transaction; once more, in memory, if the file cannot be written."""
        with self._lock:
            try:
                _transact(self._connection, action)
                return
            except sqlite3.ProgrammingError:
                return  # closed
            except _FAILURES as error:
                if _is_damage(error) or self.path is None:
                    self.damaged = True
                    return
                self._leave_disk(error)
            try:
                _transact(self._connection, action)
            except _FAILURES:
                self.damaged = True

    def shrink(self) -> None:
        """Give free pages back to the file system."""
        with self._lock, suppress(*_FAILURES):
            # `execute` would stop after one page: the statement has a step for each, and no rows.
            self._connection.executescript("PRAGMA incremental_vacuum")

    def renew(self) -> None:
        """Begin anew with an empty database, after damage."""
        with self._lock:
            self._connection.close()
            if self.path is not None:
                self._remove(self.path)
            self.damaged = False
            self._connection = self._open()

    @property
    def disk_bytes(self) -> int:
        """Bytes on disk, log included; 0 in memory."""
        return disk_bytes(self.path) if self.path else 0

    def close(self) -> None:
        """Nothing is read or written any more."""
        with self._lock:
            self._connection.close()

    def _open(self) -> sqlite3.Connection:
        if self.path is None:
            return self._connect(None)
        try:
            self._prepare(self.path)
            try:
                return self._connect(self.path)
            except _FAILURES as error:
                if not _is_damage(error):
                    raise
            self._remove(self.path)
            self._prepare(self.path)
            return self._connect(self.path)
        except (OSError, *_FAILURES) as error:
            return self._in_memory(error)

    def _prepare(self, path: Path) -> None:
        """The directory and the file, for the user alone: they will hold source text."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.parent.chmod(0o700)
        with suppress(FileExistsError):
            # Never opened a second time outside of SQLite: closing it would give up the process's locks on it.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        os.utime(path)
        self._inode = path.stat().st_ino
        _remove_unused(path)

    def _connect(self, path: Path | None) -> sqlite3.Connection:
        """A connection to a database that has the schema. sqlite3.Error if that cannot be had."""
        connection = sqlite3.connect(
            path or ":memory:", timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            for pragma in ("auto_vacuum = INCREMENTAL", "cell_size_check = ON", "trusted_schema = OFF"):
                connection.execute(f"PRAGMA {pragma}")
            if path is not None:
                _start_log(connection)
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
            if _number_of(connection) != self._number:
                _transact(connection, self._create)
        except _FAILURES:
            connection.close()
            raise
        return connection

    def _create(self, connection: sqlite3.Connection) -> None:
        number = _number_of(connection)
        if number == self._number:
            return  # another process was faster
        if number or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise sqlite3.DatabaseError("the database has another schema")
        for statement in self._schema.strip().split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {self._number}")

    def _remove(self, path: Path) -> None:
        """Delete the file, unless another process has already put a new one in its place."""
        with suppress(OSError):
            if path.stat().st_ino == self._inode:
                remove_database(path)

    def _leave_disk(self, error: Exception) -> None:
        """Go on in memory with a copy of what is on disk."""
        memory = self._in_memory(error)
        try:
            self._connection.backup(memory)
            self._connection.close()
            self._connection = memory
        except _FAILURES:
            memory.close()
            self._connection.close()
            self._connection, self.damaged = self._connect(None), True

    def _in_memory(self, error: Exception) -> sqlite3.Connection:
        _log.warning("midspan: the project index cannot be kept in %s (%s); it stays in memory", self.path, error)
        self.path = None
        return self._connect(None)


def disk_bytes(path: Path) -> int:
    """Bytes that the database at `path` takes, log included; 0 if there is none."""
    total = 0
    for file in _files_of(path):
        with suppress(OSError):
            total += file.stat().st_size
    return total


def remove_database(path: Path) -> None:
    """Delete the database at `path` if there is one. OSError if that is not allowed.

    The log goes first: SQLite would play it back into a new database.
    """
    for file in _files_of(path):
        file.unlink(missing_ok=True)


def _files_of(path: Path) -> list[Path]:
    return [path.with_name(path.name + ending) for ending in ("-wal", "-shm", "")]


def _remove_unused(path: Path) -> None:
    """Delete the neighbours of `path` that nobody opened for a long time."""
    for neighbour in path.parent.glob(f"*{path.suffix}"):
        with suppress(OSError):
            if time.time() - neighbour.stat().st_mtime > UNUSED_SECONDS:
                remove_database(neighbour)


def _transact(connection: sqlite3.Connection, action: Callable[[sqlite3.Connection], object]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        action(connection)
        connection.execute("COMMIT")
    except BaseException:
        with suppress(*_FAILURES):  # SQLite may have rolled back by itself
            connection.execute("ROLLBACK")
        raise


def _start_log(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log; two processes that do so at once can be refused without waiting."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _number_of(connection: sqlite3.Connection) -> int:
    number: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return number


def _is_damage(error: Exception) -> bool:
    """Whether the database's content is to blame, rather than its surroundings."""
    if isinstance(error, sqlite3.ProgrammingError):
        return False
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_IOERR_SHORT_READ:
        return True
    return code is None or code & 0xFF in _DAMAGE
