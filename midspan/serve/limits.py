"""What one user may ask for: a rate (token bucket) and a number of requests at one time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from midspan.serve.caller import Overloaded
from midspan.serve.config import Limits


@dataclass
class _Use:
    """What a user may still ask for at once (`left`, as of `at`), and how many of their requests are in work."""

    left: float
    at: float
    running: int = 0


@dataclass
class UserLimits:
    """Counts every user's requests; there are no more users than tokens. `clock` answers seconds."""

    limits: Limits
    clock: Callable[[], float] = time.monotonic
    _uses: dict[str, _Use] = field(default_factory=dict)

    @contextmanager
    def admitted(self, user: str) -> Iterator[None]:
        """Within it a request of `user` is in work. Raises Overloaded (429) if it is one too many."""
        use = self._use(user)
        if use.running >= self.limits.concurrent:
            raise Overloaded(
                f"you have {use.running} requests in work, which is the limit",
                "wait for one of them or cancel it",
                status=429,
                retry_after_s=1.0,
            )
        if use.left < 1:
            wait = (1 - use.left) * 60 / self.limits.requests_per_minute
            raise Overloaded(
                f"you may send {self.limits.requests_per_minute} requests per minute",
                "send fewer",
                status=429,
                retry_after_s=wait,
            )
        use.left -= 1
        use.running += 1
        try:
            yield
        finally:
            use.running -= 1

    def _use(self, user: str) -> _Use:
        """What `user` may ask for now."""
        now, limits = self.clock(), self.limits
        use = self._uses.setdefault(user, _Use(limits.burst, now))
        use.left = min(limits.burst, use.left + (now - use.at) * limits.requests_per_minute / 60)
        use.at = now
        return use
