"""Bearer tokens: made here, kept as hashes in a file.

A token is `ms_<id>_<secret>`: the id, which is no secret, finds its line in the file. The secret has 256 random bits.
Nobody can try that many, with however fast a hash, so a slow one (scrypt) would only make each request slow; BLAKE2b,
salted with the id, keeps the file useless to whoever reads it.

The file has one line for each token: name, id, hash.
"""

import hashlib
import hmac
import logging
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from midspan.errors import MidspanError
from midspan.recipe.disk import sync

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
TOKEN = re.compile(r"ms_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
LINE = re.compile(rf"({NAME.pattern}) ([0-9a-f]{{12}}) ([0-9a-f]{{64}})")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """A token as the file knows it."""

    name: str
    id: str
    digest: str


class Tokens:
    """The tokens of a file, read again whenever it changes."""

    def __init__(self, file: Path) -> None:
        """Reads `file`; MidspanError if it cannot be read or holds something else."""
        self.file = file
        self._state = _state(file)
        self._entries = _by_id(read_tokens(file))

    def user(self, authorization: bytes) -> str | None:
        """The name behind an Authorization header's value, None if it is no token of ours."""
        self._refresh()
        scheme, _, credentials = authorization.decode("latin-1").partition(" ")
        match = TOKEN.fullmatch(credentials.strip())
        if scheme.lower() != "bearer" or match is None or (entry := self._entries.get(match[1])) is None:
            return None
        return entry.name if hmac.compare_digest(_digest(match[1], match[2]), entry.digest) else None

    def _refresh(self) -> None:
        """Take up a changed file; one that cannot be read leaves the tokens as they were, one that is gone none.

        A file is replaced in one step, so it is gone only where somebody took it away.
        """
        state = _state(self.file)
        if state == self._state:
            return
        self._state = state
        if state is None:
            self._entries = {}
            _log.error("the token file is gone: nobody is let in until it is back")
            return
        try:
            self._entries = _by_id(read_tokens(self.file))
        except MidspanError as error:
            _log.error("the tokens stay as they were: %s", error)


def read_tokens(file: Path) -> list[Entry]:
    """The entries of `file`. Raises MidspanError if it cannot be read or a line is something else."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MidspanError(f"cannot read the token file {file}: {error}", "make it: midspan token add NAME") from None
    entries = []
    for number, line in enumerate(lines, start=1):
        match = LINE.fullmatch(line)
        if match is None:
            # The line itself is not shown: someone may have put a token there.
            raise MidspanError(f"{file}:{number} is not a name, an id and a hash", "add tokens by: midspan token add")
        entries.append(Entry(*match.groups()))
    return entries


def add_token(file: Path, name: str) -> str:
    """A new token for `name`, whose hash is added to `file`. Raises MidspanError if the name is taken or is none."""
    if not NAME.fullmatch(name):
        raise MidspanError(f"{name!r} is no name for a token", "use letters, digits and . _ @ -, at most 64")
    entries = read_tokens(file) if file.exists() else []
    if any(entry.name == name for entry in entries):
        raise MidspanError(f"{file} has a token for {name} already", f"remove it first: midspan token remove {name}")
    id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    _write(file, [*entries, Entry(name, id, _digest(id, secret))])
    return f"ms_{id}_{secret}"


def remove_token(file: Path, name: str) -> None:
    """Take the token of `name` out of `file`. Raises MidspanError if there is none."""
    entries = read_tokens(file)
    left = [entry for entry in entries if entry.name != name]
    if len(left) == len(entries):
        raise MidspanError(f"{file} has no token for {name}", "midspan token list shows them")
    _write(file, left)


def _write(file: Path, entries: Sequence[Entry]) -> None:
    """Replace the file in one step, readable by its owner alone."""
    aside = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.writelines(f"{entry.name} {entry.id} {entry.digest}\n" for entry in entries)
        if file.exists():  # whoever adds a token, the server's user reads the file
            os.chown(aside, file.stat().st_uid, file.stat().st_gid)
        sync(aside)
        aside.replace(file)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise MidspanError(f"cannot write the token file {file}: {error.strerror}") from None


def _digest(id: str, secret: str) -> str:
    return hashlib.blake2b(secret.encode(), digest_size=32, salt=id.encode(), person=b"midspan token").hexdigest()


def _by_id(entries: Sequence[Entry]) -> dict[str, Entry]:
    return {entry.id: entry for entry in entries}


def _state(file: Path) -> tuple[int, int, int] | None:
    """What changes when the file does; None if it is not there."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
