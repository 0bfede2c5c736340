"""A project as context sees it: the text files of one source tree, by path.

A project is a value. An edited file gives a new project (`replace`) that shares what was computed for the files that
stayed the same. What strategies need of a file (its features) is computed once per text and remembered: in memory, and
where the project comes from an index also in the index's store.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

from midspan.context.layout import Layout
from midspan.context.memory import Memory
from midspan.context.sets import Feature, Sets

T = TypeVar("T")
SCRATCH_BYTES = 32_000_000


class Store(Protocol):
    """Where texts and features outlive the process; keys are digests of texts."""

    def text(self, digest: bytes) -> str:
        """The text of that digest; KeyError if the store does not hold it."""
        ...

    def load(self, feature: str, digests: Iterable[bytes]) -> dict[bytes, Sets]:
        """What is known of the given texts."""
        ...

    def save(self, feature: str, values: Mapping[bytes, Sets]) -> None:
        """Keep features for later."""
        ...


class File:
    """One text file; `path` is posix style and relative to the project's root, `digest` names the text."""

    __slots__ = ("_digest", "_store", "_text", "path", "size")

    def __init__(self, path: str, text: str) -> None:
        self.path, self.size = path, len(text)
        self._text: str | None = text
        self._digest: bytes | None = None
        self._store: Store | None = None

    @classmethod
    def stored(cls, path: str, digest: bytes, size: int, store: Store) -> "File":
        """A file of `size` characters whose text stays in `store` until it is asked for."""
        file = cls(path, "")
        file.size, file._text, file._digest, file._store = size, None, digest, store
        return file

    @property
    def text(self) -> str:
        """The whole text."""
        if self._text is not None:
            return self._text
        assert self._store is not None
        return self._store.text(self.digest)

    @property
    def digest(self) -> bytes:
        """16 bytes that stand for the text."""
        if self._digest is None:
            self._digest = digest_of(self.text)
        return self._digest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, File) and self.path == other.path and self.digest == other.digest

    def __hash__(self) -> int:
        return hash((self.path, self.digest))

    def __repr__(self) -> str:
        return f"File({self.path!r}, {self.size} characters)"


def digest_of(text: str) -> bytes:
    """BLAKE2b of the text as UTF-8, 16 bytes; lone surrogates, which JSON can smuggle in, count as they are."""
    return blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()


@dataclass(frozen=True)
class Chunk:
    """Lines of a file chosen as context, `first_line` counted from 0; `reason` is a sentence for the user."""

    path: str
    text: str
    first_line: int
    score: float
    reason: str


class Project:
    """Files sorted by path; `skipped` counts what was left out when they were read, by reason."""

    def __init__(
        self,
        name: str,
        files: Mapping[str, File],
        skipped: Mapping[str, int],
        memory: Memory,
        store: Store | None = None,
        layout: Layout | None = None,
        scratch: Memory | None = None,
    ) -> None:
        """`memory` holds features, `scratch` what was put together for the last questions.

        `layout` is that of exactly these files, which are then already sorted.
        """
        self.name, self.memory, self.store = name, memory, store
        self.files: Mapping[str, File] = MappingProxyType(dict(files) if layout else dict(sorted(files.items())))
        self.skipped: Mapping[str, int] = MappingProxyType(dict(skipped))
        self.layout = layout or Layout(self.files)
        self.scratch = scratch or Memory(SCRATCH_BYTES)
        self._once: dict[str, Any] = {}

    @classmethod
    def of(cls, name: str, files: Iterable[File]) -> "Project":
        """A project of the given files; of two with the same path the last one counts."""
        return cls(name, {file.path: file for file in files}, {}, Memory())

    def replace(self, path: str, text: str | None) -> "Project":
        """The project after `path` got a new text, or was removed if `text` is None."""
        files = dict(self.files)
        if text is None:
            files.pop(path, None)
        else:
            files[path] = File(path, text)
        layout = self.layout if len(files) == len(self.files) else None
        return Project(self.name, files, self.skipped, self.memory, self.store, layout, self.scratch)

    def once(self, name: str, compute: "Callable[[Project], T]") -> T:
        """`compute(self)`, remembered as long as this very project lives."""
        if name not in self._once:
            self._once[name] = compute(self)
        value: T = self._once[name]
        return value

    def features(self, feature: Feature, files: Sequence[File]) -> list[Sets]:
        """The feature of each of `files`: from memory, from the store, or computed now."""
        keys = {file.digest: (feature.name, file.digest) for file in files}
        found: dict[bytes, Sets] = {
            digest: value for digest, key in keys.items() if (value := self.memory.get(key)) is not None
        }
        missing = [digest for digest in keys if digest not in found]
        if missing:
            known = self.store.load(feature.name, missing) if self.store else {}
            texts = {file.digest: file for file in files if file.digest not in found}
            fresh = {digest: feature.compute(texts[digest].text) for digest in missing if digest not in known}
            if fresh and self.store:
                self.store.save(feature.name, fresh)
            for digest, value in {**known, **fresh}.items():
                found[digest] = value
                self.memory.put(keys[digest], value, value.nbytes)
        return [found[file.digest] for file in files]
