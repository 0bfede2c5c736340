"""The scalar metadata of a GGUF file, read without touching its arrays and tensors.

The `gguf` package's reader builds an object per array element: seconds for a vocabulary of 50,000. Opening a model
needs a few scalars, so this walks the header and skips the arrays. Format: GGUF 2 and 3, little-endian.
"""

import mmap
import struct
from pathlib import Path

from midspan.errors import MidspanError

Value = int | float | bool | str
SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
STRING, ARRAY = 8, 9


def read_metadata(path: Path) -> dict[str, Value]:
    """Every key with a number, truth value or text. Raises MidspanError if `path` is not a GGUF file."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _read_header(content)
    except OSError as error:
        raise MidspanError(f"cannot read {path}: {error.strerror}", "give a .gguf file you may read") from None
    except (ValueError, struct.error, KeyError, UnicodeDecodeError):
        raise MidspanError(f"{path} is not a whole GGUF file", "download or export the model again") from None


def _read_header(content: mmap.mmap) -> dict[str, Value]:
    magic, version, _, count = struct.unpack_from("<4sIQQ", content)
    if magic != b"GGUF" or version not in (2, 3):
        raise ValueError
    at = 24
    metadata: dict[str, Value] = {}
    for _ in range(count):
        key, at = _string(content, at)
        (kind,) = struct.unpack_from("<I", content, at)
        at += 4
        if kind == ARRAY:
            at = _skip_array(content, at)
        elif kind == STRING:
            metadata[key], at = _string(content, at)
        else:
            (metadata[key],) = struct.unpack_from(SCALARS[kind], content, at)
            at += struct.calcsize(SCALARS[kind])
    return metadata


def _string(content: mmap.mmap, at: int) -> tuple[str, int]:
    (size,) = struct.unpack_from("<Q", content, at)
    end = at + 8 + size
    if end > len(content):
        raise ValueError
    return content[at + 8 : end].decode(), end


def _skip_array(content: mmap.mmap, at: int) -> int:
    kind, count = struct.unpack_from("<IQ", content, at)
    at += 12
    if kind == ARRAY:
        for _ in range(count):
            at = _skip_array(content, at)
    elif kind == STRING:
        length = struct.Struct("<Q")
        for _ in range(count):
            at += 8 + length.unpack_from(content, at)[0]
    else:
        at += count * struct.calcsize(SCALARS[kind])
    return at
