"""Who sent a request and what becomes of it; how it is told that it is not served now."""

import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from midspan.errors import MidspanError

LOCAL_USER = "-"
"""The user where no tokens are asked for; no token has this name."""

ID = re.compile("[0-9a-f]{16}")


class Overloaded(MidspanError):
    """The request is not served now; it can be sent again in `retry_after_s` seconds.

    `status` is the HTTP status: 429 where this user asks too much, 503 where all together do.
    """

    def __init__(self, message: str, hint: str, *, status: Literal[429, 503], retry_after_s: float) -> None:
        super().__init__(message, hint)
        self.status, self.retry_after_s = status, retry_after_s


@dataclass
class Caller:
    """One request's sender and deadline. Answers, events and the log know the request by its `id`.

    `arrived` is a reading of `time.monotonic`; `timeout_s` counts from there, None for the default. `figures` is what
    the request's log line says besides: numbers and short fixed words, never text of the user's.
    """

    user: str = LOCAL_USER
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    arrived: float = field(default_factory=time.monotonic)
    timeout_s: float | None = None
    figures: dict[str, Any] = field(default_factory=dict)
