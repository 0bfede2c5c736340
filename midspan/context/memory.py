"""A bounded memory of computed values: least recently used first out, measured in bytes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, TypeVar

T = TypeVar("T")

DEFAULT_MAX_BYTES = 128_000_000


class Memory:
    """Values by key. Two threads may compute the same value at once; both then get an equal one."""

    def __init__(self, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = Lock()

    def recall(self, key: Hashable, compute: Callable[[], T], size: Callable[[T], int]) -> T:
        """The value of `key`, computed on the first call; `size` estimates its bytes."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                known: T = self._values[key][0]
                return known
        value = compute()
        with self._lock:
            if key not in self._values:
                self._values[key] = (value, size(value))
                self.bytes += self._values[key][1]
            while self.bytes > self.max_bytes and len(self._values) > 1:
                self.bytes -= self._values.popitem(last=False)[1][1]
        return value
