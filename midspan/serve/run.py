"""`serve`: a model behind HTTP until the process is told to stop."""

import asyncio
import contextlib
import errno
import ipaddress
import logging
import socket
import sys
from pathlib import Path

import uvicorn

from midspan.complete.completer import Completer
from midspan.engine.open import open_engine
from midspan.errors import MidspanError
from midspan.serve.app import create_app
from midspan.serve.service import Service

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8012

_log = logging.getLogger(__name__)


def serve(
    model: str,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    *,
    runs: Path = Path("runs"),
    threads: int | None = None,
    slots: int = 1,
    token: str | None = None,
    tokenizer: Path | None = None,
    family: str | None = None,
) -> None:
    """Serve `model` (see `open_engine`) on `host`:`port` until SIGINT or SIGTERM; port 0 takes any free one.

    Raises MidspanError if the port is taken, before the model is loaded, or if the model cannot be opened.
    """
    listener = bind(host, port)
    if token is None and not _is_loopback(listener):
        _log.warning("serving on %s without a token: everyone who reaches it may use it", host)
    # uvicorn raises the signal again that it has ended upon; for a server that is no failure.
    with listener, contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(model, listener, runs, threads, slots, token, tokenizer, family))


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to `host`:`port`, not listening yet. Raises MidspanError if that cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, OverflowError, UnicodeError) as error:
        raise MidspanError(f"there is no address {host}:{port}: {error}", "choose another host or port") from None
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        # Only a listening socket keeps others from taking the same port while the model loads.
        listener.listen()
    except OSError as error:
        listener.close()
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had: {error.strerror}"
        raise MidspanError(f"port {port} on {host} {reason}", "choose another with --port") from None
    return listener


def _is_loopback(listener: socket.socket) -> bool:
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


async def _serve(
    model: str,
    listener: socket.socket,
    runs: Path,
    threads: int | None,
    slots: int,
    token: str | None,
    tokenizer: Path | None,
    family: str | None,
) -> None:
    engine = await open_engine(model, runs=runs, threads=threads, slots=slots, tokenizer=tokenizer, family=family)
    try:
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        print(f"midspan serves {engine.name} on http://{shown}:{port}", file=sys.stderr, flush=True)
        app = create_app(Service(Completer(engine)), token=token)
        config = uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=3)
        await uvicorn.Server(config).serve(sockets=[listener])
    finally:
        await engine.close()
