"""Every HTTP request becomes one line of the log and counts in the metrics, those that are refused too.

An ASGI middleware, the outermost one. It makes the request's Caller, which those further in complete.
"""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from midspan.serve.caller import Caller
from midspan.serve.metrics import CLIENT_GONE, Metrics

NO_DIALECT = "other"
QUIET = frozenset({"/health", "/metrics"})
"""Paths asked by machines every few seconds: a line of each would bury the others; at level debug they are there."""

_log = logging.getLogger("midspan.request")


class Observer:
    """Wraps `app`."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        caller = scope.setdefault("state", {})["caller"] = Caller()
        status = CLIENT_GONE

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        except Exception:
            status = 500
            raise
        finally:
            self._note(scope, caller, status)

    def _note(self, scope: Scope, caller: Caller, status: int) -> None:
        seconds = time.monotonic() - caller.arrived
        route = scope.get("route")
        tags = getattr(route, "tags", None) or [NO_DIALECT]
        self.metrics.request(str(tags[0]), status, seconds)
        level = logging.DEBUG if scope["path"] in QUIET and status < 400 else logging.INFO
        if not _log.isEnabledFor(level):
            return
        fields = {
            "id": caller.id,
            "user": caller.user,
            "dialect": str(tags[0]),
            # The path as the route has it: the one of the request is the client's own text.
            "route": getattr(route, "path", None),
            "status": status,
            "ms": round(seconds * 1000, 1),
        }
        _log.log(level, "request", extra={"fields": fields | caller.figures})
