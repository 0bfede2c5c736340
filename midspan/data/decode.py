"""Bytes to text, or the reason why they are none: no guessing, so that what is learnt is what was written.

UTF-8 is taken with or without a byte order mark, UTF-16 and UTF-32 with theirs. Other encodings count only where the
file declares one in its first two lines, as Python (PEP 263), Emacs and Vim do, and is valid in it. Line breaks stay as
they are.
"""

import codecs
import re

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is the beginning of this one
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"^[^\n]*\n?[^\n]*?coding[:=][ \t]*([-\w.]+)")
DECLARABLE = frozenset(
    {
        *("iso8859-1", "iso8859-2", "iso8859-5", "iso8859-7", "iso8859-9", "iso8859-15"),
        *("cp1250", "cp1251", "cp1252", "cp1254", "koi8-r", "koi8-u"),
        *("shift_jis", "euc_jp", "cp932", "euc_kr", "cp949", "gb2312", "gbk", "gb18030", "big5"),
    }
)
"""Encodings a file may declare, as Python's codecs are called."""
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
MAX_LFS_POINTER = 1_024
"""A pointer is shorter than this (git-lfs, docs/spec.md)."""


def decode(content: bytes) -> tuple[str, str]:
    """(text, "") or ("", reason): `lfs_pointer`, `binary` (a NUL in the text), `not_utf8`."""
    if content.startswith(_LFS_POINTER) and len(content) < MAX_LFS_POINTER:
        return "", "lfs_pointer"
    encoding, skip = next(((name, len(mark)) for mark, name in _MARKS if content.startswith(mark)), ("utf-8", 0))
    try:
        text = content[skip:].decode(encoding)
    except UnicodeDecodeError:
        text = _as_declared(content)
        if not text:
            return "", "binary" if b"\0" in content else "not_utf8"
    return ("", "binary") if "\0" in text else (text, "")


def _as_declared(content: bytes) -> str:
    declared = _DECLARED.match(content)
    try:
        name = codecs.lookup(declared[1].decode()).name if declared else ""
        return content.decode(name) if name in DECLARABLE else ""
    except (LookupError, UnicodeDecodeError):
        return ""
