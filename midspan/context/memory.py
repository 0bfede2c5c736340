"""A bounded memory of computed values: least recently used first out, measured in bytes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, TypeVar

T = TypeVar("T")

DEFAULT_MAX_BYTES = 200_000_000


class Memory:
    """Values by key, shared between threads."""

    def __init__(self, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable) -> Any | None:
        """The value of `key`, None if there is none."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: Hashable, value: object, size: int) -> None:
        """Remember a value of about `size` bytes; one already there stays."""
        with self._lock:
            if key not in self._values:
                self._values[key] = (value, size)
                self.bytes += size
            while self.bytes > self.max_bytes and len(self._values) > 1:
                self.bytes -= self._values.popitem(last=False)[1][1]

    def recall(self, key: Hashable, compute: Callable[[], T], size: Callable[[T], int]) -> T:
        """The value of `key`, computed on the first call; `size` estimates its bytes.

        Two threads may compute the same value at once; both get an equal one.
        """
        known: T | None = self.get(key)
        if known is not None:
            return known
        value = compute()
        self.put(key, value, size(value))
        return value
